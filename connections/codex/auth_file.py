"""Writes renewed tokens into auth.json the way Codex CLI 0.169.0 does, so that neither program disturbs the other.

What the CLI does (observed): it takes `auth.lock` (0644) with flock, reads auth.json again, takes `auth.json.lock`
(0600) without waiting, writes `.auth-XXXXXX` in the same folder and renames it over auth.json: pretty JSON with
2 blanks, no newline at the end, mode 0600, a symlink stays one, a hard link is refused, the lock files stay.
It sends the refresh token before it takes `auth.lock`; Lerix takes the lock first, see `renewal`.
"""

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from connections.codex.session import MAX_FILE, Session, parse_auth, snapshot
from connections.secrets import Secret

# How long to wait for each lock, and between two tries, in seconds.
LOCK_WAIT = 10.0
COMMIT_WAIT = 5.0
_TICK = 0.05
# Room for tokens that are longer than those before, taken before the old ones are spent.
_SPARE = 16 * 1024
_DRAFT = ".auth-lerix-"


class Obstacle(StrEnum):
    """Why the sign-in could not be renewed this time, as a sentence's second half."""

    HARD_LINKED = "auth.json has a second name (a hard link), which writing it anew would cut off"
    NOT_WRITABLE = "Lerix may not write in Codex's folder"
    NO_ROOM = "there is no room left on the disk"
    NOT_WRITTEN = "auth.json could not be written"
    LOCKED = "another program keeps Codex's files locked"
    UNREACHABLE = "OpenAI's sign-in service could not be reached"
    SERVICE_FAILED = "OpenAI's sign-in service had a fault of its own"
    UNEXPECTED = "OpenAI's sign-in service answered in a way this version does not know"
    CLI_FAILED = "the Codex CLI did not manage it this time"


class FileTrouble(Exception):
    """auth.json cannot be renewed now; nothing was written."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(str(obstacle))
        self.obstacle = obstacle


@dataclass(frozen=True)
class NewTokens:
    """What a renewal gave. What is None stays as it was."""

    access_token: Secret | None
    refresh_token: Secret | None
    id_token: Secret | None


@dataclass(frozen=True)
class Stored:
    """The content of auth.json with a session that can be renewed."""

    content: dict[str, Any]
    refresh_token: Secret
    snapshot: str
    size: int

    def __repr__(self) -> str:
        return "Stored(•••)"


def renewed(content: dict[str, Any], tokens: NewTokens, nanoseconds: int) -> bytes:
    """`content` as it is to be written: with the new tokens, everything else as it was and where it was.

    `nanoseconds` is the moment of the renewal since 1970. Raises ValueError for a number that JSON has not.
    """
    given = {
        "id_token": tokens.id_token,
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
    }
    new = {name: value.reveal() for name, value in given.items() if value is not None}
    whole = {**content, "tokens": {**content["tokens"], **new}, "last_refresh": timestamp(nanoseconds)}
    text = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair in a key of somebody else's
        return json.dumps(whole, indent=2, allow_nan=False).encode("ascii")


def timestamp(nanoseconds: int) -> str:
    """A moment as the CLI writes `last_refresh`: UTC with nanoseconds and Z."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


class AuthFile:
    """auth.json of one CODEX_HOME. Its methods block: for a thread of their own."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / "auth.json"

    @contextmanager
    def locked(self, seconds: float = LOCK_WAIT) -> Generator[None]:
        """Hold `auth.lock`. Raises FileTrouble when it cannot be had in so many seconds."""
        with self._lock("auth.lock", 0o644, seconds) as held:
            if not held:
                raise FileTrouble(Obstacle.LOCKED)
            yield

    def read(self) -> Stored | None:
        """The session as stored now; None where there is none that can be renewed."""
        try:
            raw = self._path.read_bytes() if self._path.stat().st_size <= MAX_FILE else b""
        except OSError:
            return None
        state = parse_auth(raw)
        if not isinstance(state, Session) or not state.renewable:
            return None
        content: dict[str, Any] = json.loads(raw)
        refresh_token = content["tokens"]["refresh_token"]
        return Stored(
            content, Secret(refresh_token), snapshot(content["tokens"]["access_token"], refresh_token), len(raw)
        )

    def finish(self, stored: Stored) -> bool:
        """Complete a renewal of exactly these credentials whose process was killed between having written
        the answer and moving it over auth.json; whether there was one. Raises FileTrouble."""
        with _troubles():
            target = self._path.resolve(strict=True)
            place = _place(target, stored)
            try:
                raw = place.read_bytes()
            except FileNotFoundError:
                return False
            if not isinstance(parse_auth(raw), Session) or target.stat().st_nlink > 1:
                return False
            os.truncate(place, len(raw.rstrip()))
            place.replace(target)
            return True

    @contextmanager
    def draft(self, stored: Stored) -> Generator["Draft"]:
        """Get everything ready that writing needs, before a token is spent. Raises FileTrouble.

        The draft's file is there with its room taken, in the folder of auth.json or of what it points to.
        """
        with _troubles():
            renewed(stored.content, NewTokens(None, None, None), 0)
            target = self._path.resolve(strict=True)
            found = target.stat()
            if found.st_nlink > 1:
                raise FileTrouble(Obstacle.HARD_LINKED)
            for left in target.parent.glob(f"{_DRAFT}*"):  # by a process that was killed
                left.unlink(missing_ok=True)
            place = _place(target, stored)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(place, flags, 0o600)
        try:
            with _troubles():
                os.fchmod(descriptor, 0o600)
                if (found.st_uid, found.st_gid) != (os.geteuid(), os.fstat(descriptor).st_gid):
                    os.fchown(descriptor, found.st_uid, found.st_gid)
                _write(descriptor, b" " * (stored.size + _SPARE))
                os.fsync(descriptor)
            yield Draft(self, stored, target, place, descriptor)
        finally:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                place.unlink(missing_ok=True)

    @contextmanager
    def committing(self) -> Generator[bool]:
        """Hold `auth.json.lock`, which guards the moment of writing; False where it could not be had."""
        with self._lock("auth.json.lock", 0o600, COMMIT_WAIT) as held:
            yield held

    @contextmanager
    def _lock(self, name: str, mode: int, seconds: float) -> Generator[bool]:
        with _troubles():
            descriptor = os.open(self._home / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        try:
            deadline = time.monotonic() + seconds
            while not (held := _try_lock(descriptor)) and time.monotonic() < deadline:
                time.sleep(_TICK)
            yield held
        finally:
            os.close(descriptor)  # lets go of the lock


class Draft:
    """A place for the new content, ready to be written and moved over auth.json."""

    def __init__(self, file: AuthFile, stored: Stored, target: Path, place: Path, descriptor: int) -> None:
        self._file = file
        self._stored = stored
        self._target = target
        self._place = place
        self._descriptor = descriptor

    def commit(self, tokens: NewTokens) -> None:
        """Write `tokens`, unless auth.json is no longer what it was: then a login, a logout or the CLI's own
        renewal came between, and stands. Raises FileTrouble.

        When `auth.json.lock` cannot be had it is written all the same: the old token is spent by now, and the
        rename leaves a whole file at any moment.
        """
        with _troubles():
            raw = renewed(self._stored.content, tokens, time.time_ns())
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            _write(self._descriptor, raw)
            os.ftruncate(self._descriptor, len(raw))
            os.fsync(self._descriptor)
            with self._file.committing():
                present = self._file.read()
                if present is None or present.snapshot != self._stored.snapshot:
                    return
                self._place.replace(self._target)
            _sync_folder(self._target.parent)


def _place(target: Path, stored: Stored) -> Path:
    """Where the draft stands. Its name says which credentials it replaces."""
    return target.with_name(f"{_DRAFT}{stored.snapshot[:16]}")


@contextmanager
def _troubles() -> Generator[None]:
    """Turn the system's errors into FileTrouble."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise FileTrouble(Obstacle.NOT_WRITABLE) from None
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FileTrouble(Obstacle.NO_ROOM) from None
        raise FileTrouble(Obstacle.NOT_WRITTEN) from None
    except ValueError:
        raise FileTrouble(Obstacle.NOT_WRITTEN) from None


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _write(descriptor: int, raw: bytes) -> None:
    while raw:
        raw = raw[os.write(descriptor, raw) :]


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # the rename is done; some file systems cannot sync a folder
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

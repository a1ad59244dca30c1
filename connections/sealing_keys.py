"""Where sealing keys are kept: in the system keyring, or in a file that only its owner can read where there is none.

A keyring is another program: it may be missing, locked, ask the person something, or never answer. So it is asked in a
thread of its own, and waited for a few seconds; an answer that comes later is there for the next who asks.
"""

import asyncio
import concurrent.futures
import contextlib
import os
import secrets
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

import keyring

from connections.sealing import SealingKey, SealingKeyLost, SealingKeySilent

SERVICE: Final = "Lerix"
# Seconds that a keyring is waited for. A person who is asked to unlock it may take longer; then trying again helps.
PATIENCE: Final = 5.0
# keyring gives the system's own keyrings 4.9 and more, and those that write plain files less than 1.
USABLE: Final = 1.0
_LONGEST = 4096

T = TypeVar("T")
Answer = str | None | Exception


class Place(StrEnum):
    """Where a sealing key is kept."""

    KEYRING = "keyring"
    FILE = "file"


@dataclass(frozen=True)
class KeptKey:
    """A sealing key that is kept: `name` is the account in the keyring, or a part of the file's name."""

    place: Place
    name: str
    fingerprint: bytes


class SealingKeys:
    """The sealing keys of one data folder. To be used on one event loop; `seconds` is how long a keyring may take."""

    def __init__(self, folder: Path, *, seconds: float = PATIENCE) -> None:
        self._folder = folder
        self._seconds = seconds
        self._known: dict[bytes, SealingKey] = {}
        # Questions to the keyring that are not answered yet, by account: nobody is asked to unlock it twice at once.
        self._asked: dict[str, concurrent.futures.Future[Answer]] = {}

    @property
    def is_asking(self) -> bool:
        """Whether the keyring was asked for a key and has not answered yet."""
        return bool(self._asked)

    async def find(self, kept: KeptKey) -> SealingKey:
        """The key that is kept there. Raises SealingKeyLost, and SealingKeySilent where asking again may help."""
        known = self._known.get(kept.fingerprint)
        if known is not None:
            return known
        text = self._read(kept.name) if kept.place is Place.FILE else await self._ask(kept.name)
        if text is None:
            raise SealingKeyLost(f"there is no sealing key in the {kept.place}")
        try:
            key = SealingKey.from_text(text)
        except ValueError:
            raise SealingKeyLost(f"what is kept in the {kept.place} is no sealing key") from None
        if key.fingerprint != kept.fingerprint:
            raise SealingKeyLost(f"the {kept.place} holds another sealing key")
        self._known[key.fingerprint] = key
        return key

    async def create(self) -> KeptKey:
        """Make a new sealing key and keep it: in the keyring if that takes it, else in a file. Raises OSError."""
        key = SealingKey.new()
        # Random, and known to this data folder's database only: another folder never meets this key.
        name = f"data-{secrets.token_hex(6)}"
        place = Place.KEYRING if await self._keep_in_keyring(name, key) else Place.FILE
        if place is Place.FILE:
            _write_new(self._path(name), key.text.reveal())
        self._known[key.fingerprint] = key
        return KeptKey(place, name, key.fingerprint)

    async def remove(self, kept: KeptKey) -> None:
        """Take a key away for good, so that nothing it sealed can be opened any more, wherever a copy of that lies.

        Where the keyring does not answer or the file cannot be removed the key stays: nobody can be told.
        """
        self._known.pop(kept.fingerprint, None)
        if kept.place is Place.FILE:
            with contextlib.suppress(OSError):
                self._path(kept.name).unlink(missing_ok=True)
        else:
            await self._bounded(_in_thread(lambda: _delete(kept.name)))

    async def expected(self) -> Place:
        """Where a new key would be kept, as far as can be told without writing one."""
        answer = await self._bounded(_in_thread(_is_usable))
        return Place.KEYRING if answer is True else Place.FILE

    # The keyring

    async def _ask(self, name: str) -> str | None:
        asked = self._asked.get(name)
        if asked is None:
            asked = self._asked[name] = _in_thread(lambda: _get(name))
        answer = await self._bounded(asked)
        if answer is _NONE_YET:
            raise SealingKeySilent("the keyring did not answer in time")
        self._asked.pop(name, None)
        if isinstance(answer, Exception):
            # The keyring's own words are left out: nobody knows what a backend says there.
            raise SealingKeySilent(f"the keyring could not be asked ({type(answer).__name__})")
        return answer if isinstance(answer, str) else None

    async def _keep_in_keyring(self, name: str, key: SealingKey) -> bool:
        late = threading.Event()
        answer = await self._bounded(_in_thread(lambda: _set(name, key.text.reveal(), late)))
        late.set()
        return answer is True

    async def _bounded(self, future: "concurrent.futures.Future[T]") -> "T | object":
        """What the future brings within the time, else `_NONE_YET`; the future itself goes on."""
        wrapped = asyncio.wrap_future(future)
        await asyncio.wait({wrapped}, timeout=self._seconds)
        return wrapped.result() if wrapped.done() else _NONE_YET

    # The file

    def _path(self, name: str) -> Path:
        return self._folder / f"sealing-{name}.key"

    def _read(self, name: str) -> str | None:
        try:
            # Not a link that leads elsewhere, and not a pipe that nobody writes into.
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SealingKeySilent(f"the file cannot be read: {error.strerror}") from None
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
                raise SealingKeySilent("what is there is no file of this user's own")
            if stat.S_IMODE(facts.st_mode) != 0o600:
                os.fchmod(descriptor, 0o600)
            return os.read(descriptor, _LONGEST).decode("ascii", "replace")
        except OSError as error:
            raise SealingKeySilent(f"the file cannot be read: {error.strerror}") from None
        finally:
            os.close(descriptor)


_NONE_YET: Final = object()


def _in_thread(work: Callable[[], T]) -> "concurrent.futures.Future[T]":
    """Do `work`, which raises nothing, in a thread that does not keep the process alive."""
    future: concurrent.futures.Future[T] = concurrent.futures.Future()
    threading.Thread(target=lambda: future.set_result(work()), name="keyring", daemon=True).start()
    return future


def _get(name: str) -> Answer:
    try:
        return keyring.get_password(SERVICE, name)
    except Exception as error:  # backends are other people's code and raise what they like
        return error


def _set(name: str, text: str, late: threading.Event) -> bool:
    """Keep the text and read it again: some backends take everything and keep nothing."""
    kept = False
    with contextlib.suppress(Exception):
        if not _is_usable():
            return False
        keyring.set_password(SERVICE, name, text)
        kept = keyring.get_password(SERVICE, name) == text
    # The person may allow it after the time was over: the key lies in a file by then.
    if kept and not late.is_set():
        return True
    _delete(name)
    return False


def _delete(name: str) -> None:
    with contextlib.suppress(Exception):
        keyring.delete_password(SERVICE, name)


def _is_usable() -> bool:
    try:
        return keyring.get_keyring().priority >= USABLE
    except Exception:
        return False


def _write_new(path: Path, text: str) -> None:
    """Write a file that was not there, mode 0600, and see that it has reached the disk. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

"""One server per data folder, and a door in it for ``lerix open``.

``lerix.lock`` is held by the running server (flock: it ends with the process, however that ends).
``lerix.sock`` is its control socket, mode 0600. One line asks, one line of JSON answers:

    ping    {"version": "0.1.0", "port": 7717, "pid": 4711}
    link    {"link": "http://localhost:7717/?token=..."}       a fresh launch link
    other   {"error": "unknown"}
"""

import asyncio
import contextlib
import fcntl
import json
import os
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lerix_web.errors import InstanceError
from lerix_web.paths import FILE_MODE, FOLDER_MODE, reason, write_private

LOCK = "lerix.lock"
SOCKET = "lerix.sock"
#: Holds the socket's path if the data folder's is too long for one.
SOCKET_PATH = "lerix.sock.path"
#: sun_path has 104 bytes on macOS and 108 on Linux, the last one zero.
PATH_LIMIT = 103
LINE_LIMIT = 1024
SECONDS = 2.0
#: A server that has the lock answers once it is ready: migrating may take a while.
PATIENCE = 15.0


class Lock:
    """The hold on a data folder, as a context manager. ``taken`` is False if another process has it."""

    def __init__(self, folder: Path, name: str = LOCK) -> None:
        self._path = folder / name
        self._descriptor: int | None = None

    @property
    def taken(self) -> bool:
        return self._descriptor is not None

    def __enter__(self) -> Self:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise InstanceError(f"{self._path} cannot be used: {reason(error)}.") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise InstanceError(f"{self._path} cannot be locked: {reason(error)}.") from None
        else:
            self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Door:
    """The running server's side of the control socket. Only whoever holds the lock opens it.

    ``facts`` answers ping, ``link`` makes a fresh launch link.
    """

    def __init__(self, folder: Path, facts: dict[str, Any], link: Callable[[], str]) -> None:
        self._folder = folder
        self._facts = facts
        self._link = link
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen, after clearing away what a killed server left. Raises InstanceError."""
        clear(self._folder)
        path = self._folder / SOCKET
        try:
            if len(os.fsencode(path)) > PATH_LIMIT:
                path = _short_folder() / SOCKET
                write_private(self._folder / SOCKET_PATH, os.fsencode(path))
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listening.bind(os.fspath(path))
            path.chmod(FILE_MODE)  # before anybody can connect: not listening yet
            self._server = await asyncio.start_unix_server(self._answer, sock=listening, limit=LINE_LIMIT)
        except OSError as error:
            raise InstanceError(f"The control socket {path} cannot be made: {reason(error)}.") from None

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
            self._server = None
            clear(self._folder)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, TimeoutError):
            async with asyncio.timeout(SECONDS):
                if _same_user(writer.get_extra_info("socket")):
                    word = (await reader.readline()).strip()
                    writer.write(json.dumps(self._reply(word)).encode() + b"\n")
                    await writer.drain()
        writer.close()
        # The socket is closed by the loop's next turn: without waiting, a server that ends now leaves it open.
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    def _reply(self, word: bytes) -> dict[str, Any]:
        if word == b"ping":
            return self._facts
        return {"link": self._link()} if word == b"link" else {"error": "unknown"}


def clear(folder: Path) -> None:
    """Remove the control socket a server left. Only whoever holds the lock may call this."""
    path = _socket_path(folder)
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
    if path.parent != folder and path.parent.name.startswith("lerix-"):
        with contextlib.suppress(OSError):
            path.parent.rmdir()  # empty, or not ours
    (folder / SOCKET_PATH).unlink(missing_ok=True)


def ask(folder: Path, word: str) -> dict[str, Any] | None:
    """Return what the folder's running server answers to "ping" or "link", or None if none answers."""
    path = _socket_path(folder)
    with contextlib.suppress(OSError, ValueError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        # In a folder for temporary files another user may have taken our place.
        if path.parent.stat().st_uid != os.geteuid():
            return None
        door.settimeout(SECONDS)
        door.connect(os.fspath(path))
        if not _same_user(door):
            return None
        door.sendall(word.encode() + b"\n")
        line = b""
        while not line.endswith(b"\n") and len(line) < LINE_LIMIT:
            part = door.recv(LINE_LIMIT)
            if not part:
                break
            line += part
        answer = json.loads(line)
        return answer if isinstance(answer, dict) else None
    return None


def ask_link(folder: Path) -> str | None:
    """Return a fresh launch link from the folder's running server, or None if none answers."""
    answer = ask(folder, "link")
    return None if answer is None or not isinstance(answer.get("link"), str) else str(answer["link"])


def link_of_running(folder: Path, *, patience: float = PATIENCE) -> str:
    """Return a fresh launch link from the server that holds the lock, which may still be starting.

    Raises InstanceError if it does not answer within ``patience`` seconds.
    """
    end = time.monotonic() + patience
    while True:
        link = ask_link(folder)
        if link is not None:
            return link
        if time.monotonic() >= end:
            raise InstanceError(
                "Another Lerix uses the same data folder and does not answer. Nothing is lost. "
                "Stop it, then start Lerix again."
            )
        time.sleep(0.1)


def _socket_path(folder: Path) -> Path:
    try:
        named = (folder / SOCKET_PATH).read_bytes()[: PATH_LIMIT + 1]
    except OSError:
        return folder / SOCKET
    return Path(os.fsdecode(named))


def _short_folder() -> Path:
    place = tempfile.gettempdir()
    if len(os.fsencode(place)) > PATH_LIMIT - 32:
        place = "/tmp"  # noqa: S108  (mkdtemp makes a folder there that is ours alone)
    made = Path(tempfile.mkdtemp(prefix="lerix-", dir=place))
    made.chmod(FOLDER_MODE)
    return made


def _same_user(connected: Any) -> bool:
    """Return False if the system says that another user is at the other end."""
    if sys.platform == "linux":
        data = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        user = struct.unpack("3i", data)[1]  # struct ucred: pid, uid, gid
    elif sys.platform == "darwin":
        # sys/un.h: SOL_LOCAL 0, LOCAL_PEERCRED 1; struct xucred begins with version and uid.
        data = connected.getsockopt(0, 1, 76)
        user = struct.unpack_from("2I", data)[1]
    else:
        return True  # the folder's mode alone keeps others out
    return bool(user == os.geteuid())

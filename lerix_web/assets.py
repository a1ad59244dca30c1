"""Static files: one address per content, served from memory and kept by the browser for good."""

import hashlib
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Our own table: the system's mimetypes differ from machine to machine, and nosniff makes a wrong one fatal.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
FOREVER = b"public, max-age=31536000, immutable"


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (name with "/" between parts, path) of every file below the folder, in the order of names."""
    found = [Path(parent) / name for parent, _, names in os.walk(folder) for name in names]
    yield from sorted((path.relative_to(folder).as_posix(), path) for path in found)


def content_hash(*folders: Path) -> str:
    """Return 16 hex digits over the names and bytes of all files below the folders."""
    digest = hashlib.sha256()
    for folder in folders:
        for name, path in files(folder):
            content = path.read_bytes()
            # Lengths keep the join unambiguous: no two trees give the same stream of bytes.
            digest.update(f"{len(name.encode())}:{len(content)}:".encode() + name.encode() + content)
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Asset:
    """One file in memory: what a browser is told about it, and its bytes."""

    content_type: bytes
    content: bytes


def load(folders: Iterable[Path]) -> dict[str, Asset]:
    """Return every file below the folders by name; where two have one name, the first folder's.

    They are held in memory so that an upgrade under a running server cannot change what an address means.
    """
    return {
        name: Asset(TYPES.get(path.suffix.lower(), "application/octet-stream").encode(), path.read_bytes())
        for folder in reversed(tuple(folders))
        for name, path in files(folder)
    }


class StaticFiles:
    """ASGI application: answers addresses below ``prefix`` from a table, hands the rest to ``application``.

    The table holds the files of all ``folders`` under their names below them. A table has no parent folders, links
    or listings, so there is nothing to traverse.
    """

    def __init__(self, application: Application, folders: Iterable[Path], prefix: str, root: str = "/static/") -> None:
        self.application = application
        self.prefix = prefix
        self.root = root
        self.assets = load(folders)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if scope["type"] != "http" or not path.startswith(self.root):
            await self.application(scope, receive, send)
            return
        if scope["method"] not in {"GET", "HEAD"}:
            await _plain(send, 405, "Static files can only be read.", (b"allow", b"GET, HEAD"))
            return
        asset = self.assets.get(path.removeprefix(self.prefix)) if path.startswith(self.prefix) else None
        if asset is None:
            await _plain(send, 404, "There is no such file in this version. Reload the page.")
            return
        headers = [
            (b"content-type", asset.content_type),
            (b"content-length", str(len(asset.content)).encode()),
            (b"cache-control", FOREVER),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else asset.content
        await send({"type": "http.response.body", "body": body})


async def _plain(send: Send, status: int, sentence: str, *extra: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": sentence.encode()})

"""The bytes of attachments: in the data folder under their digest, once for each content; of temporary chats in memory.

    attachments/ab/ab12…        as it is shown and downloaded
    attachments/ab/ab12….sent   an image as models get it, where that is another form
    attachments/ab/ab12….thumb  its small picture, WebP

Rows come after bytes and go before them, each under one lock: so there is no row without its bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from chat.attachments.kinds import NotTaken
from chat.database import DISK, alias, atomic, kept, new_id
from chat.models import Attachment, File
from connections.visitor import visitor

WHOLE, SENT, THUMB = "", "sent", "thumb"
#: So long a file stays that was attached to a message nobody sent.
UNSENT: Final = timedelta(hours=24)
#: Bytes that a large photo has in the form in which it is sent, or less (`chat.attachments.reading.image.SENT_BYTES`).
USUAL_SENT: Final = 1536 * 1024
#: So often they are looked for.
SWEEP_SECONDS: Final = 3600.0
#: So many may there be of those, and so many bytes in all.
MOST_UNSENT: Final = 200
MOST_UNSENT_BYTES: Final = 2 * 1024**3
FULL = (
    "More files wait for a message than Lerix keeps at once. Send or remove some of them, then attach this one again."
)
DISK_FULL = "There is no room left to keep this file. Free some space on the disk, then attach it again."

_lock = threading.RLock()


class Missing(Exception):
    """The bytes are not there any more."""


@dataclass(frozen=True)
class Content:
    """A file as it is to be kept: what is known of it, and its parts by name (`WHOLE`, `SENT`, `THUMB`)."""

    kind: str
    media_type: str
    parts: Mapping[str, bytes]
    width: int = 0
    height: int = 0
    pages: int = 0
    text: str = ""
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha256(self.parts[WHOLE]).hexdigest())


def folder() -> Path:
    """Where the bytes are."""
    home: Path = settings.LERIX_HOME
    return home / "attachments"


def keep(content: Content, name: str) -> Attachment:
    """Keep a file, and return it as an attachment of no message yet. Raises NotTaken where there is no room."""
    with _lock:
        try:
            if alias() == DISK:
                for part, data in content.parts.items():
                    if data:
                        _write(_path(content.digest, part), data)
            return _enter(content, name)
        except OSError:
            raise NotTaken(DISK_FULL, 507) from None


@atomic
def _enter(content: Content, name: str) -> Attachment:
    unsent = Attachment.objects.filter(message=None, queued=None, draft=None).select_related("file").only("file__size")
    sizes = [each.file.size for each in unsent]
    # Browsers on other devices cannot take up all of it.
    part = 1 if visitor() is None else 2
    if len(sizes) >= MOST_UNSENT // part or sum(sizes) > MOST_UNSENT_BYTES // part:
        raise NotTaken(FULL, 409)
    file, _ = File.objects.get_or_create(
        digest=content.digest,
        defaults={
            "kind": content.kind,
            "media_type": content.media_type,
            "size": len(content.parts[WHOLE]),
            "width": content.width,
            "height": content.height,
            "pages": content.pages,
            "text": content.text,
            "data": None if alias() == DISK else _pack(content.parts),
        },
    )
    return Attachment.objects.create(id=new_id(), file=file, name=name)


def read(file: File, part: str = WHOLE) -> bytes:
    """Return the bytes of a part; b"" of one that it has not. Raises Missing where the whole is not there."""
    if file.data is not None:
        return _unpack(bytes(file.data)).get(part, b"")
    try:
        return _path(file.digest, part).read_bytes()
    except FileNotFoundError:
        if part == WHOLE:
            raise Missing from None
        return b""
    except OSError:
        raise Missing from None


def sent_size(file: File) -> int:
    """Return about how many bytes of an image go to a model. Reads neither the file nor the database."""
    if file._state.db != DISK:
        return min(file.size, USUAL_SENT)
    try:
        return _path(file.digest, SENT).stat().st_size
    except OSError:
        return file.size


def sweep() -> None:
    """Remove for good what belongs to nothing any more: unsent files of yesterday, and content without attachments.

    To be called now and then, and when messages have gone for good. Of the database at hand.
    """
    Attachment.objects.filter(
        message=None, queued=None, draft=None, created__lt=timezone.now() - UNSENT
    ).delete()
    for digest in File.objects.filter(attachments=None).values_list("digest", flat=True):
        with _lock, contextlib.suppress(IntegrityError):  # attached again in this moment
            if _forget(digest) and alias() == DISK:
                _unlink(digest)


@atomic
def _forget(digest: str) -> bool:
    return bool(File.objects.filter(digest=digest, attachments=None).delete()[0])


async def follow() -> None:
    """Sweep now and then. Never ends: a task of the server's."""
    await sync_to_async(clear_leftovers)()
    while True:
        await sync_to_async(sweep)()
        await asyncio.sleep(SWEEP_SECONDS)


def clear_leftovers() -> None:
    """Remove bytes without a row, which a crash may have left. For the start, before anything is uploaded."""
    with kept(), _lock:
        known = set(File.objects.values_list("digest", flat=True))
        for path in folder().glob("??/*"):
            if path.name.partition(".")[0] not in known:
                with contextlib.suppress(OSError):
                    path.unlink()


def _path(digest: str, part: str) -> Path:
    return folder() / digest[:2] / (f"{digest}.{part}" if part else digest)


def _write(path: Path, data: bytes) -> None:
    """Write a file in one step, for its owner only. Raises OSError."""
    if path.exists() and path.stat().st_size == len(data):
        return
    for place in (path.parent.parent, path.parent):
        place.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_name(f".{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _unlink(digest: str) -> None:
    for part in (THUMB, SENT, WHOLE):
        with contextlib.suppress(OSError):
            _path(digest, part).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # others are in there
        _path(digest, WHOLE).parent.rmdir()


# In memory all parts lie in one field. For each: the length of its name, its name, eight bytes of length, its bytes.


def _pack(parts: Mapping[str, bytes]) -> bytes:
    packed = bytearray()
    for part, data in parts.items():
        packed += bytes([len(part)]) + part.encode() + len(data).to_bytes(8, "big") + data
    return bytes(packed)


def _unpack(packed: bytes) -> dict[str, bytes]:
    parts, at = {}, 0
    while at < len(packed):
        begin = at + 1 + packed[at]
        name = packed[at + 1 : begin].decode()
        end = begin + 8 + int.from_bytes(packed[begin : begin + 8], "big")
        parts[name] = packed[begin + 8 : end]
        at = end
    return parts

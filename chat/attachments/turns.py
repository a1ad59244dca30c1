"""What a model is given of the files of a message, how much that is, and what it cannot be given at all."""

from __future__ import annotations

import math
from base64 import b64encode
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chat.attachments import store
from chat.attachments.attaching import measured
from chat.attachments.kinds import MIB, NotTaken, kind_of
from chat.attachments.store import SENT, WHOLE
from chat.models import Attachment, FileKind, Message, Role
from connections.catalogue import Model
from connections.responses import Document, Excerpt, Part, Picture, Turn

#: Bytes of all files of one request, as they are written into it. The relay passes 32 MiB, texts included, and
#: OpenAI's own API takes 50 MB.
MOST_SENT: Final = 24 * MIB
MOST_SENT_AS_FILES: Final = 45 * MIB
# Base64 writes four characters for three bytes.
_WRITTEN: Final = 4 / 3
# As OpenAI counts an image: patches of 32 pixels after it was made small enough, and something for each.
_PATCH, _MOST_PATCHES, _PER_PATCH = 32, 1536, 1.2
# A page of a PDF that is given as a file is read as a picture too.
_PAGE_TOKENS: Final = 800
_CHARACTERS: Final = 4


@dataclass(frozen=True)
class Weight:
    """How much files add to a request: tokens as estimated, and bytes of it."""

    tokens: int = 0
    size: int = 0

    def __add__(self, other: Weight) -> Weight:
        return Weight(self.tokens + other.tokens, self.size + other.size)


def turn_of(message: Message, model: Model, items: tuple[Mapping[str, Any], ...] = ()) -> Turn:
    """Return a message as a turn for `model`, with its files. Of one whose bytes are gone the model is told so.

    Reads database and disk: call it in a thread.
    """
    if message.role != Role.USER:
        return Turn("assistant", message.text, items)
    files = tuple(_part(each, model) for each in message.attachments.select_related("file"))
    return Turn("user", message.text, (), files)


def _part(attached: Attachment, model: Model) -> Part:
    file, name = attached.file, attached.name
    try:
        if file.kind == FileKind.IMAGE and model.takes("image"):
            data = store.read(file, SENT) or store.read(file, WHOLE)
            return Picture(f"image/{kind_of(data)}", b64encode(data).decode("ascii"))
        if file.kind == FileKind.PDF and model.takes("pdf"):
            return Document(name, b64encode(store.read(file)).decode("ascii"))
    except (store.Missing, NotTaken):
        return Excerpt(f'[The file "{name}" was attached here. It is not there any more.]')
    if file.kind == FileKind.IMAGE:
        return Excerpt(f'[The image "{name}" was attached here. You cannot see it.]')
    if not file.text:
        return Excerpt(f'[The file "{name}" was attached here. It holds no text.]')
    # A mark that the text itself cannot end.
    mark = f"file-{file.digest[:8]}"
    return Excerpt(f"<{mark} name={_quoted(name)}>\n{file.text}\n</{mark}>")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', "'") + '"'


def weights(messages: Sequence[int], model: Model) -> dict[int, Weight]:
    """Return what the files of messages, by their numbers, add to a request. Messages without files are left out.

    Reads the database: call it in a thread.
    """
    found: dict[int, Weight] = defaultdict(Weight)
    for begin in range(0, len(messages), 500):  # SQLite takes so many values and a few more
        rows = measured().filter(message__in=messages[begin : begin + 500])
        for each in rows:
            found[each.message_id or 0] += _weight(each, model)
    return dict(found)


def _weight(attached: Attachment, model: Model) -> Weight:
    file, length = attached.file, int(getattr(attached, "length", 0))
    if file.kind == FileKind.IMAGE:
        if not model.takes("image"):
            return Weight(30, 100)
        patches = math.ceil(file.width / _PATCH) * math.ceil(file.height / _PATCH)
        size = math.ceil(store.sent_size(file) * _WRITTEN)
        return Weight(math.ceil(min(patches, _MOST_PATCHES) * _PER_PATCH), size)
    if file.kind == FileKind.PDF and model.takes("pdf"):
        return Weight(length // _CHARACTERS + file.pages * _PAGE_TOKENS, math.ceil(file.size * _WRITTEN))
    return Weight(length // _CHARACTERS + 20, 2 * length + 100)


def most_sent(model: Model) -> int:
    """Return how many bytes all files of a request may have."""
    return MOST_SENT_AS_FILES if model.takes("pdf") else MOST_SENT


def weight(files: Sequence[Attachment], model: Model) -> Weight:
    """Return what files, as `measured` gives them, add to a request."""
    return sum((_weight(each, model) for each in files), Weight())


def refusal(files: Sequence[Attachment], model: Model) -> str:
    """Return why files, as `measured` gives them, cannot be sent to `model`, as a sentence, or "" where they can."""
    total = Weight()
    for each in files:
        if why := cannot(each, model):
            return f"{why} Nothing was sent."
        total += _weight(each, model)
    if total.size > most_sent(model):
        return (
            f"These files are too much for one message: about {total.size // MIB} MB, and "
            f"{most_sent(model) // MIB} MB go. Remove some of them, and send them with another message."
        )
    return ""


def cannot(attached: Attachment, model: Model) -> str:
    """Return why `model` cannot be given a file, and what to do, or "" where it can."""
    needed = attached.needs
    if needed == "image" and not model.takes("image"):
        return f"{model.name} takes no images. Choose another model, or remove {attached.name}."
    if needed == "pdf" and not model.takes("pdf"):
        return (
            f"{attached.name} has no text that can be read, as scanned pages have none, and this access takes the text "
            "of a PDF only. Choose an API key, or attach pictures of its pages."
        )
    return ""

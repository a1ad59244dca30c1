"""A request of the Responses API, read back to what a model is asked.

Only what `connections.responses.build_request` writes in its platform form is taken, and each part by itself: nothing
that a remote writes reaches the service in another form than this host's own chats do. Tools, other models' names and
settings do not pass; of files only texts and images, and these as bytes, never as addresses.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from connections.catalogue import Model
from connections.responses import PICTURES, Ask, Excerpt, Part, Picture, Turn, well_formed

MOST_ITEMS: Final = 4096
#: Of one message: its files and its text.
MOST_PARTS: Final = 24
#: Of all messages of a request.
MOST_IMAGES: Final = 200
_CONVERSATION: Final = re.compile(r"[\w:-]{1,80}", re.ASCII)
_IMAGE: Final = re.compile(r"data:([a-z]+/[a-z]+);base64,(?=.)")
#: How the bytes of an image begin, whatever is said of them.
_MARKS: Final = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/webp": (b"RIFF",),
    "image/gif": (b"GIF87a", b"GIF89a"),
}


class AskMalformed(Exception):
    """The body is no request that a remote's Lerix writes."""


class ModelNotOffered(Exception):
    """The model is not switched on here."""


def read_ask(body: bytes, offered: Sequence[Model]) -> Ask:
    """What a body asks. Raises AskMalformed, ModelNotOffered."""
    try:
        fields = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise AskMalformed from None
    if not isinstance(fields, dict) or fields.get("stream") is not True:
        raise AskMalformed
    slug, conversation = fields.get("model"), fields.get("prompt_cache_key")
    if not isinstance(slug, str) or not isinstance(conversation, str) or not _CONVERSATION.fullmatch(conversation):
        raise AskMalformed
    model = next((model for model in offered if model.slug == slug), None)
    if model is None:
        raise ModelNotOffered
    reasoning = _object(fields.get("reasoning", {}))
    effort = reasoning.get("effort")
    if effort is not None and not isinstance(effort, str):
        raise AskMalformed
    return Ask(model, _turns(fields.get("input")), _text(fields.get("instructions", "")), effort, conversation)


def _turns(value: object) -> tuple[Turn, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_ITEMS:
        raise AskMalformed
    turns: list[Turn] = []
    before: list[Mapping[str, Any]] = []
    for entry in value:
        item = _object(entry)
        if item.get("type") == "reasoning":
            before.append(item)
            continue
        match item.get("role"):
            case "user" if not before:
                turns.append(_question(item))
            case "assistant":
                (part,) = _content(item, 1)
                turns.append(Turn("assistant", _part_text(part, "output_text"), tuple(before)))
                before = []
            case _:
                raise AskMalformed
    if before or not turns or turns[-1].role != "user":
        raise AskMalformed
    if sum(isinstance(file, Picture) for turn in turns for file in turn.files) > MOST_IMAGES:
        raise AskMalformed
    return tuple(turns)


def _question(item: Mapping[str, Any]) -> Turn:
    """A message of the user's: files, then its text, which it may lack where it has files."""
    *first, last = _content(item, MOST_PARTS)
    if last.get("type") == "input_image":
        return Turn("user", "", (), tuple(_file(part) for part in (*first, last)))
    return Turn("user", _part_text(last, "input_text"), (), tuple(_file(part) for part in first))


def _content(item: Mapping[str, Any], most: int) -> Sequence[Mapping[str, Any]]:
    content = item.get("content")
    if item.get("type") != "message" or not isinstance(content, list) or not 1 <= len(content) <= most:
        raise AskMalformed
    return [_object(part) for part in content]


def _file(part: Mapping[str, Any]) -> Part:
    if part.get("type") != "input_image":
        return Excerpt(_part_text(part, "input_text"))
    address = _text(part.get("image_url"))
    found = _IMAGE.match(address[:64])
    if found is None or found[1] not in PICTURES:
        raise AskMalformed
    data = address[found.end() :]
    try:
        # All of it, for what is refused by the service costs this host's plan a request.
        whole = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise AskMalformed from None
    if not whole.startswith(_MARKS[found[1]]):
        raise AskMalformed
    return Picture(found[1], data)


def _part_text(part: Mapping[str, Any], kind: str) -> str:
    if part.get("type") != kind:
        raise AskMalformed
    return _text(part.get("text"))


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise AskMalformed
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise AskMalformed
    return well_formed(value)

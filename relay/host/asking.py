"""A request of the Responses API, read back to what a model is asked.

Only what `connections.responses.build_request` writes in its platform form is taken, and each part by itself: nothing
that a remote writes reaches the service in another form than this host's own chats do. Tools, files, other models'
names and settings do not pass.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from connections.catalogue import Model
from connections.responses import Ask, Turn, well_formed

MOST_ITEMS: Final = 4096
_CONVERSATION: Final = re.compile(r"[\w:-]{1,80}", re.ASCII)
_TEXT_KINDS: Final = {"user": "input_text", "assistant": "output_text"}


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
                turns.append(Turn("user", _message(item, "user")))
            case "assistant":
                turns.append(Turn("assistant", _message(item, "assistant"), tuple(before)))
                before = []
            case _:
                raise AskMalformed
    if before or not turns or turns[-1].role != "user":
        raise AskMalformed
    return tuple(turns)


def _message(item: Mapping[str, Any], role: str) -> str:
    content = item.get("content")
    if item.get("type") != "message" or not isinstance(content, list) or len(content) != 1:
        raise AskMalformed
    part = _object(content[0])
    if part.get("type") != _TEXT_KINDS[role]:
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

"""The model API's request and its events. No I/O: `build_request` gives headers and body, `decode` reads
one server-sent event.

Sources: the public Responses API, and the Codex CLI 0.169.0 as it was observed. The Codex backend takes
fewer fields than the public API and refuses what it does not know, so each form sends only what it was
seen to take. It wants the whole history each time, and keeps nothing (`store` is false).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from connections.catalogue import Model
from connections.sse import ServerSentEvent

# The version of the Codex CLI whose protocol this module speaks. The service leaves out models, and
# reportedly refuses Lite requests, of clients it takes for too old. It names the protocol, not us:
# `originator` and `User-Agent` say that we are Lerix.
CLIENT_VERSION = "0.169.0"
ORIGINATOR = "lerix"
# Sent where the person has set none, since the full form is refused without instructions
# (400 "Instructions are required").
INSTRUCTIONS = "You are a helpful assistant. Answer in Markdown, in the language of the question."

_LITE_HEADER = "x-openai-internal-codex-responses-lite"
_ENCRYPTED = "reasoning.encrypted_content"


class RequestForm(Enum):
    """How a request is written: LITE or FULL by the model's flag at the Codex backend, else PLATFORM."""

    FULL = "full"
    LITE = "lite"
    PLATFORM = "platform"


@dataclass(frozen=True)
class Picture:
    """An image of a message. `data` is base64, `media_type` one of `PICTURES`."""

    media_type: str
    data: str


@dataclass(frozen=True)
class Document:
    """A PDF of a message, given as it is: for models with the modality "pdf". `data` is base64."""

    name: str
    data: str


@dataclass(frozen=True)
class Excerpt:
    """What a file says, as text: written into the request as it stands here."""

    text: str


Part = Picture | Document | Excerpt

#: Media types of images that every path takes.
PICTURES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})


@dataclass(frozen=True)
class Turn:
    """One message of the history. `files` are of a user's, and come before its text.

    `items` are reasoning items which came before an assistant's text. They belong to one account and
    model: pass only those whose replay key is the path's present one (`AccessPath.replay_key`).
    """

    role: Literal["user", "assistant"]
    text: str
    items: tuple[Mapping[str, Any], ...] = ()
    files: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Ask:
    """What a model is asked. `conversation` is the chat's UUID, stable over its turns."""

    model: Model
    turns: Sequence[Turn]
    instructions: str
    effort: str | None
    conversation: str


@dataclass(frozen=True)
class TokenUsage:
    """Tokens of one answer; `cached` are part of `input`, `reasoning` of `output`."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    total: int = 0


@dataclass(frozen=True)
class TextDelta:
    """Text to append to the answer."""

    text: str
    output_index: int = 0
    content_index: int = 0


@dataclass(frozen=True)
class ReasoningDelta:
    """Text to append to part `summary_index` of the reasoning summary."""

    text: str
    summary_index: int = 0


@dataclass(frozen=True)
class OutputItem:
    """A finished item as it came; of type "reasoning" with encrypted_content, it can be replayed."""

    item: dict[str, Any]
    output_index: int = 0


@dataclass(frozen=True)
class Completed:
    """The answer is whole. Nothing that matters follows."""

    response_id: str
    usage: TokenUsage | None = None


@dataclass(frozen=True)
class Failed:
    """The service gave up; `error` is its error object."""

    error: dict[str, Any]


@dataclass(frozen=True)
class Incomplete:
    """The service stopped early, for `reason`."""

    reason: str


AnswerEvent = TextDelta | ReasoningDelta | OutputItem | Completed
ResponseEvent = AnswerEvent | Failed | Incomplete


def form_for(model: Model) -> RequestForm:
    """The form in which the Codex backend wants requests for this model."""
    return RequestForm.LITE if model.lite else RequestForm.FULL


def build_request(ask: Ask, form: RequestForm) -> tuple[dict[str, str], dict[str, Any]]:
    """The headers, without credentials and User-Agent, and the JSON body of the request for `ask`."""
    model = ask.model
    instructions = well_formed(ask.instructions).strip()
    history = [item for turn in ask.turns for item in _items(turn, form)]
    body: dict[str, Any] = {
        "model": model.slug,
        "input": history,
        "stream": True,
        "store": False,
        "prompt_cache_key": ask.conversation,
    }
    reasoning: dict[str, Any] = {}
    effort = model.effort(ask.effort)
    if effort is not None:
        reasoning["effort"] = effort
    if model.summaries:
        reasoning["summary"] = "auto"
    headers = {"Accept": "text/event-stream", "Content-Type": "application/json"}
    match form:
        case RequestForm.FULL:
            body["instructions"] = instructions or INSTRUCTIONS
            body["include"] = [_ENCRYPTED]
        case RequestForm.LITE:
            history.insert(0, _message("developer", "input_text", instructions or INSTRUCTIONS))
            # The service checks both: anything else is a 400.
            body["parallel_tool_calls"] = False
            reasoning["context"] = "all_turns"
            body["include"] = [_ENCRYPTED]
            headers[_LITE_HEADER] = "true"
            headers["version"] = CLIENT_VERSION
        case RequestForm.PLATFORM:
            if instructions:
                body["instructions"] = instructions
            if model.efforts:  # refused for models that do not reason
                body["include"] = [_ENCRYPTED]
    if form is not RequestForm.PLATFORM:
        headers["originator"] = ORIGINATOR
        headers["session-id"] = ask.conversation  # keeps a chat on the machine that has it cached
    if reasoning:
        body["reasoning"] = reasoning
    if model.verbosity is not None:
        body["text"] = {"verbosity": model.verbosity}
    return headers, body


def decode(event: ServerSentEvent) -> ResponseEvent | None:
    """What the event says, by the `type` inside its JSON; None for unknown types and unreadable data.

    The text is only ever taken from deltas and finished items: `response.completed` of the Codex
    backend has an empty `output`.
    """
    try:
        data = json.loads(event.data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    match data.get("type"):
        case "response.output_text.delta" | "response.refusal.delta":
            text = _text(data.get("delta"))
            place = _index(data.get("output_index")), _index(data.get("content_index"))
            return TextDelta(text, *place) if text else None
        case "response.reasoning_summary_text.delta":
            text = _text(data.get("delta"))
            return ReasoningDelta(text, _index(data.get("summary_index"))) if text else None
        case "response.output_item.done":
            item = data.get("item")
            return OutputItem(item, _index(data.get("output_index"))) if isinstance(item, dict) else None
        case "response.completed":
            response = _object(data.get("response"))
            return Completed(_text(response.get("id"))[:200], _usage(response.get("usage")))
        case "response.failed":
            return Failed(_object(_object(data.get("response")).get("error")))
        case "response.incomplete":
            details = _object(_object(data.get("response")).get("incomplete_details"))
            return Incomplete(_text(details.get("reason")))
        case "error":
            return Failed(_object(data.get("error")) or data)
        case _:
            return None


def item_text(item: Mapping[str, Any]) -> str:
    """The text of a finished message item, for an answer that came without deltas."""
    content = item.get("content")
    if item.get("type") != "message" or not isinstance(content, list):
        return ""
    parts = (_object(part) for part in content)
    return "".join(_text(part.get("text")) or _text(part.get("refusal")) for part in parts)


def well_formed(text: str) -> str:
    """`text` with unpaired surrogates replaced, which neither UTF-8 nor a database takes."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _items(turn: Turn, form: RequestForm) -> list[dict[str, Any]]:
    text = well_formed(turn.text)
    if turn.role == "user":
        parts = [_part(file, form) for file in turn.files]
        if text or not parts:
            parts.append(_text_part(text))
        return [{"type": "message", "role": "user", "content": parts}]
    if not text:
        # Stopped before its first word. Its reasoning goes too: alone it is refused.
        return []
    items = [item for item in map(_replayed, turn.items) if item is not None]
    message = _message("assistant", "output_text", text)
    if form is not RequestForm.PLATFORM:
        message["status"] = "completed"
        message["content"][0]["annotations"] = []
    return [*items, message]


def _part(file: Part, form: RequestForm) -> dict[str, Any]:
    match file:
        case Picture(media_type, data):
            # Without "detail", which the Lite form is said to refuse: how closely it looks is the model's to choose.
            return {"type": "input_image", "image_url": f"data:{media_type};base64,{data}"}
        case Document(name, data) if form is RequestForm.PLATFORM:
            kind = "application/pdf"
            return {"type": "input_file", "filename": well_formed(name), "file_data": f"data:{kind};base64,{data}"}
        case Document():
            # Never seen there. Whoever asks looks at the model's modalities and gives the text instead.
            raise ValueError("the Codex backend takes no files")
        case Excerpt(text):
            return _text_part(well_formed(text))


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "input_text", "text": text}


def _message(role: str, kind: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def _replayed(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """A reasoning item to send again. An id alone names something the service did not keep: a 404."""
    if item.get("type") != "reasoning" or not _text(item.get("encrypted_content")):
        return None
    kept = {key: item[key] for key in ("type", "id", "summary", "encrypted_content") if key in item}
    return {"summary": [], **kept}


def _usage(value: object) -> TokenUsage | None:
    if not isinstance(value, dict):
        return None
    return TokenUsage(
        input=_index(value.get("input_tokens")),
        cached=_index(_object(value.get("input_tokens_details")).get("cached_tokens")),
        output=_index(value.get("output_tokens")),
        reasoning=_index(_object(value.get("output_tokens_details")).get("reasoning_tokens")),
        total=_index(value.get("total_tokens")),
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return well_formed(value) if isinstance(value, str) else ""


def _index(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
        return 0
    return value

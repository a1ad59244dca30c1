"""What a host offers a remote, and how answers and errors are written between them. No I/O.

    GET  /v1/state      what the host says of itself: see `relay.host.offer.state_document`
    GET  /v1/models     {"models": [what `Model.to_json` gives, ...], "etag": "..."}: what is switched on there
    POST /v1/responses  a request of the Responses API in its platform form; the answer is an event stream

The stream is that of the Responses API as far as `connections.responses.decode` reads it, and between its events are
comments, which a parser of event streams leaves out:

    : lerix-queue 2                     so many turns are before this one, this one included
    : lerix-usage {"usage": ...}        what `Usage.to_json` gives
    : lerix-error {...}                 the last one: why there is no (whole) answer, as an error document

An error document is {"kind", "code", "sentence", "next_step", "until", "detail"}; it is also the body of every answer
over 399, below "lerix_error". A remote makes the AccessError from it that the host's own path raised.

Request headers: `lerix-boot` names the process of the host that was first asked, so that one that has forgotten the
turn does not begin it a second time; `lerix-from` says how many bytes of the stream are here already, all but the
comments about the queue counted.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from connections.errors import AccessError
from connections.refusals import clean_detail
from connections.responses import AnswerEvent, Completed, OutputItem, ReasoningDelta, TextDelta
from connections.status import NextStep
from relay.protocol.moments import showable

STATE: Final = "/v1/state"
MODELS: Final = "/v1/models"
RESPONSES: Final = "/v1/responses"

BOOT: Final = "lerix-boot"
FROM: Final = "lerix-from"
#: Bytes of a request's body.
MAX_BODY: Final = 32 * 1024 * 1024

QUEUE: Final = "queue"
USAGE: Final = "usage"
ERROR: Final = "error"
_MARK: Final = b": lerix-"
#: What ends an event or a comment.
END: Final = b"\n\n"
_COMPLETED: Final = "response.completed"
#: How the last event of a whole answer begins.
LAST: Final = f"event: {_COMPLETED}\n".encode()
#: What a person can do only on the host; elsewhere there is nothing to press.
_ON_HOST: Final = frozenset(
    {
        NextStep.INSTALL_CLI,
        NextStep.SIGN_IN,
        NextStep.SIGN_IN_AGAIN,
        NextStep.USE_ACCOUNT,
        NextStep.CHECK_FILE,
        NextStep.REPLACE_KEY,
        NextStep.UNLOCK,
    }
)


def encode_event(event: AnswerEvent) -> bytes:
    """One event of an answer as the Responses API writes it."""
    match event:
        case TextDelta(text, output, content):
            return _event("response.output_text.delta", delta=text, output_index=output, content_index=content)
        case ReasoningDelta(text, part):
            return _event("response.reasoning_summary_text.delta", delta=text, summary_index=part)
        case OutputItem(item, output):
            return _event("response.output_item.done", item=item, output_index=output)
        case Completed(response_id, usage):
            response: dict[str, Any] = {"id": response_id, "output": []}
            if usage is not None:
                response["usage"] = {
                    "input_tokens": usage.input,
                    "input_tokens_details": {"cached_tokens": usage.cached},
                    "output_tokens": usage.output,
                    "output_tokens_details": {"reasoning_tokens": usage.reasoning},
                    "total_tokens": usage.total,
                }
            return _event(_COMPLETED, response=response)


def _event(kind: str, **fields: Any) -> bytes:
    # ASCII only: no other line ending can come in between.
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}".encode() + END


def comment(kind: str, value: object) -> bytes:
    """A comment of ours between events."""
    return _MARK + f"{kind} {json.dumps(value)}".encode() + END


def read_comment(block: bytes) -> tuple[str, Any] | None:
    """What a comment of ours says; None for anything else. `block` is without its end."""
    if not block.startswith(_MARK):
        return None
    kind, _, text = block[len(_MARK) :].partition(b" ")
    try:
        return kind.decode("ascii"), json.loads(text)
    except (ValueError, RecursionError):
        return None


def error_document(error: AccessError) -> dict[str, Any]:
    """An error as plain values. Nothing in an AccessError ever holds a token."""
    return {
        "kind": type(error).__name__,
        "code": error.code,
        "sentence": error.sentence,
        "next_step": error.next_step.value,
        "until": error.until.isoformat() if error.until is not None else None,
        "detail": error.detail,
    }


def read_error(value: object) -> AccessError:
    """The error that `error_document` wrote, of the same class where this version has it; texts are made safe again."""
    fields: Mapping[str, Any] = value if isinstance(value, dict) else {}
    kind = _kinds(AccessError).get(_text(fields.get("kind")), AccessError)
    error = kind.__new__(kind)
    error.code = _text(fields.get("code")) or AccessError.code
    error.sentence = clean_detail(_text(fields.get("sentence"))) or AccessError.sentence
    error.next_step = read_step(fields.get("next_step")) or NextStep.RETRY
    AccessError.__init__(
        error, detail=clean_detail(_text(fields.get("detail"))), until=read_moment(fields.get("until"))
    )
    return error


def read_step(value: object) -> NextStep | None:
    """The next step that the host names, where it can be done here."""
    try:
        step = NextStep(_text(value))
    except ValueError:
        return None
    return NextStep.WAIT if step in _ON_HOST else step


def read_moment(value: object) -> datetime | None:
    """An aware time in UTC that can be shown, or None."""
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return showable(moment) if moment.tzinfo is not None else None


def _kinds(base: type[AccessError]) -> dict[str, type[AccessError]]:
    found = {base.__name__: base}
    for kind in base.__subclasses__():
        found |= _kinds(kind)
    return found


def _text(value: object) -> str:
    return value[:1000] if isinstance(value, str) else ""

"""What a host answers other Lerix: its state, its models, and the answers of its models.

Without Django: its way of a request took 2 ms of the 7 by which the relay delays the first token of an answer.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from connections.errors import AccessError
from relay.answers import BOOT, FROM, MODELS, RESPONSES, STATE, error_document
from relay.errors import AskUnreadable, HostError, HostFailed, NotOffered, RequestUnknown
from relay.host.asking import AskMalformed, ModelNotOffered, read_ask
from relay.host.offer import models_document, state_document
from relay.host.relayed import Relayed
from relay.host.turns import MOST_SPOOLED, Reading, Turn
from relay.protocol.headers import Answer, Request

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Said:
    """An answer: how it begins, and its body, whole or as it comes."""

    head: Answer
    body: bytes | Reading


async def answer(request: Request, relayed: Relayed, body: bytes) -> Said:
    """Answer a request with its whole body. What goes wrong is an answer too."""
    give = _GIVEN.get((request.method, request.path.partition("?")[0]))
    try:
        if give is None:
            raise RequestUnknown
        return await give(request, relayed, body)
    except AccessError as error:
        return refusal(error)
    except Exception:
        logger.exception("Another device could not be answered.")
        return refusal(HostFailed())


def refusal(error: AccessError) -> Said:
    """An error as the answer to a remote."""
    status = error.status if isinstance(error, HostError) else 500
    return _json({"lerix_error": error_document(error)}, status)


async def _state(request: Request, relayed: Relayed, body: bytes) -> Said:
    """How this host's access path is."""
    return _json(await state_document(relayed.offer))


async def _models(request: Request, relayed: Relayed, body: bytes) -> Said:
    """The models that are switched on here."""
    return _json(await models_document(relayed.offer))


async def _responses(request: Request, relayed: Relayed, body: bytes) -> Said:
    """Begin a turn, or attach to the one of this name, and give its answer from the byte asked for."""
    headers = dict(request.headers)
    turn = await _turn(relayed, headers.get(BOOT), body)
    relayed.attach(turn)
    text = headers.get(FROM, "0")
    at = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else MOST_SPOOLED
    return _said(200, "text/event-stream", Reading(turn, at))


_GIVEN: Final[dict[tuple[str, str], Callable[[Request, Relayed, bytes], Awaitable[Said]]]] = {
    ("GET", STATE): _state,
    ("GET", MODELS): _models,
    ("POST", RESPONSES): _responses,
}


async def _turn(relayed: Relayed, boot: str | None, body: bytes) -> Turn:
    turns = relayed.offer.turns
    name = (relayed.device, relayed.idem or "")
    found = turns.find(name, relayed.digest, boot)
    if found is not None:
        return found
    try:
        ask = read_ask(body, await relayed.offer.models())
    except AskMalformed:
        raise AskUnreadable from None
    except ModelNotOffered:
        raise NotOffered from None
    # Once more, after waiting: the same request may have come twice.
    found = turns.find(name, relayed.digest, None)
    return found if found is not None else turns.begin(name, relayed.digest, ask, relayed.keep_lease)


def _json(document: Any, status: int = 200) -> Said:
    return _said(status, "application/json", json.dumps(document, separators=(",", ":")).encode())


def _said(status: int, kind: str, body: bytes | Reading) -> Said:
    return Said(Answer(status, (("content-type", kind), ("cache-control", "no-store"))), body)

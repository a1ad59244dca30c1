"""What a host answers remotes. Only requests that came through `relay.host.adapter` get an answer but 404."""

import asyncio
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse

from connections.changes import heard
from connections.errors import AccessError
from relay.answers import BOOT, FROM, error_document
from relay.errors import AskUnreadable, HostError, NotOffered, RequestUnknown
from relay.host.asking import AskMalformed, ModelNotOffered, read_ask
from relay.host.offer import models_document, state_document
from relay.host.relayed import Relayed
from relay.host.turns import MOST_SPOOLED, Reading, Turn

#: Seconds by which the answer to a remote may begin later, for its question to be asked sooner.
HEAD_START: Final = 0.02


async def state(request: HttpRequest) -> HttpResponse:
    """How this host's access path is."""
    relayed = _relayed(request, "GET")
    return _json(await state_document(relayed.offer)) if relayed is not None else refusal(RequestUnknown())


async def models(request: HttpRequest) -> HttpResponse:
    """The models that are switched on here."""
    relayed = _relayed(request, "GET")
    return _json(await models_document(relayed.offer)) if relayed is not None else refusal(RequestUnknown())


async def responses(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Begin a turn, or attach to the one of this name, and give its answer from the byte asked for."""
    relayed = _relayed(request, "POST")
    if relayed is None or relayed.idem is None:
        return refusal(RequestUnknown())
    try:
        turn = await _turn(relayed, request)
    except AccessError as error:
        return refusal(error)
    relayed.attach(turn)
    text = request.headers.get(FROM, "0")
    at = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else MOST_SPOOLED
    answer = StreamingHttpResponse(Reading(turn, at), content_type="text/event-stream")
    answer.headers["Cache-Control"] = "no-store"
    return answer


async def _turn(relayed: Relayed, request: HttpRequest) -> Turn:
    turns = relayed.offer.turns
    name = (relayed.device, relayed.idem or "")
    found = turns.find(name, relayed.digest, request.headers.get(BOOT))
    if found is not None:
        return found
    try:
        # Not `request.body`, which refuses more than a form may have.
        ask = read_ask(request.read(), await relayed.offer.models())
    except AskMalformed:
        raise AskUnreadable from None
    except ModelNotOffered:
        raise NotOffered from None
    # Once more, after waiting: the same request may have come twice.
    found = turns.find(name, relayed.digest, None)
    if found is None:
        found = turns.begin(name, relayed.digest, ask, relayed.keep_lease)
        relayed.attach(found)  # before anything is waited for: giving up stops it from here on
        # The question goes out first: to begin the answer takes this loop some milliseconds, which it would wait for.
        bell = asyncio.Event()
        found.changed.ring(bell)
        await heard(bell, seconds=HEAD_START)
    return found


def refusal(error: AccessError) -> HttpResponse:
    """An error as the answer to a remote."""
    status = error.status if isinstance(error, HostError) else 500
    return _json({"lerix_error": error_document(error)}, status)


def _relayed(request: HttpRequest, method: str) -> Relayed | None:
    relayed = getattr(request, "scope", {}).get("relay")
    return relayed if isinstance(relayed, Relayed) and request.method == method else None


def _json(document: Any, status: int = 200) -> JsonResponse:
    answer = JsonResponse(document, status=status, json_dumps_params={"separators": (",", ":")})
    answer.headers["Cache-Control"] = "no-store"
    return answer

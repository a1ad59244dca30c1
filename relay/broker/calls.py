"""From an HTTP request to a use case and back.

A use case is an ordinary function: it takes the call and the message that came with it, may use the database, and
returns what to answer or raises Refused. It runs in one of the desk's threads.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar, cast

from django.core.handlers.asgi import ASGIRequest
from django.db import Error as DatabaseFailure
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import split_domain_port
from django.views.decorators.csrf import csrf_exempt

from relay.account.keys.errors import EmailUnusable
from relay.account.keys.password import normalise_email
from relay.api import MAX_REQUEST, Problem
from relay.api.fields import MessageMalformed
from relay.broker import house, network
from relay.broker.desk import desk
from relay.broker.flight import flight
from relay.broker.post import Letter
from relay.broker.refusals import Refused

logger = logging.getLogger(__name__)

JSON = "application/json"
#: Where the scope of a request has the ExitStack that ends when its answer was sent or given up.
SENDING: Final = "lerix.sending"
M = TypeVar("M")
View = Callable[..., Coroutine[Any, Any, HttpResponse]]


class Answer(Protocol):
    """What a use case answers."""

    def to_json(self) -> Mapping[str, Any]:
        """The body."""
        ...


@dataclass(frozen=True)
class Call:
    """Who asks, and by what right. A use case puts the mails that shall follow its answer into `letters`."""

    network: str
    host: str
    authorization: str = field(repr=False)
    letters: list[Letter] = field(default_factory=list, repr=False)


@dataclass(frozen=True)
class Action:
    """What one method of an address does."""

    run: Callable[[HttpRequest, Mapping[str, str]], Awaitable[HttpResponse]]


def action(work: Callable[[Call, M], Answer | None], read: Callable[[object], M], status: int = 200) -> Action:
    """An action with a message."""

    async def run(request: HttpRequest, captured: Mapping[str, str]) -> HttpResponse:
        message = read({**_body(request), **captured})
        return await _perform(request, lambda call: work(call, message), status)

    return Action(run)


def plain(work: Callable[[Call], Answer | None], status: int = 200) -> Action:
    """An action without a message."""

    async def run(request: HttpRequest, captured: Mapping[str, str]) -> HttpResponse:
        return await _perform(request, work, status)

    return Action(run)


def endpoint(**actions: Action) -> View:
    """The view of one address, by method. No cookie means anything here, so a forged request has no rights."""

    @csrf_exempt
    async def view(request: HttpRequest, **captured: str) -> HttpResponse:
        try:
            chosen = actions.get(request.method or "")
            if chosen is None:
                raise Refused(Problem.NOT_FOUND)
            return await chosen.run(request, captured)
        except (MessageMalformed, EmailUnusable):
            return refusal(Refused(Problem.MALFORMED))
        except Refused as refused:
            return refusal(refused)
        except DatabaseFailure as error:
            logger.error("The database failed: %s.", type(error).__name__)  # noqa: TRY400  (its text may hold values)
            return refusal(Refused(Problem.UNAVAILABLE))

    return view


def refusal(refused: Refused) -> HttpResponse:
    """Write a refusal as an answer."""
    answer = JsonResponse(refused.to_json(), status=refused.status)
    if refused.retry_after is not None:
        answer["Retry-After"] = str(refused.retry_after)
    return answer


def email_from(text: str) -> str:
    """Return an address that is already in its one spelling. Raises MessageMalformed, EmailUnusable."""
    if normalise_email(text) != text:
        raise MessageMalformed("email")
    return text


async def _perform(request: HttpRequest, work: Callable[[Call], Answer | None], status: int) -> HttpResponse:
    call = Call(network.of(request), host_of(request), request.headers.get("authorization", ""))
    body = await desk.do(lambda: _written(work(call)))
    response = HttpResponse(status=204) if body is None else HttpResponse(body, content_type=JSON, status=status)
    if body is not None:
        sending: ExitStack = cast(ASGIRequest, request).scope[SENDING]
        sending.enter_context(flight.place(call.network, len(body)))
    for letter in call.letters:
        house.installed().post.take(letter)
    return response


def _written(answer: Answer | None) -> bytes | None:
    """Write the body; in the desk's thread, since a long log takes a while."""
    return None if answer is None else json.dumps(answer.to_json()).encode()


def host_of(request: HttpRequest) -> str:
    """The name by which the broker was addressed, without its port; "::1" without brackets."""
    return split_domain_port(request.get_host())[0].strip("[]")


def _body(request: HttpRequest) -> Mapping[str, Any]:
    # A web form cannot send this type, so no page of another site can without being asked first.
    if request.content_type != JSON:
        raise MessageMalformed("content-type")
    if len(request.body) > MAX_REQUEST:
        raise Refused(Problem.TOO_LARGE)
    try:
        found = json.loads(request.body)
    except (ValueError, RecursionError):
        raise MessageMalformed("json") from None
    if not isinstance(found, dict):
        raise MessageMalformed("object")
    return found

"""The interface's addresses, below `relay.api.PREFIX`."""

from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from relay.api import Problem
from relay.api.fields import Fields
from relay.api.messages import (
    Confirmation,
    Creation,
    DeviceName,
    Login,
    Proof,
    Recovery,
    TicketRequest,
    email_of,
    token_of,
    update_from_json,
)
from relay.broker import accounts, devices, opening, states, tickets
from relay.broker.calls import action, endpoint, plain, refusal
from relay.broker.refusals import Refused


@csrf_exempt
async def nowhere(request: HttpRequest) -> HttpResponse:
    """An address that the interface does not have."""
    return refusal(Refused(Problem.NOT_FOUND))


urlpatterns = [
    path("tickets", endpoint(POST=action(tickets.ask, TicketRequest.from_json, 202))),
    path("confirm", endpoint(POST=action(tickets.confirm, Confirmation.from_json))),
    path("accounts", endpoint(POST=action(accounts.create, Creation.from_json, 201))),
    path("prelogin", endpoint(POST=action(opening.prelogin, lambda value: email_of(Fields(value))))),
    path("login", endpoint(POST=action(opening.login, Login.from_json))),
    path("recover", endpoint(POST=action(opening.recover, Recovery.from_json))),
    path("erase", endpoint(POST=action(accounts.erase, lambda value: token_of(Fields(value), "ticket")))),
    path("update", endpoint(POST=action(accounts.update, update_from_json))),
    path("account", endpoint(GET=plain(devices.account), DELETE=plain(accounts.delete))),
    path("nonces", endpoint(POST=action(devices.nonce, DeviceName.from_json))),
    path("sessions", endpoint(POST=action(devices.session, Proof.from_json, 201))),
    path("log", endpoint(GET=plain(devices.log))),
    path("devices/<str:device>/name", endpoint(PUT=action(devices.rename, devices.Rename.from_json))),
    path("sign-out", endpoint(POST=plain(devices.sign_out))),
    path("info", endpoint(GET=plain(lambda call: states.info()))),
    re_path("", nowhere),
]

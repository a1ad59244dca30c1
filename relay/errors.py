"""What goes wrong between a remote and its host, each with a sentence ready to show on the remote.

HostError            an AccessError made by the host; has `status`, the answer's HTTP status
├── RequestUnknown   404: not on the list of what remotes may ask
├── AskUnreadable    400: not a request that Lerix writes
├── NotOffered       403: the model is not switched on here
├── OtherRequest     422: the same key was used for another request
├── TurnForgotten    409: begun by an earlier process, or too long ago
├── HostBusy         503: too many turns wait already
├── TurnStopped      410: it was stopped
├── SpoolFull        the answer is longer than the host keeps
├── AnsweredAlready  409: carried out before; its answer was too long to be kept, or does not come
└── HostFailed       500: an error of this host's own
RouteError           an AccessError made by the remote itself
├── HostUnreachable  nothing was sent: there is no way to the host now
├── HostLeft         the way to the host ended for good before the answer was whole
└── HostSilent       the host did not come back in time
"""

from typing import ClassVar

from connections.errors import AccessError
from connections.status import NextStep


class HostError(AccessError):
    """Base."""

    status: ClassVar[int] = 500
    code = "relay-failed"
    sentence = "The Mac could not answer. What had come is kept. Try again."


class RequestUnknown(HostError):
    """Not on the list."""

    status = 404
    code = "relay-unknown"
    sentence = "The Mac does not answer this over the relay. Nothing was lost. Update Lerix on both computers."
    next_step = NextStep.UPDATE


class AskUnreadable(HostError):
    """Not a request that Lerix writes."""

    status = 400
    code = "relay-unreadable"
    sentence = "The Mac could not read the request. Your message is kept. Update Lerix on both computers."
    next_step = NextStep.UPDATE


class NotOffered(HostError):
    """The model is not switched on."""

    status = 403
    code = "relay-not-offered"
    sentence = "The chosen model is not switched on on the Mac. Your message is kept. Choose another model."
    next_step = NextStep.CHOOSE_MODEL


class OtherRequest(HostError):
    """The key was used before, for something else."""

    status = 422
    code = "relay-other-request"
    sentence = "The Mac has another request under this number. Your message is kept. Send it again."


class TurnForgotten(HostError):
    """Whether it was carried out cannot be known any more."""

    status = 409
    code = "relay-forgotten"
    sentence = "The Mac no longer has this answer. What had come is kept. Send your message again."


class HostBusy(HostError):
    """Too many wait."""

    status = 503
    code = "relay-busy"
    nothing_sent = True
    sentence = "Too many answers wait on the Mac already. Your message is kept. Try again in a moment."


class TurnStopped(HostError):
    """Somebody stopped it."""

    status = 410
    code = "relay-stopped"
    sentence = "The answer was stopped. What had come is kept."


class SpoolFull(HostError):
    """Over the limit of one answer."""

    code = "relay-too-large"
    sentence = "The answer grew larger than the Mac keeps. What had come is kept. Ask for a shorter one."
    next_step = NextStep.EDIT


class AnsweredAlready(HostError):
    """It was carried out, and its answer is gone."""

    status = 409
    code = "relay-answered"
    sentence = "The Mac has done this already. Nothing was lost. Load the page again."


class HostFailed(HostError):
    """An error of our own."""

    code = "relay-host-failed"
    sentence = "Lerix on the Mac met an error of its own. What had come is kept. Try again."


class RouteError(AccessError):
    """Base."""

    code = "relay-route"
    sentence = "The way to the Mac is closed. What had come is kept. Try again."


class HostUnreachable(RouteError):
    """Nothing was sent."""

    code = "relay-unreachable"
    nothing_sent = True
    sentence = (
        "The Mac cannot be reached now. Nothing was sent, and your message is kept. Try again when it is on line."
    )


class HostLeft(RouteError):
    """Switched off there, removed, or no plan, while an answer came."""

    code = "relay-left"
    sentence = "The Mac ended the connection before the answer was complete. What had come is kept."
    next_step = NextStep.CONNECTIONS


class HostSilent(RouteError):
    """It did not come back."""

    code = "relay-silent"
    sentence = (
        "The Mac did not come back in time to finish the answer. What had come is kept. Try again when it is on line."
    )

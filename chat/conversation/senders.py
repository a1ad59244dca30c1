"""As whom a queued message is sent: its right to ask is looked at again when its turn comes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from chat import visits
from chat.visits import Seat
from connections.visitor import Visitor, visiting, visitor


class NotAllowed(Exception):
    """The device that wrote the message has been removed, signed out or switched off since."""


def note() -> dict[str, str] | None:
    """Return who asks now, as a row keeps it; None for somebody at this computer."""
    who = visitor()
    if who is None:
        return None
    device = who.device.hex()
    return {"device": device, "access": who.access, "label": who.label, "since": visits.admitted(who.device)}


def serving(sender: dict[str, str] | None) -> AbstractContextManager[None]:
    """Do what is inside as the sender. Raises NotAllowed."""
    if sender is None:
        return nullcontext()
    who = Visitor(bytes.fromhex(sender["device"]), sender["access"], sender["label"])
    if visits.admitted(who.device) != sender["since"]:
        raise NotAllowed
    return visiting(who)


def seat() -> Seat | None:
    """The place of a browser on another device among those that have answers begun. Raises TooManyVisits."""
    who = visitor()
    return visits.enter(who.device) if who is not None else None

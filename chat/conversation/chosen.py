"""Who shall answer, as a page that asks says it; and why nobody is asked."""

from __future__ import annotations

from collections.abc import Mapping

from django import forms

from chat.choice import Choice
from chat.choices import picker
from chat.conversation.storing import ChatWaits
from chat.models import Chat
from chat.visits import TooManyVisits
from connections.visitor import visitor

NO_MODEL = "No model is chosen. Switch one on in Settings, Connections; your message stays in its field."
GONE = "The chosen access is not there any more, so nothing was sent. Choose another one in the menu Model, then send."
MANY = "As many answers are coming as other devices may ask for at once. Wait until one is complete, then send."
BUSY = "An answer is still coming in this chat. Stop it, or wait until it is complete, then send."
WAITS = "A message still waits in this chat. It is sent by itself; to write another one first, take it back."
DELETED = "This chat was deleted. Your message stays in its field; copy it and begin a new chat."

NAMES = ("access", "model", "effort")


class NobodyChosen(Exception):
    """Nobody can be asked; the message is the sentence that says why."""


async def chosen(chat: Chat | None, wanted: Mapping[str, str]) -> Choice:
    """Return the choice that a form names, as far as it is still there. Raises NobodyChosen."""
    menu = await picker(chat, {name: wanted.get(name, "") for name in NAMES})
    if menu.choice is None:
        raise NobodyChosen(menu.problem.sentence if menu.problem is not None else NO_MODEL)
    if wanted.get("access", "") not in {"", menu.choice.path.key} and visitor() is None:
        # The page stood at another access: then nobody is asked.
        raise NobodyChosen(GONE)
    return menu.choice


def why_busy(refusal: Exception) -> str:
    """Return what to say of ChatIsBusy, ChatWaits or TooManyVisits."""
    if isinstance(refusal, TooManyVisits):
        return MANY
    return WAITS if isinstance(refusal, ChatWaits) else BUSY


def faults(form: forms.Form) -> str:
    """Return what is wrong with a form, in one line."""
    return " ".join(str(error) for errors in form.errors.values() for error in errors)

"""Who shall answer: what the model menu offers, and the choice that is made or remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from chat.choice import Choice
from chat.models import Chat, Preference
from connections.catalogue import Effort, Model
from connections.catalogues import Offer, offers
from connections.codex.usage import UsageWindow
from connections.paths import RELAYED, AccessPath
from connections.status import NextStep, Status
from connections.visitor import visitor

REMEMBERED, REMEMBERED_ELSEWHERE = "choice", "choice-elsewhere"
#: Until the account has been read at a start, after a sign-out, and while it is in doubt.
AWAY = Status(
    False,
    "access-away",
    "Not there",
    "The computer that was chosen for this chat is not known here now, so nothing is sent. Wait a moment, sign in to "
    "the account again if you signed out, or choose another access.",
    NextStep.WAIT,
)
# Per cent of a window from which the composer mentions it.
NEARLY = 80


@dataclass(frozen=True)
class AccessEntry:
    """An access path in the menu."""

    key: str
    label: str
    selected: bool
    ready: bool
    title: str
    reason: str
    # Since when another computer is not there; None for access that needs none.
    since: datetime | None = None


@dataclass(frozen=True)
class Entry:
    """A model, or a reasoning effort, in the menu."""

    slug: str
    name: str
    description: str
    selected: bool
    refused: str = ""


@dataclass(frozen=True)
class Picker:
    """The model menu as it is to be shown, and the choice it stands at (None: nothing can be chosen yet)."""

    choice: Choice | None
    accesses: Sequence[AccessEntry]
    models: Sequence[Entry]
    efforts: Sequence[Entry]
    problem: Status | None
    # A window of the plan's limit that is nearly used up.
    nearly: UsageWindow | None = None
    # Other ways to ask that would work now, while the chosen one does not.
    others: Sequence[AccessEntry] = ()

    @property
    def label(self) -> str:
        """What the chosen access path is called."""
        return label_of(self.choice.path) if self.choice is not None else ""

    @property
    def has_models(self) -> bool:
        """Whether any model can be chosen."""
        return bool(self.models)


async def picker(chat: Chat | None = None, wanted: Mapping[str, str] | None = None) -> Picker:
    """Return the menu for a chat.

    The choice is `wanted` ("access", "model", "effort"; what is missing or no longer there is filled in), else the one
    this chat stands at, else the one remembered, else the first that is ready.
    """
    available = _allowed(await offers())
    wish = _of_chat(chat) or await _remembered()
    wish |= {name: value for name, value in (wanted or {}).items() if value or name == "effort"}
    offer = _offer(available, wish.get("access", ""))
    if offer is None:
        return Picker(None, [], [], [], None)
    if wish.get("access", "").startswith(RELAYED) and offer.path.key != wish["access"]:
        return _away(available)
    model = _model(offer, wish.get("model", ""))
    effort = _effort(model, wish.get("effort", ""))
    choice = Choice(offer.path, model, effort) if model else None
    return Picker(
        choice,
        [_access(each, chosen=each is offer) for each in available],
        [
            Entry(each.slug, each.name, each.description, each is model, offer.refused.get(each.slug, ""))
            for each in offer.models
        ],
        [Entry(each.name, each.name, each.description, each.name == effort) for each in _efforts(model)],
        None if offer.status.ready or not offer.models else offer.status,
        _nearly_used(offer) if offer.status.ready else None,
        [] if offer.status.ready else [_access(each) for each in _ready(available)],
    )


async def exactly(chat: Chat, wanted: Mapping[str, str]) -> Choice | None:
    """Return the choice of these names and no other; None where its access or model is not offered any more."""
    choice = (await picker(chat, wanted)).choice
    if choice is None or (choice.path.key, choice.model.slug) != (wanted.get("access"), wanted.get("model")):
        return None
    return choice


def _away(available: Sequence[Offer]) -> Picker:
    """The menu where the chosen computer is not known at this moment: what was meant for it goes to nobody else."""
    return Picker(
        None, [_access(each) for each in available], [], [], AWAY, None, [_access(each) for each in _ready(available)]
    )


def _ready(available: Sequence[Offer]) -> Sequence[Offer]:
    return [each for each in available if each.status.ready and each.models]


def _allowed(available: Sequence[Offer]) -> Sequence[Offer]:
    """What may be chosen: all, but for a browser on another device only what this computer offers it."""
    who = visitor()
    return available if who is None else [offer for offer in available if offer.path.key == who.access]


def _access(offer: Offer, *, chosen: bool = False) -> AccessEntry:
    status = offer.status
    since = status.since if offer.path.keeps_messages and not status.ready else None
    return AccessEntry(offer.path.key, label_of(offer.path), chosen, status.ready, status.title, status.sentence, since)


def label_of(path: AccessPath) -> str:
    """What an access path is called in the menu: from another device, this computer's own session is Codex Relay."""
    who = visitor()
    return who.label if who is not None and path.key == who.access else path.label


def _nearly_used(offer: Offer) -> UsageWindow | None:
    """The window that is used most, from 80 % upward."""
    windows = offer.path.usage.running(timezone.now()) if offer.path.usage else ()
    high = [window for window in windows if window.used_percent >= NEARLY]
    return max(high, key=lambda window: window.used_percent, default=None)


def _offer(available: Sequence[Offer], key: str) -> Offer | None:
    """The offer of that key, else the first one that could answer, else the first."""
    for test in (
        lambda offer: offer.path.key == key,
        lambda offer: offer.status.ready and offer.models,
        lambda offer: offer.models,
        lambda offer: True,
    ):
        if found := next((offer for offer in available if test(offer)), None):
            return found
    return None


def _model(offer: Offer, slug: str) -> Model | None:
    """The model of that slug, else the first that was not refused, else the first."""
    fit = [model for model in offer.models if model.slug not in offer.refused]
    default = next(iter(fit or offer.models), None)
    return next((model for model in offer.models if model.slug == slug), default)


def _efforts(model: Model | None) -> Sequence[Effort]:
    return model.efforts if model else ()


def _effort(model: Model | None, name: str) -> str | None:
    names = [effort.name for effort in _efforts(model)]
    if name in names:
        return name
    return model.default_effort if model else None


async def remember(choice: Choice, chat: Chat | None = None) -> None:
    """Keep a choice as the one that `chat` stands at and that new chats begin with."""
    value = choice.as_wanted()
    # Nearly always nothing is new, and to write would be in the way of the question that was just sent.
    if await _remembered() != value:
        await Preference.objects.aupdate_or_create(name=_remembered_as(), defaults={"value": value})
    # What a chat stands at on this computer is not changed from elsewhere.
    if chat is not None and visitor() is None and _choice(chat.choice) != value:
        await Chat.objects.filter(pk=chat.pk).aupdate(choice=value)


def _of_chat(chat: Chat | None) -> dict[str, str]:
    """What a chat stands at, where whoever looks may have that."""
    choice, who = _choice(chat.choice if chat is not None else None), visitor()
    return choice if who is None or choice.get("access") == who.access else {}


def _remembered_as() -> str:
    """Browsers on other devices can choose less, so their last choice is not that of this computer."""
    return REMEMBERED if visitor() is None else REMEMBERED_ELSEWHERE


async def _remembered() -> dict[str, str]:
    preference = await Preference.objects.filter(name=_remembered_as()).afirst()
    return _choice(preference.value if preference else None)


def _choice(value: object) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else {}

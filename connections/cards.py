"""What the cards of Settings > Connections show, as plain values for their templates, and the pieces of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from connections import catalogues
from connections.codex.path import CodexPath
from connections.codex.session import Account
from connections.codex.sign_in import SignIn
from connections.codex.usage import Usage, UsageWindow
from connections.extras import all_extras
from connections.key_errors import SealedKeyDamaged, SealingKeyGone
from connections.models import ApiKey
from connections.openai import OpenAIPath
from connections.paths import AccessPath, paths
from connections.push import html, partial
from connections.sealing import Unsealable, fingerprint_of
from connections.sealing_keys import Place
from connections.status import NextStep, Status
from connections.stored_keys import places

# The commands that bring one a step on, where the next step is one at the terminal.
COMMANDS = {
    NextStep.INSTALL_CLI: ("npm install -g @openai/codex", "codex login", "codex login status"),
    NextStep.SIGN_IN: ("codex login", "codex login status"),
    NextStep.SIGN_IN_AGAIN: ("codex login", "codex login status"),
    NextStep.CHECK_FILE: ("codex login", "codex login status"),
}
# How a key is sealed, as the end of a sentence.
SEALED = {
    Place.KEYRING: "sealed with a key that the system keyring holds",
    Place.FILE: "sealed with a key in a file that only you can read",
}


def tone(status: Status) -> str:
    """The pill's kind: good, wait (passes by itself or with a click), bad (needs the user)."""
    if status.ready:
        return "good"
    return "wait" if status.next_step in {NextStep.WAIT, NextStep.RETRY} else "bad"


@dataclass(frozen=True)
class Card:
    """One access path as its card shows it."""

    path: AccessPath
    status: Status
    account: Account | None
    commands: tuple[str, ...]
    enabled: int
    known: int
    usage: tuple[UsageWindow, ...] = ()
    credits: str = ""
    renewed_by: str | None = None
    # The CLI's own login: None where the path has none.
    sign_in: SignIn | None = None

    @property
    def title(self) -> str:
        """What its heading says."""
        return "Codex session auth" if isinstance(self.path, CodexPath) else self.path.label

    @property
    def about(self) -> str:
        """What stands below the heading."""
        if not isinstance(self.path, CodexPath):
            return "Your ChatGPT plan, through your other computer"
        if self.account is None:
            return "Your ChatGPT plan, through the Codex CLI"
        name = self.account.email or "ChatGPT account"
        return f"{name} · {self.account.plan.capitalize()}" if self.account.plan else name

    @property
    def sign(self) -> str:
        """Its icon."""
        return "terminal" if isinstance(self.path, CodexPath) else "monitor"

    @property
    def has_actions(self) -> bool:
        """Whether there is anything to press."""
        return bool(self.status.ready or self.known or self.status.next_step is not NextStep.WAIT)

    @property
    def is_away(self) -> bool:
        """Whether another computer is not there, so that it matters since when."""
        return not isinstance(self.path, CodexPath) and not self.status.ready

    @property
    def may_sign_in(self) -> bool:
        """Whether signing in to Codex is the next step and its CLI is there to do it."""
        steps = {NextStep.SIGN_IN, NextStep.SIGN_IN_AGAIN, NextStep.CHECK_FILE}
        return self.sign_in is not None and self.status.next_step in steps

    @property
    def tone(self) -> str:
        """The pill's kind."""
        return tone(self.status)


@dataclass(frozen=True)
class KeyCard:
    """One API key as the page shows it. Without a path it was removed and can be brought back."""

    row: ApiKey
    path: OpenAIPath | None
    status: Status | None
    sealed: str
    enabled: int = 0
    known: int = 0

    @property
    def key(self) -> str:
        """Names the card in the page."""
        return self.row.path_key

    @property
    def tone(self) -> str:
        """The pill's kind."""
        return tone(self.status) if self.status else ""

    @property
    def lost(self) -> bool:
        """Whether the stored key can never be read again, so that only entering it anew helps."""
        return self.status is not None and self.status.code in {SealingKeyGone.code, SealedKeyDamaged.code}


async def card(path: AccessPath) -> Card:
    """Gather the card of a path that is no API key's."""
    status = path.status()
    account = path.account if isinstance(path, CodexPath) else None
    entries = await catalogues.entries(path)
    return Card(
        path,
        status,
        account,
        COMMANDS.get(status.next_step, ()) if status.next_step and isinstance(path, CodexPath) else (),
        sum(entry.enabled for entry in entries),
        len(entries),
        path.usage.running(timezone.now()) if path.usage and account else (),
        _credits(path.usage) if path.usage and account else "",
        path.renewed_by if isinstance(path, CodexPath) else None,
        path.sign_in if isinstance(path, CodexPath) else None,
    )


def _credits(usage: Usage) -> str:
    if usage.unlimited_credits:
        return "Unlimited credits"
    return f"Credits: {usage.credit_balance}" if usage.has_credits and usage.credit_balance else ""


async def cards() -> list[Card]:
    """Gather the cards of all paths but those of API keys."""
    return [await card(path) for path in paths.all() if not isinstance(path, OpenAIPath)]


async def key_card(row: ApiKey, kept_in: Mapping[str, Place]) -> KeyCard:
    """Gather the card of an API key; `kept_in` is where the sealing keys are, by their fingerprints."""
    try:
        place = kept_in.get(fingerprint_of(bytes(row.sealed)).hex())
    except Unsealable:
        place = None
    sealed = SEALED[place] if place else "sealed"
    path = paths.get(row.path_key)
    if row.removed_at is not None or not isinstance(path, OpenAIPath):
        return KeyCard(row, None, None, sealed)
    entries = await catalogues.entries(path)
    return KeyCard(row, path, path.status(), sealed, sum(entry.enabled for entry in entries), len(entries))


async def key_cards() -> list[KeyCard]:
    """Gather the cards of all API keys, in the order in which they were added."""
    kept_in = await places()
    return [await key_card(row, kept_in) async for row in ApiKey.objects.all()]


async def key_list(shown: Sequence[KeyCard] | None = None) -> str:
    """Return the list of API keys, as a piece that goes to its place in the page."""
    found = await key_cards() if shown is None else shown
    return partial("#keys", await html("connections/keys.html", {"keys": found}))


@dataclass(frozen=True)
class Section:
    """One card of the page, rendered."""

    key: str
    html: str


async def sections() -> list[Section]:
    """Render all cards above those of API keys: the Codex session, what is no access path, other computers."""
    own: list[Section] = []
    others: list[Section] = []
    for each in await cards():
        section = Section(each.path.key, await html("connections/card.html", {"card": each}))
        (own if isinstance(each.path, CodexPath) else others).append(section)
    extra = [Section(each.key, await each.html()) for each in all_extras()]
    return [*own, *extra, *others]


class Pieces:
    """What one open page has, and what it lacks."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}
        self._sections: list[str] | None = None
        self._keys: list[str] | None = None

    async def new(self) -> str:
        """Return the cards that have changed since the last call; a whole list where some came or went."""
        shown = await sections()
        pieces = [piece for each in shown if (piece := self._piece(each.key, each.html))]
        order = [each.key for each in shown]
        if self._sections is not None and order != self._sections:
            pieces = [partial("#paths", await html("connections/paths.html", {"sections": shown}))]
        self._sections = order
        found = await key_cards()
        changed = [await self._changed(each.key, "connections/key.html", {"key": each}) for each in found]
        names = [each.key for each in found]
        if names != self._keys:
            self._keys = names
            pieces.append(await key_list(found))
        else:
            pieces += filter(None, changed)
        return "".join(pieces)

    async def _changed(self, key: str, template: str, context: Mapping[str, Any]) -> str:
        return self._piece(key, await html(template, context))

    def _piece(self, key: str, text: str) -> str:
        if self._shown.get(key) == text:
            return ""
        self._shown[key] = text
        return partial(f"#card-{key}", text)

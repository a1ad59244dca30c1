"""What Settings > Account shows, as plain values for its templates, and the pieces of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat

from connections.push import html, partial
from connections.sealing_keys import Place
from relay.account.account import installed
from relay.account.forms import SAID, Note, is_piece, moved
from relay.account.state import AccountView
from relay.api.states import PlanFacts

# Where the keys of the account lie on this device, as the end of a sentence.
SEALED: Final = {
    Place.KEYRING: "sealed with a key that the system keyring holds",
    Place.FILE: "sealed with a key in a file that only you can read",
}
# From here on the bar of the storage warns, as the bars of usage do.
HIGH: Final = 80

# What a plan may have: the name of its fact, of its row, what that means, and its name within a sentence.
FEATURES: Final = (
    ("sync_keys", "API keys", "Your OpenAI API keys on every device", "synced API keys"),
    ("sync_chats", "Chats", "Your conversations on every device", "synced chats"),
    ("sync_files", "Files and images", "What you attach and what models draw", "files and images"),
    ("sync_settings", "Settings and workspace", "Instructions, folders, pins", "settings"),
    ("relay", "Codex Relay", "This computer's Codex session from your other devices", "Codex Relay"),
)
# The plans of the broker on this computer, shown until it runs: it starts when it is first used, not when somebody
# looks. A test holds them equal to its own.
OWN_PLANS: Final = (
    PlanFacts("free", "Free", True, False, False, False, False, quota=10 * 2**20, devices=3),
    PlanFacts("pro", "Pro", True, True, True, True, True, quota=10 * 2**30, devices=25),
)


@dataclass(frozen=True)
class Cell:
    """What one plan says in one row: a text, or whether it is included."""

    included: bool = True
    text: str = ""
    current: bool = False


@dataclass(frozen=True)
class Row:
    """One row of the comparison."""

    name: str
    hint: str
    cells: Sequence[Cell]


def comparison(plans: Sequence[PlanFacts], current: PlanFacts | None) -> list[Row]:
    """Compare plans row by row, in the order in which the broker tells of them."""
    here = [current is not None and plan.code == current.code for plan in plans]

    def row(name: str, hint: str, cells: Sequence[tuple[bool, str]]) -> Row:
        return Row(name, hint, [Cell(has, text, at) for (has, text), at in zip(cells, here, strict=True)])

    rows = [row(name, hint, [(getattr(plan, fact), "") for plan in plans]) for fact, name, hint, _ in FEATURES]
    rows.append(row("Storage", "Encrypted, at the broker", [(plan.quota > 0, size(plan.quota)) for plan in plans]))
    rows.append(row("Devices", "Signed in at once", [(True, str(plan.devices)) for plan in plans]))
    return rows


def size(count: int) -> str:
    """Write a number of bytes as people do."""
    return filesizeformat(count)


def lacking(plan: PlanFacts | None) -> str:
    """Name what a plan does not have, as a part of a sentence; "" where it has all."""
    names = [within for fact, _, _, within in FEATURES if plan is not None and not getattr(plan, fact)]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def shown(view: AccountView) -> dict[str, Any]:
    """Return what the templates of the page need to know."""
    plans = view.plans or (OWN_PLANS if view.broker.embedded else ())
    quota = view.plan.quota if view.plan else 0
    used = min(100, round(100 * view.used / quota)) if quota else 0
    return {
        "page": "account",
        "account": view,
        "sealed": SEALED[view.place],
        "plans": plans,
        # A plan ends when a day begins: the day before is its last one.
        "last_day": view.plan_until and view.plan_until - timedelta(seconds=1),
        "rows": comparison(plans, view.plan),
        "lacking": lacking(view.plan),
        "used_percent": used,
        "high": used >= HIGH,
        "full": bool(quota) and view.used >= quota,
        # Those that somebody may want to remove.
        "present": {device.hex for device in view.devices if not device.this},
    }


async def done(request: HttpRequest, words: str = "", *, said: str = "", bad: bool = False) -> HttpResponse:
    """Answer what has been done: the page as it is now, with word of it; a dialog that asked for it closes.

    `words` are told as they are, `said` is a name in SAID.
    """
    note = Note(words or SAID.get(said, ""), bad)
    if not is_piece(request):
        return moved(request, "index", note=note)
    state = partial("#account", await html("account/state.html", shown(installed().view)))
    told = partial("#account-said", await html("account/said.html", vars(note)), "innerHTML")
    return HttpResponse(await html("account/done.html", {}) + state + told)


class Pieces:
    """What one open page has, and what it lacks. `had` is the `position` of an earlier stream of the same page."""

    REGIONS: Final = ("banners", "own", "key", "devices", "plan", "broker")

    def __init__(self, had: str = "") -> None:
        self._had = had
        self._shown: dict[str, str] = {}
        self._kind: tuple[bool, bool] | None = None
        self._alarm = False
        self._digits: str | None = None

    @property
    def position(self) -> str:
        """What the page has by now, as a page that re-joins tells it: nothing of it is sent again, for something may
        be typed there."""
        marks = [f"{name}={_digest(text)}" for name, text in self._shown.items()]
        return ".".join([_mark(self._kind), *marks])

    async def new(self) -> str:
        """Return the regions that have changed since the last call; the whole where somebody signed in or out."""
        view = installed().view
        kind, context = (view.signed_in, view.revoked), shown(view)
        names = self.REGIONS if view.signed_in else ("banners", "broker", "plan")
        texts = {name: await html(f"account/region_{name}.html", context) for name in names}
        # The answer of a person is about the digits in sight: others must not slip into their place.
        if self._digits is not None and view.digits not in {None, self._digits}:
            texts["banners"] = self._shown.get("banners", texts["banners"])
        else:
            self._digits = view.digits
        fresh = {name: text for name, text in texts.items() if self._shown.get(name) != text}
        self._shown = texts
        # Beside an alarm from elsewhere, what this page said before would be wrong.
        alarm = view.revoked or view.digits is not None
        hush = partial("#account-said", "", "innerHTML") if alarm and not self._alarm and self._kind else ""
        self._alarm = alarm
        mark, *had = self._had.split(".")
        if self._kind is None and mark == _mark(kind):
            self._kind = kind
            fresh = {name: text for name, text in fresh.items() if f"{name}={_digest(text)}" not in had}
        if kind != self._kind:
            self._kind = kind
            return hush + partial("#account", await html("account/state.html", context))
        return hush + "".join(partial(f"#account-{name}", text) for name, text in fresh.items())


def _mark(kind: tuple[bool, bool] | None) -> str:
    return "".join("01"[each] for each in kind or ())


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]

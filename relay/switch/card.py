"""The card of Codex Relay on Settings > Connections."""

from __future__ import annotations

from typing import Final

from connections.push import html
from relay.host.service import Reason
from relay.switch.service import RelaySwitch, SwitchView

KEY: Final = "relay-switch"
TEMPLATE: Final = "relay/card.html"

_TITLES: Final = {
    Reason.READY: "On line",
    Reason.CONNECTING: "Connecting",
    Reason.UNREACHABLE: "Not connected",
    Reason.RESTARTING: "Restarting",
    Reason.NO_KEYS: "Updating",
    Reason.OFF: "Off",
    Reason.NO_MODEL: "No model",
    Reason.NO_PLAN: "Needs Pro",
    Reason.SIGNED_OUT: "Needs sign-in",
}
#: These pass by themselves.
_PASSING: Final = frozenset({Reason.CONNECTING, Reason.UNREACHABLE, Reason.RESTARTING, Reason.NO_KEYS})


class RelayCard:
    """See `connections.extras.Extra`."""

    key = KEY

    def __init__(self, switch: RelaySwitch) -> None:
        self._switch = switch

    async def html(self) -> str:
        """The inside of its section."""
        return await html(TEMPLATE, context(self._switch.view))


def context(view: SwitchView, trouble: str = "") -> dict[str, object]:
    """What the template shows. `trouble` is why the last press did nothing."""
    reason = view.state.reason
    # Off and cannot be on: the obstacle says more than "off" does.
    blocked = not view.checked and view.obstacle is not None
    if view.state.on:
        tone = "good"
    elif not view.checked:
        tone = "off"
    else:
        tone = "wait" if reason in _PASSING else "bad"
    return {
        "key": KEY,
        "view": view,
        "blocked": blocked,
        "title": _TITLES.get(reason, "Not available"),
        "tone": tone,
        "devices": _names(view.devices),
        "place": view.obstacle.place if view.obstacle is not None and (blocked or not view.state.on) else "",
        "trouble": trouble,
    }


def _names(names: tuple[str, ...]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"

"""Cards on Settings > Connections that are no access path's: other parts of Lerix put them there."""

from __future__ import annotations

from typing import Protocol


class Extra(Protocol):
    """A card. `key` names it in the page; it is shown after the card of the Codex session."""

    @property
    def key(self) -> str: ...

    async def html(self) -> str:
        """The inside of its section, which the heading with the id `card-<key>-name` names. Rendered at each change."""


_extras: list[Extra] = []


def add(extra: Extra) -> None:
    """Show a card from now on; one with the same key is replaced."""
    _extras[:] = [other for other in _extras if other.key != extra.key] + [extra]


def remove(key: str) -> None:
    """Show it no more."""
    _extras[:] = [other for other in _extras if other.key != key]


def all_extras() -> tuple[Extra, ...]:
    """Those there are, in the order in which they were added."""
    return tuple(_extras)

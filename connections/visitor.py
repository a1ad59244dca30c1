"""Who looks at a page: somebody at this computer, or a browser on another device of the account, over Codex Relay.

It is known from the way by which a request came, never from what the request says, and holds for all that is done for
it: views, the queries of its event stream, templates.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Visitor:
    """A browser on another device. It may use the one access path `access`, which it is shown as `label`."""

    device: bytes
    access: str
    label: str


_visitor: ContextVar[Visitor | None] = ContextVar("visitor", default=None)


def visitor() -> Visitor | None:
    """Who is served now; None for somebody at this computer."""
    return _visitor.get()


@contextmanager
def visiting(who: Visitor) -> Iterator[None]:
    """Serve `who` inside; tasks that are begun inside inherit it."""
    token = _visitor.set(who)
    try:
        yield
    finally:
        _visitor.reset(token)

"""What a person has begun and not finished: in memory only, for an hour, and few at once.

A pending flow may hold an open root bundle or a recovery key. It is dropped as soon as it is done or cancelled.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from connections.secrets import Secret
from relay.account.errors import PendingElsewhere, PendingEnded

#: Seconds: a code is good for 15 minutes, and its ticket, once confirmed, for an hour.
LIFETIME: Final = 3600
MOST: Final = 8


class Kind(StrEnum):
    """What was begun."""

    CREATE = "create"
    RECOVER = "recover"
    ERASE = "erase"
    RECOVERY_KEY = "recovery-key"
    REKEY = "rekey"


class Step(StrEnum):
    """What the person does next."""

    CODE = "code"  # enter the code that came by e-mail
    SHOW_KEY = "show-key"  # copy the recovery key and type parts of it again
    ENTER_KEY = "enter-key"  # enter the recovery key
    NEW_PASSWORD = "new-password"  # noqa: S105 - the name of a step
    CONFIRM = "confirm"  # say that everything shall be erased
    DONE = "done"


@dataclass(frozen=True)
class Pending:
    """One begun flow, as the pages show it.

    `code` is what the embedded broker would have sent by e-mail, None for any other broker. `recovery_key` is there
    while it is to be copied, `retype` the positions (from 0) of its groups to type again. `digits` are those of a
    rekey, which the other devices show too. `expires` is aware, by this computer's clock, and only to be shown.
    """

    id: str
    purpose: Kind
    step: Step
    email: str
    code: str | None = field(default=None, repr=False)
    recovery_key: Secret | None = None
    retype: tuple[int, ...] = ()
    digits: str | None = None
    expires: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(seconds=LIFETIME))


@dataclass
class _Begun:
    pending: Pending
    held: Any
    ends: float


class Pendings:
    """The begun flows of this process. `clock` counts seconds and never jumps."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: dict[str, _Begun] = {}

    def begin(self, purpose: Kind, step: Step, email: str, held: Any, **shown: Any) -> Pending:
        """Keep `held` for the steps to come. Where there are too many, the oldest goes: nobody comes back to it."""
        self._drop_old()
        while len(self._begun) >= MOST:
            del self._begun[next(iter(self._begun))]
        pending = Pending(secrets.token_urlsafe(16), purpose, step, email, **shown)
        self._begun[pending.id] = _Begun(pending, held, self._clock() + LIFETIME)
        return pending

    def find(self, pending_id: str) -> Pending | None:
        """The flow of that id, unless it is over."""
        self._drop_old()
        begun = self._begun.get(pending_id)
        return begun.pending if begun is not None else None

    def at(self, pending_id: str, *steps: tuple[Kind, Step]) -> tuple[Pending, Any]:
        """The flow, and what it holds, at one of these steps. Raises PendingEnded, PendingElsewhere."""
        self._drop_old()
        begun = self._begun.get(pending_id)
        if begun is None:
            raise PendingEnded
        if (begun.pending.purpose, begun.pending.step) not in steps:
            raise PendingElsewhere
        return begun.pending, begun.held

    def go_on(self, pending_id: str, *, held: Any = None, **shown: Any) -> Pending:
        """Change what is shown, and what is held unless that is None. Raises PendingEnded."""
        begun = self._begun.get(pending_id)
        if begun is None:
            raise PendingEnded
        begun.pending = replace(begun.pending, **shown)
        if held is not None:
            begun.held = held
        return begun.pending

    def drop(self, pending_id: str) -> None:
        """Forget a flow and what it held."""
        self._begun.pop(pending_id, None)

    def clear(self) -> None:
        """Forget all."""
        self._begun.clear()

    def _drop_old(self) -> None:
        now = self._clock()
        for pending_id in [each for each, begun in self._begun.items() if begun.ends <= now]:
            del self._begun[pending_id]

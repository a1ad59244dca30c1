"""How much of a model's context a chat takes: what the composer's foot shows of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.db.models import BinaryField
from django.db.models.functions import Cast, Length

from chat.attachments.turns import Weight, weights
from chat.choices import Picker
from chat.context import BYTES, FRAME, answer_room
from chat.models import Message, Role
from connections.catalogue import Model

#: The newest count of the service is looked for so far back; what has no count is estimated.
_BACK: Final = 40
#: From such a share of the context on, in per cent, the meter says so in words.
NEARLY: Final = 80


@dataclass(frozen=True)
class Meter:
    """What the conversation takes of the model's context, and what its last answer took. All in tokens.

    `window` is None where nobody tells how much the model takes. `exact` says that the service has counted `used`.
    `cut` is the id of the oldest message that the last answer's model was given, where older ones no longer fitted.
    """

    used: int
    window: int | None
    room: int
    exact: bool
    read: int = 0
    cached: int = 0
    written: int = 0
    reasoned: int = 0
    cut: int = 0

    @property
    def percent(self) -> int | None:
        """How much of the context is used, 0 to 100."""
        return min(100, round(100 * self.used / self.window)) if self.window else None

    @property
    def nearly(self) -> bool:
        """Whether it is nearly full, or older messages are left out already."""
        return bool(self.cut) or (self.percent or 0) >= NEARLY


async def meter(branch: Iterable[int], picker: Picker) -> Meter | None:
    """Return the meter of a chat as the menu stands; None where there is nothing to tell."""
    ids = list(branch)[-_BACK:]
    if not ids:
        return None
    model = picker.choice.model if picker.choice is not None else Model("", "")
    rows, files = await sync_to_async(_read)(ids, model)
    newest = [rows[pk] for pk in reversed(ids) if pk in rows]
    used, counted = 0, None
    for row in newest:
        if (counted := _counted(row["usage"])) is not None:
            used += counted["total"]
            break
        if row["length"] or row["pk"] in files:
            used += FRAME + row["length"] // BYTES + (files[row["pk"]].tokens if row["pk"] in files else 0)
    if not used or (counted is None and model.context_window is None):
        return None
    exact = counted is not None and newest[0]["usage"] is not None
    return Meter(
        used,
        model.context_window,
        answer_room(model),
        exact=exact,
        read=counted["input"] if counted else 0,
        cached=counted["cached"] if counted else 0,
        written=counted["output"] if counted else 0,
        reasoned=counted["reasoning"] if counted else 0,
        cut=next((row["cut_id"] or 0 for row in newest if row["role"] == Role.ASSISTANT), 0),
    )


def _read(ids: Sequence[int], model: Model) -> tuple[dict[int, dict[str, Any]], dict[int, Weight]]:
    columns = ("pk", "role", "usage", "cut_id", "length")
    found = Message.objects.filter(pk__in=ids).annotate(length=Length(Cast("text", BinaryField())))
    return {row["pk"]: row for row in found.order_by().values(*columns)}, weights(ids, model)


def _counted(usage: Mapping[str, Any] | None) -> dict[str, int] | None:
    """What the service has counted for an answer, None where it has not."""
    if not usage:
        return None
    found = {name: int(usage.get(name) or 0) for name in ("input", "cached", "output", "reasoning")}
    found["total"] = int(usage.get("total") or 0) or found["input"] + found["output"]
    return found if found["total"] else None

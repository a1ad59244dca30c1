"""What a model reads of a chat before it answers: as much of the branch as its context takes, cut from the oldest.

Sizes are estimates, in tokens: nobody tells beforehand how a model counts. Where the service has counted a part of the
branch already, the estimate is corrected by that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import BinaryField
from django.db.models.functions import Cast, Length

from chat.attachments import turns
from chat.attachments.turns import most_sent, turn_of, weights
from chat.choice import Choice
from chat.models import Attachment, Message, Role, State
from connections.catalogue import Model
from connections.errors import AccessError
from connections.responses import Turn
from connections.status import NextStep

# What the model reads, after its own unfinished text, when an answer is to be continued.
GO_ON: Final = "Your last answer was cut off. Continue exactly where it ends, without repeating anything."

#: Bytes of UTF-8 for one token: four letters of English, and a little more than one character of Chinese.
BYTES: Final = 4
#: What a message costs beside its text.
FRAME: Final = 8
#: Reasoning items are sealed and written as base64, which makes them longer.
_SEALED: Final = 5
#: Left for the answer: so many tokens, and of a small context a quarter.
ANSWER: Final = 32_000
_PART: Final = 4
#: Counts of fewer tokens say more of the instructions than of how a model counts.
_TELLS: Final = 2_000
_LEAST_FACTOR, _MOST_FACTOR = 0.7, 3.0


class DoesNotFit(AccessError):
    """A question alone is longer than what its model can read."""

    code = "does-not-fit"
    sentence = "This message is too long for its model. It is kept. Shorten it, or choose another model."
    next_step = NextStep.EDIT

    def __init__(self, sentence: str = "") -> None:
        self.sentence = sentence or type(self).sentence
        super().__init__()

    @classmethod
    def by(cls, model: Model, needed: int) -> DoesNotFit:
        """Say of which model, and by how many tokens."""
        room = (model.context_window or 0) - answer_room(model)
        return cls(
            f"This message is too long for {model.name}: it has about {needed:,} tokens, and {room:,} fit beside the "
            "answer. Your message is kept. Shorten it, or choose a model with a larger context."
        )


@dataclass(frozen=True)
class Reading:
    """What a model is given: `turns`, oldest first, of about `tokens`.

    `cut` is the id of the oldest message of it where older ones were left out. `shortest` says that nothing more can
    be: it is the question alone.
    """

    turns: Sequence[Turn]
    tokens: int
    cut: int | None
    shortest: bool


@dataclass(frozen=True)
class _Row:
    """A message of the branch, without its texts. `tokens` are estimated, 0 of one without a word; `size` is bytes of
    its files."""

    pk: int
    role: str
    tokens: int
    size: int
    files: bool
    replayed: bool
    usage: Mapping[str, Any] | None
    cut: int | None

    @property
    def counts(self) -> bool:
        """Whether there is anything in it for a model."""
        return self.tokens > 0


def estimate(text: str) -> int:
    """Return about how many tokens a text has."""
    return len(text) // BYTES if text.isascii() else len(text.encode("utf-8", "replace")) // BYTES


def answer_room(model: Model) -> int:
    """Return how many tokens of a model's context are kept free for its answer."""
    return min(ANSWER, (model.context_window or ANSWER) // _PART)


def room(model: Model, told: str) -> int | None:
    """Return how many tokens of a conversation a model can read beside its instructions. None: nobody knows."""
    if model.context_window is None:
        return None
    return max(0, model.context_window - answer_room(model) - estimate(told))


def refusal(text: str, files: Sequence[Attachment], model: Model, told: str) -> str:
    """Return why a question cannot be sent to a model even alone, as a sentence, or "" where it can.

    `files` are as `chat.attachments.turns.measured` gives them, `told` the instructions before it.
    """
    if why := turns.refusal(files, model):
        return why
    needed = FRAME + estimate(text) + turns.weight(files, model).tokens
    most = room(model, told)
    return "" if most is None or needed <= most else DoesNotFit.by(model, needed).sentence


def read(answer: Message, choice: Choice, told: str, most: int | None = None) -> Reading:
    """Return what the model shall read after the instructions `told`: the branch that ends in the question of `answer`.

    Reads database and disk: call it in a thread.

    `most` are so many tokens at most, where the service has said that more are too many. Reasoning items go only to
    the access path and account they came from; elsewhere they mean nothing or are refused.
    Raises DoesNotFit where the question alone is too long.
    """
    model = choice.model
    rows = _rows(answer, choice)
    limit = room(model, told)
    factor = _factor(rows, told)
    must = _question(rows)
    needed = round(sum(row.tokens for row in rows[must:]) * factor)
    if limit is not None and needed > limit:
        raise DoesNotFit.by(model, needed)
    limits = [each for each in (limit, most) if each is not None]
    first = _first(rows, must, factor, min(limits) if limits else None, most_sent(model))
    cut = rows[first].pk if any(row.counts for row in rows[:first]) else None
    taken = [row for row in rows[first:] if row.counts]
    given = _turns(taken, model)
    if rows and rows[-1].role == Role.ASSISTANT:
        given.append(Turn("user", GO_ON))
    tokens = round(sum(row.tokens for row in taken) * factor)
    return Reading(given, tokens, cut, shortest=not any(row.counts for row in rows[first:must]))


def _question(rows: Sequence[_Row]) -> int:
    """The place of the last question: what stands before it can be left out."""
    return next((at for at in range(len(rows) - 1, -1, -1) if rows[at].role == Role.USER), 0)


def _first(rows: Sequence[_Row], must: int, factor: float, most: int | None, size: int) -> int:
    """The place of the oldest question from which on all fits."""
    first = at = len(rows)
    tokens: float = 0
    while at > 0:
        at -= 1
        tokens += rows[at].tokens * factor
        size -= rows[at].size
        if at < must and ((most is not None and tokens > most) or size < 0):
            break
        if rows[at].role == Role.USER:
            first = at
    return min(first, must)


def _factor(rows: Sequence[_Row], told: str) -> float:
    """How many tokens the service counts for one that is estimated, by its newest count of this branch."""
    for at in range(len(rows) - 1, 0, -1):
        counted = int((rows[at].usage or {}).get("input") or 0)
        if counted < _TELLS:
            continue
        start = next((each for each in range(at) if rows[each].pk == rows[at].cut), 0)
        estimated = sum(row.tokens for row in rows[start:at]) + estimate(told)
        return min(_MOST_FACTOR, max(_LEAST_FACTOR, counted / estimated)) if estimated else 1.0
    return 1.0


def _rows(answer: Message, choice: Choice) -> list[_Row]:
    """The branch above an answer, oldest first, as sizes."""
    found = Message.objects.filter(chat_id=answer.chat_id, deleted=None).order_by()
    columns = found.annotate(length=Length(Cast("text", BinaryField())), sealed=Length("items")).values(
        "pk", "parent_id", "role", "state", "length", "sealed", "replay_key", "usage", "cut_id"
    )
    known = {row["pk"]: row for row in columns}
    files = weights(list(known), choice.model)
    key = choice.path.replay_key(choice.model)
    rows: list[_Row] = []
    step = answer.parent_id
    while step in known:
        row, weight = known[step], files.get(step)
        replayed = row["state"] == State.COMPLETE and row["replay_key"] == key and row["role"] == Role.ASSISTANT
        sealed = row["sealed"] // _SEALED if replayed and row["sealed"] > len("[]") else 0
        tokens = FRAME + row["length"] // BYTES + sealed + (weight.tokens if weight else 0)
        # A message without a word, stopped before its first one, is nothing to a model.
        tokens = tokens if row["length"] or weight else 0
        rows.append(
            _Row(
                step,
                row["role"],
                tokens,
                weight.size if weight else 0,
                files=weight is not None,
                replayed=replayed,
                usage=row["usage"],
                cut=row["cut_id"],
            )
        )
        step = row["parent_id"]
    return rows[::-1]


def _turns(rows: Sequence[_Row], model: Model) -> list[Turn]:
    ids = [row.pk for row in rows]
    found = {message.pk: message for message in Message.objects.filter(pk__in=ids).defer("html", "reasoning")}
    given = []
    for row in rows:
        message = found.get(row.pk)
        if message is None:
            continue
        if row.files:
            given.append(turn_of(message, model))
        else:
            items = tuple(message.items) if row.replayed else ()
            given.append(Turn("user" if message.role == Role.USER else "assistant", message.text, items))
    return given

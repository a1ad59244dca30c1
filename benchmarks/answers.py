"""Made-up answers, cut into tokens. The same kind and number give the same answer in every run."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache
from typing import Final, Literal

Kind = Literal["prose", "code", "table", "mixed"]

# A model's token is about four characters of English.
_TOKEN: Final = re.compile(r"\n+|[ ]*[^\s]{1,5}|[ ]+")

_WORDS: Final = (
    "the a server answer of and stream holds each block that grows until reader closed with little more than "
    "a page can take at once so we wait for what comes and then go on as before while nothing is ever lost"
).split()


@cache
def tokens(kind: Kind, count: int) -> tuple[str, ...]:
    """Return an answer of exactly `count` tokens: prose, one long code block, one long table, or mixed Markdown."""
    text: list[str] = []
    have = 0
    for piece in _pieces(kind, random.Random(7)):  # noqa: S311 - the text has to be the same each time
        text.append(piece)
        have += len(piece) // 3
        if have > 2 * count:
            break
    cut = _TOKEN.findall("".join(text))[:count]
    if kind == "code":
        cut[-1] = "\n```\n"
    return tuple(cut)


def _pieces(kind: Kind, chance: random.Random) -> Iterator[str]:
    match kind:
        case "prose":
            while True:
                yield _paragraph(chance)
        case "code":
            yield "```python\n"
            while True:
                yield _function(chance)
        case "table":
            yield "| Number | Name | Note |\n|---:|:---|:---|\n"
            while True:
                yield _row(chance)
        case "mixed":
            while True:
                yield _section(chance)


def _section(chance: random.Random) -> str:
    """A heading, prose, a list, now and then code or a table: about 400 tokens."""
    items = "".join(f"- **{_words(chance, 2)}**: {_words(chance, 12)} `{chance.choice(_WORDS)}()`\n" for _ in range(5))
    code = "```python\n" + "".join(_function(chance) for _ in range(chance.randint(1, 6))) + "```\n\n"
    table = "| Number | Name | Note |\n|---:|:---|:---|\n" + "".join(_row(chance) for _ in range(8)) + "\n"
    parts = [f"## {_words(chance, 4).capitalize()}\n\n", _paragraph(chance), items + "\n", _paragraph(chance)]
    return "".join([*parts, chance.choice([code, table])])


def _paragraph(chance: random.Random) -> str:
    sentences = (f"{_words(chance, chance.randint(6, 16)).capitalize()}." for _ in range(chance.randint(3, 6)))
    return f"{' '.join(sentences)} It is *{_words(chance, 2)}*, as `{chance.choice(_WORDS)}` says.\n\n"


def _function(chance: random.Random) -> str:
    name, argument = "_".join(chance.sample(_WORDS, 2)), chance.choice(_WORDS)
    return (
        f"def {name}({argument}: int, limit: float = {chance.random():.3f}) -> str:\n"
        f'    """{_words(chance, 6).capitalize()}."""\n'
        f"    if {argument} < limit and {argument} != {chance.randint(1, 99)}:  # {_words(chance, 4)}\n"
        f'        return f"{{{argument}:>8}} of {_words(chance, 2)}"\n'
        f"    return str({argument})\n\n"
    )


def _row(chance: random.Random) -> str:
    return f"| {chance.randint(1, 9999)} | {_words(chance, 2)} | {_words(chance, 5)} `{chance.choice(_WORDS)}` |\n"


def _words(chance: random.Random, count: int) -> str:
    return " ".join(chance.choices(_WORDS, k=count))

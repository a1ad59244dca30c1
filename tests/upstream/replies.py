"""What the stand-in's models say."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.upstream.faults import NAMED, Fault
from tests.upstream.gates import Gate


@dataclass(frozen=True, slots=True)
class Tokens:
    """The usage numbers of one answer, in tokens."""

    input: int
    output: int
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. ``chunks`` are its deltas as they are (otherwise ``text`` is cut at spaces).

    ``delay`` is in seconds before each delta (None: the stand-in's own), ``reasoning`` a summary sent when
    the request asks for summaries, ``gate`` holds this answer only, ``fault`` befalls this answer only.
    """

    text: str = ""
    chunks: Sequence[str] | None = None
    delay: float | None = None
    reasoning: str | None = None
    tokens: Tokens | None = None
    gate: Gate | None = None
    fault: Fault | None = None

    @property
    def deltas(self) -> list[str]:
        """The text in the pieces in which it is sent."""
        return list(self.chunks) if self.chunks is not None else re.findall(r"\s*\S+|\s+$", self.text)

    @property
    def whole(self) -> str:
        """The whole text."""
        return "".join(self.deltas)


PLEASANT = """## A small tour

Here is a short answer with **a bit of everything**, so that you can see how it looks.

- plain words, and `inline code`
- a list that wraps when the window is narrow
- unicode: naïve café, Ελληνικά, 日本語, עברית, and an emoji 🌿👩🏽‍🚀

| Planet | Moons | Note |
|:-------|------:|:-----|
| Mars   |     2 | Phobos and Deimos |
| Jupiter |   95 | give or take |

```python
def greet(name: str) -> str:
    \"\"\"Say hello.\"\"\"
    return f"Hello, {name} <3 & welcome"
```

Ask me anything else.
"""

TABLE = """| Language | Year | Typing | Greeting |
|:---------|-----:|:------:|:---------|
| C        | 1972 | static | `puts("hi")` |
| Python   | 1991 | dynamic | `print("hi")` |
| Rust     | 2015 | static | `println!("hi")` |
| Zig      | 2016 | static | `std.debug.print("hi", .{})` |
"""

CODE = """Two files. First the page:

```html
<!doctype html>
<title>Clock</title>
<time id="now"></time>
<script src="clock.js"></script>
```

and then its script:

```javascript
const now = document.querySelector("#now");
setInterval(() => { now.textContent = new Date().toLocaleTimeString(); }, 1000);
```
"""

MATHS = """The roots of $ax^2 + bx + c = 0$ are

$$x = \\frac{-b \\pm \\sqrt{b^2 - 4ac}}{2a}$$

and $e^{i\\pi} + 1 = 0$ costs nothing extra.
"""

LONG = "\n\n".join(
    f"### Part {part}\n\n"
    + " ".join(f"Sentence {line} of part {part} goes on a little while." for line in range(1, 13))
    for part in range(1, 21)
)

THINKING = "**Reading the question**\n\nIt is simple.\n\n**Choosing a form**\n\nA short answer will do."

#: What a message that consists of one of these words is answered with, when keywords are on.
WORDS: dict[str, Reply] = {
    "long": Reply(LONG),
    "code": Reply(CODE),
    "table": Reply(TABLE),
    "maths": Reply(MATHS),
    "short": Reply("Yes."),
    "think": Reply(PLEASANT, reasoning=THINKING),
    "slow": Reply(PLEASANT, delay=0.4),
    "empty": Reply(""),
}


def _listed(names: Iterable[str]) -> str:
    """The names with commas between, in lines of 78 characters that break no name."""
    whole = ", ".join(name.replace(" ", "\0") for name in names)
    return textwrap.fill(whole, 78, initial_indent="  ", subsequent_indent="  ").replace("\0", " ")


KEYWORD_HELP = "\n".join(
    [
        "Send one of these as the whole message:",
        _listed(WORDS),
        "or one of these after `fault:`, as in `fault: usage limit`:",
        _listed(NAMED),
    ]
)


def keyword_reply(question: str) -> Reply | None:
    """The reply that a message such as ``table`` or ``fault: cut`` selects; None for an ordinary message."""
    word = question.strip().lower()
    if word.startswith("fault:"):
        named = NAMED.get(word.removeprefix("fault:").strip())
        if named is None:
            return Reply(f"I know no such fault.\n\n```text\n{KEYWORD_HELP}\n```")
        return Reply(PLEASANT, fault=named())
    return WORDS.get(word)

"""A long table or code block that still grows: it stands among the closed blocks and gets longer there, in parts.

Its end then has nothing to send again: of a table the page has every row, of code every line, and what becomes
highlighted is put in part by part. No part costs a browser more than a few milliseconds, however long the block is.
No Django.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape, unescape
from typing import Any, Final, Protocol

from markdown_it.token import Token

from chat.markdown import FORMULA, code_block, parse, render_rows, render_tokens

# Characters of code in one part, to the end of its line.
PART: Final = 3_000

_FENCE = re.compile(r"(`{3,}|~{3,})[^`\n]*\n")
_TAG = re.compile(r"<[^>]*>")
_ROWS_END: Final = "</tbody>"
_CODE: Final = "<code>"
_CODE_END: Final = "</code>"
_LINES: Final = '<span class="lines">'


@dataclass(frozen=True)
class Change:
    """Something that a page has to do: put `html` to the element whose id ends in `target`, by the method `swap`.

    The target may be followed by a selector below that element.
    """

    target: str
    html: str
    swap: str = "innerMorph"


class Growing(Protocol):
    """A block at the end of the text that grows in its place among the closed ones."""

    @property
    def parts(self) -> int:
        """How many parts there are."""

    def take(self, text: str) -> str | None:
        """Take more text. Return what follows the block when it has ended, else None."""

    def html(self) -> str:
        """Return all of it, for a page that has nothing of it."""

    def after(self, parts: int) -> list[tuple[str, str]]:
        """Return what a page lacks that has so many parts: what goes to the end of which element in the block."""

    def finish(self) -> str:
        """Take it that no more text comes; return what follows the block."""

    @property
    def text(self) -> str:
        """The text of the block as it has come."""


class LongTable:
    """A table, row by row. A row is shown when its line is complete."""

    def __init__(self, text: str, env: dict[str, Any]) -> None:
        self._env = env
        self._text = [text]
        #: What a table needs to be one: two lines, before which each piece of it is parsed.
        self._head = "".join(line + "\n" for line in text.split("\n")[:2])
        whole = render_tokens(parse(text, env), env)
        before, end, after = whole.rpartition(_ROWS_END)
        self._parts = [before]
        self._tail = end + after
        self._line = ""

    @property
    def parts(self) -> int:
        """How many parts there are: the rows that came together are one."""
        return len(self._parts)

    def take(self, text: str) -> str | None:
        """Take more text; return what follows the table when it has ended, else None."""
        self._line += text
        cut = self._line.rfind("\n") + 1
        return self._rows(cut) if cut else None

    def _rows(self, cut: int) -> str | None:
        lines, rest = self._line[:cut], self._line[cut:]
        tokens = parse(self._head + lines, self._env)
        # The two lines of the head are none of these.
        end = (tokens[0].map or [0, 0])[1] - 2
        begin = next((number for number, token in enumerate(tokens) if token.type == "tbody_open"), None)
        if begin is not None:
            rows = tokens[begin + 1 : next(at for at, token in enumerate(tokens) if token.type == "tbody_close")]
            self._parts.append(render_rows(rows, self._env))
        of_table = lines.split("\n")[:end]
        self._text.append("".join(line + "\n" for line in of_table))
        self._line = rest
        if end >= lines.count("\n"):
            return None
        return "\n".join(lines.split("\n")[end:]) + rest

    def html(self) -> str:
        """Return the table as it is now."""
        return "".join(self._parts) + self._tail

    def after(self, parts: int) -> list[tuple[str, str]]:
        """Return the rows that a page lacks which has so many parts, and where they go."""
        rows = "".join(self._parts[parts:])
        return [("tbody:last-child", rows)] if rows else []

    def finish(self) -> str:
        """Take it that no more text comes; return what follows the table."""
        return (self.take("\n") or "") if self._line else ""

    @property
    def text(self) -> str:
        """The text of the table, of which the lines are whole."""
        return "".join(self._text)


@dataclass
class _Part:
    """Whole lines of code; the last part of a block has the line that has only begun, too."""

    text: list[str] = field(default_factory=list)
    length: int = 0


class LongCode:
    """A code block, in parts of whole lines, as plain text: what it looks like in the end is for `refined` to say."""

    def __init__(self, text: str, info: str) -> None:
        found = _FENCE.match(text)
        if found is None:
            raise ValueError("not the beginning of a code block")
        self._opening, self._fence = found[0], found[1]
        self._language = info.split(maxsplit=1)[0] if info.strip() else ""
        self._closing = re.compile(rf" {{0,3}}{re.escape(self._fence)}{self._fence[0]}*[ \t]*")
        # A line that may yet become the closing fence is not shown.
        self._closes = re.compile(rf" {{0,3}}{self._fence[0]}*[ \t]*")
        self._pieces: list[tuple[int, str]] = []
        self._parts = [_Part()]
        # Something of the line that has only begun is shown.
        self._begun = False
        self._held = ""
        self.take(text[found.end() :])

    @property
    def parts(self) -> int:
        """How many pieces of text there are."""
        return len(self._pieces)

    def take(self, text: str) -> str | None:
        """Take more text; return what follows the closing fence when it has come, else None."""
        text = self._held + text
        self._held = ""
        at = 0
        while at < len(text):
            end = text.find("\n", at) + 1
            line = text[at:end] if end else text[at:]
            if end and not self._begun and self._closing.fullmatch(line[:-1]):
                self._held = line
                return text[end:]
            if not end and not self._begun and self._closes.fullmatch(line):
                self._held = line
                return None
            self._show(line)
            self._begun = not end
            at = end or len(text)
        return None

    def _show(self, text: str) -> None:
        part = self._parts[-1]
        if part.length >= PART and not self._begun:
            part = _Part()
            self._parts.append(part)
        part.text.append(text)
        part.length += len(text)
        self._pieces.append((len(self._parts) - 1, text))

    def html(self) -> str:
        """Return the block with all that has come."""
        whole = code_block("", self._language, highlighted=False)
        before, end, after = whole.rpartition(_CODE_END)
        return before + _boxes([_text(part) for part in self._parts if part.text]) + end + after

    def after(self, parts: int) -> list[tuple[str, str]]:
        """Return the text that a page lacks which has so many pieces, and where it goes."""
        begun = self._pieces[parts - 1][0] if parts else -1
        more, boxes = "", dict[int, str]()
        for part, text in self._pieces[parts:]:
            if part == begun:
                more += text
            else:
                boxes[part] = boxes.get(part, "") + text
        # A page looks for both places before it puts anything in: the last part is the one that had begun.
        found = [(".lines:last-child", _escaped(more)), ("code", _boxes(list(boxes.values())))]
        return [each for each in found if each[1]]

    def finish(self) -> str:
        """Take it that no more text comes: nothing follows the block."""
        return ""

    @property
    def text(self) -> str:
        """The text of the block, with its fences as far as they have come."""
        return self._opening + "".join(text for _, text in self._pieces) + self._held

    def refined(self, html: str) -> list[tuple[str, str]]:
        """Return what is to be put where so that a page shows the finished block: `html`, whole, and nothing twice.

        Each is a selector below the block, empty for all of it, and HTML.
        """
        inner = html[html.find(_CODE) + len(_CODE) : html.rfind(_CODE_END)]
        texts = [_text(part) for part in self._parts]
        # A fence that never closes gives its last line an end.
        if unescape(_TAG.sub("", inner)).rstrip("\n") != "".join(texts).rstrip("\n"):
            return [("", html)]
        lines = inner.split("\n")
        found, at = [], 0
        for number, text in enumerate(texts, 1):
            end = at + text.count("\n")
            piece = "\n".join(lines[at:] if number == len(texts) else [*lines[at:end], ""])
            if piece != _escaped(text).replace("\u00a0", "&nbsp;"):
                found.append((f".lines:nth-child({number})", piece))
            at = end
        return found


def long_block(text: str, last: Token, env: dict[str, Any]) -> tuple[Growing, str] | None:
    """Return the long block that `text` is, and the text that it has not taken; None where it can only grow as a whole.

    `last` is the first token of the block, and the only one of the text's outermost ones.
    """
    if last.type == "fence" and last.info.strip().lower() != FORMULA and _FENCE.match(text):
        return LongCode(text, last.info), ""
    if last.type == "table_open" and last.map is not None:
        # Whole lines of it; a blank one may follow.
        lines = text.split("\n")
        count = min(last.map[1] - last.map[0], len(lines) - 1)
        if count > 2:
            return LongTable("".join(line + "\n" for line in lines[:count]), env), "\n".join(lines[count:])
    return None


def _text(part: _Part) -> str:
    return "".join(part.text)


def _boxes(texts: Sequence[str]) -> str:
    return "".join(f"{_LINES}{_escaped(text)}</span>" for text in texts)


def _escaped(text: str) -> str:
    return escape(text, quote=False)

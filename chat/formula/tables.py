"""Environments: matrices, cases, and equations that are aligned with each other."""

from __future__ import annotations

import re
from html import escape
from typing import Final

from chat.formula.commands import Commands
from chat.formula.rows import Node, bare, made

#: Brackets around a matrix, and around cases.
# fmt: off
_MATRICES: Final = {
    "matrix": ("", ""), "pmatrix": ("(", ")"), "bmatrix": ("[", "]"), "Bmatrix": ("{", "}"),
    "vmatrix": ("|", "|"), "Vmatrix": ("‖", "‖"), "smallmatrix": ("", ""), "psmallmatrix": ("(", ")"),
    "bsmallmatrix": ("[", "]"),
}
_CASES: Final = {"cases": ("{", ""), "dcases": ("{", ""), "rcases": ("", "}"), "drcases": ("", "}")}
# fmt: on
_ALIGNED: Final = frozenset("align aligned alignat alignedat split flalign eqnarray".split())
_GATHERED: Final = frozenset("gather gathered equation multline multlined displaymath math subequations".split())
# So many rows and columns; models that go round in circles write more.
MOST_ROWS: Final = 200
MOST_COLUMNS: Final = 60
_LINE_ENDS: Final = frozenset(("\\\\", "\\cr", "\\tabularnewline"))
_COLUMNS = re.compile(r"[lcr|]|[pmb@!]\{[^{}]*\}")


class Formula(Commands):
    """A reader that knows commands and environments."""

    def environment(self, name: str) -> Node:
        """Read an environment whose beginning was read."""
        plain = name.rstrip("*")
        html = self._table(plain)
        if self.peek() == "\\end":
            self.take()
            self.raw_group()
        return made(html)

    def _table(self, name: str) -> str:
        if name in _MATRICES:
            self.option()
            look = "tex-small" if "small" in name else "tex-matrix"
            return _enclosed(*_MATRICES[name], self._cells(look, "c"))
        if name in _CASES:
            return _enclosed(*_CASES[name], self._cells("tex-cases", "l", display=name.startswith("d")))
        if name in {"array", "subarray", "tabular", "darray"}:
            self.option()
            return self._cells("tex-array", self.raw_group(), lines=True)
        if name in _ALIGNED:
            if "at" in name:
                self.raw_group()
            return self._cells("tex-aligned", "rcl" if name == "eqnarray" else "rl", display=True, repeat=True)
        if name in _GATHERED:
            return self._cells("tex-gathered", "c", display=True)
        # Not known: its content is shown as rows.
        return self._cells("tex-gathered", "l", display=True, repeat=True)

    def lines(self) -> str:
        """Read a whole formula: one row, or several where it has line breaks or columns outside an environment."""
        return self._cells("tex-aligned", "rl", display=True, repeat=True, alone=True)

    def stack(self, text: str) -> Node:
        """Return the lines of a \\substack."""
        inner = type(self)(text)
        inner.depth, inner.small, inner.macros = self.depth, 1, self.macros
        inner.deeper()
        return made(inner._cells("tex-small", "c"))

    def _cells(self, look: str, sides: str, *, alone: bool = False, **shape: bool) -> str:
        """Read rows up to the environment's end, or to the end of the text where it stands `alone`.

        `shape` are the words of `Table`: `display`, `repeat`, `lines`.
        """
        table = Table(look, sides, **shape)
        table.tops.append(self._rule())
        while True:
            table.rows[-1].append(self._cell(alone=alone))
            ahead = self.peek()
            if ahead == "&" and len(table.rows[-1]) < MOST_COLUMNS:
                self.take()
            elif ahead in _LINE_ENDS and len(table.rows) < MOST_ROWS:
                self.take()
                if self.src.startswith("*", self.pos):
                    self.pos += 1
                if self.src.startswith("[", self.pos):
                    self.option()
                table.end_row(self.tag)
                self.tag = ""
                table.rows.append([])
                table.tops.append(self._rule())
            else:
                break
        if ahead == "&" or ahead in _LINE_ENDS:
            # Too many: the rest is left out, visibly.
            self.pos = len(self.src)
            table.rows[-1].append("<mo>…</mo>")
        table.end_row(self.tag)
        self.tag = ""
        if alone and len(table.rows) == 1 and len(table.rows[0]) == 1:
            number = _number(table.tags[0])
            return table.rows[0][0] + (f'<mspace width="2em"></mspace>{number}' if number else "")
        return table.html(small=bool(self.small))

    def _cell(self, *, alone: bool) -> str:
        """Read one cell. What closes something that was not opened is gone over."""
        small = bool(self.small)
        html = bare(self.nodes(), small=small)
        while (ahead := self.peek()) in {"}", "\\right", "\\middle"} or (alone and ahead == "\\end"):
            self.take()
            if ahead == "\\end":
                self.raw_group()
            elif ahead != "}":
                self.delimiter()
            html += bare(self.nodes(), small=small)
        return html

    def _rule(self) -> bool:
        """Go over the lines between rows; say whether there are any."""
        found = False
        while self.peek() in {"\\hline", "\\midrule", "\\toprule", "\\bottomrule", "\\hdashline"}:
            self.take()
            found = True
        return found


class Table:
    """The rows of an environment, and how its columns stand: `repeat` begins anew with the first after the last.

    With `lines` the columns are described as an array's are, bars among them.
    """

    def __init__(
        self, look: str, sides: str, *, display: bool = False, repeat: bool = False, lines: bool = False
    ) -> None:
        self.look = look
        self.display = display
        self.repeat = repeat
        self.sides, self.bars = _columns(sides) if lines else (sides, frozenset[int]())
        self.rows: list[list[str]] = [[]]
        self.tags: list[str] = []
        # Whether a line stands above each row.
        self.tops: list[bool] = []

    def end_row(self, tag: str) -> None:
        """The last row is complete; it is numbered with `tag`, if with anything."""
        self.tags.append(tag)

    def html(self, *, small: bool) -> str:
        """Return the `mtable`."""
        rows = self.rows[:-1] if len(self.rows) > 1 and not any(self.rows[-1]) else self.rows
        bottom = len(rows) < len(self.rows) and self.tops[-1]
        lines = []
        for number, cells in enumerate(rows):
            looks = ["tex-top"] * self.tops[number] + ["tex-bottom"] * (bottom and number == len(rows) - 1)
            line = "".join(_cell(html, [*self._looks(place), *looks]) for place, html in enumerate(cells))
            if any(self.tags):
                line += _cell(_number(self.tags[number]), ["tex-tag"])
            lines.append(f"<mtr>{line}</mtr>")
        style = ' displaystyle="true"' if self.display and not small else ""
        return f'<mtable class="{self.look}"{style}>{"".join(lines)}</mtable>'

    def _looks(self, place: int) -> list[str]:
        side = self.sides[place % len(self.sides) if self.repeat else min(place, len(self.sides) - 1)]
        looks = [f"tex-{side}"] * (side != "c")
        return looks + ["tex-start"] * (place == 0 and 0 in self.bars) + ["tex-end"] * (place + 1 in self.bars)


def _columns(text: str) -> tuple[str, frozenset[int]]:
    """Return how each column of an array is aligned, and after how many columns there are bars."""
    sides = ""
    bars: set[int] = set()
    repeated = re.sub(r"\*\{(\d\d?)\}\{([^{}]*)\}", lambda hit: hit[2] * int(hit[1]), text[:200])
    for found in _COLUMNS.finditer(repeated[:400]):
        if found[0] == "|":
            bars.add(len(sides))
        elif found[0][0] not in "@!":
            sides += found[0][0] if found[0][0] in "lcr" else "l"
    return sides or "c", frozenset(bars)


def _cell(html: str, looks: list[str]) -> str:
    return f'<mtd class="{" ".join(looks)}">{html}</mtd>' if looks else f"<mtd>{html}</mtd>"


def _number(tag: str) -> str:
    return f"<mtext>{escape(tag, quote=False)}</mtext>" if tag else ""


def _enclosed(left: str, right: str, table: str) -> str:
    grown = 'fence="true" stretchy="true" symmetric="true"'
    before = f'<mo {grown} form="prefix">{left}</mo>' if left else ""
    after = f'<mo {grown} form="postfix">{right}</mo>' if right else ""
    return f"<mrow>{before}{table}{after}</mrow>"

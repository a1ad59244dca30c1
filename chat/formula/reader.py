"""Reads TeX as people and models write it, and makes MathML of it.

Nothing is refused: what is not known is shown as it was written, and what is not closed ends with the text. So a
formula can be shown while it still comes. Depth and what macros add are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Final

from chat.formula import symbols
from chat.formula.rows import (
    BIN,
    CLOSE,
    OPEN,
    ORD,
    PUNCT,
    REL,
    SPACE,
    Node,
    bare,
    fence,
    made,
    operator,
    row,
    scripted,
)

# Rows and arguments inside each other.
DEPTH: Final = 90
# All that macros may add to one formula, in characters.
EXPANDED: Final = 6_000

_COMMAND = re.compile(r"\\([A-Za-z]+)\*?|\\(.)", re.DOTALL)
# A per cent sign after a digit is meant, whatever TeX says.
_BLANK = re.compile(r"(?:\s|(?<!\d)%[^\n]*(?:\n|$))+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?|\.\d+")
#: A length in TeX, its number and unit.
LENGTH: Final = re.compile(r"\s*(-?(?:\d+(?:\.\d*)?|\.\d+))\s*(em|ex|pt|mu|px|cm|mm|in)?")
_PRIMES: Final = {1: "′", 2: "″", 3: "‴", 4: "⁗"}
_STYLES: Final = {
    "displaystyle": 'displaystyle="true" scriptlevel="0"',
    "textstyle": 'displaystyle="false" scriptlevel="0"',
    "scriptstyle": 'displaystyle="false" scriptlevel="1"',
    "scriptscriptstyle": 'displaystyle="false" scriptlevel="2"',
}
_INFIX: Final = {"over": "", "atop": "0", "choose": "0"}
_END: Final = frozenset(("}", "&", "\\\\", "\\cr", "\\right", "\\end", "\\middle", "\\tabularnewline"))
_RELATIONS: Final = {"=": "=", "<": "<", ">": ">", ":": ":", "≤": "≤", "≥": "≥", "≠": "≠", "≈": "≈", "→": "→"}
_BINARIES: Final = {"+": "+", "-": "−", "*": "∗", "−": "−", "×": "×", "·": "⋅", "±": "±"}


class TooDeep(Exception):
    """The formula is nested deeper than anybody writes."""


class Reader:
    """Reads one formula; `pos` is where in `src` it is. What commands mean, a class above knows."""

    def __init__(self, src: str) -> None:
        self.src = src
        self.pos = 0
        self.depth = 0
        self.small = 0
        self.font = ""
        self.macros = symbols.MACROS
        self.expansions = 0
        # What the formula is numbered with.
        self.tag = ""

    def command(self, name: str) -> list[Node]:
        """Read what belongs to a command whose name was read, and return what it means."""
        raise NotImplementedError

    # What comes next.

    def blank(self) -> None:
        """Go over space and comments."""
        if found := _BLANK.match(self.src, self.pos):
            self.pos = found.end()

    def peek(self) -> str:
        """Return the next sign or command, "" at the end."""
        self.blank()
        if self.pos >= len(self.src):
            return ""
        if self.src[self.pos] != "\\":
            return self.src[self.pos]
        found = _COMMAND.match(self.src, self.pos)
        if found is None:
            return "\\"
        return "\\" + (found[1] or found[2])

    def take(self) -> str:
        """Return the next sign or command and go over it; a star after a command goes with it."""
        ahead = self.peek()
        if ahead.startswith("\\") and (found := _COMMAND.match(self.src, self.pos)):
            self.pos = found.end()
            # The star belongs to few commands.
            if self.src[self.pos - 1] == "*" and found[1] and found[1] not in {"operatorname", "tag", "hspace"}:
                self.pos -= 1
        else:
            self.pos += len(ahead) or 0
        return ahead

    def raw_group(self) -> str:
        """Return the text of the next group as it was written, or the next sign."""
        self.blank()
        if self.pos >= len(self.src):
            return ""
        if self.src[self.pos] != "{":
            begin = self.pos
            self.take()
            return self.src[begin : self.pos]
        level, begin = 0, self.pos + 1
        while self.pos < len(self.src):
            sign = self.src[self.pos]
            if sign == "\\":
                self.pos += 1
            elif sign == "{":
                level += 1
            elif sign == "}":
                level -= 1
                if level == 0:
                    self.pos += 1
                    return self.src[begin : self.pos - 1]
            self.pos += 1
        self.pos = len(self.src)
        return self.src[begin:]

    def option(self) -> str | None:
        """Return what stands in square brackets next, if anything does."""
        self.blank()
        if not self.src.startswith("[", self.pos):
            return None
        end = self.src.find("]", self.pos)
        end = len(self.src) if end < 0 else end
        text = self.src[self.pos + 1 : end]
        self.pos = min(end + 1, len(self.src))
        return text

    # Rows.

    def deeper(self) -> None:
        """Go one level down; raises TooDeep. The way up is `depth`."""
        self.depth += 1
        if self.depth > DEPTH:
            raise TooDeep

    def nodes(self, until: Iterable[str] = ()) -> list[Node]:
        """Read up to a sign of `until`, the end of a group, a cell or the text. Raises TooDeep."""
        self.deeper()
        found = self._nodes(until)
        self.depth -= 1
        return found

    def _nodes(self, until: Iterable[str]) -> list[Node]:
        found: list[Node] = []
        stop = _END | set(until)
        while (ahead := self.peek()) and ahead not in stop:
            name = ahead[1:]
            if name in _INFIX and ahead[0] == "\\":
                self.take()
                return [self._infix(name, found, stop)]
            if name in _STYLES and ahead[0] == "\\":
                self.take()
                found.append(made(f"<mstyle {_STYLES[name]}>{bare(self.nodes(until))}</mstyle>"))
            elif name in symbols.FONTS and ahead[0] == "\\" and len(name) <= 3 and name not in {"Bbb", "bm", "pmb"}:
                self.take()
                before, self.font = self.font, symbols.FONTS[name]
                found += self.nodes(until)
                self.font = before
            elif ahead == "\\color":
                self.take()
                look = symbols.COLOURS.get(self.raw_group().strip().lower(), "")
                rest = bare(self.nodes(until), small=bool(self.small))
                found.append(made(f'<mrow class="{look}">{rest}</mrow>' if look else f"<mrow>{rest}</mrow>"))
            else:
                found += self._scripted(self._atom())
        return found

    def _infix(self, name: str, left: list[Node], stop: frozenset[str] | set[str]) -> Node:
        right = self.nodes(stop)
        thickness = ' linethickness="0"' if _INFIX[name] else ""
        html = f"<mfrac{thickness}>{row(left)}{row(right)}</mfrac>"
        return made(f"<mrow><mo>(</mo>{html}<mo>)</mo></mrow>" if name == "choose" else html)

    def group(self) -> list[Node]:
        """Read an argument: a group, or one thing. Raises TooDeep."""
        ahead = self.peek()
        if ahead != "{":
            if ahead in _END or not ahead:
                return []
            if ahead.isdigit():
                self.take()
                return [made(f"<mn>{ahead}</mn>")]
            self.deeper()
            found = self._atom()
            self.depth -= 1
            return found
        self.pos += 1
        before = self.font
        found = self.nodes()
        self.font = before
        while self.peek() not in {"}", ""}:
            # A cell's end or a stray command inside a group ends nothing.
            self.take()
            found += self.nodes()
        self.pos += self.peek() == "}"
        return found

    def argument(self) -> str:
        """Read an argument and return its MathML."""
        return row(self.group(), small=bool(self.small))

    def script(self) -> str:
        """Read an argument that stands small."""
        self.small += 1
        html = self.argument()
        self.small -= 1
        return html

    def part(self, text: str, *, small: bool = False) -> str:
        """Return the MathML of a text that was cut out of the formula."""
        inner = type(self)(text)
        inner.depth, inner.small = self.depth, self.small + small
        inner.macros, inner.expansions, inner.font = self.macros, self.expansions, self.font
        html = row(inner.nodes(), small=bool(inner.small))
        self.expansions = inner.expansions
        return html

    def _scripted(self, nodes: list[Node]) -> list[Node]:
        """Read the scripts that follow; they stand at the last of `nodes`."""
        below = above = None
        primes = 0
        base = nodes[-1] if nodes else None
        stacked = base is not None and base.limits in {"movable", "always"}
        while (ahead := self.peek()) in {"^", "_", "'", "’", "\\limits", "\\nolimits"}:
            self.take()
            if ahead == "_":
                below = self.script() if below is None else f"<mrow>{below}{self.script()}</mrow>"
            elif ahead == "^":
                above = self.script() if above is None else f"<mrow>{above}{self.script()}</mrow>"
            elif ahead in {"'", "’"}:
                primes += 1
            else:
                stacked = ahead == "\\limits"
        if primes:
            sign = f'<mo lspace="0" rspace="0">{_PRIMES.get(primes, "′" * primes)}</mo>'
            above = sign if above is None else f"<mrow>{sign}{above}</mrow>"
        if below is None and above is None:
            return nodes
        if base is None:
            return [scripted(made("<mrow></mrow>"), below, above, stacked=False)]
        return [*nodes[:-1], scripted(base, below, above, stacked=stacked)]

    # One thing.

    def _atom(self) -> list[Node]:
        ahead = self.peek()
        if ahead == "{":
            nodes = self.group()
            if len(nodes) == 1 and nodes[0].html:
                return nodes
            if len(nodes) == 1:
                # A sign alone in a group has no space around it.
                return [made(nodes[0].render(lspace="0", rspace="0"))]
            return [made(row(nodes, small=bool(self.small)))]
        if ahead in {"^", "_", "'", "’"}:
            return []
        if found := _NUMBER.match(self.src, self.pos):
            self.pos = found.end()
            return [made(f"<mn>{''.join(self._letter(digit) for digit in found[0])}</mn>")]
        if ahead[0] == "\\" and len(ahead) > 1:
            return self.command(self.take()[1:])
        return [self._sign(self.take())]

    def _sign(self, sign: str) -> Node:
        if sign.isalpha():
            return self._letters(sign)
        if sign in symbols.OPENING:
            return fence(sign, OPEN)
        if sign in symbols.CLOSING:
            return fence(sign, CLOSE)
        if sign in _RELATIONS:
            return operator(_RELATIONS[sign], REL, **({"stretchy": "false"} if sign == "→" else {}))
        if sign in _BINARIES:
            return operator(_BINARIES[sign], BIN)
        if sign in ",;":
            return operator(sign, PUNCT)
        if sign in "|/":
            return fence(sign, ORD)
        if sign == "!":
            return operator("!", CLOSE, form="postfix")
        if sign == "~":
            return space(0.25)
        if sign in "$&#":
            return made(f"<mi>{escape(sign)}</mi>") if sign == "#" else made("<mrow></mrow>", SPACE)
        if sign in '.?%@"`':
            return operator(sign, ORD, lspace="0", rspace="0")
        return made(f"<mi>{escape(sign, quote=False)}</mi>" if sign.strip() else "<mrow></mrow>")

    def _letters(self, sign: str) -> Node:
        """Return one letter, or a word where the font makes one sign of it."""
        word = sign
        if self.font in {"rm", "bf", "it", "sf", "tt"}:
            while self.pos < len(self.src) and self.src[self.pos].isalpha():
                word += self.src[self.pos]
                self.pos += 1
        elif sign > "\u03ff":
            return words(sign)
        upright = ' mathvariant="normal"' if self.font == "rm" and len(word) == 1 else ""
        return made(f"<mi{upright}>{''.join(self._letter(letter) for letter in word)}</mi>")

    def _letter(self, sign: str) -> str:
        """Return a letter or digit of the alphabet that stands in force."""
        capital, small, digit = symbols.ALPHABETS.get(self.font, (0, 0, 0))
        if capital and "A" <= sign <= "Z":
            code = capital + ord(sign) - ord("A")
        elif small and "a" <= sign <= "z":
            code = small + ord(sign) - ord("a")
        elif digit and "0" <= sign <= "9":
            code = digit + ord(sign) - ord("0")
        elif self.font in {"bf", "bi"} and "α" <= sign <= "ω":
            code = 0x1D6C2 + ord(sign) - ord("α")
        elif self.font in {"bf", "bi"} and "Α" <= sign <= "Ω":
            code = 0x1D6A8 + ord(sign) - ord("Α")
        else:
            return escape(sign, quote=False)
        return symbols.HOLES.get(code, chr(code))

    def unknown(self, name: str) -> Node:
        """Return the name of a command that is not known, as it was written."""
        return made(f'<mtext class="tex-unknown">\\{escape(name, quote=False)}</mtext>')

    def expand(self, name: str) -> bool:
        """Put what a macro stands for in its place. False where there is no such macro."""
        if name not in self.macros:
            return False
        count, body = self.macros[name]
        arguments = [self.raw_group() for _ in range(count)]
        text = re.sub(r"#([1-9])", lambda hit: _argument(arguments, int(hit[1])), body)
        self.expansions += 1 + len(text)
        if self.expansions > EXPANDED:
            return True
        self.src = f"{text} {self.src[self.pos :]}" if text[-1:].isalpha() else text + self.src[self.pos :]
        self.pos = 0
        return True


def _argument(arguments: list[str], number: int) -> str:
    return arguments[number - 1] if number <= len(arguments) else ""


def words(text: str, look: str = "") -> Node:
    """Return text that is no formula; its spaces stay."""
    kept = escape(re.sub(r"\s+", " ", text), quote=False)
    kept = re.sub(r"^ | $", "\u00a0", kept)
    return made(f'<mtext class="{look}">{kept}</mtext>' if look else f"<mtext>{kept}</mtext>")


def space(width: float) -> Node:
    """Return a space of that many em."""
    return made(f'<mspace width="{max(0.0, min(width, 20.0)):.4g}em"></mspace>', SPACE)

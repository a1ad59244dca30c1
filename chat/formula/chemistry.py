r"""Chemical formulas as \ce of the package mhchem takes them, made into TeX."""

from __future__ import annotations

import re
from typing import Final

_ARROWS: Final = {
    "->": r"\xrightarrow",
    "<-": r"\xleftarrow",
    "<->": r"\xleftrightarrow",
    "<=>": r"\xrightleftharpoons",
    "<=>>": r"\xrightleftharpoons",
    "<<=>": r"\xrightleftharpoons",
    "<-->": r"\xrightleftharpoons",
    "\u2192": r"\xrightarrow",
    "\u21cc": r"\xrightleftharpoons",
}
_SIGNS: Final = {"=": "{=}", "#": r"{\equiv}", "*": r"\cdot ", ".": r"\cdot ", "^": r"{\uparrow}"}
_PIECE = re.compile(
    r"(?P<arrow><=>>|<<=>|<-->|<=>|<->|->|<-|\u2192|\u21cc)"
    r"|(?P<math>\$[^$]*\$|\\[A-Za-z]+(?:\{[^{}]*\})?)"
    r"|\^(?P<up>\{[^{}]*\}|[0-9]*[+-]|[0-9]+|[A-Za-z.*])"
    r"|_(?P<down>\{[^{}]*\}|[0-9]+|[A-Za-z])"
    r"|(?P<letters>[A-Za-z]+)"
    r"|(?P<number>[0-9]+(?:[./][0-9]+)?)"
    r"|(?P<blank>\s+)"
    r"|(?P<other>.)",
    re.DOTALL,
)
# After these a number counts atoms, and a plus or minus is a charge.
_ATOM: Final = frozenset(("letters", "close", "down", "number-below", "up"))


def tex_of(source: str) -> str:
    """Return TeX for a chemical formula or equation."""
    parts: list[str] = []
    last = "blank"
    at = 0
    while found := _PIECE.match(source, at):
        at = found.end()
        kind = found.lastgroup or "other"
        text = found[kind]
        following = source[at : at + 1]
        if kind == "arrow":
            above, at = _option(source, at)
            below, at = _option(source, at)
            under = f"[{tex_of(below)}]" if below else ""
            # Without a word above it the arrow is as long as one.
            over = tex_of(above) if above else r"\quad\;"
            parts.append(f"\\;{_ARROWS[text]}{under}{{{over}}}\\;")
            kind = "blank"
        elif kind == "math":
            parts.append(f"{{{text.strip('$')}}}")
        elif kind == "up":
            parts.append(f"^{{\\mathrm{{{_bare(text)}}}}}")
        elif kind == "down":
            parts.append(f"_{{\\mathrm{{{_bare(text)}}}}}")
        elif kind == "letters":
            parts.append(r"{\downarrow}" if text == "v" and last == "blank" else f"\\mathrm{{{text}}}")
        elif kind == "number" and last in _ATOM:
            parts.append(f"_{{{text}}}")
            kind = "number-below"
        elif kind == "number":
            over, line, under = text.partition("/")
            parts.append(f"\\tfrac{{{over}}}{{{under}}}\\," if line else f"{text}\\,")
        elif text in "+-" and kind == "other":
            if last in _ATOM and (not following or following in " ]),;"):
                parts.append(f"^{{{text}}}")
                kind = "up"
            elif last == "blank" and text == "+":
                parts.append(" + ")
                kind = "blank"
            else:
                parts.append("{-}" if text == "-" else "+")
        elif kind == "other":
            parts.append(_SIGNS.get(text, text))
            kind = "close" if text in ")]" else "blank" if text in "*.([" else kind
        last = kind
    return "".join(parts)


def _bare(text: str) -> str:
    return text[1:-1] if text.startswith("{") else text


def _option(source: str, at: int) -> tuple[str, int]:
    if not source.startswith("[", at):
        return "", at
    end = source.find("]", at)
    return (source[at + 1 : end], end + 1) if end > 0 else (source[at + 1 :], len(source))

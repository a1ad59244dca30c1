"""Rows of MathML: signs with their class, the space that TeX leaves between them, and their scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

# Kinds of what stands in a row; see `chat.formula.symbols`.
ORD: Final = "ord"
FUNCTION: Final = "function"
BIN: Final = "bin"
REL: Final = "rel"
OPEN: Final = "open"
CLOSE: Final = "close"
PUNCT: Final = "punct"
SPACE: Final = "space"

# Before and after a function's name.
_THIN: Final = '<mspace width="0.1667em"></mspace>'
# Around words that stand for a sign.
_GAPS: Final = {BIN: '<mspace width="0.2222em"></mspace>', REL: '<mspace width="0.2778em"></mspace>'}
# After these a sign such as minus belongs to what follows it.
_BEFORE_PREFIX: Final = {None, BIN, REL, OPEN, PUNCT, FUNCTION}


@dataclass
class Node:
    """One thing in a row: `html` is made already, or else it is the operator `sign` with its attributes."""

    kind: str = ORD
    html: str = ""
    sign: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    # Where scripts stand: "movable" is above and below in a formula of its own line, "always", or "" for beside.
    limits: str = ""

    def render(self, **more: str) -> str:
        """Return the MathML, an operator with more attributes."""
        if self.html:
            return self.html
        attributes = "".join(f' {name}="{value}"' for name, value in {**self.attributes, **more}.items())
        return f"<mo{attributes}>{escape(self.sign, quote=False)}</mo>"


def operator(sign: str, kind: str = ORD, **attributes: str) -> Node:
    """Return an operator."""
    return Node(kind, "", sign, attributes)


def made(html: str, kind: str = ORD, limits: str = "") -> Node:
    """Return what is MathML already."""
    return Node(kind, html, limits=limits)


def fence(sign: str, kind: str, size: str = "") -> Node:
    """Return a bracket of its own size, or of `size`; it does not grow with what it encloses."""
    if size:
        return operator(
            sign, kind, stretchy="true", symmetric="true", minsize=size, maxsize=size, lspace="0", rspace="0"
        )
    sides = {"lspace": "0", "rspace": "0"} if sign in "|‖/\\" else {}
    return operator(sign, kind, stretchy="false", **sides)


def row(nodes: Sequence[Node], *, small: bool = False) -> str:
    """Return the MathML of nodes beside each other: one element.

    With `small` (in scripts) there is no space around relations and binary operators.
    """
    parts = _parts(nodes, small=small)
    return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"


def bare(nodes: Sequence[Node], *, small: bool = False) -> str:
    """Return the MathML of nodes beside each other, for where a row is meant anyway."""
    return "".join(_parts(nodes, small=small))


def _parts(nodes: Sequence[Node], *, small: bool) -> list[str]:
    parts: list[str] = []
    last: str | None = None
    for number, node in enumerate(nodes):
        kind = node.kind
        if kind == SPACE:
            parts.append(node.render())
            continue
        if kind == BIN and (last in _BEFORE_PREFIX or _ends(nodes, number)):
            kind = ORD
        if not small and ((kind == FUNCTION and last in {ORD, CLOSE, FUNCTION}) or (kind == ORD and last == FUNCTION)):
            parts.append(_THIN)
        if kind == ORD and node.kind == BIN:
            parts.append(node.render(form="prefix" if last in _BEFORE_PREFIX else "postfix", lspace="0", rspace="0"))
        elif small and kind in {BIN, REL, PUNCT}:
            parts.append(node.render(lspace="0", rspace="0"))
        elif kind in {BIN, REL} and node.html and "<mo" not in node.html:
            parts += [_GAPS[kind], node.html, _GAPS[kind]]
        elif kind in {BIN, REL}:
            # Also where it stands first, after a column's edge for example, or alone.
            parts.append(node.render(form="infix"))
        else:
            parts.append(node.render())
        last = kind
    return parts


def _ends(nodes: Sequence[Node], number: int) -> bool:
    """Whether nothing follows that a binary operator could stand before."""
    for node in nodes[number + 1 :]:
        if node.kind != SPACE:
            return node.kind in {REL, CLOSE, PUNCT}
    return True


def scripted(base: Node, below: str | None, above: str | None, *, stacked: bool) -> Node:
    """Return `base` with what stands below and above it, beside it or, with `stacked`, over and under it."""
    inner = base.render(form="prefix") if base.limits == "movable" and not base.html else base.render()
    names = ("munder", "mover", "munderover") if stacked else ("msub", "msup", "msubsup")
    if below is not None and above is not None:
        html = f"<{names[2]}>{inner}{below}{above}</{names[2]}>"
    elif below is not None:
        html = f"<{names[0]}>{inner}{below}</{names[0]}>"
    else:
        html = f"<{names[1]}>{inner}{above}</{names[1]}>"
    return Node(base.kind, html, limits="")

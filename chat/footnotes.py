"""Footnotes in Markdown: `[^1]` in the text, `[^1]: ...` where the note stands.

A note stays where it was written, which in answers is nearly always the end: so nothing moves when an answer is
complete. References are numbered in the order in which they come. A reference is shown as one before its note has come,
and becomes plain text again if none comes. No Django here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

_DEFINITION = re.compile(r"\[\^([^\]\s]{1,60})\]:")
_REFERENCE = re.compile(r"\[\^([^\]\s]{1,60})\]")
# What is shown as a reference before its note is there. A class of characters, as in [^a-z], is none.
_EAGER = re.compile(r"\d{1,3}|[^\W\d_][\w:.-]{2,59}")
# Only these places of our own HTML get an id, and only after it was cleaned: no text can make one.
_PLACES = re.compile(r'<(div class="note"|a class="noteref") data-note="(\d{1,4})"')
_IDS: Final = {"d": "fn", "a": "fnref"}


@dataclass
class Notes:
    """The numbers given so far in one text, and what has its id already."""

    numbers: dict[str, int] = field(default_factory=dict)
    placed: set[str] = field(default_factory=set)

    def number(self, label: str) -> int:
        """Return the number of a label, a new one for a new label."""
        return self.numbers.setdefault(label, len(self.numbers) + 1)

    def place(self, kind: str, label: str) -> str:
        """Return the attribute that will be the id of the first reference to a note, or of the note; else nothing."""
        if f"{kind} {label}" in self.placed:
            return ""
        self.placed.add(f"{kind} {label}")
        return f' data-note="{self.number(label)}"'

    def copy(self) -> Notes:
        """Return notes of their own, for a text that is shown before it is certain."""
        return Notes(dict(self.numbers), set(self.placed))


def footnotes(parser: MarkdownIt, nesting: int) -> None:
    """Teach a parser and its renderer what footnotes are; notes stand at most so many levels deep."""

    def definition(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        return state.level + 2 < nesting and _definition(state, start, end, silent)

    parser.block.ruler.before("reference", "footnote", definition, {"alt": ["paragraph", "reference"]})
    parser.inline.ruler.before("link", "footnote", _reference)
    parser.add_render_rule("footnote", _render_reference)
    parser.add_render_rule("footnote_open", _render_open)
    parser.add_render_rule("footnote_close", _render_close)


def with_ids(html: str, prefix: str) -> str:
    """Give the notes of cleaned HTML their ids, which begin with `prefix`; without one they get none."""
    if "data-note=" not in html:
        return html
    return _PLACES.sub(
        lambda hit: f'<{hit[1]} id="{prefix}-{_IDS[hit[1][0]]}-{hit[2]}"' if prefix else f"<{hit[1]}", html
    )


def _definition(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    begin = state.bMarks[start] + state.tShift[start]
    found = _DEFINITION.match(state.src, begin, state.eMarks[start])
    if found is None:
        return False
    if silent:
        return True
    label = found[1]
    state.env.setdefault("footnotes", set()).add(label)
    opening = state.push("footnote_open", "div", 1)
    opening.meta = {"label": label}
    before = (state.bMarks[start], state.tShift[start], state.sCount[start], state.parentType)
    # The first line begins after the colon; further paragraphs are indented by four.
    rest = state.src[found.end() : state.eMarks[start]]
    blank = len(rest) - len(rest.lstrip(" \t"))
    state.bMarks[start] = found.end()
    state.tShift[start] = blank
    state.sCount[start] = state.blkIndent + 4
    state.blkIndent += 4
    state.parentType = "footnote"
    state.md.block.tokenize(state, start, end)
    state.blkIndent -= 4
    state.bMarks[start], state.tShift[start], state.sCount[start], state.parentType = before
    opening.map = [start, state.line]
    state.push("footnote_close", "div", -1)
    return True


def _reference(state: StateInline, silent: bool) -> bool:
    if not state.src.startswith("[^", state.pos) or state.linkLevel:
        return False
    found = _REFERENCE.match(state.src, state.pos, state.posMax)
    if found is None or state.src[found.end() : found.end() + 1] in {"(", "["}:
        return False
    known = found[1] in state.env.get("footnotes", ())
    if not known and (state.env.get("whole") or not _EAGER.fullmatch(found[1])):
        return False
    if not silent:
        state.push("footnote", "a", 0).meta = {"label": found[1]}
    state.pos = found.end()
    return True


def _notes(env: EnvType) -> Notes:
    notes: Notes = env.setdefault("notes", Notes())
    return notes


def _render_reference(self: Any, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
    label = tokens[idx].meta["label"]
    number = _notes(env).number(label)
    place = _notes(env).place("reference", label)
    return (
        f'<sup><a class="noteref"{place} href="#{env.get("prefix", "")}-fn-{number}" role="doc-noteref"'
        f' aria-label="Footnote {number}">{number}</a></sup>'
    )


def _render_open(self: Any, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
    label = tokens[idx].meta["label"]
    number = _notes(env).number(label)
    place = _notes(env).place("note", label)
    return (
        f'<div class="note"{place} role="doc-footnote" tabindex="-1">'
        f'<a class="noteback" href="#{env.get("prefix", "")}-fnref-{number}" role="doc-backlink"'
        f' aria-label="Back to footnote {number} in the text">{number}</a><div class="note-text">\n'
    )


def _render_close(self: Any, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
    return "</div></div>\n"

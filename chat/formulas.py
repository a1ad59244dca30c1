r"""Where formulas begin and end in Markdown: `$x$`, `$$x$$`, `\(x\)`, `\[x\]` and environments such as `align`.

Sums of money are no formulas, and neither are brackets that were escaped for another reason. A formula that is still
being written counts as one where the text is said to be `growing` and ends in it. No Django here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from chat.formula.mathml import is_wide, mathml

# A formula among text ends within so many characters, one on lines of its own within so many lines.
INLINE: Final = 2_000
LINES: Final = 400

_CLOSERS: Final = {"$$": "$$", "\\[": "\\]"}
_ENVIRONMENT = re.compile(r"\\begin\{((?:equation|align|alignat|gather|multline|eqnarray|displaymath|flalign)\*?)\}")
_SIGNS = re.compile(r"[\\^_={}<>+*/|]|\d-|-\d")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
# What can only be the beginning of a formula, and not a sum of money or a shell's variable.
_SURELY = re.compile(r"\\[A-Za-z]{2,}|[\^_]\{")


def formulas(parser: MarkdownIt) -> None:
    """Teach a parser and its renderer what formulas are."""
    parser.block.ruler.before("fence", "formula", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    parser.inline.ruler.before("escape", "formula", _inline)
    parser.core.ruler.before("inline", "formula_end", _note_the_end)
    parser.add_render_rule("formula_block", _render_block)
    parser.add_render_rule("formula_line", _render_line)
    parser.add_render_rule("formula", _render)


def _note_the_end(state: StateCore) -> None:
    """Note which piece of inline text is the last: only there a formula may still be growing."""
    last = next((token.content for token in reversed(state.tokens) if token.type == "inline"), None)
    state.env["last_inline"] = last


# Formulas on lines of their own.


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    first = _line(state, start)
    opener = first[:2]
    closer = _CLOSERS.get(opener)
    keep = 0
    if closer is None:
        found = _ENVIRONMENT.match(first)
        if found is None:
            return False
        opener, closer = "", f"\\end{{{found[1]}}}"
        keep = len(closer)
    read = _read(state, start, end, first[len(opener) :], closer, keep)
    if read is None:
        return False
    if silent:
        return True
    content, after = read
    token = state.push("formula_block", "div", 0)
    token.content = content
    token.map = [start, after]
    token.block = True
    state.line = after
    return True


def _read(state: StateBlock, start: int, end: int, first: str, closer: str, keep: int) -> tuple[str, int] | None:
    """Return a formula's text and the line after it; None where it is none. `keep` signs of the closer belong to it."""
    lines: list[str] = []
    line, text = start, first
    gap = False
    while True:
        at = text.find(closer)
        if at >= 0:
            if text[at + len(closer) :].strip():
                return None
            content = "\n".join([*lines, text[: at + keep]])
            return (content, line + 1) if content.strip() else None
        if gap and text.strip() and not _SURELY.search("\n".join(lines)):
            # TeX allows no empty line in a formula: what began here was none, unless it looks like nothing else.
            return None
        gap = gap or (not text.strip() and any(each.strip() for each in lines))
        lines.append(text)
        line += 1
        if line >= end or line - start > LINES:
            break
        if state.sCount[line] < state.blkIndent and not state.isEmpty(line):
            return None
        text = _line(state, line)
    if line < end:
        return None
    content = "\n".join(lines)
    # Of an answer that was stopped in the middle of a formula, the half of it stays one.
    surely = bool(_SURELY.search(content))
    grows = state.env.get("growing") and (surely or len(_WORD.findall(content)) <= 3)
    return (content, line) if grows or (surely and not gap) else None


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


# Formulas among text.


def _inline(state: StateInline, silent: bool) -> bool:
    sign = state.src[state.pos]
    if sign == "$":
        return _dollars(state, silent)
    if sign != "\\" or state.src[state.pos + 1 : state.pos + 2] not in {"(", "["}:
        return False
    return _brackets(state, silent)


def _brackets(state: StateInline, silent: bool) -> bool:
    display = state.src[state.pos + 1] == "["
    begin = state.pos + 2
    end = state.src.find("\\]" if display else "\\)", begin, min(begin + INLINE, state.posMax))
    if end >= 0:
        content = state.src[begin:end]
        if not content.strip() or (_SIGNS.search(content) is None if display else _is_prose(content)):
            return False
        if not display and content.isalpha() and _in_word(state.src[state.pos - 1 : state.pos]):
            # As in "the item\(s\)".
            return False
        return _push(state, silent, content, end + 2, display=display)
    content = _unfinished(state, begin)
    if content and (_SURELY.search(content) or not display):
        return _push(state, silent, content, state.posMax, display=display)
    return False


def _dollars(state: StateInline, silent: bool) -> bool:
    begin = state.pos + 1
    if state.src.startswith("$$", state.pos):
        end = state.src.find("$$", begin + 1, min(begin + INLINE, state.posMax))
        content = state.src[begin + 1 : end] if end >= 0 else ""
        if content.strip():
            return _push(state, silent, content, end + 2, display=True)
        if not silent:
            state.pending += "$$"
        state.pos += 2
        return True
    before = state.src[state.pos - 1] if state.pos else " "
    if _in_word(before) or begin >= state.posMax or state.src[begin].isspace():
        return False
    end = _dollar(state.src, begin, min(begin + INLINE, state.posMax))
    if end < 0:
        content = _unfinished(state, begin)
        if _SURELY.search(content):
            return _push(state, silent, content, state.posMax, display=False)
        return False
    content = state.src[begin:end]
    after = state.src[end + 1 : end + 2]
    if content[-1:].isspace() or not content or _in_word(after) or "`" in content or _is_prose(content):
        return False
    return _push(state, silent, content, end + 1, display=False)


def _dollar(text: str, begin: int, end: int) -> int:
    """Return where the next dollar sign is that is not escaped, or -1."""
    at = text.find("$", begin, end)
    while at > 0 and text[at - 1] == "\\" and (at < 2 or text[at - 2] != "\\"):
        at = text.find("$", at + 1, end)
    return at


def _unfinished(state: StateInline, begin: int) -> str:
    """Return a formula that begins there and has no end, because more of it comes or the answer was stopped; or ""."""
    if state.src is not state.env.get("last_inline") or state.posMax - begin > INLINE:
        return ""
    content = state.src[begin : state.posMax]
    if not content.strip() or "`" in content or "$" in content:
        return ""
    surely = len(_WORD.findall(content)) <= 3 and _SURELY.search(content)
    return content if state.env.get("growing") or surely else ""


def _in_word(sign: str) -> bool:
    """Whether a sign beside a mark makes it part of a word or number; scripts without spaces have no such words."""
    return sign.isascii() and sign.isalnum()


def _is_prose(content: str) -> bool:
    """Whether what stands between the signs reads as words or money, and not as a formula."""
    if _SIGNS.search(content):
        return False
    words = len(_WORD.findall(content))
    return words > 1 or (content[0].isdigit() and " " in content.strip())


def _push(state: StateInline, silent: bool, content: str, after: int, *, display: bool) -> bool:
    if not silent:
        token = state.push("formula_line" if display else "formula", "math", 0)
        token.content = content
    state.pos = after
    return True


# HTML.


def block_html(tex: str, tag: str = "div") -> str:
    """Return a formula on a line of its own; where it is wider than the page, it scrolls."""
    html = mathml(tex, display=True)
    focus = ' tabindex="0" role="group" aria-label="Formula"' if is_wide(html) else ""
    return f'<{tag} class="math"{focus}>{html}</{tag}>'


def _render_block(self: RendererHTML, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
    return block_html(tokens[idx].content) + "\n"


def _render_line(self: RendererHTML, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
    return block_html(tokens[idx].content, "span")


def _render(self: Any, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
    html = mathml(tokens[idx].content, display=False)
    if not is_wide(html):
        return html
    return f'<span class="math-wide" tabindex="0" role="group" aria-label="Formula">{html}</span>'

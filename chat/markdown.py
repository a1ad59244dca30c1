"""Markdown of a model's answer to HTML that is safe to put into a page, whole or while it still grows.

Two walls stand between a hostile answer and the reader. markdown-it runs with raw HTML switched off, so that tags in
the text come out as text, but for line breaks; nh3 then lets through only the tags, attributes and classes named below.
Images are shown as links, for a remote image would tell its host what was read. Formulas become MathML
(`chat.formulas`), and footnotes are `chat.footnotes`. No Django here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from typing import Any, Final

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock, blockquote, list_block
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.tasklists import tasklists_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

from chat.footnotes import Notes, footnotes, with_ids
from chat.formulas import block_html, formulas

# Terminal escapes, other control characters, and the marks that turn the reading direction round
# (they can make a command read otherwise than it is copied). Zero-width joiners stay: emoji need them.
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?")
_CONTROLS = {*range(0x20), 0x7F, *range(0x80, 0xA0)} - {ord("\n"), ord("\t")}
_DIRECTIONS = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0xFEFF}
_INVISIBLE: Final = dict.fromkeys(_CONTROLS | _DIRECTIONS)

_BREAK = re.compile(r"<br\s{0,4}/?>", re.IGNORECASE)

_BlockRule = Callable[[StateBlock, int, int, bool], bool]

# Stored HTML of another version is rendered anew: raise this with every change of what `render` returns.
HTML_VERSION: Final = 3

# Levels of quotes and lists inside each other; a list with its item counts as two.
NESTING: Final = 20

# One definition can be used by thousands of links, each with all of its address and title. Longer ones are left out.
LONGEST_ADDRESS: Final = 4_000
LONGEST_TITLE: Final = 500

# The language of a code block that is a formula.
FORMULA: Final = "math"

# A highlighted block costs several times its size in spans; past this it is shown plain.
HIGHLIGHT_LIMIT: Final = 60_000

_PYGMENTS_CLASSES: Final = frozenset(name for name in STANDARD_TYPES.values() if name)
_TAGS: Final = frozenset(
    "p br hr h1 h2 h3 h4 h5 h6 strong em s sup a code pre span div blockquote ul ol li table thead tbody tr th td "
    "button".split()
)
# MathML Core without what leads or acts somewhere; a formula's own source is kept beside it.
_MATHS: Final = frozenset(
    "math mrow mi mn mo mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mmultiscripts "
    "mprescripts mtable mtr mtd mpadded mphantom mstyle".split()
)
_FORMULA_LOOKS: Final = frozenset(
    f"tex-{name}"
    for name in "unknown boxed cancel cancel-back cancel-both struck overlined underlined bold slanted code red blue "
    "green orange soft over-arrow matrix small cases array aligned gathered l r top bottom start end tag".split()
)
_ATTRIBUTES: Final[dict[str, set[str]]] = {
    "a": {"href", "target", "title", "role", "aria-label", "data-note"},
    "ol": {"start"},
    "pre": {"tabindex"},
    "div": {"tabindex", "role", "aria-label", "data-note"},
    "span": {"tabindex", "role", "aria-label"},
    "math": {"display", "data-tex"},
    "mi": {"mathvariant"},
    "mo": set("form fence stretchy symmetric minsize maxsize lspace rspace movablelimits".split()),
    "mspace": {"width"},
    "mpadded": {"width", "height", "depth"},
    "mfrac": {"linethickness"},
    "mover": {"accent"},
    "munder": {"accentunder"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "mtable": {"displaystyle"},
}
_VALUES: Final[dict[str, dict[str, set[str]]]] = {
    "button": {
        "type": {"button"},
        "data-copy": {"code"},
        "data-text": {"wrap", "download", "table"},
        "aria-pressed": {"false"},
    },
}
_CLASSES: Final[dict[str, set[str]]] = {
    "div": {"code", "code-head", "code-actions", "table", "table-box", "math", "note", "note-text"},
    "span": {*_PYGMENTS_CLASSES, "code-language", "math", "math-wide"},
    "a": {"noteref", "noteback"},
    "button": {"code-copy", "code-action", "table-copy"},
    **{name: {*_FORMULA_LOOKS} for name in ("mrow", "mtext", "mtable", "mtd", "mpadded")},
    "li": {"task-list-item"},
    "ul": {"contains-task-list"},
    "td": {"align-left", "align-center", "align-right"},
    "th": {"align-left", "align-center", "align-right"},
}


def clean_text(text: str) -> str:
    """Return `text` without terminal escapes, control characters and direction overrides; line ends become LF."""
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_INVISIBLE)


@cache
def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


_FORMATTER: Final = HtmlFormatter(nowrap=True)


def code_block(source: str, language: str, *, highlighted: bool = True) -> str:
    """Return one code block: a head with the language and what can be done, and the source, which scrolls inside."""
    language = language[:40]
    lexer = _lexer(language.lower()) if highlighted and language and len(source) <= HIGHLIGHT_LIMIT else None
    body = highlight(source, lexer, _FORMATTER) if lexer else escape(source, quote=False)
    return (
        f'<div class="code"><div class="code-head"><span class="code-language">{escape(language or "text")}</span>'
        '<div class="code-actions">'
        '<button type="button" class="code-action" data-text="wrap" aria-pressed="false">Wrap</button>'
        '<button type="button" class="code-action" data-text="download">Download</button>'
        '<button type="button" class="code-copy" data-copy="code">Copy code</button></div></div>'
        f'<pre tabindex="0"><code>{body}</code></pre></div>\n'
    )


class _Renderer(RendererHTML):
    """HTML in our own shapes; the environment's "open" key says that the last block may still grow."""

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        token = tokens[idx]
        words = token.info.split(maxsplit=1)
        if token.info.strip().lower() == FORMULA:
            return block_html(token.content) + "\n"
        return code_block(token.content, words[0] if words else "", highlighted=not env.get("open"))

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return code_block(tokens[idx].content, "", highlighted=False)

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        token = tokens[idx]
        alt = self.renderInlineAsText(token.children or [], options, env) or "image"
        address = str(token.attrGet("src") or "")
        link = f' href="{escape(address)}" target="_blank"' if len(address) <= LONGEST_ADDRESS else ""
        return f"<a{link}>{escape(alt)}</a>"

    def html_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        # Raw HTML is off, so only the task list plugin's check boxes come here. A sign is read out as it stands,
        # a disabled box without a label is not.
        return "\u2611" if "checked" in tokens[idx].content else "\u2610"

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        token = tokens[idx]
        for name, longest in (("href", LONGEST_ADDRESS), ("title", LONGEST_TITLE)):
            if len(str(token.attrGet(name) or "")) > longest:
                del token.attrs[name]
        if not str(token.attrGet("href") or "").startswith("#"):
            token.attrSet("target", "_blank")
        return self.renderToken(tokens, idx, options, env)

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return '<div class="table-box"><div class="table" tabindex="0" role="group" aria-label="Table"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        copy = '<button type="button" class="table-copy" data-text="table">Copy table</button>'
        return f"</table></div>{copy}</div>\n"

    def th_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return self._cell(tokens[idx])

    def td_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return self._cell(tokens[idx])

    @staticmethod
    def _cell(token: Token) -> str:
        # Our policy refuses style attributes, so the column's alignment becomes a class.
        match = re.fullmatch(r"text-align:(left|center|right)", str(token.attrGet("style") or ""))
        return f'<{token.tag} class="align-{match[1]}">' if match else f"<{token.tag}>"


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": NESTING}, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough"])
    # At its own limit markdown-it drops the rest of the text. So quotes and lists stop before: deeper ones are text.
    for name, rule, others in (
        ("blockquote", blockquote, ["paragraph", "reference", "blockquote", "list"]),
        ("list", list_block, ["paragraph", "reference", "blockquote"]),
    ):
        parser.block.ruler.at(name, _not_too_deep(rule), {"alt": others})
    parser.inline.ruler.before("autolink", "line_break", _line_break)
    formulas(parser)
    footnotes(parser, NESTING)
    return parser.use(tasklists_plugin)


def _line_break(state: StateInline, silent: bool) -> bool:
    """Read the one tag that is meant as it stands: a table's cell has no other way to break a line."""
    found = _BREAK.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        state.push("hardbreak", "br", 0)
    state.pos = found.end()
    return True


def _not_too_deep(rule: _BlockRule) -> _BlockRule:
    def checked(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        # A list and its item are two levels.
        return state.level + 2 < NESTING and rule(state, start, end, silent)

    return checked


_PARSER: Final = _parser()


def parse(text: str, env: dict[str, Any]) -> list[Token]:
    """Return the block tokens of `text`; definitions found are kept in `env` for the blocks that follow.

    In `env`, "growing" says that more text may follow, and "whole" that none will.
    """
    return _PARSER.parse(text, env)


def render_tokens(tokens: Sequence[Token], env: dict[str, Any]) -> str:
    """Return sanitised HTML of whole blocks.

    In `env`, "prefix" begins the ids of footnotes, and "open" says that the last block may still grow: then nothing
    that is numbered in it is remembered for the blocks that follow.
    """
    if env.get("open"):
        env = {**env, "notes": env.get("notes", Notes()).copy()}
    return with_ids(sanitise(_PARSER.renderer.render(tokens, _PARSER.options, env)), env.get("prefix", ""))


_ROWS: Final = "<table><tbody>", "</tbody></table>"


def render_rows(tokens: Sequence[Token], env: dict[str, Any]) -> str:
    """Return sanitised HTML of rows of a table, as `render_tokens` returns it of the table that they are in."""
    before, after = _ROWS
    html = sanitise(f"{before}{_PARSER.renderer.render(tokens, _PARSER.options, env)}{after}")
    return with_ids(html[len(before) : len(html) - len(after)], env.get("prefix", ""))


# Made once: to build the lists anew for each block took longer than to clean most blocks.
_CLEANER: Final = nh3.Cleaner(
    tags={*_TAGS, *_MATHS},
    attributes=_ATTRIBUTES,
    tag_attribute_values=_VALUES,
    allowed_classes=_CLASSES,
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
    clean_content_tags={"script", "style", "template"},
)


def sanitise(html: str) -> str:
    """Return `html` with nothing left in it but the tags, attributes and classes that an answer may have."""
    return _CLEANER.clean(html)


def code_blocks(text: str) -> list[tuple[str, str]]:
    """Return the code blocks of a text in the order in which they are shown: what the fence says, and the source."""
    blocks = (token for token in parse(clean_text(text), {"whole": True}) if token.type in {"fence", "code_block"})
    return [(token.info, token.content) for token in blocks if token.info.strip().lower() != FORMULA]


def render(text: str, prefix: str = "") -> str:
    """Return the safe HTML of a whole, finished Markdown text; ids begin with `prefix`, without it there are none."""
    env: dict[str, Any] = {"whole": True, "prefix": prefix}
    return render_tokens(parse(clean_text(text), env), env)

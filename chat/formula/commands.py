"""What TeX's commands mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from typing import Final

from chat.formula import symbols
from chat.formula.chemistry import tex_of
from chat.formula.reader import LENGTH, Reader, space, words
from chat.formula.rows import BIN, CLOSE, FUNCTION, OPEN, ORD, PUNCT, REL, SPACE, Node, fence, made, operator, row

# They say something of the page, or of sizes that a formula among text does not have.
_IGNORED: Final = frozenset(
    "nonumber notag allowbreak nobreak relax noindent protect centering par limits nolimits tiny scriptsize "
    "footnotesize small normalsize large Large LARGE huge Huge strut mathstrut break newline hfill hfil hline "
    "displaylimits bigskip smallskip medskip sloppy null".split()
)
_SKIPPED_ARGUMENT: Final = frozenset("label vspace require phantomsection hypertarget cline vskip".split())
# fmt: off
_BOXES: Final = {
    "boxed": "tex-boxed", "fbox": "tex-boxed", "framebox": "tex-boxed", "cancel": "tex-cancel",
    "bcancel": "tex-cancel-back", "xcancel": "tex-cancel-both", "sout": "tex-struck",
    "overline": "tex-overlined", "underline": "tex-underlined", "underbar": "tex-underlined",
}
_CLASSES: Final = {
    "mathbin": BIN, "mathrel": REL, "mathop": FUNCTION, "mathopen": OPEN, "mathclose": CLOSE,
    "mathpunct": PUNCT, "mathord": ORD, "mathinner": ORD,
}
# fmt: on
_ESCAPES: Final = {"%": "%", "$": "$", "#": "#", "&": "&", "_": "_", "-": ""}
_IN_TEXT = re.compile(r"\$([^$]*)\$?|\\\((.*?)(?:\\\)|$)", re.DOTALL)
_TEXT_SIGNS = re.compile(r"\\(?:([%$#&_{} ,;:!])|(?:text|emph|mathrm|textbf|textit|texttt)\b|[a-zA-Z]+\s?)|[{}~]|``|''")
_NOT_COMMANDS: Final = frozenset(("&", "\\", "end", "right", "cr", "middle", "tabularnewline"))


class Commands(Reader):
    """A reader that knows the commands, but no environments."""

    def command(self, name: str) -> list[Node]:
        """Read what belongs to a command whose name was read, and return what it means."""
        if (node := self._sign_of(name)) is not None:
            return [node]
        if name in _IGNORED:
            return []
        if name in _SKIPPED_ARGUMENT:
            self.raw_group()
            return []
        if (special := _SPECIAL.get(name)) is not None:
            return [special(self, name)]
        if self.expand(name):
            return []
        return [self.unknown(name)]

    def stack(self, text: str) -> Node:
        """Return lines above each other."""
        raise NotImplementedError

    def environment(self, name: str) -> Node:
        """Read an environment whose beginning was read."""
        raise NotImplementedError

    def _sign_of(self, name: str) -> Node | None:
        """Return a command that takes nothing."""
        ahead = f"\\{name}"
        if (letter := symbols.LETTERS.get(name)) is not None:
            return made(f"<mi>{''.join(self._letter(sign) for sign in letter)}</mi>")
        if (sign := symbols.UPRIGHT.get(name)) is not None:
            if self.font in {"bf", "bi"}:
                return made(f"<mi>{self._letter(sign)}</mi>")
            return made(f'<mi mathvariant="normal">{escape(sign)}</mi>')
        if (sign := symbols.RELATIONS.get(name)) is not None:
            return operator(sign, REL, stretchy="false")
        if (sign := symbols.BINARIES.get(name)) is not None:
            return operator(sign, BIN)
        if (sign := symbols.SUMS.get(name)) is not None:
            node = operator(sign, ORD, movablelimits="true")
            node.limits = "movable"
            return node
        if (sign := symbols.INTEGRALS.get(name)) is not None:
            return operator(sign)
        if name in symbols.FUNCTIONS:
            return made(f"<mi>{name}</mi>", FUNCTION)
        if (sign := symbols.LIMITS.get(name)) is not None:
            return _limit(sign)
        if (sign := symbols.DOTS.get(name)) is not None:
            return operator(sign, ORD, lspace="0", rspace="0.1667em", stretchy="false")
        if (sign := symbols.PUNCTUATION.get(name)) is not None:
            return operator(sign, PUNCT, lspace="0", rspace="0.1667em")
        if ahead in symbols.SPACES:
            return space(symbols.SPACES[ahead])
        if (sign := symbols.OPENING.get(ahead)) is not None:
            return fence(sign, OPEN)
        if (sign := symbols.CLOSING.get(ahead)) is not None:
            return fence(sign, CLOSE)
        if name == "mid":
            return operator("|", REL, stretchy="false", lspace="0.2778em", rspace="0.2778em")
        if (sign := symbols.FENCES.get(ahead)) is not None and sign:
            return fence(sign, ORD)
        if name in _ESCAPES:
            return made(f'<mi mathvariant="normal">{escape(_ESCAPES[name])}</mi>')
        return None

    def text(self, source: str, look: str = "") -> Node:
        """Return the text of a formula, in which there may be formulas again."""
        parts: list[Node] = []
        at = 0
        for found in _IN_TEXT.finditer(source):
            if found.start() > 0 and source[found.start() - 1] == "\\" and found[0][0] == "$":
                continue
            if plain := source[at : found.start()]:
                parts.append(words(_plain(plain), look))
            parts.append(made(self.part(found[1] or found[2] or "")))
            at = found.end()
        if (plain := source[at:]) or not parts:
            parts.append(words(_plain(plain), look))
        return made(row(parts))

    def delimiter(self) -> str:
        """Read the sign after \\left, \\big and the like; "" where none is meant."""
        ahead = self.peek()
        if ahead in symbols.FENCES:
            self.take()
            return symbols.FENCES[ahead]
        return ""


def _plain(source: str) -> str:
    def sign(found: re.Match[str]) -> str:
        if found[1]:
            return found[1] if found[1] not in ",;:!" else " "
        return {"~": "\u00a0", "``": "\u201c", "''": "\u201d"}.get(found[0], "")

    return _TEXT_SIGNS.sub(sign, source)


def _limit(name: str) -> Node:
    node = operator(name, FUNCTION, movablelimits="true", lspace="0", rspace="0", form="prefix")
    node.limits = "movable"
    return node


def _fraction(reader: Commands, name: str) -> Node:
    above, below = reader.argument(), reader.argument()
    if name == "binom":
        return made(f'<mrow><mo>(</mo><mfrac linethickness="0">{above}{below}</mfrac><mo>)</mo></mrow>')
    return made(f"<mfrac>{above}{below}</mfrac>")


def _general_fraction(reader: Commands, name: str) -> Node:
    left, right, line, style = (reader.raw_group() for _ in range(4))
    above, below = reader.argument(), reader.argument()
    thin = ' linethickness="0"' if re.match(r"\s*0", line) else ""
    html = f"<mfrac{thin}>{above}{below}</mfrac>"
    if style.strip() in {"0", "1"}:
        html = f'<mstyle displaystyle="{"true" if style.strip() == "0" else "false"}">{html}</mstyle>'
    before = _grown(symbols.FENCES.get(left.strip(), ""), "prefix")
    after = _grown(symbols.FENCES.get(right.strip(), ""), "postfix")
    return made(f"<mrow>{before}{html}{after}</mrow>")


def _root(reader: Commands, name: str) -> Node:
    index = reader.option()
    body = reader.argument()
    if index is None:
        return made(f"<msqrt>{body}</msqrt>")
    return made(f"<mroot>{body}{reader.part(index, small=True)}</mroot>")


def _accent(reader: Commands, name: str) -> Node:
    sign, above, wide = symbols.ACCENTS[name]
    body = reader.argument()
    mark = f'<mo stretchy="{"true" if wide else "false"}">{sign}</mo>'
    if above:
        html = f'<mover accent="true">{body}{mark}</mover>'
    else:
        html = f'<munder accentunder="true">{body}{mark}</munder>'
    return made(html, limits="always" if "brace" in name or "bracket" in name else "")


def _stacked(reader: Commands, name: str) -> Node:
    over = reader.script()
    base = reader.group()
    kind = REL if name == "stackrel" else base[0].kind if len(base) == 1 else ORD
    tag = "munder" if name == "underset" else "mover"
    return made(f"<{tag}>{row(base)}{over}</{tag}>", kind)


def _long_arrow(reader: Commands, name: str) -> Node:
    below = reader.option()
    above = reader.script()
    over = f'<mpadded class="tex-over-arrow">{above}</mpadded>'
    arrow = f'<mo stretchy="true" lspace="0" rspace="0">{symbols.LONG_ARROWS[name]}</mo>'
    if below is None:
        return made(f"<mover>{arrow}{over}</mover>", REL)
    under = f'<mpadded class="tex-over-arrow">{reader.part(below, small=True)}</mpadded>'
    return made(f"<munderover>{arrow}{under}{over}</munderover>", REL)


def _left(reader: Commands, name: str) -> Node:
    parts = [_grown(reader.delimiter(), "prefix")]
    while True:
        parts.append(row(reader.nodes()))
        ahead = reader.peek()
        if ahead == "\\middle":
            reader.take()
            parts.append(_grown(reader.delimiter(), "infix"))
            continue
        if ahead == "\\right":
            reader.take()
            parts.append(_grown(reader.delimiter(), "postfix"))
        break
    return made(f"<mrow>{''.join(parts)}</mrow>")


def _grown(sign: str, form: str) -> str:
    if not sign:
        return ""
    space = ' lspace="0.05em" rspace="0.05em"' if form == "infix" else ' lspace="0" rspace="0"'
    return f'<mo form="{form}" fence="true" stretchy="true" symmetric="true"{space}>{escape(sign)}</mo>'


def _big(reader: Commands, name: str) -> Node:
    kind = {"l": OPEN, "r": CLOSE, "m": REL}.get(name[-1], ORD)
    return fence(reader.delimiter(), kind, symbols.BIG[name])


def _text(reader: Commands, name: str) -> Node:
    return reader.text(reader.raw_group(), symbols.TEXTS[name])


def _font(reader: Commands, name: str) -> Node:
    before, reader.font = reader.font, symbols.FONTS[name]
    nodes = reader.group()
    reader.font = before
    return nodes[0] if len(nodes) == 1 else made(row(nodes, small=bool(reader.small)))


def _function(reader: Commands, name: str) -> Node:
    starred = reader.src[reader.pos - 1 : reader.pos] == "*"
    shown = _plain(re.sub(r"\\(?:,|;|:|!|\s)", " ", reader.raw_group())).strip()
    if starred or shown in symbols.LIMITS:
        return _limit(shown)
    return made(f"<mi>{escape(shown, quote=False)}</mi>", FUNCTION)


def _boxed(reader: Commands, name: str) -> Node:
    return made(f'<mrow class="{_BOXES[name]}">{reader.argument()}</mrow>')


def _hidden(reader: Commands, name: str) -> Node:
    html = f"<mphantom>{reader.argument()}</mphantom>"
    if name == "phantom":
        return made(html)
    size = 'width="0"' if name == "vphantom" else 'height="0" depth="0"'
    return made(f"<mpadded {size}>{html}</mpadded>")


def _padded(reader: Commands, name: str) -> Node:
    size = 'height="0" depth="0"' if name == "smash" else 'width="0"'
    if name == "smash":
        reader.option()
    return made(f"<mpadded {size}>{reader.argument()}</mpadded>")


def _coloured(reader: Commands, name: str) -> Node:
    look = symbols.COLOURS.get(reader.raw_group().strip().lower(), "")
    inner = reader.argument()
    return made(f'<mrow class="{look}">{inner}</mrow>' if look else inner)


def _class(reader: Commands, name: str) -> Node:
    nodes = reader.group()
    node = made(row(nodes), _CLASSES[name])
    node.limits = "movable" if name == "mathop" else ""
    return node


def _space(reader: Commands, name: str) -> Node:
    found = LENGTH.match(reader.raw_group() if name == "hspace" else reader.src, 0 if name == "hspace" else reader.pos)
    if found is None:
        return space(0)
    if name != "hspace":
        reader.pos = found.end()
    return space(float(found[1]) * symbols.LENGTHS[found[2] or "em"])


def _not(reader: Commands, name: str) -> Node:
    nodes = reader.group()
    if len(nodes) == 1 and nodes[0].sign:
        node = nodes[0]
        node.sign = symbols.NEGATED.get(node.sign, f"{node.sign}\u0338")
        return node
    return made(f'<mrow class="tex-cancel">{row(nodes)}</mrow>')


def _tag(reader: Commands, name: str) -> Node:
    starred = reader.src[reader.pos - 1 : reader.pos] == "*"
    text = _plain(reader.raw_group())
    reader.tag = text if starred else f"({text})"
    return made("<mrow></mrow>", SPACE)


def _reference(reader: Commands, name: str) -> Node:
    text = reader.raw_group()
    return words(f"({text})" if name == "eqref" else text)


def _chemistry(reader: Commands, name: str) -> Node:
    return made(reader.part(tex_of(reader.raw_group())))


def _define(reader: Commands, name: str) -> Node:
    """Macros hold in their own formula only."""
    target = reader.take() if reader.peek().startswith("\\") else f"\\{reader.raw_group().strip().lstrip(chr(92))}"
    if name == "DeclareMathOperator":
        reader.macros = {**reader.macros, target[1:]: (0, rf"\operatorname{{{reader.raw_group()}}}")}
        return made("<mrow></mrow>", SPACE)
    if name == "def":
        begin = reader.pos
        end = reader.src.find("{", begin)
        reader.pos = end if end >= 0 else len(reader.src)
        count = reader.src[begin : reader.pos].count("#")
    else:
        digits = reader.option() or "0"
        count = int(digits) if digits.isdecimal() and len(digits) == 1 else 0
        reader.option()
    reader.macros = {**reader.macros, target[1:]: (count, reader.raw_group())}
    return made("<mrow></mrow>", SPACE)


def _link(reader: Commands, name: str) -> Node:
    """Nothing in a formula leads anywhere: what would be the link's text is shown."""
    first = reader.raw_group()
    return words(first) if name == "url" else made(reader.argument())


def _environment(reader: Commands, name: str) -> Node:
    return reader.environment(reader.raw_group().strip())


def _lines(reader: Commands, name: str) -> Node:
    return reader.stack(reader.raw_group())


def _multiscripts(reader: Commands, name: str) -> Node:
    above, below = reader.script(), reader.script()
    return made(f"<mmultiscripts>{reader.argument()}<mprescripts></mprescripts>{below}{above}</mmultiscripts>")


_Special = Callable[[Commands, str], Node]
# fmt: off
_SPECIAL: Final[dict[str, _Special]] = {
    **dict.fromkeys(("frac", "binom"), _fraction),
    **dict.fromkeys(symbols.ACCENTS, _accent),
    **dict.fromkeys(symbols.LONG_ARROWS, _long_arrow),
    **dict.fromkeys(symbols.BIG, _big),
    **dict.fromkeys(symbols.TEXTS, _text),
    **dict.fromkeys(symbols.FONTS, _font),
    **dict.fromkeys(_BOXES, _boxed),
    **dict.fromkeys(_CLASSES, _class),
    **dict.fromkeys(("overset", "underset", "stackrel"), _stacked),
    **dict.fromkeys(("phantom", "hphantom", "vphantom"), _hidden),
    **dict.fromkeys(("smash", "mathllap", "mathrlap", "mathclap", "llap", "rlap"), _padded),
    **dict.fromkeys(("hspace", "kern", "mkern", "mskip", "hskip"), _space),
    **dict.fromkeys(("newcommand", "renewcommand", "providecommand", "def", "DeclareMathOperator"), _define),
    **dict.fromkeys(("ref", "eqref"), _reference),
    **dict.fromkeys(("href", "url", "class", "style", "htmlClass", "cssId"), _link),
    "genfrac": _general_fraction, "sqrt": _root, "left": _left, "operatorname": _function, "not": _not,
    "textcolor": _coloured, "colorbox": _coloured, "tag": _tag, "ce": _chemistry, "begin": _environment,
    "prescript": _multiscripts, "substack": _lines,
}

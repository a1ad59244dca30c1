"""An answer while it grows: blocks that are finished, rendered once, and the one block that is still open.

Rendering the whole text for each new token would cost the square of its length. Instead the open end is cut: the last
block of the text is open, all blocks before it are closed and are never rendered again. An open block that
becomes long stops being rendered: a table or code goes to the closed ones and grows there in parts (`chat.growing`),
any other grows by plain appended text until it closes. So the cost of a token does not depend on what came before it.

What only the end reveals (a link defined later, a list that becomes loose) is put right once, by `finish`. No Django.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any, Final

from markdown_it.token import Token

from chat.growing import Change, Growing, LongCode, long_block
from chat.markdown import clean_text, code_block, parse, render_tokens

# An open block past this many characters is no longer rendered at each step (about 20 ms of work at the limit).
LONG: Final = 3_000

# The beginning of a terminal escape, of a CR LF or of a formula's marks, which the next delta may complete.
_CUT = re.compile(r"(?:\x1b(?:\[[0-?]{0,40}[ -/]{0,10}|\][^\x07\x1b]{0,200})?|\r|\\|\$\$?)\Z")

_BLANK = re.compile(r"(?:^|\n)[ \t]*\n")
# What a blank line always ends.
_NO_BLANK: Final = frozenset({"table_open", "paragraph_open"})

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^`\n]*)\n")


@dataclass
class _LongBlock:
    """A long open block: what was rendered when it became long, and the text that has come since."""

    fence: str | None
    language: str
    head: str
    # Whether a blank line ends it; what else may end it (a list, say) is only found by parsing.
    ends_at_blank: bool = False
    parts: list[str] = field(default_factory=list)
    # Length at the last attempt to close: the next one waits until the block is a quarter longer (a geometric
    # series, so the attempts cost a constant factor of the text in all).
    tried: int = 0
    length: int = 0
    line_start: str = ""

    def append(self, text: str) -> bool:
        """Take more text; return True when the block may now have ended and is worth parsing again."""
        self.parts.append(text)
        self.length += len(text)
        seam = self.line_start + text
        self.line_start = seam[seam.rfind("\n") + 1 :][-200:]
        if self.fence is not None:
            return bool(re.search(rf"(?:^|\n) {{0,3}}{re.escape(self.fence)}+[ \t]*\n", seam))
        if self.ends_at_blank:
            return bool(_BLANK.search(seam))
        return self.length > self.tried * 1.25


@dataclass(frozen=True)
class Position:
    """How much of the answer a reader has: closed blocks, the open block's version, and parts of its long tail.

    A reader has so many `parts` of the closed block after those, which still grows; -1 where it has nothing of it. Of
    what is put into closed blocks later it has the first `refined`. A `version` of -1 says that nothing is certain but
    the closed blocks.
    """

    closed: int = 0
    version: int = 0
    epoch: int = 0
    tail: int = 0
    parts: int = -1
    refined: int = 0


class BlockStream:
    """Takes the deltas of one answer and keeps its HTML. Not thread-safe; belongs to the event loop.

    The ids in it begin with `prefix`.
    """

    def __init__(self, prefix: str = "") -> None:
        self.closed: list[str] = []
        self._starts: list[int] = []
        self._line = 0
        self._source: list[str] = []
        self._pending: list[str] = []
        self._open = ""
        self._open_html = ""
        self._prefix = prefix
        self._env: dict[str, Any] = {"prefix": prefix, "growing": True}
        self._long: _LongBlock | None = None
        self._version = 0
        self._epoch = 0
        self._grows: Growing | None = None
        #: What closed blocks become after they have been sent: the block, where in it, and the HTML.
        self._refined: list[tuple[int, str, str]] = []
        #: The closed blocks that grew in their place.
        self._grown: dict[int, Growing] = {}

    def append(self, text: str) -> None:
        """Take a delta. Costs next to nothing: the work is done by `advance`."""
        self._pending.append(text)

    def advance(self) -> None:
        """Bring the blocks up to date with all deltas taken."""
        if not self._pending:
            return
        raw = "".join(self._pending)
        self._pending.clear()
        if cut := _CUT.search(raw):
            self._pending.append(cut[0])
            raw = raw[: cut.start()]
        self._take(clean_text(raw))

    def _take(self, text: str) -> None:
        if not text:
            return
        self._source.append(text)
        self._version += 1
        if self._grows is not None:
            rest = self._grows.take(text)
            if rest is None:
                return
            self._end_growing(self._grows)
            self._open, text = "", rest
        if self._long is not None:
            if not self._long.append(text):
                return
            self._long.tried = self._long.length
        self._open += text if self._long is None else "".join(self._long.parts)
        self._cut()

    def _cut(self) -> None:
        """Close all blocks but the last; go over to appended text when the open one has become long."""
        tokens = parse(self._open, self._env)
        tops = [number for number, token in enumerate(tokens) if token.level == 0 and token.nesting >= 0]
        if not tops:
            self._show("")
            return
        # Not splitlines: it also splits at U+2028 and other signs that are no line ends in Markdown.
        lines = [line + "\n" for line in self._open.split("\n")]
        lines[-1] = lines[-1][:-1]
        last = tokens[tops[-1]]
        keep_from = (last.map or [0, 0])[0]
        if _fence_is_closed(last, lines):
            # The piece after the last line end is a line that only begins.
            self._close(tokens, len(lines) - 1)
            self._open = lines[-1]
            self._show("")
            return
        if len(tops) > 1:
            self._close(tokens[: tops[-1]], keep_from)
            self._open = "".join(lines[keep_from:])
        if len(self._open) > LONG and self._grow(tokens[tops[-1] :]):
            return
        html = render_tokens(tokens[tops[-1] :], {**self._env, "open": True})
        if len(self._open) > LONG:
            self._begin_long(html, last.type in _NO_BLANK)
        else:
            self._show(html)

    def _grow(self, tokens: list[Token]) -> bool:
        """Have the open block, which is long, grow among the closed ones, if it is of a kind that can."""
        # Blank lines before it.
        begin = (tokens[0].map or [0, 0])[0] if not self._open[:1].strip() else 0
        before = "".join(line + "\n" for line in self._open.split("\n")[:begin])
        found = long_block(self._open[len(before) :], tokens[0], self._env)
        if found is None:
            return False
        self._starts.append(self._line)
        self._line += before.count("\n")
        self._grows, rest = found
        self._grown[len(self.closed)] = self._grows
        self._open = ""
        self._show("")
        after = self._grows.take(rest)
        if after is not None:
            self._end_growing(self._grows)
            self._open = after
            self._cut()
        return True

    def _end_growing(self, block: Growing) -> None:
        """Close the block that grew: what pages have of it is all, but for what only its end tells."""
        text = block.text
        self._line += text.count("\n") + (not text.endswith("\n"))
        html = block.html()
        if isinstance(block, LongCode):
            html = render_tokens(parse(text, self._env), self._env)
            self._refined += [(len(self.closed), target, piece) for target, piece in block.refined(html)]
        self.closed.append(html)
        self._grows = None

    def _show(self, html: str) -> None:
        self._long = None
        self._open_html = html

    def _begin_long(self, html: str, ends_at_blank: bool) -> None:
        self._epoch += 1
        fence = _FENCE.match(self._open)
        self._long = _LongBlock(
            fence=fence[1] if fence else None,
            language=fence[2].split(maxsplit=1)[0] if fence and fence[2].strip() else "",
            head=html,
            ends_at_blank=ends_at_blank,
            tried=len(self._open),
            length=len(self._open),
            line_start=self._open[self._open.rfind("\n") + 1 :][-200:],
        )

    def _close(self, tokens: list[Token], lines: int) -> None:
        self.closed.append(render_tokens(tokens, self._env))
        self._starts.append(self._line)
        self._line += lines

    @property
    def position(self) -> Position:
        """Where the end is now, for `since`."""
        tail = len(self._long.parts) if self._long else 0
        parts = self._grows.parts if self._grows else -1
        epoch = self._epoch if self._long else 0
        return Position(len(self.closed), self._version, epoch, tail, parts, len(self._refined))

    def settled(self, reader: Position) -> int:
        """Return how many closed blocks, from the first on, a reader has as they are to stay."""
        if reader.refined < len(self._refined):
            return min(reader.closed, self._refined[reader.refined][0])
        return reader.closed

    def lags(self, reader: Position) -> bool:
        """Tell whether a reader still lacks what closed blocks became."""
        return reader.refined < len(self._refined)

    def open_html(self) -> str:
        """Return the open block whole, for a reader that has none of it."""
        if self._grows is not None:
            return self._grows.html()
        block = self._long
        if block is None:
            return self._open_html
        text = "".join(block.parts)
        if block.fence is not None:
            return code_block(self._open.split("\n", 1)[1] + text, block.language, highlighted=False)
        return f'{block.head}<div class="raw">{escape(text, quote=False)}</div>'

    def since(self, reader: Position) -> tuple[list[Change], Position]:
        """Return what `reader` has to change, and where it is then.

        What closed blocks became comes part by part, one at a time, so that no step is much work for a page.
        """
        now, changes = self.position, list[Change]()
        refined = reader.refined
        if reader.version < 0:
            refined = sum(block < reader.closed for block, _, _ in self._refined)
            # The page may have some of what grew after the last block that was certain.
            if any(block >= reader.closed for block in self._grown):
                changes += [Change(f"-c{number}", "", "delete") for number in range(reader.closed, now.closed + 1)]
        new = self._new_blocks(reader, changes)
        # A block that comes whole comes as it is to stay.
        whole = reader.closed + (reader.parts >= 0)
        while refined < len(self._refined) and self._refined[refined][0] >= whole:
            refined += 1
        # Only where the page has all of the block: it looks for every place before it puts anything in.
        if refined < len(self._refined) and self._refined[refined][0] < reader.closed:
            block, place, html = self._refined[refined]
            changes.append(Change(f"-c{block} {place}".rstrip(), html, "innerHTML"))
            refined += 1
        if self._long is not None and reader.epoch == now.epoch and not new:
            if text := "".join(self._long.parts[reader.tail :]):
                target = "code" if self._long.fence is not None else ".raw"
                changes.append(Change(f"-open {target}", escape(text, quote=False), "beforeend"))
        elif new or (now.version != reader.version and self._grows is None):
            changes.append(Change("-open", "" if self._grows is not None else self.open_html()))
        return changes, replace(now, refined=refined)

    def _new_blocks(self, reader: Position, changes: list[Change]) -> bool:
        """Add the closed blocks that `reader` lacks, and what grew of its last; tell whether there is a new one."""
        first = reader.closed
        if reader.parts >= 0:
            more = self._grown[first].after(reader.parts)
            changes += [Change(f"-c{first} {place}", html, "beforeend") for place, html in more]
            first += 1
        chunks = self.closed[first:]
        if self._grows is not None and first <= len(self.closed):
            chunks.append(self._grows.html())
        if chunks:
            html = "".join(
                f'<div class="chunk" id="{self._prefix}-c{number}">{chunk}</div>'
                for number, chunk in enumerate(chunks, first)
            )
            changes.append(Change("-open", html, "beforebegin"))
        return bool(chunks)

    def finish(self) -> None:
        """Close what is open: from here on `closed` is all."""
        self.advance()
        self._take(clean_text("".join(self._pending)))
        self._pending.clear()
        if self._grows is not None:
            self._open = self._grows.finish()
            self._end_growing(self._grows)
        if self._long is not None:
            self._open += "".join(self._long.parts)
        if self._open:
            self._env["growing"] = False
            tokens = parse(self._open, self._env)
            if tokens:
                self._close(tokens, self._open.count("\n") + 1)
        self._open = ""
        self._show("")
        self._version += 1

    def corrections(self) -> list[tuple[int, str]]:
        """Render the finished text whole and return `(index, html)` for each closed block that should read otherwise.

        Slow for a long text: call it in a thread.
        """
        env: dict[str, Any] = {"prefix": self._prefix, "whole": True}
        tokens = parse("".join(self._source), env)
        groups: list[list[Token]] = [[] for _ in self._starts]
        group = -1
        for token in tokens:
            if token.level == 0 and token.nesting >= 0 and token.map is not None:
                while group + 1 < len(self._starts) and self._starts[group + 1] <= token.map[0]:
                    group += 1
            if group >= 0:
                groups[group].append(token)
        changed = []
        for number, members in enumerate(groups):
            html = render_tokens(members, env)
            if html != self.closed[number]:
                changed.append((number, html))
                self.closed[number] = html
        return changed


def _fence_is_closed(token: Token, lines: list[str]) -> bool:
    """Tell whether a code block that ends the text has had its closing fence, line end included."""
    if token.type != "fence" or token.map is None or token.map[1] - token.map[0] < 2:
        return False
    last = lines[token.map[1] - 1]
    mark = last.strip()
    return last.endswith("\n") and mark.startswith(token.markup) and not mark.strip(token.markup[0])

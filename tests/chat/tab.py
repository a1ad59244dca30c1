"""A browser tab reduced to what matters of it: it takes the pieces of a stream and shows an answer's text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote

from chat.models import Chat
from chat.pages import Cursor, page
from chat.stream import Reader
from connections.push import html
from tests.chat.growing_page import Element, read

PARTIAL = re.compile(r'<hx-partial hx-target="([^"]+)" hx-swap="([^"]+)">(.*?)</hx-partial>', re.DOTALL)
ARTICLE = re.compile(
    r'<article class="message message-assistant" id="m(\d+)".*?aria-busy="(\w+)".*?</article>', re.DOTALL
)
USER = re.compile(r'<article class="message message-user[^"]*" id="(m\d+)"')
CHUNK = re.compile(r'<div class="chunk" id="m\d+-body-c(\d+)">')
OPEN = re.compile(r'<div class="open" id="m\d+-body-open">')
DIV = re.compile(r"<(/?)div\b")


def contents(begin: re.Pattern[str], html: str) -> list[tuple[re.Match[str], str]]:
    """Return each div that begins so, with what it holds up to its own end."""
    found = []
    for match in begin.finditer(html):
        depth = 1
        for tag in DIV.finditer(html, match.end()):
            depth += -1 if tag[1] else 1
            if depth == 0:
                found.append((match, html[match.end() : tag.start()]))
                break
    return found


@dataclass
class Body:
    """One answer in the tab."""

    chunks: dict[int, Element] = field(default_factory=dict)
    open: Element = field(default_factory=partial(Element, "", {}))
    busy: str = ""

    @property
    def html(self) -> str:
        return "".join(self.chunks[number].html() for number in sorted(self.chunks)) + self.open.html()


class Tab:
    """Loads a chat, joins its stream, and can go away and come back with its cursor."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self.bodies: dict[str, Body] = {}
        self.questions: set[str] = set()
        self.pieces: list[tuple[str, str]] = []
        self.reader: Reader | None = None
        self.at = ""

    @property
    def users(self) -> int:
        """How many questions it shows."""
        return len(self.questions)

    async def load(self) -> None:
        """Open the page."""
        await self.chat.arefresh_from_db()
        whole = await page(self.chat)
        self.bodies.clear()
        self.questions.clear()
        for item in whole.messages:
            self._article(await html("chat/message.html", {"item": item}))
        self.at = str(whole.cursor)
        self.join()

    def join(self) -> None:
        """Join the stream with the position the page has."""
        self.reader = Reader(self.chat.pk, Cursor.parse(self.at))

    async def look(self) -> None:
        """Take what the stream has."""
        assert self.reader is not None
        while pieces := await self.reader.catch_up():
            found = PARTIAL.findall("".join(pieces))
            # htmx resolves every target of a message before it puts anything in.
            for target, swap, _ in found:
                if match := re.match(r"#(m\d+-body)-(open|c(\d+))", target):
                    assert match[1] in self.bodies, f"{target} is not there yet"
                    assert not match[3] or swap == "delete" or int(match[3]) in self.bodies[match[1]].chunks
            for target, swap, content in found:
                self.pieces.append((target, swap))
                self._apply(target, swap, content)
        self.at = str(self.reader.cursor)

    def _article(self, content: str) -> None:
        self.questions.update(USER.findall(content))
        for match in ARTICLE.finditer(content):
            body = self.bodies.setdefault(f"m{match[1]}-body", Body())
            body.busy = match[2]
            if "hx-morph-skip-children" in match[0]:
                continue
            body.chunks, body.open = {}, read("")
            for begin, chunk in contents(CHUNK, match[0]):
                body.chunks[int(begin[1])] = read(chunk)
            for _, last in contents(OPEN, match[0]):
                body.open = read(last)

    def _apply(self, target: str, swap: str, content: str) -> None:
        if target == "#log":
            if swap == "innerMorph":
                self.bodies.clear()
                self.questions.clear()
            self._article(content)
        elif match := re.fullmatch(r"#(m\d+-body)-(?:open|c(\d+))(?: (.+))?", target):
            body = self.bodies[match[1]]
            if swap == "beforebegin":
                for begin, chunk in contents(CHUNK, content):
                    assert int(begin[1]) not in body.chunks, "a block came twice"
                    body.chunks[int(begin[1])] = read(chunk)
            elif swap == "delete":
                body.chunks.pop(int(match[2]), None)
            else:
                whole = body.chunks[int(match[2])] if match[2] else body.open
                if place := whole.find(match[3]) if match[3] else whole:
                    place.put(content, swap)
        elif re.fullmatch(r"#m\d+", target):
            if swap in {"outerHTML", "delete"}:
                self.bodies.pop(f"{target[1:]}-body", None)
                self.questions.discard(target[1:])
            self._article(content)


def sentence(response: Any) -> str:
    """Why something was refused, as the page shows it."""
    return unquote(response.headers["X-Lerix-Sentence"])

"""A page that follows a growing answer, as a tree of elements that is changed only as it is told."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser
from typing import Final

from chat.blocks import BlockStream, Position
from chat.growing import Change

_VOID: Final = frozenset({"br", "hr"})


class Element:
    """One element: its children are elements and texts."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Element | str] = []

    def find(self, selector: str) -> Element | None:
        """Return the one element below this one: by its tag, or one of the boxes that long code stands in."""
        box = re.fullmatch(r"\.lines:(?:last-child|nth-child\((\d+)\))", selector)
        if box is None:
            wanted = selector.removesuffix(":last-child")
            fits = [each for each in self.all() if wanted in (each.tag, f".{each.attributes.get('class')}")]
            assert len(fits) < 2
            return fits[0] if fits else None
        boxes = [each for each in self.all() if each.attributes.get("class") == "lines"]
        number = int(box[1] or len(boxes))
        return boxes[number - 1] if 0 < number <= len(boxes) else None

    def all(self) -> list[Element]:
        """Return all elements below this one, in their order."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                found += [child, *child.all()]
        return found

    def html(self) -> str:
        """Return what is in the element as the sanitiser would write it, without the boxes of long code."""
        return "".join(_html(child) for child in self.children)

    def put(self, html: str, swap: str) -> int:
        """Put HTML into this element, by the method `swap`; return how many elements came."""
        new = read(html)
        self.children = [*(self.children if swap == "beforeend" else ()), *new.children]
        return len(new.all())


def _html(node: Element | str) -> str:
    if isinstance(node, str):
        return escape(node, quote=False).replace("\u00a0", "&nbsp;")
    if node.attributes.get("class") == "lines":
        return node.html()
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in node.attributes.items())
    return f"<{node.tag}{attributes}>{node.html()}" + ("" if node.tag in _VOID else f"</{node.tag}>")


class _Reader(HTMLParser):
    """Reads well-formed HTML into elements."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.stack[-1].children.append(element)
        if tag not in _VOID:
            self.stack.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.stack[-1].children.append(data)


def read(html: str) -> Element:
    """Return an element that holds what `html` says."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert len(reader.stack) == 1
    return reader.stack[0]


def plain(html: str) -> str:
    """Return HTML as `GrowingPage.html` returns what is the same."""
    return read(html).html().strip()


class GrowingPage:
    """What a reader's page shows of a text whose ids begin with nothing: chunks, and the open block."""

    def __init__(self) -> None:
        self.chunks: dict[int, Element] = {}
        self.opened = Element("", {})
        self.position = Position()
        #: The elements that the last look brought, and the characters that all looks brought.
        self.brought = self.sent = 0

    def look(self, blocks: BlockStream) -> list[Change]:
        """Bring the page up to date by one step; return what it was told."""
        blocks.advance()
        changes, self.position = blocks.since(self.position)
        # All places are looked for before anything is put in.
        places = [self._place(change) for change in changes]
        self.brought = 0
        for change, place in zip(changes, places, strict=True):
            self._put(change, place)
            self.sent += len(change.html)
        return changes

    def settle(self, blocks: BlockStream) -> None:
        """Look until there is nothing more to see."""
        while self.look(blocks):
            pass

    def rejoin(self, blocks: BlockStream) -> None:
        """Lose the connection, and join again with what the cursor keeps."""
        self.position = Position(closed=blocks.settled(self.position), version=-1)

    @property
    def html(self) -> str:
        """What the chunks show."""
        assert list(self.chunks) == list(range(len(self.chunks)))
        return "".join(chunk.html() for chunk in self.chunks.values()).strip()

    def _place(self, change: Change) -> Element | None:
        name, _, selector = change.target.partition(" ")
        whole = self.opened if name == "-open" else self.chunks.get(int(name.removeprefix("-c")))
        return whole.find(selector) if whole and selector else whole

    def _put(self, change: Change, place: Element | None) -> None:
        if place is None:
            return
        if change.swap in ("beforeend", "innerHTML", "innerMorph"):
            self.brought += place.put(change.html, change.swap)
        elif change.swap == "delete":
            self.chunks = {number: chunk for number, chunk in self.chunks.items() if chunk is not place}
        else:
            assert (change.swap, place) == ("beforebegin", self.opened)
            new = read(change.html)
            self.brought += len(new.all())
            for chunk in new.children:
                assert isinstance(chunk, Element)
                number = int(chunk.attributes["id"].removeprefix("-c"))
                assert number not in self.chunks
                self.chunks[number] = chunk

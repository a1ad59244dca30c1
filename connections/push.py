"""What a page's event stream carries: pieces of HTML, each for its place in the page.

The format is Server-Sent Events with htmx 4's `<hx-partial>` in the data, as its sse extension takes them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from hashlib import sha256
from html import escape
from typing import Any, Final
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.loader import render_to_string

from connections.visitor import visitor

# A silent connection is ended by proxies and sleeping machines without a word; a comment shows that it lives.
KEEP_ALIVE = 20.0
ALIVE = b": alive\n\n"


async def html(template: str, context: Mapping[str, Any]) -> str:
    """Render a template to text, off the event loop."""
    return await sync_to_async(render_to_string, thread_sensitive=False)(template, dict(context))


def partial(target: str, html: str, swap: str = "innerMorph") -> str:
    """Return HTML that htmx puts to the CSS selector `target` by the method `swap`."""
    return f'<hx-partial hx-target="{escape(target)}" hx-swap="{escape(swap)}">{html}</hx-partial>'


def message(html: str, position: str = "") -> bytes:
    """Return one event. `position` comes back as Last-Event-ID when the reader re-joins."""
    lines = "".join(f"data: {line}\n" for line in html.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    return (f"id: {position}\n{lines}\n" if position else f"{lines}\n").encode()


# A browser has six connections to one host (HTTP/1.1): this many may be event streams, the rest stay free for
# pages and for sending. Tabs beyond it get brief streams, which end once they have brought the page up to date.
SEATS: Final = 4
# A browser on another device, where all shares one connection: so many, since each costs this computer something.
DEVICE_SEATS: Final = 8
# What a generator of events yields when the page has everything and it would wait now; it is never sent.
WAITING: Final = b""
# Sent first in a brief stream: milliseconds until the page asks again.
AGAIN: Final = b"event: brief\nretry: 700\ndata: \n\n"

# Open long streams by browser. The cookie names the browser; only its digest is kept.
_seated: Counter[bytes] = Counter()


def stream(request: HttpRequest, events: AsyncGenerator[bytes, None]) -> StreamingHttpResponse:
    """Return the response that sends `events` as they come."""
    browser = sha256(request.headers.get("cookie", "").encode()).digest()
    if (who := visitor()) is not None:
        browser = sha256(b"device" + who.device).digest()
    return StreamingHttpResponse(
        take_turns(browser, events, SEATS if who is None else DEVICE_SEATS),
        content_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def take_turns(
    browser: bytes, events: AsyncGenerator[bytes, None], seats: int = SEATS
) -> AsyncGenerator[bytes, None]:
    """Yield `events` for as long as they come if the browser has a seat left, else until the page has everything."""
    async with aclosing(events):
        if _seated[browser] >= seats:
            yield AGAIN
            async for piece in events:
                if piece == WAITING:
                    return
                yield piece
        _seated[browser] += 1
        try:
            async for piece in events:
                if piece != WAITING:
                    yield piece
        finally:
            _seated[browser] -= 1
            if not _seated[browser]:
                del _seated[browser]


def refused(sentence: str, status: int) -> HttpResponse:
    """Return an error that the page shows as a note; what was typed stays in its field."""
    return HttpResponse(
        sentence,
        status=status,
        content_type="text/plain; charset=utf-8",
        headers={"X-Lerix-Sentence": quote(sentence), "HX-Reswap": "none"},
    )

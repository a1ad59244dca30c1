"""What a page's event stream carries: pieces of HTML, each for its place in the page.

The format is Server-Sent Events with htmx 4's `<hx-partial>` in the data, as its sse extension takes them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from html import escape

from django.http import StreamingHttpResponse

# A silent connection is ended by proxies and sleeping machines without a word; a comment shows that it lives.
KEEP_ALIVE = 20.0
ALIVE = b": alive\n\n"


def partial(target: str, html: str, swap: str = "innerMorph") -> str:
    """Return HTML that htmx puts to the CSS selector `target` by the method `swap`."""
    return f'<hx-partial hx-target="{escape(target)}" hx-swap="{escape(swap)}">{html}</hx-partial>'


def message(html: str, position: str = "") -> bytes:
    """Return one event. `position` comes back as Last-Event-ID when the reader re-joins."""
    lines = "".join(f"data: {line}\n" for line in html.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    return (f"id: {position}\n{lines}\n" if position else f"{lines}\n").encode()


def stream(events: AsyncIterator[bytes]) -> StreamingHttpResponse:
    """Return the response that sends `events` as they come."""
    return StreamingHttpResponse(
        events, content_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )

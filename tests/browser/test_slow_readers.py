"""Readers that do not read, or come and go, cost the server next to nothing."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Desk, answers, send
from tests.serving import LerixProcess
from tests.upstream import RESPONSES, Outcome, Reply, Upstream

pytestmark = [
    pytest.mark.usefixtures("models_on"),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory of a process is read from /proc"),
]

READERS = 20
#: The flood: so many code blocks of about 4 KB each, 2.4 MB in all, with a pause after each in seconds.
BLOCKS = 600
PAUSE = 0.003
#: What the readers may cost together, in bytes: two or three updates for each. Without a gate before each send the
#: same test takes over 200 MB: all of the answer for each reader, with its copies on the way.
LIMIT = 150 * 2**20


def resident(lerix: LerixProcess) -> int:
    """The memory of the server in bytes."""
    status = Path(f"/proc/{lerix.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


@contextlib.contextmanager
def stuck(desk: Desk, page: Page, count: int) -> Iterator[list[socket.socket]]:
    """Connections that follow the chat of ``page`` as browsers of their own would, and never read."""
    chat = page.url.rstrip("/").rsplit("/", 1)[1]
    with contextlib.ExitStack() as opened:
        readers = []
        for number in range(count):
            reader = opened.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", desk.lerix.port))
            lines = (
                f"GET /events/?chat={chat} HTTP/1.1",
                f"Host: localhost:{desk.lerix.port}",
                "Accept: text/event-stream",
                "Sec-Fetch-Site: same-origin",
                f"Cookie: {desk.cookie}; reader={number}",
            )
            reader.sendall("\r\n".join([*lines, "", ""]).encode())
            readers.append(reader)
        yield readers


def until(test: Callable[[], bool]) -> None:
    """Wait until `test` says yes, for half a minute at most."""
    deadline = time.monotonic() + 30
    while not test():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def begun(desk: Desk, page: Page, up: Upstream) -> None:
    """Begin a chat, so that it has an address."""
    up.reply("Ready.")
    send(page, "Begin")
    answers(page)(1)
    expect(page).to_have_url(re.compile("/chats/"))


def flood(page: Page, desk: Desk, up: Upstream) -> int:
    """Let a very long answer come while no browser looks; return the most memory the server had."""
    block = "```\n" + ("x" * 79 + "\n") * 50 + "```\n"
    up.reply(Reply(chunks=[block] * BLOCKS, delay=PAUSE))
    asked = len(up.to(RESPONSES))
    send(page, "Flood")
    expect(page.get_by_role("article", name="You")).to_have_count(2)
    page.goto("about:blank")
    request = up.wait_for(RESPONSES, asked + 1)[-1]
    most = 0
    while request.outcome is Outcome.OPEN:
        most = max(most, resident(desk.lerix))
        time.sleep(0.02)
    assert request.outcome is Outcome.ANSWERED
    # Rendered as a whole once more, and stored.
    for _ in range(50):
        most = max(most, resident(desk.lerix))
        time.sleep(0.02)
    return most


def test_readers_that_never_read_cost_no_more_than_an_update_each(page: Page, desk: Desk, up: Upstream) -> None:
    begun(desk, page, up)
    alone = flood(page, desk, up)
    page.goto(desk.lerix.url)
    begun(desk, page, up)
    with stuck(desk, page, READERS) as readers:
        watched = flood(page, desk, up)
        # One that reads after all gets the whole answer, and its end.
        late = readers[0]
        late.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
        late.settimeout(60)
        came = text = b""
        while text.count(b'aria-label="Answer again"') < 2:
            piece = late.recv(2**16)
            assert piece
            came += piece
            # HTTP cuts the stream into chunks of its own, anywhere.
            text = re.sub(rb"\r\n[0-9a-f]+\r\n", b"", came)
        chunks = re.findall(rb'id="m\d+-body-c\d+"', text)
        assert len(chunks) == len(set(chunks))
        assert 49 * BLOCKS < text.count(b"x" * 79) <= 51 * BLOCKS
    assert watched - alone < LIMIT


def test_readers_that_come_and_go_leave_nothing_behind(page: Page, desk: Desk, up: Upstream) -> None:
    begun(desk, page, up)
    grown = []
    descriptors = Path(f"/proc/{desk.lerix.pid}/fd")
    before = len([*descriptors.iterdir()])
    for _ in range(3):
        with stuck(desk, page, 100):
            until(lambda: len([*descriptors.iterdir()]) >= before + 100)
            time.sleep(0.5)
        until(lambda: len([*descriptors.iterdir()]) <= before + 5)
        grown.append(resident(desk.lerix))
    assert grown[2] - grown[1] < 8 * 2**20
    send(page, "Still there?")
    answers(page)(2)

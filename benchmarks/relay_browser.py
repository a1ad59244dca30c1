"""The Mac's pages in a browser on another device, which has no Lerix: see `benchmarks.relay`.

A browser signs in at the broker and opens the Mac's pages there, in the sandboxed frame; beside it are the same pages
as the Mac itself gives them. All times are taken in the page, so whatever lies below it counts: the port to the vault,
its sealing, the broker, the Mac. No page may send as much as 32 MiB; there the vault's channel is measured by itself.

The broker lets an account send so many bytes at once and so many a second after that (`relay.protocol.switch`). A body
of 32 MiB is more than that; one of 8 MiB is not, and shows what the way itself can carry.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.sync_api import Browser, Frame, Page

from benchmarks.bed import Figure, median, ms, quantile, question
from benchmarks.page_side import PROBE, browsing, complete, local_page, send
from benchmarks.relay_bed import EMAIL, PASSWORD, RelayBed
from lerix_web.paths import database_path
from relay.answers import MAX_BODY, RESPONSES
from relay.protocol.limits import Limits
from relay.protocol.switch import SwitchLimits
from tests.browser.conftest import chromium_path

MIB: Final = 1024 * 1024
#: Bytes of a body that the broker takes without holding it back; the whole one is the largest that the Mac takes.
FLAT: Final = 8 * MIB
WHOLE: Final = MAX_BODY
#: In which the broker's account gets all its bytes back, and a little more.
REFILL_SECONDS: Final = SwitchLimits.byte_burst / SwitchLimits.bytes + 0.5
#: A session may open so many streams a second.
REQUEST_SECONDS: Final = 1.2 / Limits.opens
SHOWN: Final = "iframe.frame:not(.is-waiting)"
WAIT_MS: Final = 60_000

#: GET a path and read the answer to its end: its length, the seconds from its first bytes to `mark` of them, and those
#: from the question to the end.
READ: Final = """async ([path, mark]) => {
  const began = performance.now();
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const reader = answer.body.getReader();
  let length = 0, first = 0, marked = 0;
  for (;;) {
    const { done, value } = await reader.read();
    const now = performance.now();
    if (done) return [length, (marked - first) / 1000, (now - began) / 1000];
    first ||= now;
    length += value.length;
    if (length >= mark) marked ||= now;
  }
}"""

#: Open a channel to a Mac, in a page of the broker's origin whose browser is signed in.
OPEN: Final = """async ([files, mac]) => {
  const { openAccount } = await import(`${files}lerix/app/account.js`);
  const { openChannel } = await import(`${files}lerix/vault/channel.js`);
  const account = await openAccount();
  const host = account.macs.find(({ id }) => id === mac).device;
  const refresh = () => account.refresh(mac);
  const channel = openChannel({ origin: location.origin, member: account.member, host, refresh });
  window.channel = channel;
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`no channel: ${JSON.stringify(channel.state)}`)), 20_000);
    channel.onchange = () => channel.state.phase === "ready" && resolve();
  });
}"""

#: POST so many bytes that are no question: the Mac reads them to their end and refuses them. The status, the seconds.
WRITE: Final = """async ([path, size, idem]) => {
  const body = new Uint8Array(size).fill(120);
  const headers = [["content-type", "application/json"], ["content-length", String(size)]];
  const began = performance.now();
  const answer = await window.channel.request({ method: "POST", path, headers, idem, body });
  await new Response(answer.body).arrayBuffer();
  return [answer.status, (performance.now() - began) / 1000];
}"""
REFUSED: Final = 400


@dataclass
class _Seen:
    """What was measured: seconds of small requests and of questions, here and afar; bytes a second of bodies."""

    small_here: list[float] = field(default_factory=list)
    small: list[float] = field(default_factory=list)
    enter_here: list[float] = field(default_factory=list)
    enter: list[float] = field(default_factory=list)
    down: list[float] = field(default_factory=list)
    down_flat: list[float] = field(default_factory=list)
    up: list[float] = field(default_factory=list)
    up_flat: list[float] = field(default_factory=list)


async def browser(bed: RelayBed, *, quick: bool) -> list[Figure]:
    """Small requests, large bodies and the first visible token, in a browser that is signed in at the broker."""
    if chromium_path() is None:
        return [Figure("a browser on another device", "not measured: no Chromium or Chrome is installed")]
    rounds, requests, questions = (1, 30, 5) if quick else (3, 67, 7)
    seen = await asyncio.to_thread(_measure, bed, rounds, requests, questions)
    enter, here = median(seen.enter), median(seen.enter_here)
    return [
        Figure(
            "small request (GET) in a browser on another device: p50 / p99",
            f"{_quantiles(seen.small)} (on the Mac's own page {_quantiles(seen.small_here)})",
        ),
        Figure(
            f"{FLAT // MIB} MiB down / up in that browser, flat out",
            _rates(seen.down_flat, seen.up_flat),
        ),
        Figure(
            f"{WHOLE // MIB} MiB down / up in that browser, as fast as the broker lets an account",
            _rates(seen.down, seen.up),
        ),
        Figure(
            "added time from Enter to the first visible token in that browser: p50",
            f"{ms(enter - here)} ({enter * 1000:.0f} over {here * 1000:.0f})",
        ),
    ]


def _measure(bed: RelayBed, rounds: int, requests: int, questions: int) -> _Seen:
    """Go through everything `rounds` times, with so many small requests and questions in each."""
    seen = _Seen()
    with browsing() as chromium:
        here = local_page(chromium, bed.mac)
        _begin(here)
        # The page of this chat is not opened any more: its answer is made the large one.
        large = _enlarged(bed)
        here.goto(bed.mac.lerix.url)
        _begin(here)
        small = f"/messages/{_newest(bed)}/source/"
        far = _far_page(chromium, bed)
        there = _shown(far)
        _begin(there)
        time.sleep(1)
        for _ in range(rounds):
            length, marked, seconds = there.evaluate(READ, [large, FLAT])
            if length != WHOLE:
                raise RuntimeError(f"{length} of {WHOLE} bytes came")
            seen.down_flat.append(FLAT / marked)
            seen.down.append(WHOLE / seconds)
            # What is between two bodies hardly costs bytes: meanwhile the account gets back those of the next one.
            with _at_least(REFILL_SECONDS / 2):
                for _ in range(requests):
                    with _at_least(REQUEST_SECONDS):
                        seen.small.append(there.evaluate(READ, [small, 1])[-1])
                        seen.small_here.append(here.evaluate(READ, [small, 1])[-1])
            with _at_least(REFILL_SECONDS / 2):
                for number in range(questions):
                    # Each is first in turn, so that neither finds what the other has just warmed.
                    pair: list[tuple[Page | Frame, list[float]]] = [(here, seen.enter_here), (there, seen.enter)]
                    for page, times in pair if number % 2 else pair[::-1]:
                        times.append(_enter(page))
        page = _channel_page(far, bed)
        for turn in range(rounds):
            if turn:
                time.sleep(REFILL_SECONDS)
            seen.up.append(_send_up(page, WHOLE))
            time.sleep(REFILL_SECONDS / 2)
            seen.up_flat.append(_send_up(page, FLAT))
    return seen


def _far_page(chromium: Browser, bed: RelayBed) -> Page:
    """Sign a browser in at the broker, and open the Mac's start page there."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(PROBE)
    page = context.new_page()
    page.goto(f"{bed.broker.url}/sign-in/")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Device name").fill("Browser")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("This browser is signed in.", exact=True).wait_for(timeout=WAIT_MS)
    page.goto(f"{bed.broker.url}/app/")
    page.frame_locator(SHOWN).get_by_role("textbox", name="Message").wait_for(timeout=WAIT_MS)
    return page


def _channel_page(far: Page, bed: RelayBed) -> Page:
    """The vault's page without what it shows, and with a channel for us alone: a device has one link."""
    files = far.locator("html").get_attribute("data-static")
    page = far.context.new_page()
    far.close()
    page.route("**/lerix/app/main.js", lambda route: route.abort())
    page.goto(f"{bed.broker.url}/app/")
    page.evaluate(OPEN, [files, bed.host.hex()])
    return page


def _shown(page: Page) -> Frame:
    """The frame with the Mac's page, to run scripts in."""
    element = page.query_selector(SHOWN)
    frame = element.content_frame() if element is not None else None
    if frame is None:
        raise RuntimeError("the Mac's page is not shown")
    return frame


def _begin(page: Page | Frame) -> None:
    send(page, question("stamped", 1))
    complete(page, 1, 60)


def _enter(page: Page | Frame) -> float:
    """Ask in the chat that is open; return the seconds from the key to the painted first token."""
    count = page.locator("article.message-assistant").count()
    page.evaluate("probe.watch()")
    send(page, question("stamped", 5, 40))
    complete(page, count + 1)
    page.wait_for_timeout(100)
    pressed, shown = page.evaluate("[probe.pressed, probe.seen]")
    if not shown:
        raise RuntimeError("the first token was not seen")
    return float(shown - pressed) / 1000


def _send_up(page: Page, size: int) -> float:
    """Send a body; return its bytes a second."""
    status, seconds = page.evaluate(WRITE, [RESPONSES, size, secrets.token_hex(16)])
    if status != REFUSED:
        raise RuntimeError(f"a body of {size} bytes was answered {status}")
    return size / float(seconds)


def _newest(bed: RelayBed) -> int:
    ((number,),) = _sql(bed, "SELECT max(id) FROM chat_message WHERE role = 'assistant'")
    return int(number)


def _enlarged(bed: RelayBed) -> str:
    """Make the newest answer as long as the largest body, and return the path of its source."""
    number = _newest(bed)
    _sql(bed, "UPDATE chat_message SET text = ? WHERE id = ?", "0123456789abcdef" * (WHOLE // 16), number)
    return f"/messages/{number}/source/"


def _sql(bed: RelayBed, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database_path(bed.mac.lerix.home), timeout=10)) as database, database:
        return database.execute(statement, values).fetchall()


@contextmanager
def _at_least(seconds: float) -> Iterator[None]:
    """Wait at the end until so many seconds have passed since the beginning."""
    end = time.monotonic() + seconds
    yield
    time.sleep(max(0.0, end - time.monotonic()))


def _quantiles(values: Sequence[float]) -> str:
    return " / ".join(ms(quantile(values, part)) for part in (0.5, 0.99))


def _rates(*directions: Sequence[float]) -> str:
    return " / ".join(f"{median(each) / 1e6:.1f}" for each in directions) + " MB/s"

"""Long answers and long chats in a browser: whether the page stays smooth, and how fast a long chat opens.

    .venv/bin/python -m benchmarks.long_chat              everything, about six minutes
    .venv/bin/python -m benchmarks.long_chat --quick      a shorter answer, fewer repeats
    .venv/bin/python -m benchmarks.long_chat --only NAME  one part (may be given more than once)

While the answer comes, somebody types into the message field. A task of the browser is measured twice: by the clock,
which also counts while other programs have the processor, and by the processor time that it took itself. Needs Linux
(/proc), and Chromium or Chrome.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from playwright.sync_api import Browser, CDPSession, Page

from benchmarks.bed import Bed, Figure, median, ms, others_at_work, quantile, question
from benchmarks.page_side import browsing, complete, local_page, send
from benchmarks.streaming import report
from tests.long_chats import paragraphs, put_chat

#: Tokens a second, where no other rate is asked for: far more than models write, so that the page is what is measured.
RATE: Final = 1_000
#: Seconds from key to key, as somebody types who is in a hurry.
BETWEEN_KEYS: Final = 0.12
LONG: Final = 50.0  # milliseconds

# Notes for each key when the frame that shows it was painted.
TYPING = """
(() => {
  probe.keys = [];
  document.getElementById("message").addEventListener("input", (event) => {
    const pressed = event.timeStamp;
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => probe.keys.push(performance.now() - pressed);
      channel.port2.postMessage(0);
    });
  });
})();
"""


def streaming(bed: Bed, *, quick: bool, rate: int) -> list[Figure]:
    """One very long answer, at the end of which the page is followed, while somebody types."""
    count = 10_000 if quick else 100_000
    with browsing() as browser, TemporaryDirectory() as folder:
        page = local_page(browser, bed)
        cdp = page.context.new_cdp_session(page)
        send(page, question("stamped", 1))
        complete(page, 1)
        page.wait_for_timeout(500)
        page.evaluate(TYPING)
        page.evaluate("probe.reset()")
        trace = Path(folder) / "trace.json"
        browser.start_tracing(page=page, path=trace, categories=["-*", "toplevel"])
        memory = bed.memory()
        send(page, question("mixed", count, rate))
        heaps = _type(page, cdp, count / rate)
        complete(page, 2, count / rate + 120)
        page.wait_for_timeout(500)
        browser.stop_tracing()
        grown = bed.memory() - memory
        found: dict[str, Any] = page.evaluate(
            "({tasks: probe.longTasks.map((t) => t[1]), gaps: probe.gaps, keys: probe.keys})"
        )
        tasks = _tasks(trace)
        quarters = _quarters(tasks)
        elements = page.evaluate("document.getElementsByTagName('*').length")
        page.context.close()
    longest = max(took for _, took in tasks)
    slow = sum(took > LONG for _, took in tasks)
    over = [task for task in found["tasks"] if task > LONG]
    typing = quantile(found["keys"], 0.95)
    name = f"{count:,} tokens of Markdown at {rate:,} a second"
    return [
        Figure(
            f"browser tasks over 50 ms of processor time, {name}",
            f"{slow} of {len(tasks):,}, longest {longest:.0f} ms",
            "none",
            slow == 0,
        ),
        Figure("the same by the clock", f"{len(over)}, longest {max(over, default=0):.0f} ms", "none", not over),
        Figure(
            "from key to paint meanwhile, p50 / p95",
            f"{median(found['keys']):.0f} / {typing:.0f} ms",
            "≤ 50 ms p95",
            typing <= 50,
        ),
        Figure("frame gap p99", f"{quantile(found['gaps'], 0.99):.0f} ms"),
        Figure(
            "processor time of the page by quarters of the answer",
            " / ".join(f"{each:.1f}" for each in quarters) + " s",
            "flat: the last ≤ 1.5 times the first",
            quarters[3] <= 1.5 * quarters[0],
        ),
        Figure(
            "heap of the page at a quarter / at the end", f"{heaps[0]:.1f} / {heaps[1]:.1f} MB, {elements:,} elements"
        ),
        Figure("memory that Lerix itself took for it", f"{grown:.0f} MB"),
    ]


def blocks(bed: Bed, *, quick: bool, rate: int) -> list[Figure]:
    """Answers that are one long block, a table or code: what the page does while it grows and when it closes."""
    figures = []
    # Code is highlighted up to 60,000 characters.
    for kind, count in (("table", 5_000), ("code", 5_000)) if quick else (("table", 20_000), ("code", 14_000)):
        with browsing() as browser, TemporaryDirectory() as folder:
            page = local_page(browser, bed)
            send(page, question("stamped", 1))
            complete(page, 1)
            page.wait_for_timeout(500)
            trace = Path(folder) / "trace.json"
            browser.start_tracing(page=page, path=trace, categories=["-*", "toplevel"])
            send(page, question(kind, count, rate))
            complete(page, 2, count / rate + 120)
            page.wait_for_timeout(500)
            browser.stop_tracing()
            tasks = _tasks(trace)
            page.context.close()
        longest = max(took for _, took in tasks)
        value = f"{sum(took > LONG for _, took in tasks)} of {len(tasks):,}, longest {longest:.0f} ms"
        name = f"browser tasks over 50 ms of processor time, one long {kind} of {count:,} tokens at {rate:,} a second"
        figures.append(Figure(name, value, "none", longest <= LONG))
        total = sum(took for _, took in tasks) / count
        figures.append(Figure(f"processor time of the page for each token of that {kind}", f"{total * 1000:.0f} µs"))
    return figures


def _type(page: Page, cdp: CDPSession, seconds: float) -> tuple[float, float]:
    """Type for so long; return the heap, in MB, after a quarter of it and at the end."""
    begin, first = time.monotonic(), 0.0
    number = 0
    while (passed := time.monotonic() - begin) < seconds:
        if not first and passed > seconds / 4:
            first = _heap(cdp)
        page.keyboard.press("abcdefgh"[number % 8])
        number += 1
        page.wait_for_timeout(BETWEEN_KEYS * 1000)
    return first, _heap(cdp)


def _heap(cdp: CDPSession) -> float:
    return float(cdp.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


def _tasks(trace: Path) -> list[tuple[float, float]]:
    """The tasks of the page's main thread: when each began, in seconds, and its processor time, in milliseconds."""
    events = json.loads(trace.read_text("utf-8"))["traceEvents"]
    mains = {
        (each["pid"], each["tid"])
        for each in events
        if each.get("name") == "thread_name" and each["args"]["name"] == "CrRendererMain"
    }
    found = [
        (each["ts"] / 1e6, each["tdur"] / 1e3)
        for each in events
        if each.get("name") == "ThreadControllerImpl::RunTask"
        and (each["pid"], each["tid"]) in mains
        and "tdur" in each
    ]
    if not found:
        raise RuntimeError("the browser's trace has no tasks")
    return found


def _quarters(tasks: Sequence[tuple[float, float]]) -> list[float]:
    """Processor time in seconds, by quarters of the time that the tasks span."""
    first, last = min(begin for begin, _ in tasks), max(begin for begin, _ in tasks)
    found = [0.0] * 4
    for begin, took in tasks:
        found[min(3, int(4 * (begin - first) / max(last - first, 1e-9)))] += took / 1e3
    return found


def opening(bed: Bed, *, quick: bool) -> list[Figure]:
    """A chat of 1,000 messages: opened at its end, and one step upward."""
    texts = [(f"Question {number}", *paragraphs(number % 7 + 1, f"Answer {number}")) for number in range(1, 501)]
    chat, ids = put_chat(bed.lerix.home / "lerix.sqlite3", "A thousand messages", texts)
    repeats = 5 if quick else 20
    with browsing() as browser:
        address = f"{bed.lerix.url}/chats/{chat}/"
        opened = _opened(browser, bed, address, repeats)
        middle = _opened(browser, bed, f"{address}?at={ids[400]}", repeats)
        page = local_page(browser, bed)
        page.goto(address)
        steps = [_step(page) for _ in range(repeats)]
        page.context.close()
    figures = []
    for name, times in (("at its end", opened), ("around a message", middle)):
        value = f"{ms(median(times))} / {ms(max(times))}"
        figures.append(Figure(f"1,000 messages open {name}: p50 / worst", value, "≤ 200 ms", median(times) <= 0.2))
    return [*figures, Figure("older messages shown after the wheel: p50", ms(median(steps)))]


def _opened(browser: Browser, bed: Bed, address: str, repeats: int) -> list[float]:
    page = local_page(browser, bed)
    times = []
    for _ in range(repeats):
        page.goto("about:blank")
        page.goto(address)
        page.wait_for_timeout(100)
        times.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000)
    page.context.close()
    return times[1:]


def _step(page: Page) -> float:
    """Go to the upper end; return the seconds until the messages before it are there. Begins anew at the first."""
    took = page.evaluate(
        """() => new Promise((done) => {
          const log = document.getElementById("log");
          const begun = performance.now();
          new MutationObserver((records, watch) => {
            if (!records.some((each) => [...each.addedNodes].some((node) => node.localName === "article"))) return;
            watch.disconnect();
            done(performance.now() - begun);
          }).observe(log, { childList: true });
          document.getElementById("scroller").scrollTop = 0;
        })"""
    )
    page.wait_for_timeout(200)
    if not page.locator("#older").count():
        page.reload()
    return float(took) / 1000


PARTS: Final = ("streaming", "blocks", "opening")


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return the exit code, 1 where an aim is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_chat", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", action="append", choices=PARTS, metavar="NAME", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="a shorter answer, fewer repeats")
    parser.add_argument("--rate", type=int, default=RATE, metavar="N", help="tokens a second of the long answer")
    options = parser.parse_args(arguments)
    parts: dict[str, Callable[..., list[Figure]]] = {
        "streaming": partial(streaming, rate=options.rate),
        "blocks": partial(blocks, rate=options.rate),
        "opening": opening,
    }
    figures: list[Figure] = []
    noise = []
    for name in options.only or PARTS:
        noise.append(others_at_work())
        print(f"{name} ... (processors {noise[-1]:.0%} in use by others)", file=sys.stderr, flush=True)
        with Bed() as bed:
            figures += parts[name](bed, quick=options.quick)
    return report(figures, noise)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

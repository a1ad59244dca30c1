"""What only a browser shows: when a person sees the first word, and whether the page stays smooth. See streaming."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, CDPSession, Frame, Page, sync_playwright

from benchmarks.bed import Bed, Figure, median, ms, quantile, question
from tests.browser.conftest import FLAGS, chromium_path

# Runs in each page before its own scripts.
PROBE = """
(() => {
  const probe = (window.probe = { longTasks: [], gaps: [], seen: 0, pressed: 0, focusable: 0, peak: 0 });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) probe.longTasks.push([entry.startTime, entry.duration]);
  }).observe({ type: "longtask", buffered: true });

  let last = 0;
  function frame(now) {
    if (last) probe.gaps.push(now - last);
    last = now;
    if (performance.memory) probe.peak = Math.max(probe.peak, performance.memory.usedJSHeapSize);
    requestAnimationFrame(frame);
  }
  requestAnimationFrame(frame);

  addEventListener("load", () => {
    const field = document.getElementById("message");
    if (!field) return;
    field.focus();
    if (document.activeElement === field) probe.focusable = performance.now();
  });

  probe.watch = () => {
    probe.seen = probe.pressed = 0;
    const known = document.querySelectorAll("article.message-assistant").length;
    addEventListener("keydown", () => (probe.pressed = performance.now()), { once: true, capture: true });
    const observer = new MutationObserver(() => {
      const all = document.querySelectorAll("article.message-assistant");
      if (all.length <= known || !all[all.length - 1].querySelector(":scope > .body").textContent.includes("@")) return;
      observer.disconnect();
      // After the frame that shows it: a message posted from it is handled once it is painted.
      requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => (probe.seen = performance.now());
        channel.port2.postMessage(0);
      });
    });
    observer.observe(document.getElementById("main"), { childList: true, subtree: true, characterData: true });
  };
  probe.reset = () => {
    probe.longTasks = [];
    probe.gaps = [];
    probe.peak = 0;
  };
})();
"""


@contextmanager
def browsing() -> Iterator[Browser]:
    """Run Chromium or Chrome. Raises RuntimeError where there is neither."""
    path = chromium_path()
    if path is None:
        raise RuntimeError("Chromium or Chrome is needed, and neither is installed (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=[*FLAGS, "--enable-precise-memory-info"], headless=True
        )
        yield browser
        browser.close()


def local_page(browser: Browser, bed: Bed) -> Page:
    """Open the start page on the computer itself, with the probe in it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(PROBE)
    name, _, value = bed.cookie.partition("=")
    context.add_cookies([{"name": name, "value": value, "url": bed.lerix.url}])
    page = context.new_page()
    page.goto(bed.lerix.url)
    return page


def send(page: Page | Frame, text: str) -> None:
    """Type a message and press Enter."""
    field = page.get_by_role("textbox", name="Message")
    field.fill(text)
    field.press("Enter")


def complete(page: Page | Frame, count: int, seconds: float = 30) -> None:
    """Wait until so many answers are whole."""
    page.locator("article.message-assistant[aria-busy=false]").nth(count - 1).wait_for(
        state="attached", timeout=seconds * 1000
    )


def enter(bed: Bed, *, quick: bool) -> list[Figure]:
    """From the key Enter to the painted first token, with an upstream that answers at once."""
    found: dict[str, list[float]] = {"in a chat": [], "in a new chat": []}
    with browsing() as browser:
        page = local_page(browser, bed)
        for number in range(15 if quick else 60):
            new = number % 6 == 0
            if new:
                page.goto(bed.lerix.url)
                page.wait_for_timeout(300)
            page.evaluate("probe.watch()")
            send(page, question("stamped", 10, 40))
            complete(page, number % 6 + 1)
            page.wait_for_timeout(100)
            times = page.evaluate("[probe.pressed, probe.seen]")
            found["in a new chat" if new else "in a chat"].append((times[1] - times[0]) / 1000)
    figures = []
    for name, values in found.items():
        middle = median(values)
        value = f"{ms(middle)} / {ms(quantile(values, 0.95))}"
        figures.append(Figure(f"Enter to first visible token, {name}: p50 / p95", value, "≤ 60 ms p50", middle <= 0.06))
    return figures


def long_answer(bed: Bed, *, quick: bool) -> list[Figure]:
    """Long tasks, frames and heap while a long Markdown answer comes at 300 tokens a second."""
    count, repeats = (4_000, 1) if quick else (20_000, 3)
    tasks, totals, gaps, heaps, peaks = [], [], [], [], []
    with browsing() as browser:
        for _ in range(repeats):
            page = local_page(browser, bed)
            cdp = page.context.new_cdp_session(page)
            send(page, question("stamped", 1))
            complete(page, 1)
            page.wait_for_timeout(500)
            page.evaluate("probe.reset()")
            send(page, question("mixed", count, 300))
            complete(page, 2, count / 300 + 60)
            page.wait_for_timeout(1000)
            found = page.evaluate("({tasks: probe.longTasks.map((t) => t[1]), gaps: probe.gaps, peak: probe.peak})")
            tasks.append(found["tasks"])
            totals.append(sum(found["tasks"]))
            gaps.append(quantile(found["gaps"], 0.99))
            peaks.append(found["peak"] / 1e6)
            heaps.append(_heap(cdp))
            page.context.close()
    longest = median([max(each, default=0.0) for each in tasks])
    number = median([len(each) for each in tasks])
    gap = median(gaps)
    name = f"{count:,} tokens of Markdown at 300 tokens/s"
    return [
        Figure(
            f"browser tasks over 50 ms, {name}",
            f"{number:.0f}, longest {longest:.0f} ms, {median(totals):.0f} ms in all",
            "none",
            number == 0,
        ),
        Figure(f"frame gap p99, {name}", f"{gap:.1f} ms", "≤ 34 ms", gap <= 34),
        Figure(f"heap after {name}", f"{median(heaps):.1f} MB (peak {median(peaks):.1f} MB)"),
    ]


def _heap(cdp: CDPSession) -> float:
    """The page's heap after a collection, in MB."""
    cdp.send("HeapProfiler.collectGarbage")
    return float(cdp.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


def usable(bed: Bed, *, quick: bool) -> list[Figure]:
    """From the start of a navigation to a loaded page whose message field takes the focus, with a warm cache."""
    figures = []
    with browsing() as browser:
        page = local_page(browser, bed)
        places = {"the start page": bed.lerix.url}
        send(page, question("mixed", 2_000 if quick else 20_000))
        complete(page, 1, 120)
        places["a chat of 20,000 tokens"] = page.url
        for name, address in places.items():
            times = []
            for _ in range(5 if quick else 15):
                page.goto("about:blank")
                page.goto(address)
                page.wait_for_timeout(100)
                loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
                times.append(max(loaded, page.evaluate("probe.focusable") or 1e9) / 1000)
            middle = median(times)
            aim = ("≤ 300 ms", middle <= 0.3)
            figures.append(Figure(f"page usable, warm, {name}: p50 / worst", f"{ms(middle)} / {ms(max(times))}", *aim))
    return figures

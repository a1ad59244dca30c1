"""A history of years: how fast search, the list of chats and a long chat are with 10,000 chats of 200,000 messages.

    .venv/bin/python -m benchmarks.history              about three minutes, most of them to make the chats
    .venv/bin/python -m benchmarks.history --quick      a tenth of the chats, fewer repeats

A real `lerix serve` answers over loopback; times are from the request to the last byte of the answer, and in a real
browser from the key or press to the frame that shows it. The table is Markdown. Needs Linux (/proc), and Chromium or
Chrome.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sqlite3
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
from playwright.sync_api import Page

from benchmarks.bed import Bed, Figure, median, ms, others_at_work, quantile
from benchmarks.page_side import browsing, local_page
from benchmarks.streaming import report
from chat.markdown import HTML_VERSION
from lerix_web.paths import database_path

CHATS: Final = 10_000
MESSAGES: Final = 20  # of a chat
LONG: Final = 1_000  # messages of the long chat
#: Words of a message, short questions and longer answers in turns.
LENGTHS: Final = (12, 120, 20, 200)
VOCABULARY: Final = 30_000
#: As somebody types them, and what people look for otherwise.
TYPED: Final = ("k", "ka", "kal", "kalo", "kalom")
OTHERS: Final = ("the tra", "kalo ber mi", '"the lo"', "zürich", "nothinghasthis", "a", "an e i o u")

# Runs in the page: resolves to the milliseconds from the next press of a button or key to the frame that shows what
# `selector` finds.
PAINTED: Final = """(selector) => {
  let began = 0;
  for (const kind of ["pointerdown", "keydown"]) {
    addEventListener(kind, (event) => (began ||= event.timeStamp), { once: true, capture: true });
  }
  window.painted = new Promise((resolve) => {
    const look = () => {
      if (!began || !document.querySelector(selector)) return requestAnimationFrame(look);
      requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => resolve(performance.now() - began);
        channel.port2.postMessage(0);
      });
    };
    look();
  });
}"""


def words() -> list[str]:
    """Made-up words, the first far more frequent than the last where they are drawn by `weights`."""
    rows = "ka lo mi tra ber con pre de ste un vor qu ing tion al er na so pi gra the ma re es".split()
    drawn = random.Random(1)  # noqa: S311 - the same each time
    return ["".join(drawn.choices(rows, k=drawn.randint(1, 4))) for _ in range(VOCABULARY)] + ["Zürich"]


def fill(bed: Bed, chats: int) -> str:
    """Store so many chats and a long one. Returns the id of the long one. The search's index follows by itself."""
    drawn = random.Random(2)  # noqa: S311
    vocabulary = words()
    weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(vocabulary))))
    now = datetime.now(UTC)
    long_one = uuid.uuid4()
    with closing(sqlite3.connect(database_path(bed.lerix.home), timeout=30)) as database:
        columns = {
            table: {name: "" if "char" in kind or kind == "text" else 0 for _, name, kind, needed, *_ in rows if needed}
            for table in ("chat_chat", "chat_message")
            if (rows := database.execute(f"PRAGMA table_info({table})").fetchall())
        }

        def put(table: str, values: dict[str, object]) -> None:
            row = columns[table] | values
            marks = ", ".join("?" * len(row))
            database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))  # noqa: S608

        (number,) = database.execute("SELECT coalesce(max(id), 0) FROM chat_message").fetchone()
        for place in range(chats + 1):
            chat = long_one if place == chats else uuid.uuid4()
            # The long one is the newest, so that its link is in sight.
            then = (now - timedelta(hours=chats - place, minutes=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
            title = "A long chat" if place == chats else " ".join(drawn.choices(vocabulary, cum_weights=weights, k=5))
            times = {"created": then, "updated": then}
            put("chat_chat", {"id": chat.hex, "title": title, "title_by": "words", "choice": "{}", **times})
            parent = None
            for place_in in range(LONG if place == chats else MESSAGES):
                number += 1
                count = LENGTHS[place_in % len(LENGTHS)]
                text = " ".join(drawn.choices(vocabulary, cum_weights=weights, k=count))
                answer = place_in % 2 == 1
                made = {"html": f"<p>{text}</p>", "html_version": HTML_VERSION} if answer else {}
                about = {"role": "assistant" if answer else "user", "model_name": "GPT-6 Sol" if answer else ""}
                known = {"id": number, "chat_id": chat.hex, "parent_id": parent, "text": text, "created": then}
                put("chat_message", {**known, **about, **made, "state": "complete", "items": "[]"})
                parent = number
            database.execute("UPDATE chat_chat SET head_id = ? WHERE id = ?", [parent, chat.hex])
            if place % 500 == 0:
                database.commit()
        database.commit()
    return str(long_one)


def timed(work: Callable[[], object], repeats: int) -> list[float]:
    """Seconds of each run, after one that warms up."""
    work()
    found = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        found.append(time.perf_counter() - begin)
    return found


def figure(name: str, seconds: Sequence[float], aim: float | None) -> Figure:
    """A row: the median and the 95th of a hundred, against an aim in milliseconds."""
    high = quantile(seconds, 0.95)
    value = f"{ms(median(seconds))} / {ms(high)}"
    return Figure(name, value, f"≤ {aim:.0f} ms" if aim else "", None if aim is None else high * 1000 <= aim)


def over_http(bed: Bed, client: httpx.Client, long_one: str, repeats: int) -> Iterator[Figure]:
    """What the server needs."""

    def get(path: str, **query: str) -> Callable[[], object]:
        return lambda: client.get(path, params=query or None).raise_for_status()

    for name, queries in (("as it is typed, 1 to 5 letters", TYPED), ("several words, common, rare, none", OTHERS)):
        seconds = [one for query in queries for one in timed(get("/history/search/", q=query), repeats)]
        yield figure(f"search, {name}", seconds, 100)
    last = client.get("/").text

    def change(do: str) -> Callable[[], object]:
        data = {"do": do, "chats": long_one}
        return lambda: client.post("/history/change/", data=data).raise_for_status()

    seconds = [one for _ in range(repeats) for do in ("pin", "unpin") for one in timed(change(do), 1)]
    yield figure("the list of chats, read and rendered after a change", seconds, 50)
    place = last.split("/history/older/?before=")[1].split('"')[0].replace("&amp;", "&")
    path = f"/history/older/?before={place}"
    yield figure("60 older chats, as the list is scrolled", timed(get(path), repeats), 50)
    yield figure("a page with the list and no chat", timed(get("/"), repeats), None)
    chat = f"/chats/{long_one}/"
    yield figure(f"a chat of {LONG:,} messages, at its end", timed(get(chat), repeats), 200)
    yield figure(f"words found in all {LONG:,} of them", timed(get(f"{chat}find/", q="kalo"), repeats), None)


def in_browser(bed: Bed, repeats: int) -> Iterator[Figure]:
    """What a person waits for."""
    with browsing() as browser:
        page = local_page(browser, bed)
        yield figure("browser: from the press on its link to the end of the long chat", _opened(page, repeats), 200)
        name = "browser: from the last key to what was found (of it 120 ms wait for more)"
        yield figure(name, _found(page, repeats), None)
        page.context.close()


def _opened(page: Page, repeats: int) -> list[float]:
    seconds = []
    for _ in range(repeats):
        page.get_by_role("link", name="New chat", exact=True).first.click()
        page.wait_for_selector("#log:not(:has(article))", state="attached")
        link = page.locator("#history .side-link", has_text="A long chat")
        page.evaluate(PAINTED, "#log > article:last-of-type")
        link.click()
        seconds.append(page.evaluate("window.painted") / 1000)
    return seconds


def _found(page: Page, repeats: int) -> list[float]:
    seconds = []
    for _ in range(repeats):
        page.locator("#search").fill("")
        page.wait_for_selector("#panel", state="hidden")
        page.evaluate(PAINTED, "#panel .found-hit")
        page.locator("#search").press("k")
        seconds.append(page.evaluate("window.painted") / 1000)
    return seconds


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the chats, fewer repeats")
    quick = parser.parse_args(arguments).quick
    repeats = 5 if quick else 20
    noise = [others_at_work()]
    with Bed() as bed:
        chats = CHATS // 10 if quick else CHATS
        print(f"{chats:,} chats are made ...", file=sys.stderr, flush=True)
        long_one = fill(bed, chats)
        bed.restart()
        with bed.lerix.client() as client:
            bed.enter(client)
            client.headers.update({"sec-fetch-site": "same-origin", "origin": bed.lerix.url})
            noise.append(others_at_work())
            size = database_path(bed.lerix.home).stat().st_size / 1e6
            name = f"the database, {chats:,} chats of {MESSAGES} messages and one of {LONG:,}"
            figures = [Figure(name, f"{size:.0f} MB")]
            for each in itertools.chain(over_http(bed, client, long_one, repeats), in_browser(bed, repeats)):
                print(f"  {each.name}: {each.value}", file=sys.stderr, flush=True)
                figures.append(each)
            figures.append(Figure("memory of Lerix after all that", f"{bed.memory():.0f} MB"))
            noise.append(others_at_work())
    return report(figures, noise)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

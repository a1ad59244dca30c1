"""Makes the pictures of the README anew: a real Lerix against the stand-in, with chats as somebody might have them.

    .venv/bin/python -m tests.browser.gallery              into tests/browser/pictures
    .venv/bin/python -m tests.browser.gallery /tmp/look    somewhere else, to look at first

A chat's answers are written here, and no model's.
"""

from __future__ import annotations

import io
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Final

import httpx
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, expect, sync_playwright

from tests.browser.chats import store
from tests.browser.conftest import FLAGS, chromium_path, send
from tests.serving import LerixProcess
from tests.upstream import Reply, Upstream

PICTURES: Final = Path(__file__).parent / "pictures"
DESK: Final = (1360, 900)
PHONE: Final = (390, 844)

QUESTION: Final = "Why does the golden ratio appear in the Fibonacci numbers?"
ANSWER: Final = r"""Each number is the sum of the two before it. Whatever grows by such a rule grows by a fixed
factor in the end, so look for sequences of the form $F_n = x^n$.[^1] Dividing $x^{n+1} = x^n + x^{n-1}$ by $x^{n-1}$
leaves

$$x^2 = x + 1 \qquad\Longrightarrow\qquad x = \frac{1 \pm \sqrt{5}}{2}$$

The larger root is $\varphi \approx 1.618$. The other is smaller than one, and its powers vanish:

| $n$ | $F_n$ | $F_{n+1} / F_n$ |
|----:|------:|----------------:|
|   5 |     5 |           1.600 |
|  10 |    55 |           1.618 |

```python title=golden.py
def fibonacci(n: int) -> int:
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a
```

[^1]: Sums of two such sequences follow the rule too, and no others do.
"""

BREAD: Final = """Most likely it is **too cold**. A starter that doubles in four hours at 26 °C needs ten at 18 °C.

1. Feed the starter the evening before, one part to five of flour and water.
2. Use it when it has just begun to fall: a spoonful must float.
3. Let the dough rise by *size* and not by the clock.

| Kitchen | First rise | In the fridge |
|:--------|-----------:|--------------:|
| 26 °C   |    4 hours |      12 hours |
| 22 °C   |    6 hours |      10 hours |
| 18 °C   |   10 hours |       8 hours |

If it still does not rise, the flour may be old; rye brings a tired starter back within two days.
"""

SUNSET: Final = """Evening light over a lake, seen from the shore:

- a low sun, still **above** the hills
- its reflection in the water, broken by small waves
- three ranges of hills, each paler than the one before it

Painters call that *aerial perspective*: the more air lies between you and the hills, the paler they are.
"""

LETTER: Final = """Here is a first draft. It says what happened, what you need, and by when:

> Dear Mr Hale,
>
> on 3 March I asked for the deposit of my flat. It has been **due since 1 April**, and I have heard nothing.
>
> Please send the 1,450 euros by 30 April. If something is still open, tell me what it is, so that we can settle it.
>
> Yours sincerely

Shall it be shorter, or friendlier?
"""

#: Title, minutes ago, the last answer, and what else there is to be said of it.
HISTORY: Final[tuple[tuple[str, float, str, str], ...]] = (
    ("Plan for the vegetable garden", 60 * 30, "Sow the beans late: they hate cold soil more than anything.", "pinned"),
    ("Kyoto in four days", 55, "Take a coat, since evenings in April can be cold by the river.", "Travel"),
    ("Night train to Vienna", 60 * 50, "It leaves at 22:07 and has a dining car.", "Travel"),
    ("Read a CSV file with dates", 95, "Pass `parse_dates` with the names of the columns.", ""),
    ("A toast for Mira and Jonas", 60 * 5, "Begin with the day on which you met the two of them.", ""),
    ("What a mortgage really costs", 60 * 27, "Over thirty years about as much as the house.", ""),
    ("Sourdough that does not rise", 60 * 29, BREAD, ""),
    ("Explain eigenvectors with pictures", 60 * 24 * 4, "Draw a square, and pull it at one corner.", ""),
    ("Letter to the landlord", 60 * 24 * 5, "Name the date since which the heating has been cold.", ""),
    ("Bash: rename many files", 60 * 24 * 6, "A loop with `mv` will do.", ""),
    ("A reading list on bridges", 60 * 24 * 12, "Begin with the one on arches.", ""),
)


def landscape() -> bytes:
    """A picture to attach: evening over a lake, as JPEG."""
    width, height = 1200, 800
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    for y in range(height):
        part = y / height
        draw.line([(0, y), (width, y)], fill=(int(252 - 90 * part), int(190 - 70 * part), int(120 + 60 * part)))
    draw.ellipse([760, 230, 880, 350], fill=(255, 240, 200))
    for depth, shade in enumerate(((188, 128, 140), (140, 96, 124), (92, 66, 100))):
        points = [
            (x, 400 + 55 * depth + ((x * (7 + depth * 3)) // 11) % 60 - abs(x % 400 - 200) // 4)
            for x in range(0, width + 60, 60)
        ]
        draw.polygon([(0, height), *points, (width, height)], fill=shade)
    draw.rectangle([0, 590, width, height], fill=(110, 84, 118))
    for y in range(600, height, 9):
        reach = 40 + (y * 37) % 90
        draw.line([(820 - reach, y), (820 + reach, y)], fill=(226, 176, 160), width=3)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


class Gallery:
    """Takes the pictures, one after the other."""

    def __init__(self, chromium: Browser, lerix: LerixProcess, up: Upstream, folder: Path) -> None:
        self.chromium = chromium
        self.lerix = lerix
        self.up = up
        self.folder = folder
        first = chromium.new_context()
        first.new_page().goto(lerix.launch_link)
        self.state = first.storage_state()
        first.close()

    def page(self, size: tuple[int, int], *, dark: bool = False) -> Page:
        """Open the start page in a window of that size; a phone's is touched, and has two dots for a pixel."""
        phone = size == PHONE
        context: BrowserContext = self.chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            device_scale_factor=2 if phone else 1,
            is_mobile=phone,
            has_touch=phone,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            storage_state=self.state,
        )
        page = context.new_page()
        page.goto(self.lerix.url)
        return page

    def ask(self, page: Page, question: str, answer: str) -> None:
        """Ask in the chat that is shown, and wait for the whole answer."""
        before = page.locator("article.message-assistant").count()
        self.up.reply(Reply(answer))
        send(page, question)
        expect(page.locator("article.message-assistant[aria-busy=false]")).to_have_count(before + 1)

    def take(self, page: Page, name: str) -> None:
        """Keep a picture, and close its window."""
        page.mouse.move(2, 2)
        page.screenshot(path=self.folder / f"{name}.png")
        page.context.close()

    def fill_history(self) -> None:
        """Write the chats that were there before."""
        folders: dict[str, int] = {}
        with closing(sqlite3.connect(self.lerix.home / "lerix.sqlite3", timeout=30)) as database, database:
            for name in ("Travel", "Work"):
                made = database.execute("INSERT INTO chat_folder (name, created) VALUES (?, datetime('now'))", [name])
                folders[name] = made.lastrowid or 0
        for title, minutes, answer, where in HISTORY:
            given: dict[str, object] = {"pinned": "2026-01-01 00:00:00"} if where == "pinned" else {}
            if where in folders:
                given["folder_id"] = folders[where]
            question = "Why does my sourdough not rise?" if answer is BREAD else title
            store(self.lerix, title, [question, answer], minutes=minutes, **given)
        with closing(sqlite3.connect(self.lerix.home / "lerix.sqlite3", timeout=30)) as database, database:
            asked = "UPDATE chat_message SET access_label = 'Codex auth', effort = 'low' WHERE role = 'assistant'"
            database.execute(asked)

    def all(self) -> None:
        """Take them all."""
        self.fill_history()
        page = self.page(DESK)
        self.ask(page, QUESTION, ANSWER)
        # The list of chats is told of what was written into the database when the answer has come.
        expect(page.locator("#sidebar").get_by_role("link", name="Letter to the landlord")).to_be_visible()
        page.locator("#scroller").evaluate("(box) => { box.scrollTop = 0; }")
        self.take(page, "chat")

        page = self.page(DESK, dark=True)
        page.get_by_role("searchbox", name="Search chats").fill("cold")
        page.locator("#sidebar").get_by_role("link", name="Sourdough that does not rise").click()
        expect(page.get_by_role("table")).to_be_visible()
        page.locator("#scroller").evaluate("(box) => { box.scrollTop = 0; }")
        self.take(page, "search")

        page = self.page(PHONE)
        page.locator("#attach-input").set_input_files(
            FilePayload(name="lake.jpg", mimeType="image/jpeg", buffer=landscape())
        )
        expect(page.get_by_role("list", name="Attached files").locator(".chip:not(.is-coming)")).to_have_count(1)
        self.ask(page, "What can you see here?", SUNSET)
        page.locator("#scroller").evaluate("(box) => { box.scrollTop = 0; }")
        self.take(page, "phone-picture")

        page = self.page(PHONE, dark=True)
        page.goto(f"{self.lerix.url}/?temporary=1")
        self.ask(page, "Help me write a difficult letter. My landlord keeps my deposit.", LETTER)
        page.locator("#scroller").evaluate("(box) => { box.scrollTop = 0; }")
        self.take(page, "phone-temporary")

        page = self.page(PHONE)
        page.get_by_role("button", name="Open sidebar").click()
        expect(page.get_by_role("link", name="New chat").first).to_be_in_viewport()
        page.get_by_text("Travel", exact=True).click()
        expect(page.get_by_role("link", name="Night train to Vienna")).to_be_visible()
        self.take(page, "phone-chats")


def switch_models_on(lerix: LerixProcess, state: object, *slugs: str) -> None:
    """Put models into the composer, as Settings > Connections does."""
    cookies = {each["name"]: each["value"] for each in dict(state)["cookies"]}  # type: ignore[call-overload]
    own = {"sec-fetch-site": "same-origin", "origin": lerix.url}
    with httpx.Client(base_url=lerix.url, headers=own, cookies=cookies, timeout=30, trust_env=False) as client:
        client.get("/settings/connections/codex/models/").raise_for_status()
        for slug in slugs:
            data = {"model": slug, "enabled": "on"}
            client.post("/settings/connections/codex/models/switch/", data=data).raise_for_status()


def main() -> None:
    """Make the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, Upstream() as up, sync_playwright() as playwright:
        codex = Path(place) / "codex"
        codex.mkdir()
        up.sign_in(codex)
        with LerixProcess(Path(place) / "home", {**up.environment(codex), "TZ": "UTC"}) as lerix:
            chromium = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS, headless=True)
            gallery = Gallery(chromium, lerix, up, folder)
            switch_models_on(lerix, gallery.state, "gpt-6.1-sol", "gpt-5.5")
            gallery.all()
            chromium.close()
    for each in sorted(folder.glob("*.png")):
        sys.stdout.write(f"{each}  {each.stat().st_size // 1024} KB\n")


if __name__ == "__main__":
    main()

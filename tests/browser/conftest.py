"""A real Lerix, a real Chromium, and our stand-in for OpenAI's servers. No ORM here: see tests/conftest.py."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from tests.serving import LerixProcess
from tests.upstream import Upstream

#: The first is Chromium without a window around its pages (Debian: chromium-headless-shell), which costs a third less.
NAMES = (
    "chromium-headless-shell",
    "chrome-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync "
    # Pages of one site share a process, which otherwise is started for each; those of different sites never do.
    "--renderer-process-limit=1"
).split()
#: What of Chromium is left out. The first line draws suggestions below the address bar, by pages of their own in a
#: process of their own for each window: a quarter of all that these tests cost. The switch takes the place of
#: Playwright's own, so the rest repeats what of that matters here.
WITHOUT = (
    "WebUIOmniboxPopup WebUIOmniboxAimPopup WebUIOmniboxFullPopup SpareRendererForSitePerProcess "
    "AvoidUnnecessaryBeforeUnloadCheckSync DestroyProfileOnBrowserClose HttpsUpgrades "
    "HttpsFirstBalancedModeAutoEnable MediaRouter PaintHolding ThirdPartyStoragePartitioning "
    "AvoidCorsURLLoaderRestartOnRedirect OptimizationHints NetworkTimeServiceQuerying AimEnabled PreconnectToSearch"
).split()
FLAGS.append(f"--disable-features={','.join(WITHOUT)}")

#: What Chromium and htmx print when a server was stopped or restarted, or the network was gone, as in some tests. A
#: stream that could not be joined in 30 s is joined anew.
NETWORK = re.compile(
    r"Failed to load resource|htmx:(sse:)?error: (network error|Failed to fetch|timeout \{elt: div#stream\b)"
)

# Only what fails waits as long, and what is waited for may take its time on a loaded machine.
expect.set_options(timeout=30_000)


def chromium_path() -> str | None:
    """Return a Chromium or Chrome of this machine, or None."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return found or next((place for place in PLACES if Path(place).exists()), None)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    path = chromium_path()
    if path is None:
        pytest.skip("browser tests need Chromium or Chrome, and neither is installed (Debian: apt install chromium)")
    browser = playwright.chromium.launch(executable_path=path, args=FLAGS, headless=True)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def up() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def codex_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("codex")


@pytest.fixture(scope="module")
def lerix(up: Upstream, codex_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LerixProcess]:
    """A Lerix of this module's own, with nobody signed in to Codex yet."""
    home = tmp_path_factory.mktemp("lerix") / "home"
    with LerixProcess(home, {**up.environment(codex_home), "TZ": "UTC"}) as process:
        yield process


@dataclass
class Desk:
    """Opens pages that are signed in to Lerix, and holds them to make no errors."""

    chromium: Browser
    lerix: LerixProcess
    problems: list[str]
    contexts: list[BrowserContext]
    state: Path

    def page(
        self, width: int = 1440, height: int = 900, *, dark: bool = False, touch: bool = False, at: str = "/"
    ) -> Page:
        """Open a page in a browser context of its own, at the path `at`."""
        known = self.state.exists()
        context = self.chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            has_touch=touch,
            storage_state=self.state if known else None,
        )
        self.contexts.append(context)
        page = self.watched(context.new_page())
        if not known:
            page.goto(self.lerix.launch_link)
            context.storage_state(path=self.state)
        if known or at != "/":
            page.goto(self.lerix.url + at)
        return page

    @property
    def cookie(self) -> str:
        """The header by which Lerix knows a browser that has been let in."""
        if not self.state.exists():
            self._let_in()
        known = json.loads(self.state.read_text())["cookies"]
        return "; ".join(f"{each['name']}={each['value']}" for each in known)

    def _let_in(self) -> None:
        """Use the launch link without a browser, and keep the cookie as a browser keeps it, for the pages to come."""
        with self.lerix.client() as client:
            kept = [
                {
                    "name": each.name,
                    "value": each.value,
                    "domain": "localhost",
                    "path": each.path,
                    "expires": each.expires or -1,
                    "httpOnly": each.has_nonstandard_attr("HttpOnly"),
                    "secure": each.secure,
                    "sameSite": each.get_nonstandard_attr("SameSite"),
                }
                for each in client.cookies.jar
            ]
        assert kept
        self.state.write_text(json.dumps({"cookies": kept, "origins": []}))

    @contextlib.contextmanager
    def requests(self) -> Iterator[httpx.Client]:
        """Give a client that asks what a page of Lerix asks, where nothing depends on a browser doing it."""
        own = {"cookie": self.cookie, "sec-fetch-site": "same-origin", "origin": self.lerix.url}
        with httpx.Client(base_url=self.lerix.url, timeout=30, trust_env=False, headers=own) as client:
            yield client

    def watched(self, page: Page) -> Page:
        """Note what goes wrong in a page: script errors and violations of our own security policy."""
        page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        page.on(
            "console",
            lambda entry: (
                self.problems.append(f"console: {entry.text}")
                if entry.type == "error" and not NETWORK.search(entry.text)
                else None
            ),
        )
        return page


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state") / "cookies.json"


@pytest.fixture
def desk(chromium: Browser, lerix: LerixProcess, up: Upstream, state: Path) -> Iterator[Desk]:
    made = Desk(chromium, lerix, [], [], state)
    yield made
    up.release()
    up.clear()
    for context in made.contexts:
        context.close()
    assert not made.problems


@pytest.fixture
def page(desk: Desk) -> Page:
    return desk.page()


@pytest.fixture
def signed_in(lerix: LerixProcess, up: Upstream, codex_home: Path) -> None:
    """Codex is signed in, with a plain account."""
    up.sign_in(codex_home)


@pytest.fixture
def models_on(desk: Desk, signed_in: None) -> None:
    """Codex is signed in, and three of its models are in the composer: once for a module's Lerix."""
    if desk.state.with_name("models-on").exists():
        return
    models = "/settings/connections/codex/models/"
    with desk.requests() as client:
        assert "gpt-6.1-sol" in client.get(models).raise_for_status().text
        for slug in ("gpt-6.1-sol", "gpt-6-sol", "gpt-5.5"):
            client.post(f"{models}switch/", data={"model": slug, "enabled": "on"}).raise_for_status()
    desk.state.with_name("models-on").touch()


def switch_on(page: Page, *names: str) -> None:
    """Switch models on in Settings > Connections, as a person does, and go back to the chat."""
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Connections").click()
    page.get_by_role("button", name="Edit models").click()
    dialog = page.get_by_role("dialog", name="Edit models")
    for name in names:
        switch = dialog.get_by_role("switch", name=name, exact=True)
        if not switch.is_checked():
            with page.expect_response(lambda response: response.url.endswith("/models/switch/")):
                switch.click()
        expect(switch).to_be_checked()
    dialog.get_by_role("button", name="Close").click()
    page.get_by_role("link", name="Back to chat").click()


def send(page: Page, text: str) -> None:
    """Type a message and send it with Enter."""
    # Not the editor of a message either, which may still be on its way out of the page.
    field = page.get_by_role("textbox", name="Message", exact=True)
    field.wait_for()
    # Before the scripts run, Enter breaks the line.
    page.wait_for_load_state()
    field.fill(text)
    field.press("Enter")


def scrolled_out(page: Page, box: str) -> None:
    """Wait until what has the id `box` does not scroll any more: the wheel moves it little by little."""
    page.evaluate(
        """async id => {
            const box = document.getElementById(id);
            let before;
            do {
                before = box.scrollTop;
                await new Promise(done => setTimeout(done, 300));
                await new Promise(requestAnimationFrame);
            } while (box.scrollTop !== before);
        }""",
        box,
    )


def answers(page: Page) -> Callable[[int], None]:
    """Return a function that waits until so many answers are complete."""

    def complete(count: int) -> None:
        expect(page.locator("article.message-assistant[aria-busy=false]")).to_have_count(count)

    return complete


def picture(page: Page, name: str) -> None:
    """Keep a screenshot in the folder that SCREENSHOTS names, for people to look at; nowhere else."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")

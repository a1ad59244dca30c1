"""A browser on another device, whose way to the Mac is double.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, Frame, FrameLocator, Page, expect

from tests.browser.conftest import Desk
from tests.browser.remote.frame.double import Double
from tests.relay.proof.computers import until
from tests.serving import BrokerProcess, LerixProcess

SHOWN = "iframe.frame:not(.is-waiting)"
#: A database that is not there yet is not opened: that would make it, and empty. One may not answer at once: then null.
KEPT = """async () => {
  const late = new Promise((resolve) => setTimeout(resolve, 5000, null));
  const found = await Promise.race([indexedDB.databases(), late]);
  if (!found?.some(({ name }) => name === "lerix-drafts")) return found && [];
  return new Promise((resolve) => {
    late.then(resolve);
    const opening = indexedDB.open("lerix-drafts");
    opening.onsuccess = () => {
      const all = opening.result.transaction("drafts").objectStore("drafts").getAll();
      all.onsuccess = () => {
        opening.result.close();
        resolve(all.result.map((each) => JSON.stringify(each) + new TextDecoder().decode(each.sealed)));
      };
    };
  });
}"""


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with BrokerProcess(tmp_path_factory.mktemp("broker") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def serving(broker: BrokerProcess, lerix: LerixProcess) -> Iterator[Double]:
    with Double(broker.url, lerix.url) as running:
        yield running


@dataclass
class Away:
    """Opens pages of the broker in a browser that is not the Mac's."""

    desk: Desk
    double: Double
    context: BrowserContext

    def page(self, at: str = "/app/") -> Page:
        page = self.desk.watched(self.context.new_page())
        page.goto(self.double.url + at)
        return page


@pytest.fixture(scope="module")
def abroad(chromium: Browser, serving: Double) -> Iterator[BrowserContext]:
    """One browser for a module, which has the files after the first page."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    yield context
    context.close()


@pytest.fixture
def away(desk: Desk, serving: Double, abroad: BrowserContext, models_on: None) -> Iterator[Away]:
    serving.reset()
    serving.cookie = desk.cookie
    yield Away(desk, serving, abroad)
    last = abroad.new_page()
    for page in abroad.pages[:-1]:
        page.close()
    kept = {"origin": serving.url, "storageTypes": "indexeddb,local_storage"}
    abroad.new_cdp_session(last).send("Storage.clearDataForOrigin", kept)
    last.close()


def inside(page: Page) -> FrameLocator:
    """The Mac's page that is shown."""
    return page.frame_locator(SHOWN)


def child(page: Page) -> Frame:
    """The frame of the Mac's page that is shown, to run scripts in."""

    def find() -> Frame | None:
        element = page.query_selector(SHOWN)
        return element.content_frame() if element else None

    found: Frame = until(find)
    return found


def shown(page: Page) -> FrameLocator:
    """The Mac's page that is shown, when it is."""
    frame = inside(page)
    expect(frame.get_by_role("textbox", name="Message")).to_be_visible()
    return frame


def send(place: Page | FrameLocator, text: str) -> None:
    """Type a message and send it with Enter."""
    field = place.get_by_role("textbox", name="Message", exact=True)
    field.fill(text)
    field.press("Enter")


def kept(page: Page) -> list[str]:
    """What this browser keeps of what was written, as it is kept."""
    found: list[list[str]] = until(lambda: [each for each in [page.evaluate(KEPT)] if each is not None])
    return found[0]


def complete(frame: FrameLocator, count: int) -> None:
    """Wait until so many answers are complete."""
    expect(frame.locator("article.message-assistant[aria-busy=false]")).to_have_count(count)

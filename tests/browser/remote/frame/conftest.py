"""A browser on another device, whose way to the Mac is double.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, expect

from tests.browser.conftest import Desk
from tests.browser.remote.frame.double import Double
from tests.serving import BrokerProcess, LerixProcess

#: A database that is not there yet is not opened: that would make it, and empty.
KEPT = """async () => {
  if (!(await indexedDB.databases()).some(({ name }) => name === "lerix-drafts")) return [];
  return new Promise((resolve) => {
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
    return page.frame_locator("iframe.frame:not(.is-waiting)")


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
    found: list[str] = page.evaluate(KEPT)
    return found


def complete(frame: FrameLocator, count: int) -> None:
    """Wait until so many answers are complete."""
    expect(frame.locator("article.message-assistant[aria-busy=false]")).to_have_count(count)

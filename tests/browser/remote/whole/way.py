"""The whole way from a browser on another device to a Mac: real processes, and a line that can be cut between them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Frame, FrameLocator, Page, expect

from relay.account.keys import flows
from relay.account.keys.names import open_name
from relay.api.states import entries_from_json
from tests.browser.conftest import NETWORK
from tests.relay.broker.desk import PASSWORD
from tests.relay.proof.computers import Household, Said, until
from tests.relay.proof.lines import Line

SHOWN = "iframe.frame:not(.is-waiting)"
#: The address of a chat, as the bar shows it.
CHAT = re.compile(r"/app/chats/[0-9a-f-]{36}/$")


def inside(page: Page) -> FrameLocator:
    """The Mac's page that is shown."""
    return page.frame_locator(SHOWN)


def shown(page: Page) -> FrameLocator:
    """The Mac's page that is shown, when it is."""
    frame = inside(page)
    expect(frame.get_by_role("textbox", name="Message", exact=True)).to_be_visible()
    return frame


def document(page: Page) -> Frame:
    """The frame of the Mac's page, to run scripts in."""
    shown(page)

    def find() -> Frame | None:
        # One page may just be taking the place of another.
        element = page.query_selector(SHOWN)
        return element.content_frame() if element else None

    found: Frame = until(find)
    return found


def complete(page: Page, count: int = 1) -> None:
    """Wait until so many answers are whole."""
    expect(inside(page).locator("article.message-assistant[aria-busy=false]")).to_have_count(count)


def say(page: Page, text: str) -> None:
    """Write a message on the Mac's page and send it."""
    field = shown(page).get_by_role("textbox", name="Message", exact=True)
    field.fill(text)
    field.press("Enter")


def write(page: Page, text: str) -> None:
    """Write a message on the page that waits for the Mac."""
    page.get_by_role("textbox", name="Message", exact=True).fill(text)
    page.get_by_role("button", name="Send when it is back").click()


@dataclass
class Way:
    """A household, and browsers that reach its broker over `line`. `context` is a browser that is signed in."""

    house: Household
    line: Line
    chromium: Browser
    problems: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The broker's address, as browsers know it."""
        return self.line.url

    @property
    def context(self) -> BrowserContext:
        return self.contexts[0]

    def browser(self, name: str, **options: Any) -> BrowserContext:
        """A browser that has just signed in, in a context of its own."""
        context = self.stranger(**options)
        page = self.page("/sign-in/", context)
        self.fill_sign_in(page, name)
        expect(page.get_by_text("This browser is signed in.", exact=True)).to_be_visible()
        page.close()
        return context

    def stranger(self, **options: Any) -> BrowserContext:
        """A browser of nobody yet."""
        context = self.chromium.new_context(reduced_motion="reduce", **options)
        self.contexts.append(context)
        return context

    def fill_sign_in(self, page: Page, name: str) -> None:
        """Fill in the page on which one signs in, and send it."""
        page.get_by_label("E-mail").fill(self.house.person.email)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Device name").fill(name)
        page.get_by_role("button", name="Sign in").click()

    def page(self, at: str = "/app/", context: BrowserContext | None = None) -> Page:
        """Open a page, which is to make no errors."""
        page = (context or self.context).new_page()
        page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        page.on("console", self._note)
        page.goto(self.url + at)
        return page

    def _note(self, entry: ConsoleMessage) -> None:
        # Chromium's word of a socket that was cut is the network's fault, as those of NETWORK are.
        if entry.type == "error" and not NETWORK.search(entry.text) and "WebSocket connection to" not in entry.text:
            self.problems.append(f"console: {entry.text}")

    @contextmanager
    def cut(self) -> Iterator[None]:
        """The browser has no network meanwhile."""
        self.line.dead.set()
        self.line.cut()
        try:
            yield
        finally:
            self.line.dead.clear()

    def heal(self) -> None:
        """Make everything as it was at first."""
        self.line.dead.clear()
        self.line.silent.clear()
        self.line.delay = 0.0
        mac = self.house.mac
        if mac.process is None or mac.process.poll() is not None:
            mac.restart()
        self.house.heal()

    def sent(self, text: str) -> int:
        """How often a message stands in the Mac's chats."""
        return sum(said.role == "user" and said.text == text for said in self.house.mac.messages())

    def answers(self, since: int) -> list[Said]:
        """The answers on the Mac after a message of that number."""
        return [said for said in self.house.mac.messages() if said.role == "assistant" and said.id > since]

    def last(self) -> int:
        """The number of the newest message on the Mac."""
        return max((said.id for said in self.house.mac.messages()), default=0)

    def remove(self, name: str) -> float:
        """Remove a device from the account, by another one; returns when that was done."""
        person = self.house.person
        token, before = person.unlock()
        entries = entries_from_json(person.desk.ask("GET", "log", token=token).json())
        known = flows.follow(
            entries,
            account=person.account,
            device=person.device,
            workspace=before.workspace,
            known=person.created.after.known,
        )
        (gone,) = [
            device.id
            for device in known.log.active
            if open_name(device.name, known.workspace, account=person.account, device=device.id) == name
        ]
        answer = person.desk.update(flows.revoke_devices(before, [gone]).update, token)
        assert answer.status_code == 200, answer.text
        return time.monotonic()

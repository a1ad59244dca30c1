"""Notifications of long answers: off until switched on, asked for once, and shown only where nobody looks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Desk, picture, send
from tests.serving import LerixProcess
from tests.upstream import Gate, Upstream

GENERAL = "/settings/general/"
# Headless Chromium shows no notifications: this notes what would be shown. Nor does it hide tabs.
RECORD = """
(() => {
  window.notes = [];
  window.asked = 0;
  const kept = window.origin === "null" ? {} : sessionStorage;
  let permission = kept.permission || "PERMISSION";
  window.Notification = class {
    constructor(title, options) {
      if (window.phone) throw new TypeError("Illegal constructor");
      this.title = title;
      Object.assign(this, options);
      window.notes.push(this);
      setTimeout(() => this.onshow && this.onshow());
    }
    close() {}
    static get permission() { return permission; }
    static async requestPermission() {
      window.asked += 1;
      if (permission === "default") permission = window.answer || "granted";
      kept.permission = permission;
      return permission;
    }
  };
  window.hide = (hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    Object.defineProperty(document, "visibilityState", { value: hidden ? "hidden" : "visible", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  };
})();
"""


def browser_that(page: Page, permission: str) -> None:
    """Have the page's notifications noted, in a browser that has answered so."""
    page.add_init_script(RECORD.replace("PERMISSION", permission))


def notes(page: Page) -> list[str]:
    """What has been shown, but for the word that it works."""
    shown = json.loads(page.evaluate("JSON.stringify(window.notes.map(({title, body}) => `${title}: ${body}`))"))
    return [each for each in shown if not each.startswith("Lerix: You will be told here")]


def age(lerix: LerixProcess, seconds: int) -> None:
    """Have the answer that runs begun so long ago."""
    begun = (datetime.now(UTC) - timedelta(seconds=seconds)).replace(tzinfo=None)
    with closing(sqlite3.connect(lerix.home / "lerix.sqlite3", timeout=30)) as database, database:
        done = database.execute("UPDATE chat_message SET created = ? WHERE state = 'streaming'", [str(begun)])
        assert done.rowcount == 1


@pytest.fixture(autouse=True)
def _off(desk: Desk) -> Iterator[None]:
    yield
    with desk.requests() as client:
        client.post(GENERAL, data={"notify": "off"}).raise_for_status()


def test_it_is_off_at_first_and_asks_when_it_is_switched_on(desk: Desk) -> None:
    page = desk.page()
    browser_that(page, "default")
    page.goto(desk.lerix.url + GENERAL)
    switch = page.get_by_role("switch", name="Notifications")
    state = page.locator("#notify-state")
    expect(switch).not_to_be_checked()
    assert page.evaluate("window.asked") == 0
    page.evaluate("window.answer = 'denied'")
    switch.click()
    expect(state).to_contain_text("Not switched on. This browser does not let this page notify.")
    expect(switch).not_to_be_checked()
    picture(page, "notifications-refused")
    page.evaluate("delete sessionStorage.permission")
    page.reload()
    expect(switch).not_to_be_checked()
    switch.click()
    expect(state).to_have_text("Saved")
    expect(switch).to_be_checked()
    expect(switch).to_be_focused()
    assert page.evaluate("[window.asked, window.notes.length]") == [1, 1]
    picture(page, "notifications-on")
    # Switched off and on again, nobody is asked any more.
    switch.click()
    expect(state).to_have_text("Saved")
    page.reload()
    expect(switch).not_to_be_checked()
    # A phone that lets no page notify says so.
    page.evaluate("window.phone = true")
    switch.click()
    expect(state).to_contain_text("This browser shows no notifications of pages.")
    expect(switch).not_to_be_checked()
    assert page.evaluate("window.asked") == 0


def test_a_browser_that_was_not_asked_says_so_where_it_is_on(desk: Desk) -> None:
    with desk.requests() as client:
        client.post(GENERAL, data={"notify": "on"}).raise_for_status()
    page = desk.page()
    browser_that(page, "default")
    page.goto(desk.lerix.url + GENERAL)
    expect(page.get_by_text("It is on, but this browser has not been asked yet.")).to_be_visible()
    page.get_by_role("button", name="Ask this browser").click()
    expect(page.get_by_role("button", name="Ask this browser")).to_be_hidden()
    assert page.evaluate("Notification.permission") == "granted"


@pytest.mark.usefixtures("models_on")
def test_a_long_answer_is_told_of_where_nobody_looks_and_leads_to_its_chat(desk: Desk, up: Upstream) -> None:
    with desk.requests() as client:
        client.post(GENERAL, data={"notify": "on"}).raise_for_status()
    page = desk.page()
    browser_that(page, "granted")
    page.reload()

    def asked(gate: Gate, text: str, seconds: int) -> None:
        send(page, text)
        gate.wait_held()
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        age(desk.lerix, seconds)

    # Somebody looks: nothing is told.
    gate = up.gate()
    asked(gate, "A question about stars", 60)
    chat = page.url
    gate.open()
    expect(page.locator("article.message-assistant[aria-busy=false]")).to_have_count(1)
    assert notes(page) == []
    # The tab is hidden, and another shows another chat: told, once, and the click goes there.
    gate = up.gate()
    asked(gate, "Another one", 62)
    page.goto(desk.lerix.url)
    with page.expect_request("**/answers/done/*"):
        page.evaluate("hide(true)")
    # Until the server has heard it: an answer of another chat that ends before is past. It has when a later request of
    # the same page, for a whole page, has been answered, and a little time has passed.
    page.evaluate("fetch(location.href).then((answer) => answer.text())")
    page.wait_for_timeout(2_000)
    gate.open()
    page.wait_for_function("() => window.notes.length === 1")
    title = page.get_by_role("link", name="A question about stars").first.inner_text()
    assert notes(page) == [f"{title}: GPT-6.1 Sol has answered, after 1 minute."]
    with page.expect_navigation():
        page.evaluate("window.notes[0].onclick()")
    assert page.url == chat
    # A tab that is looked at again asks no more.
    with page.expect_event("requestfailed", lambda request: "/answers/done/" in request.url):
        with page.expect_request("**/answers/done/*"):
            page.evaluate("hide(true)")
        page.evaluate("hide(false)")

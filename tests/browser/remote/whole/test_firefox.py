"""The main way in Firefox: sign in, the Mac's page, a message, an answer that streams, Back, reload, sign out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.browser.remote.firefox import Firefox, firefox_path
from tests.browser.remote.whole.way import SHOWN, Way
from tests.relay.broker.desk import PASSWORD
from tests.relay.proof.computers import MAC
from tests.upstream import Gate, Reply

LOG = "return document.getElementById('log').textContent"
WHOLE = "return document.querySelectorAll('article.message-assistant[aria-busy=false]').length"


def enter(firefox: Firefox) -> None:
    """Go into the Mac's page, when it is there."""

    def entered() -> bool:
        # A frame that another one takes the place of is found no more: from the beginning, then.
        firefox.leave()
        firefox.enter(SHOWN)
        return bool(firefox.run("return document.getElementById('message') !== null"))

    firefox.until(entered)


def within(firefox: Firefox, script: str) -> object:
    """Run a script in the Mac's page that is shown now, whichever frame that is."""
    enter(firefox)
    found = firefox.run(script)
    firefox.leave()
    return found


def test_firefox_walks_the_main_way(way: Way, tmp_path: Path) -> None:
    program = firefox_path()
    if program is None:
        pytest.skip("this test needs Firefox, which is not installed (Debian: apt install firefox-esr)")
    gate = Gate()
    way.house.up.reply(Reply(chunks=["First words. ", "Last words."], gate=gate))
    asked = way.house.asked()
    with Firefox(program, tmp_path) as firefox:
        firefox.go(f"{way.url}/sign-in/")
        firefox.until(lambda: not firefox.run("return document.querySelector('#page').hidden"))
        firefox.type("#field-email", way.house.person.email)
        firefox.type("#field-password", PASSWORD)
        firefox.click("#sign-in-form [type=submit]")
        firefox.until(lambda: "This browser is signed in." in firefox.text("main"))
        firefox.go(f"{way.url}/app/")
        enter(firefox)
        assert "Settings" not in firefox.text("body")
        firefox.type("#message", "hello from Firefox")
        firefox.click("button.send")
        gate.step()
        firefox.until(lambda: "First words." in firefox.run(LOG))
        assert firefox.run(WHOLE) == 0
        gate.open()
        firefox.until(lambda: firefox.run(WHOLE) == 1)
        firefox.until(lambda: "First words. Last words." in firefox.run(LOG))
        firefox.leave()
        firefox.until(lambda: firefox.address.startswith(f"{way.url}/app/chats/"))
        chat = firefox.address
        if folder := os.environ.get("SCREENSHOTS"):
            firefox.picture(Path(folder) / "whole-firefox.png")
        # Back leads to the empty page, forward to the chat, and a reload leaves it.
        firefox.command("WebDriver:Back")
        firefox.until(lambda: firefox.address == f"{way.url}/app/")
        firefox.until(lambda: within(firefox, WHOLE) == 0)
        firefox.command("WebDriver:Forward")
        firefox.until(lambda: firefox.address == chat and within(firefox, WHOLE) == 1)
        firefox.command("WebDriver:Refresh")
        firefox.until(lambda: within(firefox, WHOLE) == 1)
        assert firefox.address == chat
        firefox.until(lambda: "First words. Last words." in str(within(firefox, LOG)))
        # The Mac is quit, and the page says so.
        firefox.leave()
        way.house.mac.terminate()
        firefox.until(lambda: f"Lerix was quit on {MAC}" in firefox.text("#bar"))
        firefox.command("WebDriver:Refresh")
        firefox.until(lambda: f"{MAC} is away" in firefox.text("#place"))
        firefox.type("textarea", "written while you were away")
        firefox.click(".waiting-form [type=submit]")
        way.house.mac.restart()
        firefox.until(lambda: within(firefox, WHOLE) == 2)
        assert way.sent("written while you were away") == 1
        assert way.sent("hello from Firefox") == 1
        assert way.house.asked() == asked + 2
        # Signed out, this browser has nothing left.
        firefox.go(f"{way.url}/devices/")
        firefox.until(lambda: "This browser" in firefox.text("#devices"))
        firefox.click("#sign-out")
        firefox.until(lambda: "Signed out." in firefox.text("main"))
        firefox.go(f"{way.url}/app/")
        firefox.until(lambda: "Sign in to open Lerix" in firefox.text("#place"))
        assert firefox.run("return indexedDB.databases().then((all) => all.map(({name}) => name))") is not None

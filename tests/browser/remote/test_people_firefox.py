"""The broker's pages in Firefox: the main way through them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.remote.firefox import Firefox, firefox_path
from tests.browser.remote.people import EXPORTED, Mac
from tests.relay.broker.desk import PASSWORD
from tests.serving import BrokerProcess


def test_firefox_signs_in_lists_the_devices_and_signs_out(broker: BrokerProcess, tmp_path: Path) -> None:
    program = firefox_path()
    if program is None:
        pytest.skip("this test needs Firefox, which is not installed (Debian: apt install firefox-esr)")
    email = "fox@example.com"
    mac = Mac(broker, email)
    with Firefox(program, tmp_path) as firefox:
        firefox.go(f"{broker.url}/sign-in/")
        firefox.until(lambda: not firefox.run("return document.querySelector('#page').hidden"))
        firefox.type("#field-email", email)
        firefox.type("#field-password", PASSWORD)
        firefox.click("#sign-in-form [type=submit]")
        firefox.until(lambda: "This browser is signed in." in firefox.text("main"))
        firefox.go(f"{broker.url}/devices/")
        firefox.until(lambda: "Firefox on" in firefox.text("#devices"))
        assert "Ada’s Mac" in firefox.text("#devices")
        firefox.run(f"({EXPORTED})().then((tried) => {{ document.title = tried.join(' '); }})")
        tried = firefox.until(lambda: "Error" in (title := firefox.run("return document.title")) and title).split()
        assert len(tried) == 9
        assert set(tried) <= {"InvalidAccessError", "NotSupportedError"}
        assert [name.partition(" ")[0] for name in mac.names()] == ["Ada’s", "Firefox"]
        firefox.click("#sign-out")
        firefox.until(lambda: "Signed out." in firefox.text("main"))

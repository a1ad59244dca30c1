"""Chromium itself says that Lerix can be installed."""

from __future__ import annotations

import json

from playwright.sync_api import Page

from tests.browser.conftest import Desk
from tests.upstream import Upstream


def is_installable(page: Page) -> dict[str, object]:
    """Hold the page to what Chromium asks of a web app, and return its manifest."""
    devtools = page.context.new_cdp_session(page)
    found = devtools.send("Page.getAppManifest")
    assert found["errors"] == []
    faults = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
    # What is wrong with this browser, and not with the page.
    assert [fault["errorId"] for fault in faults if fault["errorId"] != "in-incognito"] == []
    manifest: dict[str, object] = json.loads(found["data"])
    return manifest


def test_chromium_would_install_it_as_a_window_of_its_own(desk: Desk, up: Upstream) -> None:
    page = desk.page()
    manifest = is_installable(page)
    assert manifest["display"] == "standalone"
    answer = page.context.request.get(page.locator("link[rel=manifest]").evaluate("link => link.href"))
    assert answer.headers["content-type"] == "application/manifest+json"
    # The icons load under the page's policy, and the pages it leads to are there.
    icons = page.evaluate(
        """async (icons) => {
            const base = document.querySelector("link[rel=manifest]").href;
            const answers = await Promise.all(icons.map(({src}) => fetch(new URL(src, base))));
            return answers.map((answer) => answer.status);
        }""",
        manifest["icons"],
    )
    assert set(icons) == {200}

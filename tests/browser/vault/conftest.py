"""One page with the keys for all of these tests, and a way to call what checks.js and its like have in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.vault.site import Site

#: What never comes is told after a while, where evaluating itself would wait for ever.
CALL = """async ([file, name, given]) => {
    const late = new Promise((_, fail) => setTimeout(() => fail(new Error(`${name} takes too long`)), 120_000));
    return Promise.race([import(`/static/checks/${file}.js`).then((checks) => checks.run(name, given)), late]);
}"""


@dataclass
class Vault:
    """A page of the site, and which file of checks it runs; `problems` are its errors and violations of its policy."""

    page: Page
    file: str
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        self.page.on(
            "console", lambda entry: self.problems.append(entry.text) if entry.type in {"error", "warning"} else None
        )

    def call(self, name: str, /, **given: Any) -> Any:
        """Run a check in the page. Bytes are hex on the way; what is thrown on purpose comes as {"error": its code}."""
        return self.page.evaluate(CALL, [self.file, name, given])


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    with Site() as serving:
        yield serving


@pytest.fixture(scope="session")
def profile(chromium: Browser, site: Site) -> Iterator[BrowserContext]:
    context = chromium.new_context(base_url=site.url)
    context.set_default_timeout(60_000)
    yield context
    context.close()


def opened(profile: BrowserContext, path: str, file: str) -> Vault:
    vault = Vault(profile.new_page(), file)
    vault.page.goto(path)
    return vault


@pytest.fixture(scope="session")
def vault_page(profile: BrowserContext) -> Vault:
    return opened(profile, "/vault/", "checks")


@pytest.fixture(scope="session")
def typed_page(profile: BrowserContext) -> Vault:
    return opened(profile, "/typed/", "typed")


@pytest.fixture
def vault(vault_page: Vault) -> Iterator[Vault]:
    """The page with the keys, under its strict policy."""
    yield vault_page
    assert vault_page.problems == []


@pytest.fixture
def typed(typed_page: Vault) -> Iterator[Vault]:
    """A page on which a password is typed."""
    yield typed_page
    assert typed_page.problems == []


@pytest.fixture(scope="session")
def wires_page(profile: BrowserContext, site: Site) -> Vault:
    before, site.channel = site.channel, "ws://127.0.0.1:*"
    vault = opened(profile, "/vault/", "wires")
    site.channel = before
    return vault


@pytest.fixture
def wires(wires_page: Vault) -> Iterator[Vault]:
    """A page with the keys that may open a WebSocket to this machine; that one was cut the browser tells by itself."""
    yield wires_page
    assert [problem for problem in wires_page.problems if "WebSocket" not in problem] == []

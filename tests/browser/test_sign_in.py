"""The button Sign in to Codex: the real CLI's own login, begun from the card and ended in the browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Desk, picture
from tests.real_cli import find_program
from tests.serving import LerixProcess
from tests.upstream import Upstream


@pytest.fixture(scope="module")
def program() -> Path:
    found = find_program()
    if found is None:
        pytest.skip("the Codex CLI is not installed (.ci/run installs it where npm is)")
    return found


@pytest.fixture(scope="module")
def lerix(
    up: Upstream, codex_home: Path, program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LerixProcess]:
    """A Lerix that finds the real CLI."""
    home = tmp_path_factory.mktemp("lerix")
    path = {"PATH": f"{program.parent}:{LerixProcess(home).environment['PATH']}", "HOME": str(home), "TZ": "UTC"}
    with LerixProcess(home / "data", {**up.environment(codex_home), **path}) as process:
        yield process


def card(page: Page) -> Locator:
    return page.get_by_role("region", name="Codex session auth")


def open_connections(desk: Desk) -> Page:
    page = desk.page(at="/settings/connections/")
    expect(card(page)).to_contain_text("not signed in")
    return page


def test_a_sign_in_that_is_cancelled_changes_nothing(desk: Desk, codex_home: Path) -> None:
    page = open_connections(desk)
    with page.context.expect_page() as opened:
        card(page).get_by_role("button", name="Sign in to Codex").click()
    expect(card(page).get_by_role("group", name="Sign-in")).to_be_visible()
    picture(page, "sign-in-waiting")
    card(page).get_by_role("button", name="Cancel").click()
    expect(card(page).get_by_role("button", name="Sign in to Codex")).to_be_visible()
    opened.value.close()
    assert not (codex_home / "auth.json").exists()


def test_signing_in_from_the_card_connects_it_by_itself(desk: Desk, up: Upstream, codex_home: Path) -> None:
    page = open_connections(desk)
    with page.context.expect_page() as opened:
        card(page).get_by_role("button", name="Sign in to Codex").click()
    sign_in = opened.value
    sign_in.get_by_role("button").first.click()
    expect(card(page).get_by_text("Connected", exact=True)).to_be_visible()
    expect(card(page)).to_contain_text("renewed by the Codex CLI")
    assert (codex_home / "auth.json").exists()
    picture(page, "sign-in-done")

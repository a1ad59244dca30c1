"""Each outcome of renewing a session that ran out, from the sign-in host to the sentence on the card."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Desk, picture
from tests.serving import LerixProcess
from tests.upstream import TOKEN, Upstream, faults
from tests.upstream.faults import Fault

OUTCOMES: list[tuple[str, Fault, str, str]] = [
    ("expired", faults.refresh_refused("refresh_token_expired"), "can no longer be renewed", "codex login"),
    ("reused", faults.refresh_refused("refresh_token_reused"), "this one is used up", "codex login"),
    ("revoked", faults.refresh_refused("refresh_token_invalidated"), "was ended", "codex login"),
    ("ended", faults.refresh_refused("app_session_terminated"), "no longer renews", "codex login"),
    ("invalid-grant", faults.answer(400, {"error": "invalid_grant"}), "no longer renews", "codex login"),
    ("server-error", faults.server_error(), "could not be renewed", "Check again"),
    ("web-page", faults.html(), "could not be renewed", "Check again"),
]


@pytest.fixture(scope="module")
def lerix(up: Upstream, codex_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LerixProcess]:
    """A Lerix that finds no Codex CLI, and so renews by itself."""
    home = tmp_path_factory.mktemp("lerix")
    alone = {"PATH": "/usr/bin:/bin", "HOME": str(home), "TZ": "UTC"}
    with LerixProcess(home / "data", {**up.environment(codex_home), **alone}) as process:
        yield process


def card(page: Page) -> Locator:
    return page.get_by_role("region", name="Codex session auth")


@pytest.mark.parametrize(("name", "outcome", "sentence", "step"), OUTCOMES, ids=[each[0] for each in OUTCOMES])
def test_a_renewal_that_fails_says_why_and_what_to_do(
    desk: Desk, up: Upstream, codex_home: Path, name: str, outcome: Fault, sentence: str, step: str
) -> None:
    up.fail(TOKEN, outcome, times=None)
    up.sign_in(codex_home, expires_in=-60)
    page = desk.page(at="/settings/connections/")
    expect(card(page).locator(".card-sentence")).to_contain_text(sentence)
    expect(card(page)).to_contain_text(step)
    picture(page, f"renewal-{name}")


def test_a_session_that_ran_out_is_renewed_when_somebody_looks(desk: Desk, up: Upstream, codex_home: Path) -> None:
    spent = up.sign_in(codex_home, expires_in=-60).refresh_token
    page = desk.page(at="/settings/connections/")
    expect(card(page).get_by_text("Connected", exact=True)).to_be_visible()
    expect(card(page)).to_contain_text("renewed by Lerix")
    assert spent not in (codex_home / "auth.json").read_text()

"""Every state of the Codex session has its card, which changes by itself when the file does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Desk, picture
from tests.serving import LerixProcess
from tests.upstream import MODELS, Upstream, faults

Setup = Callable[[Upstream, Path], None]


def nothing(up: Upstream, home: Path) -> None:
    return None


def api_key(up: Upstream, home: Path) -> None:
    up.sign_in_with_api_key(home)


def malformed(up: Upstream, home: Path) -> None:
    (home / "auth.json").write_text('{"auth_mode": "chatgpt", "tokens": {')


def keyring(up: Upstream, home: Path) -> None:
    (home / "config.toml").write_text('cli_auth_credentials_store = "keyring"\n')


def agent(up: Upstream, home: Path) -> None:
    (home / "auth.json").write_text(json.dumps({"auth_mode": "agentIdentity", "tokens": None}))


def connected(up: Upstream, home: Path) -> None:
    up.sign_in(home)


def refused(up: Upstream, home: Path) -> None:
    up.fail(MODELS, faults.unauthorized(), times=None)
    up.sign_in(home)


def workspace(up: Upstream, home: Path) -> None:
    up.fail(MODELS, faults.deactivated_workspace(), times=None)
    up.sign_in(home)


def changed(up: Upstream, home: Path) -> None:
    up.fail(MODELS, faults.html(), times=None)
    up.sign_in(home)


def unreachable(up: Upstream, home: Path) -> None:
    up.go_offline()
    up.sign_in(home)


STATES: list[tuple[str, Setup, str, str]] = [
    ("signed-out", nothing, "not signed in", "codex login"),
    ("api-key-mode", api_key, "signed in with an API key", "codex login"),
    ("malformed", malformed, "auth.json is there, but", "codex login"),
    ("keyring", keyring, "outside auth.json", "codex login"),
    ("other-mode", agent, "in a way Lerix cannot use", "codex login"),
    ("refused", refused, "no longer accepts", "codex login"),
    ("workspace", workspace, "workspace", "codex login"),
    ("changed", changed, "does not know", "Check again"),
    ("unreachable", unreachable, "could not be reached", "Check again"),
    ("connected", connected, "signed in with ChatGPT as a•••@example.com", "Edit models"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A codex program that only has to be there."""
    path = tmp_path_factory.mktemp("bin") / "codex"
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def lerix(
    up: Upstream, codex_home: Path, program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LerixProcess]:
    """A Lerix that finds this codex program and no other."""
    home = tmp_path_factory.mktemp("lerix")
    found = {"PATH": f"{program.parent}:/usr/bin:/bin", "HOME": str(home), "TZ": "UTC"}
    with LerixProcess(home / "data", {**up.environment(codex_home), **found}) as process:
        yield process


@pytest.fixture(autouse=True)
def clean(desk: Desk, codex_home: Path) -> Iterator[None]:
    """Nobody is signed in before a test and after it, when the stand-in forgets what was to go wrong."""
    for name in ("auth.json", "config.toml"):
        (codex_home / name).unlink(missing_ok=True)
    yield
    for name in ("auth.json", "config.toml"):
        (codex_home / name).unlink(missing_ok=True)


def card(page: Page) -> Locator:
    return page.get_by_role("region", name="Codex session auth")


def open_connections(desk: Desk) -> Page:
    return desk.page(at="/settings/connections/")


@pytest.mark.parametrize(("name", "setup", "sentence", "step"), STATES, ids=[state[0] for state in STATES])
def test_a_state_has_its_sentence_and_its_next_step(
    desk: Desk, up: Upstream, codex_home: Path, name: str, setup: Setup, sentence: str, step: str
) -> None:
    page = open_connections(desk)
    expect(card(page)).to_be_visible()
    setup(up, codex_home)
    try:
        expect(card(page).locator(".card-sentence")).to_contain_text(sentence)
        expect(card(page)).to_contain_text(step)
        picture(page, f"card-{name}")
    finally:
        if setup is unreachable:
            up.go_online()


def test_the_card_turns_to_connected_by_itself_when_codex_login_finishes(
    desk: Desk, up: Upstream, codex_home: Path
) -> None:
    page = open_connections(desk)
    expect(card(page)).to_contain_text("not signed in")
    expect(card(page).locator(".command").first).to_contain_text("codex login")
    up.sign_in(codex_home)
    expect(card(page).get_by_text("Connected", exact=True)).to_be_visible()
    up.sign_out(codex_home)
    expect(card(page)).to_contain_text("not signed in")


def test_another_account_waits_until_it_is_confirmed(desk: Desk, up: Upstream, codex_home: Path) -> None:
    up.sign_in(codex_home)
    page = open_connections(desk)
    expect(card(page).get_by_text("Connected", exact=True)).to_be_visible()
    up.sign_in(codex_home, email="grace@example.org", plan="pro", account_id="11111111-2222-3333-4444-555555555555")
    expect(card(page)).to_contain_text("now signed in as g•••@example.org")
    picture(page, "card-other-account")
    card(page).get_by_role("button", name="Use this account").click()
    expect(card(page).get_by_text("Connected", exact=True)).to_be_visible()
    expect(card(page)).to_contain_text("g•••@example.org · Pro")
    desk.lerix.restart()
    page = open_connections(desk)
    expect(card(page).get_by_text("Connected", exact=True)).to_be_visible()
    up.sign_in(codex_home)
    card(page).get_by_role("button", name="Use this account").click()
    expect(card(page)).to_contain_text("a•••@example.com · Plus")


def test_a_file_that_is_written_in_two_steps_never_flashes_an_error(
    desk: Desk, up: Upstream, codex_home: Path
) -> None:
    up.sign_in(codex_home)
    page = open_connections(desk)
    expect(card(page).get_by_text("Connected", exact=True)).to_be_visible()
    page.evaluate(
        """() => {
            window.seen = [];
            new MutationObserver(() => window.seen.push(document.querySelector(".card").innerText))
                .observe(document.querySelector(".card"), {subtree: true, childList: true, characterData: true});
        }"""
    )
    whole = (codex_home / "auth.json").read_bytes()
    quick = 0
    for _ in range(50):
        began = time.monotonic()
        (codex_home / "auth.json").write_bytes(b"")
        (codex_home / "auth.json").write_bytes(whole)
        took = time.monotonic() - began
        page.wait_for_timeout(400)
        # Where this process was stopped in between, the file was rightly told of.
        if took < 0.2:
            quick += 1
            assert not [text for text in page.evaluate("window.seen") if "Connected" not in text]
        else:
            page.wait_for_timeout(2_000)
            expect(card(page).get_by_text("Connected", exact=True)).to_be_visible()
            page.evaluate("window.seen.length = 0")
        if quick == 3:
            break
    assert quick == 3


def test_the_models_dialog_searches_switches_and_refreshes(desk: Desk, up: Upstream, codex_home: Path) -> None:
    up.sign_in(codex_home)
    page = open_connections(desk)
    page.get_by_role("button", name="Edit models").click()
    dialog = page.get_by_role("dialog", name="Edit models")
    expect(dialog.get_by_role("switch")).to_have_count(9)
    search = dialog.get_by_role("searchbox", name="Search models")
    expect(search).to_be_focused()
    search.fill("terra")
    expect(dialog.get_by_role("switch").locator("visible=true")).to_have_count(2)
    search.fill("no such model")
    expect(dialog.get_by_text("No model has these words")).to_be_visible()
    search.fill("")
    switch = dialog.get_by_role("switch", name="GPT-5.5", exact=True)
    with page.expect_response(lambda response: response.url.endswith("/models/switch/")):
        switch.click()
    expect(switch).to_be_checked()
    up.models.remove("gpt-6-luna")
    dialog.get_by_role("button", name="Refresh").click()
    expect(dialog.get_by_role("switch")).to_have_count(8)
    expect(dialog.get_by_role("switch", name="GPT-5.5", exact=True)).to_be_checked()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(card(page)).to_contain_text("1 of 8 models in the composer")
    page.get_by_role("link", name="Back to chat").click()
    expect(page.locator("#model-now")).to_contain_text("GPT-5.5")


def test_a_codex_program_that_is_missing_is_said_and_noticed_when_it_comes(desk: Desk, program: Path) -> None:
    away = program.rename(program.with_name("elsewhere"))
    page = open_connections(desk)
    expect(card(page).locator(".card-sentence")).to_contain_text("was not found on this computer")
    expect(card(page)).to_contain_text("npm install -g @openai/codex")
    picture(page, "card-cli-missing")
    away.rename(program)
    expect(card(page).locator(".card-sentence")).to_contain_text("not signed in")


def test_an_expired_session_without_a_refresh_token_asks_for_a_new_sign_in(
    desk: Desk, up: Upstream, codex_home: Path, tmp_path: Path
) -> None:
    # Elsewhere, for one with such a token would be renewed as soon as it is seen.
    up.sign_in(tmp_path, expires_in=-60)
    content = json.loads((tmp_path / "auth.json").read_text())
    content["tokens"]["refresh_token"] = ""
    (codex_home / "auth.json").write_text(json.dumps(content))
    page = open_connections(desk)
    expect(card(page).locator(".card-sentence")).to_contain_text("has expired and cannot be renewed")
    expect(card(page)).to_contain_text("codex login")
    picture(page, "card-expired")

"""OpenAI API keys in the browser: added, used, replaced, renamed, removed; every state says what to do."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Desk, answers, picture, send
from tests.browser.test_layout import healthy
from tests.serving import LerixProcess
from tests.upstream import PUBLIC_MODELS, PUBLIC_RESPONSES, RESPONSES, Upstream, faults

CONNECTIONS = "/settings/connections/"
WORK, HOME, NEW = (f"sk-proj-planted-{name}-0123456789-{name[:4]}" for name in ("work", "home", "news"))


@pytest.fixture
def lerix(up: Upstream, codex_home: Path, tmp_path: Path) -> Iterator[LerixProcess]:
    """A Lerix of each test's own: no key of another test is there."""
    with LerixProcess(tmp_path / "home", {**up.environment(codex_home), "TZ": "UTC"}) as process:
        yield process


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "cookies.json"


@pytest.fixture(autouse=True)
def known(up: Upstream) -> None:
    for key in (WORK, HOME, NEW):
        up.add_api_key(key)


@pytest.fixture
def page(desk: Desk) -> Page:
    return desk.page(at=CONNECTIONS)


def region(page: Page) -> Locator:
    return page.get_by_role("region", name="OpenAI API keys")


def enter(page: Page, key: str | None = None, label: str | None = None) -> Locator:
    """Fill the dialog that is open and send it."""
    dialog = page.locator("#key-dialog")
    if label is not None:
        dialog.get_by_label("Label").fill(label)
    if key is not None:
        dialog.get_by_label("API key", exact=True).fill(key)
    dialog.locator("button[type=submit]").click()
    return dialog


def add(page: Page, label: str, key: str) -> None:
    """Add a key as a person does."""
    page.get_by_role("button", name="Add API key").click()
    expect(enter(page, key, label)).to_be_hidden()
    expect(card(page, label)).to_be_visible()


def card(page: Page, label: str) -> Locator:
    return page.get_by_role("article", name=label, exact=True)


def switch_on(page: Page, label: str, *names: str) -> None:
    card(page, label).get_by_role("button", name="Edit models").click()
    dialog = page.get_by_role("dialog", name="Edit models")
    expect(dialog.get_by_text(f"API key · {label}")).to_be_visible()
    for name in names:
        switch(page, name)
    dialog.get_by_role("button", name="Close").click()


def switch(page: Page, name: str) -> None:
    """Press the switch of a model, and wait until it is kept."""
    dialog = page.get_by_role("dialog", name="Edit models")
    with page.expect_response(lambda response: response.url.endswith("/models/switch/")):
        dialog.get_by_role("switch", name=name, exact=True).click()


def choose_access(page: Page, label: str) -> None:
    page.get_by_role("button", name="Model", exact=True).click()
    page.get_by_role("menuitemradio", name=label, exact=True).click()
    page.keyboard.press("Escape")
    expect(page.locator("#model-now")).to_contain_text(label)


def test_a_key_is_checked_before_it_is_kept(page: Page, desk: Desk, up: Upstream, tmp_path: Path) -> None:
    expect(region(page)).to_contain_text("No API key yet")
    healthy(page, "keys-empty")
    page.get_by_role("button", name="Add API key").click()
    dialog = page.get_by_role("dialog", name="Add API key")
    expect(dialog.get_by_label("Label")).to_be_focused()
    expect(dialog).to_contain_text("This device: the key is stored here only, sealed with a key in a file")
    healthy(page, "keys-add")
    # One that OpenAI does not know.
    enter(page, "sk-proj-nobody-knows-this-key", "Work")
    expect(dialog.get_by_role("alert")).to_contain_text("OpenAI does not accept this API key, so it was not kept.")
    field = dialog.get_by_label("API key", exact=True)
    expect(field).to_have_value("")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(dialog.get_by_label("Label")).to_have_value("Work")
    assert "nobody-knows" not in page.content()
    healthy(page, "keys-refused")
    # One that cannot be a key is not even asked about.
    asked = len(up.to(PUBLIC_MODELS))
    enter(page, "two words")
    expect(dialog.get_by_role("alert")).to_contain_text("one word without blanks")
    assert len(up.to(PUBLIC_MODELS)) == asked
    # OpenAI is not there.
    up.go_offline()
    enter(page, WORK)
    expect(dialog.get_by_role("alert")).to_contain_text("could not be reached")
    up.go_online()
    # And a good one, with the blanks that come along when one copies. What takes a while shows that it goes on.
    up.fail(PUBLIC_MODELS, faults.Late())
    enter(page, f"  {WORK}\n")
    expect(dialog.locator(".busy")).to_be_visible()
    up.stalled.wait_held()
    up.release()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Add API key")).to_be_focused()
    expect(page.locator("#spoken")).to_have_text("Added Work. Choose its models with Edit models.")
    found = card(page, "Work")
    expect(found).to_contain_text("sk-…work")
    expect(found.get_by_text("Ready", exact=True)).to_be_visible()
    expect(found).to_contain_text("go straight from this Lerix to OpenAI's API")
    expect(found).to_contain_text("Stored on this device, sealed with a key in a file that only you can read.")
    expect(found).to_contain_text("No model is switched on yet")
    healthy(page, "keys-one")
    page.reload()
    expect(card(page, "Work")).to_contain_text("sk-…work")
    assert WORK not in page.content()
    assert "planted" not in desk.lerix.stderr
    for path in filter(Path.is_file, (tmp_path / "home").iterdir()):
        with contextlib.suppress(FileNotFoundError):  # some are deleted meanwhile
            assert b"planted" not in path.read_bytes(), path
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_label_and_a_key_are_taken_once(page: Page, desk: Desk) -> None:
    add(page, "Work", WORK)
    page.get_by_role("button", name="Add API key").click()
    dialog = enter(page, HOME, "work")
    expect(dialog.get_by_role("alert")).to_contain_text("Another key has this label")
    expect(dialog.get_by_label("Label")).to_be_focused()
    dialog = enter(page, WORK, "Home")
    expect(dialog.get_by_role("alert")).to_contain_text("This API key is here already, with the label Work.")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.locator("#key-form")).to_be_empty()


def test_two_keys_and_codex_are_three_accesses_of_one_chat(
    page: Page, desk: Desk, up: Upstream, signed_in: None
) -> None:
    add(page, "Work", WORK)
    add(page, "Home", HOME)
    switch_on(page, "Work", "GPT-5.5", "GPT-4.1")
    switch_on(page, "Home", "GPT-6 Luna")
    expect(card(page, "Work")).to_contain_text("2 of 7 models in the composer")
    codex = page.get_by_role("region", name="Codex session auth")
    codex.get_by_role("button", name="Edit models").click()
    switch(page, "GPT-6 Sol")
    page.get_by_role("dialog", name="Edit models").get_by_role("button", name="Close").click()
    page.get_by_role("link", name="Back to chat").click()
    page.get_by_role("button", name="Model", exact=True).click()
    accesses = page.get_by_role("group", name="Access").get_by_role("menuitemradio")
    expect(accesses).to_have_count(3)
    for number, label in enumerate(("Codex auth", "API key · Work", "API key · Home")):
        expect(accesses.nth(number)).to_have_attribute("aria-label", label)
    picture(page, "keys-menu")
    page.keyboard.press("Escape")
    choose_access(page, "API key · Work")
    expect(page.locator("#model-now")).to_contain_text("GPT-5.5 · API key · Work · medium")
    send(page, "First, through a key")
    answers(page)(1)
    expect(page.get_by_role("log")).to_contain_text("Ask me anything else")
    first = up.to(PUBLIC_RESPONSES)[-1]
    assert first.headers["authorization"] == f"Bearer {WORK}"
    assert "chatgpt-account-id" not in first.headers
    # The same chat goes on through the other key, then through Codex; nobody gets another's reasoning.
    choose_access(page, "API key · Home")
    send(page, "Second, through the other key")
    answers(page)(2)
    second = up.to(PUBLIC_RESPONSES)[-1]
    assert second.headers["authorization"] == f"Bearer {HOME}"
    assert b"First, through a key" in second.body
    assert b"encrypted_content" not in second.body.replace(b"reasoning.encrypted_content", b"")
    choose_access(page, "Codex auth")
    send(page, "Third, through Codex")
    answers(page)(3)
    assert b"planted" not in up.to(RESPONSES)[-1].body
    assert "planted" not in str(up.to(RESPONSES)[-1].headers)
    expect(page.get_by_role("article").last).to_contain_text("Codex auth")
    # And back: what the first key's model thought is its own.
    choose_access(page, "API key · Work")
    send(page, "Fourth")
    answers(page)(4)
    assert b'"encrypted_content"' in up.to(PUBLIC_RESPONSES)[-1].body
    desk.lerix.restart()
    page = desk.page()
    expect(page.locator("#model-now")).to_contain_text("API key · Work")


def test_a_key_is_renamed_and_replaced(page: Page, desk: Desk, up: Upstream) -> None:
    add(page, "Work", WORK)
    switch_on(page, "Work", "GPT-5.5")
    card(page, "Work").get_by_role("button", name="Rename").click()
    field = page.get_by_role("dialog", name="Rename Work").get_by_label("Label")
    expect(field).to_have_value("Work")
    expect(field).to_be_focused()
    field.fill("  My   office ")
    field.press("Enter")
    expect(card(page, "My office")).to_be_visible()
    expect(card(page, "My office").get_by_role("button", name="Rename")).to_be_focused()
    card(page, "My office").get_by_role("button", name="Replace").click()
    dialog = page.get_by_role("dialog", name="Replace the key of My office")
    expect(dialog).to_contain_text("sk-…work")
    enter(page, "sk-proj-nobody-knows-this-key")
    expect(dialog.get_by_role("alert")).to_contain_text("not kept")
    healthy(page, "keys-replace")
    enter(page, NEW)
    expect(dialog).to_be_hidden()
    expect(card(page, "My office")).to_contain_text("sk-…news")
    expect(card(page, "My office")).to_contain_text("1 of 7 models in the composer")
    page.get_by_role("link", name="Back to chat").click()
    send(page, "Hello")
    answers(page)(1)
    assert up.to(PUBLIC_RESPONSES)[-1].headers["authorization"] == f"Bearer {NEW}"


def test_a_dialog_is_never_filled_by_what_another_card_asked_for(page: Page, desk: Desk) -> None:
    add(page, "Work", WORK)
    add(page, "Home", HOME)
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method == "POST" or route.request.url.endswith("/models/"):
            held.append(route)
        else:
            route.continue_()

    page.route("**/models/", hold, times=1)
    with page.expect_request("**/models/"):
        card(page, "Work").get_by_role("button", name="Edit models").click()
    page.keyboard.press("Escape")
    with page.expect_event("requestfailed"):
        card(page, "Home").get_by_role("button", name="Edit models").click()
    dialog = page.get_by_role("dialog", name="Edit models")
    expect(dialog.get_by_text("API key · Home")).to_be_visible()
    page.keyboard.press("Escape")
    # A form that was sent and left: its answer does not come into the next one.
    page.route("**/rename/", hold)
    card(page, "Work").get_by_role("button", name="Rename").click()
    field = page.get_by_label("Label")
    field.fill("Home")
    with page.expect_request("**/rename/"):
        field.press("Enter")
    page.keyboard.press("Escape")
    with page.expect_event("requestfailed"):
        card(page, "Home").get_by_role("button", name="Rename").click()
    expect(field).to_have_value("Home")
    expect(field).to_be_focused()
    expect(page.locator("#toast")).to_be_hidden()


def hold_removal(lerix: LerixProcess) -> None:
    """Let what is removed be brought back for a minute more: on a busy machine the ten seconds are short."""
    with contextlib.closing(sqlite3.connect(lerix.home / "lerix.sqlite3", timeout=30)) as database, database:
        later = "strftime('%Y-%m-%d %H:%M:%f', removed_at, '+60 seconds')"
        database.execute(f"UPDATE connections_apikey SET removed_at = {later} WHERE removed_at IS NOT NULL")


def test_a_removed_key_can_be_brought_back_for_some_seconds(page: Page, desk: Desk, up: Upstream) -> None:
    add(page, "Work", WORK)
    add(page, "Home", HOME)
    switch_on(page, "Work", "GPT-5.5")
    switch_on(page, "Home", "GPT-4.1")
    other = desk.page()
    choose_access(other, "API key · Home")
    send(other, "A chat on the key that goes")
    answers(other)(1)
    card(page, "Home").get_by_role("button", name="Remove").click()
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    hold_removal(desk.lerix)
    expect(page.locator("#keys")).to_contain_text("Removed Home sk-…home")
    # The chat falls back to what there is.
    expect(other.locator("#model-now")).to_contain_text("GPT-5.5 · API key · Work")
    undo.click()
    expect(card(page, "Home").get_by_role("button", name="Edit models")).to_be_focused()
    expect(card(page, "Home")).to_contain_text("1 of 7 models in the composer")
    expect(other.locator("#model-now")).to_contain_text("GPT-4.1 · API key · Home")
    # Removed for good, in every tab, without a reload.
    card(page, "Home").get_by_role("button", name="Remove").click()
    expect(undo).to_be_visible()
    healthy(page, "keys-removed")
    expect(page.locator("#keys")).not_to_contain_text("Home", timeout=60_000)
    expect(other.locator("#model-now")).to_contain_text("API key · Work")
    send(other, "It goes on with the other")
    answers(other)(2)
    assert up.to(PUBLIC_RESPONSES)[-1].headers["authorization"] == f"Bearer {WORK}"
    # A restart ends the time for undoing.
    card(page, "Work").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    desk.lerix.restart()
    page = desk.page(at=CONNECTIONS)
    expect(region(page)).to_contain_text("No API key yet")


def test_each_state_of_a_key_is_told_with_its_next_step(page: Page, desk: Desk, up: Upstream) -> None:
    add(page, "Work", WORK)
    switch_on(page, "Work", "GPT-5.5")
    chat = desk.page()
    up.fail(PUBLIC_RESPONSES, faults.error(429, "You exceeded your current quota.", code="insufficient_quota"))
    send(chat, "No credit")
    notice = chat.get_by_role("group", name="What went wrong")
    expect(notice).to_contain_text("The OpenAI account of this API key has no credit left. Your message is kept.")
    expect(card(page, "Work").get_by_text("No credit left", exact=True)).to_be_visible()
    expect(card(page, "Work").get_by_role("link", name="Add credit")).to_be_visible()
    picture(page, "keys-no-credit")
    card(page, "Work").get_by_role("button", name="Check again").click()
    expect(card(page, "Work").get_by_text("Ready", exact=True)).to_be_visible()
    up.fail(PUBLIC_RESPONSES, faults.rate_limit(10))
    notice.get_by_role("button", name="Retry").click()
    expect(card(page, "Work").get_by_text("Limit until")).to_be_visible()
    expect(notice).not_to_contain_text("no credit left")
    expect(card(page, "Work").get_by_text("Ready", exact=True)).to_be_visible(timeout=60_000)
    up.drop_api_key(WORK)
    notice.get_by_role("button", name="Retry").click()
    expect(notice).to_contain_text("OpenAI no longer accepts this API key. Your message is kept. Replace the key")
    expect(notice).not_to_contain_text("codex login")
    expect(notice.get_by_role("link", name="Connections")).to_be_visible()
    expect(chat.locator("#composer-note")).to_contain_text("no longer accepts this API key")
    expect(card(page, "Work").get_by_text("Key refused", exact=True)).to_be_visible()
    picture(page, "keys-key-refused")
    asked = len(up.to(PUBLIC_RESPONSES))
    notice.get_by_role("button", name="Retry").click()
    expect(notice).to_contain_text("Nothing was sent")
    assert len(up.to(PUBLIC_RESPONSES)) == asked
    # It is remembered, and one step mends it.
    desk.lerix.restart()
    page = desk.page(at=CONNECTIONS)
    expect(card(page, "Work").get_by_text("Key refused", exact=True)).to_be_visible()
    card(page, "Work").get_by_role("button", name="Replace").click()
    expect(enter(page, NEW)).to_be_hidden()
    expect(card(page, "Work").get_by_text("Ready", exact=True)).to_be_visible()


def test_a_sealing_key_that_is_gone_is_told_and_nothing_is_lost(page: Page, desk: Desk, tmp_path: Path) -> None:
    add(page, "Work", WORK)
    add(page, "Home", HOME)
    (file,) = (tmp_path / "home").glob("sealing-*.key")
    desk.lerix.terminate()
    away = file.rename(tmp_path / "away")
    desk.lerix.restart()
    page = desk.page(at=CONNECTIONS)
    for label in ("Work", "Home"):
        expect(card(page, label).get_by_text("Enter the key again", exact=True)).to_be_visible()
    healthy(page, "keys-sealing-key-gone")
    card(page, "Work").get_by_role("button", name="Replace").click()
    expect(enter(page, NEW)).to_be_hidden()
    expect(card(page, "Work").get_by_text("Ready", exact=True)).to_be_visible()
    desk.lerix.terminate()
    away.rename(file)
    desk.lerix.restart()
    page = desk.page(at=CONNECTIONS)
    for label in ("Work", "Home"):
        expect(card(page, label).get_by_text("Ready", exact=True)).to_be_visible()


@pytest.mark.parametrize(("width", "height", "dark"), [(390, 844, False), (390, 844, True), (820, 1180, True)])
def test_the_page_fits_and_is_accessible(desk: Desk, up: Upstream, width: int, height: int, dark: bool) -> None:
    page = desk.page(width, height, dark=dark, touch=True, at=CONNECTIONS)
    name = f"keys-{width}-{'dark' if dark else 'light'}"
    add(page, "Work", WORK)
    add(page, "W" * 40, HOME)
    up.drop_api_key(WORK)
    card(page, "Work").get_by_role("button", name="Edit models").click()
    page.get_by_role("dialog", name="Edit models").get_by_role("button", name="Refresh").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("no longer accepts")
    healthy(page, f"{name}-models")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    healthy(page, name)
    page.get_by_role("button", name="Add API key").click()
    expect(page.get_by_label("API key", exact=True)).to_be_visible()
    enter(page, "sk-no", "Third")
    expect(page.get_by_role("alert").first).to_be_visible()
    healthy(page, f"{name}-add")
    page.keyboard.press("Escape")
    card(page, "W" * 40).get_by_role("button", name="Remove").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    healthy(page, f"{name}-removed")

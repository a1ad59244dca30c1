"""An account in the browser, with the broker that Lerix runs itself: made, used, recovered, erased, deleted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accounts import (
    KEY,
    LABELS,
    PASSWORD,
    SECOND,
    THIRD,
    account,
    begin,
    confirm,
    copy_key,
    create,
    groups,
    nobody_signed_in,
    open_dialog,
    region,
    retype,
    said,
    sign_in,
    sign_out,
)
from tests.browser.conftest import Desk
from tests.browser.test_lasting import HIDE
from tests.browser.test_layout import SIZES, healthy
from tests.browser.test_temporary import until
from tests.serving import LerixProcess, is_running

#: The state of a socket in Linux's table of them (include/net/tcp_states.h).
ESTABLISHED = "01"


@pytest.fixture(autouse=True)
def nobody(desk: Desk) -> None:
    """Every test begins signed out."""
    nobody_signed_in(desk)


def brokers(lerix: LerixProcess) -> list[int]:
    """The process ids of the brokers that a Lerix runs."""
    found = subprocess.run(["pgrep", "-P", str(lerix.pid), "-f", "embedded"], capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]


def asked(broker: int) -> bool:
    """Whether something has come for a broker that it has not read yet."""
    tables = [Path(f"/proc/{broker}/net/{name}") for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    own = {str(each.readlink()) for each in Path(f"/proc/{broker}/fd").iterdir()}
    ports = {row[1].rpartition(":")[2] for row in rows if f"socket:[{row[9]}]" in own}
    # What waits at the listening socket itself is a connection, over which nothing may have been asked yet.
    theirs = [row for row in rows if row[1].rpartition(":")[2] in ports and row[3] == ESTABLISHED]
    return any(int(row[4].rpartition(":")[2], 16) for row in theirs)


def test_an_account_is_created_step_by_step(page: Page, desk: Desk) -> None:
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Account").click()
    expect(region(page, "Account")).to_contain_text("Lerix works without it.")
    expect(region(page, "Account")).to_contain_text("the synced data cannot be decrypted")
    expect(region(page, "Broker")).to_contain_text("it listens on this machine only")
    rows = region(page, "Plan").get_by_role("row")
    expect(rows.nth(5)).to_contain_text("Codex Relay")
    expect(rows.nth(5).get_by_role("cell")).to_have_text(["Not included", "Included"])
    page.get_by_role("link", name="Create account").click()
    email = page.get_by_label("E-mail")
    expect(email).to_be_focused()
    email.fill("not an address")
    password = page.get_by_label("Password", exact=True)
    password.press_sequentially("password")
    expect(page.locator("#strength")).to_contain_text("12 characters or more are needed.")
    password.press_sequentially("1234")
    expect(page.locator("#strength")).to_contain_text("common words")
    page.get_by_role("button", name="Continue").click()
    # The reason beside its field; what is no secret is kept, and the password is not in the page.
    expect(page.get_by_role("alert")).to_contain_text("not an e-mail address that Lerix can use")
    expect(email).to_have_attribute("aria-invalid", "true")
    expect(email).to_be_focused()
    expect(email).to_have_value("not an address")
    expect(password).to_have_value("")
    assert "password1234" not in page.content()
    email.fill("ada@example.com")
    password.fill("password1234")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("Easy to guess.")
    expect(password).to_be_focused()
    password.press_sequentially(PASSWORD)
    expect(page.locator("#strength")).to_contain_text("Very hard to guess.")
    page.get_by_role("button", name="Show what is typed").click()
    expect(password).to_have_attribute("type", "text")
    page.get_by_label("Device name").fill("Studio")
    page.get_by_role("button", name="Continue").click()
    # The code stands on the page, since this broker sends no e-mail.
    shown = page.locator(".code-shown")
    expect(shown).to_have_text(re.compile(r"^\d{8}$"))
    code = shown.inner_text()
    expect(page.get_by_label("Code")).to_have_value(code)
    page.get_by_label("Code").fill("00000000" if code != "00000000" else "1" * 8)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("This is not the code that was sent last")
    # Back keeps the address; a new code makes the old one void.
    page.get_by_role("link", name="Back", exact=True).click()
    expect(page.get_by_label("E-mail")).to_have_value("ada@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    expect(shown).to_have_text(re.compile(r"^\d{8}$"))
    code = shown.inner_text()
    page.get_by_role("button", name="New code").click()
    expect(shown).not_to_have_text(code)
    expect(page.get_by_label("Code")).not_to_have_value(code)
    page.get_by_role("button", name="Continue").click()
    # The key: the same after a reload, in no address, and as a file.
    expect(page.locator("#recovery-key")).to_have_text(KEY)
    step = page.url
    assert "LRX1" not in step
    key = page.locator("#recovery-key").inner_text()
    page.reload()
    expect(page.locator("#recovery-key")).to_have_text(key)
    with page.expect_download() as download:
        page.get_by_role("link", name="Save as a file").click()
    assert download.value.suggested_filename == "lerix-recovery-key.txt"
    kept = Path(download.value.path()).read_text()
    assert key in kept
    assert "ada@example.com" in kept
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    labels = page.get_by_role("button", name="Copy").evaluate_handle(LABELS)
    page.get_by_role("button", name="Copy").click()
    until(lambda: "Copied" in labels.json_value())
    assert page.evaluate("navigator.clipboard.readText()") == key
    # Typing parts of it again: they are not in the page, neither before nor after a mistake.
    page.get_by_role("link", name="I have kept it").click()
    expect(groups(page)).to_have_count(3)
    assert key not in page.content()
    retype(page, "-".join(["LRX1", *["0000"] * 9]), "Create account")
    expect(page.get_by_role("alert")).to_contain_text("This is another group than in your recovery key.")
    expect(groups(page).first).to_have_value("")
    page.get_by_role("link", name="Show the key again").click()
    assert copy_key(page) == key
    retype(page, key, "Create account")
    said(page, "Your account is ready, and this device is signed in.")
    expect(region(page, "Account")).to_contain_text("ada@example.com")
    expect(region(page, "Account").get_by_text("Connected")).to_be_visible()
    expect(region(page, "Devices").get_by_role("article")).to_have_count(1)
    expect(region(page, "Plan")).to_contain_text("Pro")
    expect(region(page, "Plan").get_by_role("row").nth(7).get_by_role("cell")).to_have_text(["3", "25"])
    # What is over is over, for the browser's Back too.
    page.goto(step)
    expect(page.get_by_role("heading", name="This has ended")).to_be_visible()
    assert key not in page.content()
    account(page, desk)
    expect(page.locator("#account-said")).to_be_empty()
    assert KEY.search(desk.lerix.stderr) is None
    # A second account with this address is told of only here, where the broker is one's own.
    sign_out(page, desk)
    begin_again = desk.page()
    account(begin_again, desk, "create/")
    begin_again.get_by_label("E-mail").fill("ADA@example.com")
    begin_again.get_by_label("Password", exact=True).fill(PASSWORD)
    begin_again.get_by_role("button", name="Continue").click()
    expect(begin_again.get_by_role("alert")).to_contain_text("There is an account with this e-mail address already.")


def test_what_was_begun_can_be_cancelled(page: Page, desk: Desk) -> None:
    begin(page, desk, "cancelled@example.com")
    step = page.url
    page.get_by_role("button", name="Cancel").click()
    said(page, "Cancelled. Nothing was changed.")
    page.goto(step)
    expect(page.get_by_role("heading", name="This has ended")).to_be_visible()
    page.get_by_role("link", name="Account").last.click()
    expect(page.get_by_role("link", name="Create account")).to_be_visible()


def test_password_and_recovery_key_are_changed_and_the_way_back_works(page: Page, desk: Desk) -> None:
    email = "grace@example.com"
    first = create(page, desk, email)
    dialog = open_dialog(page, "Change password")
    expect(dialog.get_by_label("Current password")).to_be_focused()
    dialog.get_by_label("Current password").fill("wrong horse battery staple")
    dialog.get_by_label("New password").fill(SECOND)
    dialog.get_by_role("button", name="Change password").click()
    expect(dialog.get_by_role("alert")).to_contain_text("This is not the password of the account.")
    expect(dialog.get_by_label("Current password")).to_be_focused()
    dialog.get_by_label("Current password").fill(PASSWORD)
    dialog.get_by_label("New password").fill("short")
    dialog.get_by_role("button", name="Change password").click()
    expect(dialog.get_by_label("New password")).to_have_attribute("aria-invalid", "true")
    assert PASSWORD not in page.content()
    dialog.get_by_label("Current password").fill(PASSWORD)
    dialog.get_by_label("New password").fill(SECOND)
    dialog.get_by_role("button", name="Change password").click()
    expect(dialog).to_be_hidden()
    said(page, "Your new password holds. Other devices stay signed in.")
    expect(page.get_by_role("button", name="Change password")).to_be_focused()
    expect(page.locator("#account-form")).to_be_empty()
    # Another recovery key.
    dialog = open_dialog(page, "New recovery key")
    dialog.get_by_label("Password").fill(SECOND)
    dialog.get_by_role("button", name="Continue").click()
    second = copy_key(page)
    assert second != first
    retype(page, second, "Use this key from now on")
    said(page, "Your new recovery key holds. The old one no longer works.")
    # The old password and the old key are nothing any more.
    sign_out(page, desk)
    sign_in(page, desk, email)
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    expect(page.get_by_label("E-mail")).to_have_value(email)
    page.get_by_role("link", name="Forgotten the password?").click()
    page.get_by_label("E-mail").fill(email)
    page.get_by_role("button", name="Continue").click()
    confirm(page)
    page.get_by_label("Recovery key").fill(first[:-1])
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("not complete")
    expect(page.get_by_label("Recovery key")).to_have_value("")
    page.get_by_label("Recovery key").fill(first)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("This recovery key does not belong to the e-mail address.")
    page.reload()
    page.get_by_label("Recovery key").fill(second.lower().replace("-", " "))
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("New password").fill(THIRD)
    page.get_by_role("button", name="Set password and sign in").click()
    said(page, "Your new password holds, and this device is signed in.")
    expect(region(page, "Recovery key")).to_contain_text("You came in by your recovery key. Make a new one now")
    sign_out(page, desk)
    sign_in(page, desk, email, THIRD)
    said(page, "This device is signed in.")


def test_with_both_lost_the_account_is_erased_and_begun_again(page: Page, desk: Desk) -> None:
    email = "both@example.com"
    create(page, desk, email)
    sign_out(page, desk)
    account(page, desk, "recover/")
    page.get_by_role("link", name="Erase and start again").click()
    expect(page.get_by_text("what is synced cannot be decrypted, by anybody")).to_be_visible()
    page.get_by_label("E-mail").fill(email)
    page.get_by_role("button", name="Send a code").click()
    confirm(page)
    page.get_by_role("button", name="Erase the account").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was erased.")
    page.get_by_role("checkbox", name="Erase the account").check()
    page.get_by_role("button", name="Erase the account").click()
    said(page, "The account and all that was synced are erased. You can create it again with the same e-mail.")
    create(page, desk, email)
    # Deleting asks for the password and a clear word.
    dialog = open_dialog(page, "Delete account")
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Delete account").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Nothing was deleted.")
    dialog.get_by_label("Password").fill(SECOND)
    dialog.get_by_role("checkbox", name="Delete the account").check()
    dialog.get_by_role("button", name="Delete account").click()
    expect(dialog.get_by_role("alert")).to_contain_text("This is not the password of the account.")
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("checkbox", name="Delete the account").check()
    dialog.get_by_role("button", name="Delete account").click()
    said(page, "The account is deleted. Chats, API keys and settings on this device stay.")
    sign_in(page, desk, email)
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")


def test_a_broker_that_dies_is_told_of_and_comes_back(page: Page, desk: Desk) -> None:
    email = "away@example.com"
    create(page, desk, email)
    (broker,) = brokers(desk.lerix)
    os.kill(broker, signal.SIGSTOP)
    page.reload()
    # One that is gone before it has been asked is only started again.
    if Path("/proc/net/tcp").exists():
        until(lambda: asked(broker))
    else:
        page.wait_for_timeout(2_500)
    banner = page.get_by_role("group", name="A problem with the account")
    os.kill(broker, signal.SIGKILL)
    expect(banner).to_contain_text("The broker last answered at")
    banner.get_by_role("button", name="Try again").click()
    expect(banner).to_be_hidden()
    expect(region(page, "Account").get_by_text("Connected")).to_be_visible()
    (again,) = brokers(desk.lerix)
    assert again != broker
    # Lerix itself ends cleanly under an open page, its broker with it; the account is there when it is back.
    assert desk.lerix.terminate() == 0
    until(lambda: not is_running(again))
    desk.lerix.restart()
    page = desk.page()
    account(page, desk)
    expect(region(page, "Account")).to_contain_text(email)
    expect(region(page, "Account").get_by_text("Connected")).to_be_visible()


def test_forms_work_without_scripts(desk: Desk) -> None:
    signed_in = desk.page()
    context = desk.chromium.new_context(java_script_enabled=False, storage_state=desk.state)
    desk.contexts.append(context)
    signed_in.close()
    page = context.new_page()
    key = create(page, desk, "plain@example.com")
    assert key
    page.get_by_role("button", name="Change password").click()
    page.get_by_label("Current password").fill(SECOND)
    page.get_by_label("New password").fill(THIRD)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("alert")).to_contain_text("This is not the password of the account.")
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill(THIRD)
    page.get_by_role("button", name="Change password").click()
    expect(region(page, "Devices")).to_be_visible()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.locator("#account-said")).to_contain_text("Signed out.")


def test_another_broker_address_is_asked_before_it_is_used(page: Page, desk: Desk) -> None:
    account(page, desk)
    field = page.get_by_label("Broker address")
    for address, words in {
        "http://broker.example.com": "not the address of an account broker",
        desk.lerix.url: "not an account broker that this version of Lerix knows",
        "http://localhost:9": "Nothing answers at the broker address.",
    }.items():
        field.fill(address)
        page.get_by_role("button", name="Use this broker").click()
        expect(page.locator("#broker-problem")).to_contain_text(words)
        expect(field).to_have_value(address)
        expect(field).to_be_focused()
    # Whoever comes back to a tab, or whose network was gone, finds what was typed.
    with page.expect_event("requestfailed", lambda request: "/account/events/" in request.url):
        page.evaluate(HIDE, True)
    with page.expect_response(lambda answer: "/account/events/" in answer.url):
        page.evaluate(HIDE, False)
    page.wait_for_timeout(300)
    expect(field).to_have_value("http://localhost:9")
    expect(page.locator("#broker-problem")).to_contain_text("Nothing answers at the broker address.")
    page.get_by_role("link", name="Running a broker").click()
    expect(page.get_by_role("heading", name="Running a broker")).to_be_visible()


@pytest.mark.parametrize(("size", "dark"), [("tablet", True), ("phone", False)])
def test_every_page_fits_and_is_accessible(desk: Desk, size: str, dark: bool) -> None:
    page = desk.page(*SIZES[size], dark=dark, touch=size != "desktop")
    name = f"account-{size}-{'dark' if dark else 'light'}"
    email = f"{size}-{dark}@example.com".lower()
    account(page, desk)
    healthy(page, f"{name}-signed-out")
    for path in ("create", "sign-in", "recover", "erase", "running-a-broker"):
        account(page, desk, f"{path}/")
        healthy(page, f"{name}-{path}")
    begin(page, desk, email)
    page.wait_for_load_state()
    healthy(page, f"{name}-code")
    confirm(page)
    expect(page.locator("#recovery-key")).to_be_visible()
    page.wait_for_load_state()
    healthy(page, f"{name}-key")
    key = copy_key(page)
    page.wait_for_load_state()
    healthy(page, f"{name}-check")
    retype(page, key, "Create account")
    expect(region(page, "Account").get_by_text("Connected")).to_be_visible()
    page.wait_for_load_state()
    healthy(page, f"{name}-signed-in")
    for button in ("Change password", "Delete account", "Somebody else may know my keys", "Rename"):
        dialog = open_dialog(page, button)
        dialog.locator("button[type=submit]").click()
        if button != "Rename":
            expect(dialog.get_by_role("alert")).to_be_visible()
            healthy(page, f"{name}-{button}")
            page.keyboard.press("Escape")

"""Two Lerix of one account, at a broker of its own: what happens on one is seen on the other, without a reload."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.accounts import (
    PASSWORD,
    SECOND,
    account,
    copy_key,
    nobody_signed_in,
    open_dialog,
    region,
    retype,
    said,
    sign_in,
)
from tests.browser.conftest import Desk
from tests.browser.test_layout import healthy
from tests.serving import ROOT, BrokerProcess, LerixProcess
from tests.upstream import Upstream

# Milliseconds. A page asks every five seconds while it is open.
SOON = 30_000


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with BrokerProcess(tmp_path_factory.mktemp("broker") / "home") as process:
        yield process


def at(broker: BrokerProcess) -> dict[str, str]:
    return {"LERIX_BROKER_URL": broker.url, "TZ": "UTC"}


@pytest.fixture(scope="module")
def lerix(
    broker: BrokerProcess, up: Upstream, codex_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LerixProcess]:
    home = tmp_path_factory.mktemp("lerix") / "home"
    with LerixProcess(home, {**up.environment(codex_home), **at(broker)}) as process:
        yield process


@pytest.fixture(scope="module")
def other(
    broker: BrokerProcess, up: Upstream, codex_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LerixProcess]:
    """The same person's other computer."""
    home = tmp_path_factory.mktemp("other") / "home"
    with LerixProcess(home, {**up.environment(codex_home), **at(broker)}) as process:
        yield process


@pytest.fixture
def other_desk(chromium: Browser, other: LerixProcess, state: Path) -> Iterator[Desk]:
    made = Desk(chromium, other, [], [], state.with_name("other.json"))
    yield made
    for context in made.contexts:
        context.close()
    assert not made.problems


@pytest.fixture(autouse=True)
def nobody(desk: Desk, other_desk: Desk, broker: BrokerProcess) -> None:
    """Every test begins signed out on both, and with nothing held against anybody."""
    broker.forget_limits()
    for each in (desk, other_desk):
        nobody_signed_in(each)


def join(page: Page, desk: Desk, broker: BrokerProcess, email: str) -> str:
    """Create an account with the code that comes by e-mail, and return its recovery key."""
    account(page, desk, "create/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Device name").fill("Studio")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text(f"A code was sent to {email}.")).to_be_visible()
    page.get_by_label("Code").fill(broker.code_to(email))
    page.get_by_role("button", name="Continue").click()
    key = copy_key(page)
    retype(page, key, "Create account")
    said(page, "Your account is ready, and this device is signed in.")
    return key


def join_too(page: Page, desk: Desk, email: str, name: str = "Laptop") -> None:
    """Sign in on the other computer."""
    account(page, desk, "sign-in/")
    page.get_by_label("Device name").fill(name)
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    said(page, "This device is signed in.")


def give(broker: BrokerProcess, *arguments: str) -> None:
    """Give an account a plan, as whoever runs the broker does."""
    command = [sys.executable, "-m", "lerix_web.cli", "broker", "plan", *arguments]
    subprocess.run(command, cwd=ROOT, env=broker.environment, check=True, capture_output=True, timeout=60)


def test_a_new_device_is_noticed_renamed_and_removed(
    page: Page, desk: Desk, other_desk: Desk, broker: BrokerProcess
) -> None:
    email = "ada@example.com"
    account(page, desk)
    expect(page.get_by_label("Broker address")).to_have_value(broker.url)
    expect(page.get_by_label("Broker address")).not_to_be_editable()
    expect(region(page, "Broker")).to_contain_text("LERIX_BROKER_URL")
    join(page, desk, broker, email)
    second = other_desk.page()
    sign_in(second, other_desk, email, "copper violin under ice")
    expect(second.get_by_role("alert")).to_contain_text("do not belong together")
    expect(second.get_by_label("Password", exact=True)).to_be_focused()
    expect(second.get_by_label("Password", exact=True)).to_have_value("")
    join_too(second, other_desk, email)
    expect(region(second, "Devices").get_by_role("article")).to_have_count(2)
    expect(region(second, "Devices").get_by_role("article", name="Laptop")).to_contain_text("This device")
    # The first computer's page hears of it.
    notice = page.get_by_role("group", name="News of your devices")
    expect(notice).to_contain_text("A new device joined your account: Laptop", timeout=SOON)
    expect(region(page, "Devices").get_by_role("article")).to_have_count(2)
    healthy(page, "account-new-device")
    notice.get_by_role("button", name="It was me").click()
    expect(notice).to_be_hidden()
    # Renamed here, read there.
    laptop = region(page, "Devices").get_by_role("article", name="Laptop")
    laptop.get_by_role("button", name="Rename").click()
    dialog = page.get_by_role("dialog", name="Rename Laptop")
    expect(dialog.get_by_label("Device name")).to_have_value("Laptop")
    expect(dialog.get_by_label("Device name")).to_be_focused()
    dialog.get_by_label("Device name").fill("")
    dialog.get_by_role("button", name="Rename").click()
    expect(dialog.get_by_role("alert")).to_contain_text("This name cannot be used")
    dialog.get_by_label("Device name").fill("Grandmother's <laptop>")
    dialog.get_by_label("Device name").press("Enter")
    expect(dialog).to_be_hidden()
    laptop = region(page, "Devices").get_by_role("article", name="Grandmother's <laptop>")
    expect(laptop.get_by_role("button", name="Rename")).to_be_focused()
    expect(region(second, "Devices").get_by_role("article", name="Grandmother's")).to_be_visible(timeout=SOON)
    # Removed here, told there; nothing of the account is left there.
    laptop.get_by_role("button", name="Remove").click()
    dialog = page.get_by_role("dialog", name="Remove Grandmother's <laptop>")
    dialog.get_by_label("Password").fill(SECOND)
    dialog.get_by_role("button", name="Remove").click()
    expect(dialog.get_by_role("alert")).to_contain_text("This is not the password of the account.")
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Remove").click()
    said(page, "Removed Grandmother's <laptop>. It gets nothing new from now on.")
    expect(region(page, "Devices").get_by_role("article")).to_have_count(1)
    expect(second.get_by_role("group", name="This device was removed")).to_contain_text(email, timeout=SOON)
    expect(region(second, "Devices")).to_be_hidden()
    expect(second.locator("#account-said")).to_be_empty()
    healthy(second, "account-removed")
    second.get_by_role("link", name="Sign in again").click()
    expect(second.get_by_label("E-mail")).to_have_value(email)


def test_a_plan_changes_before_ones_eyes(page: Page, desk: Desk, broker: BrokerProcess) -> None:
    email = "grace@example.com"
    join(page, desk, broker, email)
    plan = region(page, "Plan")
    expect(plan).to_contain_text("Free comes without synced chats, files and images, settings and Codex Relay.")
    expect(plan.get_by_role("columnheader", name="Free")).to_contain_text("Your plan")
    expect(plan.get_by_role("progressbar", name="Storage used")).to_be_visible()
    give(broker, email, "pro", "--until", "2099-01-31")
    expect(plan.get_by_role("columnheader", name="Pro")).to_contain_text("Your plan", timeout=SOON)
    expect(plan).to_contain_text("Pro until 31 Jan 2099")
    expect(plan).not_to_contain_text("comes without")
    # At its end nothing is deleted: the page is simply that of Free again.
    give(broker, email, "free")
    expect(plan.get_by_role("columnheader", name="Free")).to_contain_text("Your plan", timeout=SOON)
    expect(region(page, "Devices").get_by_role("article")).to_have_count(1)


def test_where_a_plan_is_full_another_device_makes_room(
    page: Page, desk: Desk, other_desk: Desk, broker: BrokerProcess
) -> None:
    email = "full@example.com"
    join(page, desk, broker, email)
    before = broker.sql("SELECT devices FROM broker_plan WHERE code = 'free'")[0][0]
    broker.sql("UPDATE broker_plan SET devices = 1 WHERE code = 'free'")
    try:
        second = other_desk.page()
        sign_in(second, other_desk, email)
        expect(second.get_by_role("alert")).to_contain_text("The plan has room for 1 device")
        expect(second.get_by_label("E-mail")).to_have_value(email)
        expect(second.get_by_label("Password", exact=True)).to_have_value("")
        expect(second.get_by_label("Password", exact=True)).to_be_focused()
        second.wait_for_load_state()
        healthy(second, "account-full")
        second.get_by_role("checkbox", name="Studio").check()
        second.get_by_label("Password", exact=True).fill(PASSWORD)
        second.get_by_role("button", name="Remove and sign in").click()
        said(second, "This device is signed in.")
        expect(region(second, "Devices").get_by_role("article")).to_have_count(1)
        expect(page.get_by_role("group", name="This device was removed")).to_be_visible(timeout=SOON)
    finally:
        broker.sql("UPDATE broker_plan SET devices = ? WHERE code = 'free'", before)


def test_keys_that_somebody_else_may_know_are_renewed(
    page: Page, desk: Desk, other_desk: Desk, broker: BrokerProcess
) -> None:
    email = "renewed@example.com"
    join(page, desk, broker, email)
    second = other_desk.page()
    join_too(second, other_desk, email)
    expect(region(page, "Devices").get_by_role("article")).to_have_count(2, timeout=SOON)
    dialog = open_dialog(page, "Somebody else may know my keys")
    expect(dialog.get_by_role("checkbox", name="Laptop")).to_be_checked()
    dialog.get_by_label("Current password").fill(PASSWORD)
    dialog.get_by_label("New password").fill(SECOND)
    dialog.get_by_role("button", name="Continue").click()
    retype(page, copy_key(page), "Renew all keys")
    shown = page.locator(".digits")
    expect(shown).to_have_text(re.compile(r"^[\d ]+$"))
    digits = shown.inner_text()
    assert len(digits.replace(" ", "")) == 30
    page.wait_for_load_state()
    healthy(page, "account-digits")
    banner = second.get_by_role("group", name="Compare the codes")
    expect(banner.locator(".digits")).to_have_text(digits, timeout=SOON)
    healthy(second, "account-compare")
    banner.get_by_role("button", name="They are equal").click()
    expect(banner).to_be_hidden()
    expect(region(second, "Account").get_by_text("Connected")).to_be_visible()
    page.get_by_role("button", name="Done").click()
    said(page, "Your account has new keys, and your old password and recovery key no longer work.")
    # From the other device everything ends: the first one is removed.
    dialog = open_dialog(second, "Sign out everywhere")
    dialog.get_by_label("Password").fill(SECOND)
    dialog.get_by_role("button", name="Sign out everywhere").click()
    said(second, "Signed out here and on every other device.")
    expect(page.get_by_role("group", name="This device was removed")).to_be_visible(timeout=SOON)


def test_too_many_tries_have_to_wait(page: Page, desk: Desk, broker: BrokerProcess) -> None:
    email = "slow@example.com"
    sign_in(page, desk, email)
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    # So many that it is the longest wait, which is said in whole minutes.
    broker.sql("UPDATE broker_counter SET count = 20 WHERE kind = 'login'")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("There were too many tries. Nothing was changed. Wait 15 minutes")
    expect(page.get_by_role("alert").get_by_role("time")).to_be_visible()

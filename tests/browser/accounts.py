"""Settings > Account as a person uses it, for the tests of its pages."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Desk

PASSWORD, SECOND, THIRD = "quiet harbour lantern moss", "copper violin under snow", "seven slow ferries north"
KEY = re.compile(r"LRX1(?:-[0-9A-HJKMNP-TV-Z]{4}){9}")
#: Notes what a button is called from now on: a word that stands there for a second may be missed.
LABELS = """button => {
    const labels = [];
    new MutationObserver(() => labels.push(button.innerText.trim()))
        .observe(button, {subtree: true, childList: true, characterData: true});
    return labels;
}"""


def account(page: Page, desk: Desk, path: str = "") -> None:
    """Open Settings > Account."""
    page.goto(f"{desk.lerix.url}/settings/account/{path}")


def region(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def said(page: Page, words: str) -> None:
    expect(page.locator("#account-said")).to_have_text(words)


def begin(page: Page, desk: Desk, email: str, password: str = PASSWORD) -> None:
    """Fill in the first step of creating an account, and go on to the code."""
    account(page, desk, "create/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_label("Code")).to_be_visible()


def confirm(page: Page, code: str = "") -> None:
    """Enter the code; the broker on this computer shows it on the page, and it stands in its field."""
    if code:
        page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Continue").click()


def copy_key(page: Page) -> str:
    """Read the recovery key off its page, and go on to typing parts of it again."""
    place = page.locator("#recovery-key")
    expect(place).to_have_text(KEY)
    key = place.inner_text()
    page.get_by_role("link", name="I have kept it").click()
    expect(groups(page)).to_have_count(3)
    return key


def groups(page: Page) -> Locator:
    """The fields for parts of the recovery key."""
    return page.get_by_role("textbox", name=re.compile("^Group"))


def retype(page: Page, key: str, button: str) -> None:
    """Type the groups that are asked for, and finish."""
    parts = key.split("-")
    fields = groups(page)
    expect(fields).to_have_count(3)
    for field in fields.all():
        number = int((field.get_attribute("name") or "").removeprefix("group-"))
        field.fill(parts[number].lower())
    page.get_by_role("button", name=button).click()


def create(page: Page, desk: Desk, email: str, code: str = "") -> str:
    """Create an account as a person does, and return its recovery key."""
    begin(page, desk, email)
    confirm(page, code)
    key = copy_key(page)
    retype(page, key, "Create account")
    said(page, "Your account is ready, and this device is signed in.")
    return key


def sign_in(page: Page, desk: Desk, email: str, password: str = PASSWORD) -> None:
    account(page, desk, "sign-in/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def open_dialog(page: Page, button: str) -> Locator:
    page.get_by_role("button", name=button, exact=True).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("form")).to_be_visible()
    return dialog


def nobody_signed_in(desk: Desk) -> None:
    """Sign out if anybody is signed in, as the page asks for it, where it is not the page that is looked at."""
    with desk.requests() as client:
        if 'id="sign-out"' in client.get("/settings/account/").raise_for_status().text:
            assert client.post("/settings/account/sign-out/").is_redirect
        assert 'id="sign-out"' not in client.get("/settings/account/").raise_for_status().text


def sign_out(page: Page, desk: Desk) -> None:
    """Sign out if anybody is signed in."""
    account(page, desk)
    button = page.get_by_role("button", name="Sign out", exact=True)
    if button.is_visible():
        button.click()
        expect(page.get_by_role("link", name="Create account")).to_be_visible()

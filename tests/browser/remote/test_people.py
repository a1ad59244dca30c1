"""The broker's pages in real browsers: create, sign in, recover, devices, sign out; and what goes wrong on the way."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.accounts import SECOND
from tests.browser.conftest import picture
from tests.browser.remote.people import (
    EXPORTED,
    Mac,
    People,
    Visitor,
    begin,
    devices,
    fill_sign_in,
    keep_key,
    problem,
    retype,
    sign_in,
)
from tests.browser.test_layout import LOOKS, healthy
from tests.relay.broker.desk import PASSWORD
from tests.relay.proof.computers import until
from tests.serving import BrokerProcess

SIZES = {"desktop": (1440, 900), "tablet": (820, 1180), "phone": (390, 844)}
HOSTILE = "<img src=x onerror=alert(1)>"


def test_an_account_is_created_and_nothing_can_take_its_keys_out(visitor: Visitor, broker: BrokerProcess) -> None:
    email = "new@example.com"
    page = visitor.page()
    page.get_by_role("link", name="Create account").click()
    for typed, words in (("short", "12 characters or more"), ("passwordpassword", "common words"), (email, "e-mail")):
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password", exact=True).fill(typed)
        expect(page.locator("#strength")).to_contain_text(words)
        page.get_by_role("button", name="Continue").click()
        expect(problem(page)).to_contain_text("Nothing was changed.")
        expect(page.get_by_label("Password", exact=True)).to_be_focused()
        expect(page.get_by_label("Password", exact=True)).to_have_value("")
    assert broker.mails_to(email) == []
    begin(page, broker, email, "Ada’s phone")
    key = keep_key(page)
    # Another key than the one that was shown, and the same shown again.
    groups = page.get_by_role("textbox", name=re.compile("^Group"))
    expect(groups).to_have_count(3)
    for field in groups.all():
        field.fill("0000")
    page.get_by_role("button", name="Create account").click()
    expect(problem(page)).to_contain_text("another group than in your recovery key")
    page.get_by_role("button", name="Show the key again").click()
    assert keep_key(page) == key
    retype(page, key)
    expect(page.get_by_text("Your account is ready, and this browser is signed in.")).to_be_visible()
    # Nothing secret is left in the page, its address or anything that is stored.
    left = page.content() + page.url + str(visitor.keeps(page)) + str(visitor.context.storage_state())
    for secret in (PASSWORD, key, key.split("-")[3]):
        assert secret not in left
    devices(page, broker, "Ada’s phone")
    page.reload()
    expect(page.get_by_role("article", name="Ada’s phone")).to_contain_text("This browser")
    tried = page.evaluate(EXPORTED)
    assert len(tried) == 9
    assert set(tried) == {"InvalidAccessError", "NotSupportedError"}
    page.goto(broker.url)
    expect(page.get_by_role("heading", name=email)).to_be_visible()
    expect(page.get_by_role("link", name="Open Lerix")).to_be_visible()
    page.goto(f"{broker.url}/create/")
    expect(page.get_by_text("This browser is signed in already")).to_be_visible()


def test_browsers_and_a_mac_see_each_other_rename_and_remove(people: People, broker: BrokerProcess) -> None:
    email = "joined@example.com"
    mac = Mac(broker, email)
    one, two = people.visitor(), people.visitor()
    page, other = one.page(), two.page()
    fill_sign_in(other, broker, email, SECOND)
    expect(problem(other)).to_contain_text("do not belong together. Nothing was changed.")
    expect(other.get_by_label("Password", exact=True)).to_be_focused()
    expect(other.get_by_label("Password", exact=True)).to_have_value("")
    assert two.keeps(other) == {}
    sign_in(page, broker, email, name="Phone")
    sign_in(other, broker, email, name="Tablet")
    assert mac.names() == ["Ada’s Mac", "Phone", "Tablet"]
    # The plan is full, and one of them makes room.
    full = people.visitor().page()
    fill_sign_in(full, broker, email, name="Borrowed laptop")
    expect(full.get_by_text("The plan has room for 3 devices, and this would be one more.")).to_be_visible()
    full.get_by_role("checkbox", name="Tablet").check()
    full.get_by_role("button", name="Sign in").click()
    expect(full.get_by_text("This browser is signed in.", exact=True)).to_be_visible()
    assert mac.names() == ["Ada’s Mac", "Phone", "Borrowed laptop"]
    # Whoever was removed is told so, and keeps no key.
    other.goto(f"{broker.url}/sign-in/")
    expect(other.get_by_text("This browser was removed from the account.")).to_be_visible()
    expect(other.get_by_label("E-mail")).to_have_value(email)
    assert "lerix-vault/account" not in two.keeps(other)
    # News, a hostile name, a wrong password, and the removal.
    devices(page, broker, "Ada’s Mac", "Phone", "Borrowed laptop")
    news = page.get_by_role("group", name="News of your devices")
    expect(news).to_have_count(3)
    expect(news.last).to_contain_text("A new device joined your account: Borrowed laptop")
    news.last.get_by_role("button", name="It was me").click()
    expect(news).to_have_count(0)
    page.get_by_role("article", name="Borrowed laptop").get_by_role("button", name="Rename").click()
    field = page.get_by_role("dialog", name="Rename Borrowed laptop").get_by_label("Device name")
    expect(field).to_be_focused()
    field.fill(" ")
    field.press("Enter")
    expect(problem(page)).to_contain_text("This name cannot be used")
    field.fill(HOSTILE)
    field.press("Enter")
    expect(page.get_by_role("article", name=HOSTILE).get_by_role("button", name="Rename")).to_be_focused()
    assert mac.names()[2] == HOSTILE
    page.get_by_role("article", name=HOSTILE).get_by_role("button", name="Remove").click()
    dialog = page.get_by_role("dialog", name=f"Remove {HOSTILE}")
    for typed in (SECOND, PASSWORD):
        dialog.get_by_label("Password", exact=True).fill(typed)
        dialog.get_by_role("button", name="Remove").click()
        if typed == SECOND:
            expect(problem(page)).to_contain_text("This is not the password of the account.")
    expect(page.get_by_text(f"Removed {HOSTILE}.")).to_be_visible()
    expect(page.get_by_role("article").get_by_role("heading")).to_have_text(["Ada’s Mac", "Phone"])
    assert mac.names() == ["Ada’s Mac", "Phone"]
    mac.remove("Phone")
    page.reload()
    expect(page.get_by_text(f"This browser was removed from the account {email}")).to_be_visible()
    assert "lerix-vault/account" not in one.keeps(page)


def test_the_recovery_key_opens_the_account_where_the_password_is_lost(people: People, broker: BrokerProcess) -> None:
    email = "lost@example.com"
    key = Mac(broker, email).key
    page = people.visitor().page("/sign-in/")
    page.get_by_role("link", name="Forgotten the password?").click()
    page.get_by_label("E-mail").fill(email)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Code").fill("1234")
    page.get_by_role("button", name="Continue").click()
    expect(problem(page)).to_contain_text("This is not the code that was sent last")
    page.get_by_label("Code").fill(broker.code_to(email, 2))
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Recovery key").fill(key[:-1] + ("0" if key[-1] != "0" else "1"))
    page.get_by_role("button", name="Continue").click()
    expect(problem(page)).to_contain_text("typing error")
    page.get_by_label("Recovery key").fill(key.lower().replace("-", " "))
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("New password").fill(SECOND)
    page.get_by_role("button", name="Recover account").click()
    expect(page.get_by_text("Your new password holds, and this browser is signed in.")).to_be_visible()
    page.get_by_role("link", name="Devices").click()
    hint = page.get_by_role("group", name="Recovery key")
    expect(hint).to_contain_text("Make a new one now")
    hint.get_by_role("button", name="All right").click()
    expect(hint).to_be_hidden()
    other = people.visitor().page()
    fill_sign_in(other, broker, email, PASSWORD)
    expect(problem(other)).to_contain_text("do not belong together")
    sign_in(other, broker, email, SECOND)


def test_an_account_whose_keys_are_all_lost_can_be_erased(people: People, broker: BrokerProcess) -> None:
    email = "erased@example.com"
    Mac(broker, email)
    page = people.visitor().page("/recover/")
    page.get_by_role("button", name="Erase and start again").click()
    page.get_by_label("E-mail").fill(email)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Code").fill(broker.code_to(email, 2))
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Erase").click()
    expect(problem(page)).to_contain_text("Nothing was erased.")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Erase").click()
    expect(page.get_by_text("The account and all that was synced are erased.")).to_be_visible()
    assert broker.sql("SELECT COUNT(*) FROM broker_account WHERE email = ?", email) == [(0,)]


def test_signing_out_wipes_this_browser_and_tells_its_other_tabs(people: People, broker: BrokerProcess) -> None:
    email = "leaving@example.com"
    Mac(broker, email)
    visitor = people.visitor()
    page = visitor.page()
    sign_in(page, broker, email, name="Phone")
    devices(page, broker, "Ada’s Mac", "Phone")
    tab = visitor.page("/devices/")
    expect(tab.get_by_role("article")).to_have_count(2)
    page.evaluate(
        "() => new Promise((done) => { localStorage.setItem('draft', 'x');"
        " indexedDB.open('lerix-other').onsuccess = (event) => { event.target.result.close(); done(); }; })"
    )
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("Signed out. The account’s keys are erased here; chats on your Mac stay.")).to_be_visible()
    expect(tab.get_by_text("This browser is not signed in.")).to_be_visible()
    # What a page still uses is removed a moment later.
    names = "indexedDB.databases().then((all) => all.map(({name}) => name))"
    until(lambda: "lerix-other" not in page.evaluate(names))
    until(lambda: visitor.keeps(page) == {})
    assert page.evaluate("localStorage.length") == 0
    signed_out = "SELECT COUNT(*) FROM broker_device d JOIN broker_account a ON a.id = d.account_id"
    until(lambda: broker.sql(f"{signed_out} WHERE a.email = ? AND d.signed_out IS NOT NULL", email) == [(1,)])


def test_the_password_and_the_recovery_key_are_renewed(people: People, broker: BrokerProcess) -> None:
    email = "renewed@example.com"
    old_key = Mac(broker, email).key
    page = people.visitor().page()
    sign_in(page, broker, email, name="Phone")
    devices(page, broker, "Ada’s Mac", "Phone")
    page.get_by_role("button", name="Change password").click()
    dialog = page.get_by_role("dialog", name="Change password")
    for old, new, words in (
        (PASSWORD, "passwordpassword", "Nothing was changed."),
        (SECOND, SECOND, "This is not the password of the account."),
        (PASSWORD, SECOND, ""),
    ):
        dialog.get_by_label("Current password").fill(old)
        dialog.get_by_label("New password").fill(new)
        dialog.get_by_role("button", name="Change password").click()
        if words:
            expect(problem(page)).to_contain_text(words)
            wrong = dialog.get_by_label("Current password" if old == SECOND else "New password")
            expect(wrong).to_be_focused()
            expect(wrong).to_have_value("")
    expect(page.get_by_text("Your new password holds. Other devices stay signed in.")).to_be_visible()
    page.get_by_role("button", name="New recovery key").click()
    dialog = page.get_by_role("dialog", name="New recovery key")
    dialog.get_by_label("Password", exact=True).fill(SECOND)
    dialog.get_by_role("button", name="Continue").click()
    key = keep_key(page)
    assert key != old_key
    retype(page, key, "Finish")
    expect(page.get_by_text("Your new recovery key holds. The old one no longer works.")).to_be_visible()
    assert key not in page.content()
    other = people.visitor().page("/recover/")
    other.get_by_label("E-mail").fill(email)
    other.get_by_role("button", name="Continue").click()
    other.get_by_label("Code").fill(broker.code_to(email, 2))
    other.get_by_role("button", name="Continue").click()
    for typed in (old_key, key):
        other.get_by_label("Recovery key").fill(typed)
        other.get_by_role("button", name="Continue").click()
        if typed == old_key:
            expect(problem(other)).to_contain_text("a newer key may have replaced it")
    expect(other.get_by_text("The recovery key fits.")).to_be_visible()


def test_every_page_fits_every_size_in_light_and_dark(people: People, broker: BrokerProcess) -> None:
    page = people.visitor(has_touch=True).page()

    def fits(name: str) -> None:
        for look, dark in LOOKS:
            width, height = SIZES[look]
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme="dark" if dark else "light")
            (healthy if look == "phone" else holds)(page, f"people-{name}-{look}-{'dark' if dark else 'light'}")

    expect(page.get_by_role("link", name="Create account")).to_be_visible()
    fits("home")
    page.goto(f"{broker.url}/recover/")
    expect(page.get_by_role("button", name="Erase and start again")).to_be_visible()
    fits("recover")
    page.goto(f"{broker.url}/sign-in/")
    page.get_by_role("button", name="Sign in").click()
    expect(problem(page)).to_contain_text("not an e-mail address")
    fits("sign-in")
    page.goto(f"{broker.url}/create/")
    page.get_by_label("Password", exact=True).fill("monkey monkey")
    expect(page.locator("#strength")).to_contain_text("guess")
    fits("create")
    begin(page, broker, "looks@example.com")
    expect(page.locator("#recovery-key")).not_to_be_empty()
    fits("key")
    key = keep_key(page)
    fits("check")
    retype(page, key)
    expect(page.get_by_text("Your account is ready")).to_be_visible()
    devices(page, broker, "Chrome on Linux")
    fits("devices")
    page.get_by_role("button", name="Change password").click()
    fits("password")


def holds(page: Page, name: str) -> None:
    """The part of `healthy` that depends on the size alone."""
    picture(page, name)
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    until(lambda: page.evaluate(fits), what=f"{name} is too wide")

"""Settings > General and About, and the admin, as a person uses them."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Desk, answers, send
from tests.browser.test_layout import LOOKS, SIZES, healthy
from tests.upstream import RESPONSES, Upstream

PAGES = {"general": "/settings/general/", "about": "/settings/about/"}
ADMIN = {
    "index": "/admin/",
    "chats": "/admin/chat/chat/",
    "messages": "/admin/chat/message/?role__exact=assistant&q=a",
    "models": "/admin/connections/catalogueentry/",
    "settings": "/admin/chat/preference/",
    "setting": "/admin/chat/preference/theme/change/",
}


def theme(page: Page) -> str | None:
    return page.locator("html").get_attribute("data-theme")


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


def saved(page: Page, part: str) -> None:
    """Wait until a part of the page General says that it is saved."""
    expect(page.locator(f"#{part}-state")).to_have_text("Saved")


@pytest.fixture(autouse=True)
def _as_before(desk: Desk) -> None:
    """Every test begins with nothing set."""
    with desk.requests() as client:
        for name, value in (("theme", "system"), ("send_key", "enter"), ("instructions", "")):
            client.post(PAGES["general"], data={name: value}).raise_for_status()


@pytest.mark.parametrize(("size", "dark"), LOOKS, ids=[f"{size}-{'dark' if dark else 'light'}" for size, dark in LOOKS])
def test_every_page_of_settings(desk: Desk, size: str, dark: bool) -> None:
    page = desk.page(*SIZES[size], dark=dark, touch=size != "desktop")
    for name, address in PAGES.items():
        page.goto(desk.lerix.url + address)
        expect(page.get_by_role("heading", level=2)).to_be_visible()
        expect(page.get_by_role("link", name=name.capitalize(), exact=True)).to_have_attribute("aria-current", "page")
        healthy(page, f"{size}-{'dark' if dark else 'light'}-{name}")


def test_settings_leads_from_the_chat_to_each_page_and_back(page: Page) -> None:
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_role("heading", name="General")).to_be_visible()
    page.get_by_role("link", name="Connections").click()
    expect(page.get_by_role("region", name="Codex session auth")).to_be_visible()
    page.get_by_role("link", name="About").click()
    expect(page.get_by_role("region", name="Versions")).to_contain_text("SQLite")
    page.get_by_role("link", name="Back to chat").click()
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()


def test_a_theme_is_taken_on_at_once_and_kept_everywhere(desk: Desk) -> None:
    page = desk.page(at=PAGES["general"])
    light = background(page)
    page.get_by_role("radio", name="Dark").check()
    assert theme(page) == "dark"
    dark = background(page)
    assert dark != light
    saved(page, "theme")
    # The server renders it, so that the first thing painted is dark already.
    elsewhere = desk.page()
    assert theme(elsewhere) == "dark"
    for address in ("/settings/connections/", "/settings/about/", "/admin/"):
        elsewhere.goto(desk.lerix.url + address)
        assert theme(elsewhere) == "dark", address
    elsewhere.goto(desk.lerix.url)
    assert background(elsewhere) == dark
    assert elsewhere.locator("meta[name=color-scheme]").get_attribute("content") == "dark"
    page.get_by_role("radio", name="System").check()
    assert theme(page) is None
    assert background(page) == light
    saved(page, "theme")


def test_a_light_theme_holds_on_a_dark_system(desk: Desk) -> None:
    page = desk.page(dark=True, at=PAGES["general"])
    dark = background(page)
    page.get_by_role("radio", name="Light").check()
    saved(page, "theme")
    assert background(page) != dark
    page.reload()
    assert background(page) != dark


@pytest.mark.usefixtures("models_on")
def test_with_the_other_send_key_enter_breaks_the_line(desk: Desk, up: Upstream) -> None:
    page = desk.page(at=PAGES["general"])
    page.get_by_role("radio", name="Ctrl+Enter").check()
    saved(page, "send_key")
    page.get_by_role("link", name="Back to chat").click()
    field = page.get_by_role("textbox", name="Message")
    field.wait_for()
    page.wait_for_load_state()
    field.fill("One")
    field.press("Enter")
    field.press_sequentially("Two")
    expect(field).to_have_value("One\nTwo")
    field.press("Control+Enter")
    answers(page)(1)
    expect(page.get_by_role("article", name="You")).to_have_text("One\nTwo")
    # The empty page of a new chat, which htmx swapped, has it as well.
    field.fill("Three")
    field.press("Enter")
    expect(field).to_have_value("Three\n")
    field.press("Meta+Enter")
    answers(page)(2)


@pytest.mark.usefixtures("models_on")
def test_instructions_are_saved_while_one_types_and_reach_the_model(desk: Desk, up: Upstream) -> None:
    page = desk.page(at=PAGES["general"])
    page.get_by_role("textbox", name="Custom instructions").press_sequentially("Answer in verse.")
    saved(page, "instructions")
    expect(page.locator("#instructions-count")).to_have_text("16 of 8,000 characters")
    page.get_by_role("link", name="Back to chat").click()
    send(page, "Hello")
    answers(page)(1)
    assert "Answer in verse." in json.dumps(up.to(RESPONSES)[-1].data)


def test_what_was_typed_last_is_kept_when_one_leaves_at_once(desk: Desk) -> None:
    page = desk.page(at=PAGES["general"])
    field = page.get_by_role("textbox", name="Custom instructions")
    field.press_sequentially("Be brief.")
    page.goto(desk.lerix.url)  # long before the pause after the last key is over
    for _ in range(100):  # the browser sends it on its own, and this page may be asked for sooner
        page.goto(f"{desk.lerix.url}/settings/general/")
        if field.input_value():
            break
        page.wait_for_timeout(100)
    expect(field).to_have_value("Be brief.")


def test_what_is_too_long_is_refused_and_stays_in_its_field(desk: Desk) -> None:
    page = desk.page(at=PAGES["general"])
    field = page.get_by_role("textbox", name="Custom instructions")
    field.fill("x" * 8001)
    state = page.locator("#instructions-state")
    expect(state).to_contain_text("Not saved. The instructions are too long: 8,001 characters, at most 8,000.")
    expect(page.locator("#instructions-count")).to_have_class(re.compile("is-over"))
    expect(field).to_have_value("x" * 8001)
    healthy(page, "desktop-light-general-too-long")
    field.fill("x" * 8000)
    saved(page, "instructions")
    expect(page.locator("#toast")).to_be_hidden()


def test_a_server_that_does_not_answer_is_said_and_can_be_tried_again(desk: Desk) -> None:
    page = desk.page(at=PAGES["general"])

    def cut(route: Route) -> None:
        if route.request.method == "POST":
            route.abort()
        else:
            route.continue_()

    page.route("**/settings/general/", cut)
    page.get_by_role("textbox", name="Custom instructions").fill("Kept.")
    form = page.locator("form", has=page.locator("#instructions"))
    expect(form.get_by_role("status")).to_contain_text("Not saved. Lerix did not answer.")
    page.unroute("**/settings/general/")
    form.get_by_role("button", name="Try again").click()
    saved(page, "instructions")
    expect(form.get_by_role("button", name="Try again")).to_be_hidden()
    page.reload()
    expect(page.get_by_role("textbox", name="Custom instructions")).to_have_value("Kept.")


def test_the_folders_path_is_copied(desk: Desk) -> None:
    page = desk.page(at=PAGES["about"])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the path of the data folder").click()
    expect(page.locator("#spoken")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == str(desk.lerix.home)


# The admin. `desk` fails a test in which a page breaks our content security policy.


@pytest.mark.usefixtures("models_on")
@pytest.mark.parametrize(("size", "dark"), LOOKS, ids=[f"{size}-{'dark' if dark else 'light'}" for size, dark in LOOKS])
def test_the_admins_pages_work_under_our_policy(desk: Desk, size: str, dark: bool) -> None:
    page = desk.page(*SIZES[size], dark=dark, touch=size != "desktop")
    send(page, "A question")
    answers(page)(1)
    with desk.requests() as client:
        client.post(PAGES["general"], data={"theme": "dark" if dark else "light"}).raise_for_status()
    for name, address in ADMIN.items():
        page.goto(desk.lerix.url + address)
        expect(page.get_by_role("link", name="Lerix database")).to_be_visible()
        healthy(page, f"{size}-{'dark' if dark else 'light'}-admin-{name}")


@pytest.mark.usefixtures("models_on")
def test_the_admin_lists_filters_shows_and_changes_settings(desk: Desk) -> None:
    page = desk.page()
    send(page, "A question for the admin")
    answers(page)(1)
    page.goto(f"{desk.lerix.url}/settings/general/")
    page.get_by_role("radio", name="Light").check()
    saved(page, "theme")
    page.get_by_role("link", name="About").click()
    page.get_by_role("link", name="Database admin").click()
    page.get_by_role("link", name="Messages", exact=True).click()
    page.get_by_role("navigation", name="Filter").get_by_role("link", name="User", exact=True).click()
    expect(page).to_have_url(re.compile("role__exact=user"))
    page.locator("#searchbar").fill("for the admin")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="A question for the admin").click()
    expect(page.get_by_text("A question for the admin").first).to_be_visible()
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
    page.goto(f"{desk.lerix.url}/admin/chat/preference/theme/change/")
    page.get_by_role("textbox", name="Value").fill('"dark"')
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    page.get_by_role("link", name="Back to Lerix").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")

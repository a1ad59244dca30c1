"""The list of chats, as a person uses it: pins, folders, archive, several at once, Undo, and more on scroll."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import APIResponse, Locator, Page, Route, expect

from tests.browser.chats import store
from tests.browser.conftest import Desk, picture, scrolled_out
from tests.browser.test_layout import healthy
from tests.serving import LerixProcess
from tests.upstream import Upstream

pytestmark = pytest.mark.usefixtures("models_on")
OLDER = 150


def midday() -> str:
    """The time zone in which it is about noon now."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


@pytest.fixture(scope="module")
def lerix(up: Upstream, codex_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LerixProcess]:
    """A Lerix at noon: what was said in the last minutes was said today."""
    home = tmp_path_factory.mktemp("lerix") / "home"
    with LerixProcess(home, {**up.environment(codex_home), "TZ": midday()}) as process:
        yield process


@pytest.fixture(scope="module")
def stored(lerix: LerixProcess) -> dict[str, str]:
    """Chats of today, and many of the weeks before."""
    names = ["Bread without kneading", "Letter to the landlord", "Trip to Zürich", "Regular expressions", "Tax return"]
    today = {
        name: store(lerix, name, [f"Tell me about {name}", "Gladly."], minutes=number)
        for number, name in enumerate(names)
    }
    for number in range(OLDER):
        store(lerix, f"Older chat {number}", minutes=60 * 24 * 3 + number)
    return today


@pytest.fixture
def here(desk: Desk, stored: dict[str, str]) -> Page:
    # What was stored behind the server's back is in the list once something has changed.
    with desk.requests() as client:
        for do in ("pin", "unpin"):
            client.post("/history/change/", data={"do": do, "chats": stored["Tax return"]}).raise_for_status()
    return desk.page()


def chats(page: Page) -> Locator:
    return page.get_by_role("navigation", name="Chats")


def section(page: Page, name: str) -> Locator:
    return chats(page).get_by_role("region", name=name, exact=True)


def choose(page: Page, title: str, item: str) -> None:
    """Press an entry of a chat's menu."""
    link = chats(page).get_by_role("link", name=title, exact=True)
    link.hover()
    page.get_by_role("button", name=f"Options for {title}", exact=True).click()
    page.get_by_role("menu", name=f"Options for {title}").get_by_role("menuitem", name=item, exact=True).click()


def scroll_to(page: Page, link: Locator) -> None:
    """By the wheel, since what asks for more goes as it comes into sight."""
    for _ in range(200):
        if link.count():
            break
        page.mouse.wheel(0, 4000)
        page.wait_for_timeout(50)
        expect(page.locator("#history .more:not(.htmx-request)").or_(link).first).to_be_attached()
    # It goes on little by little, and would close a menu.
    scrolled_out(page, "history-place")


def test_pins_folders_and_the_archive_and_another_page_follows(desk: Desk, here: Page) -> None:
    other = desk.page()
    choose(here, "Regular expressions", "Pin")
    for page in (here, other):
        expect(section(page, "Pinned").get_by_role("link")).to_have_text(["Regular expressions"])
    # A folder, made by the menu of a chat that goes into it.
    choose(here, "Bread without kneading", "Move to folder")
    here.get_by_role("menu", name="Move to folder").get_by_role("menuitem", name="New folder").click()
    dialog = here.get_by_role("dialog", name="New folder")
    expect(dialog.get_by_role("textbox", name="Name")).to_be_focused()
    dialog.get_by_role("textbox", name="Name").fill("Kitchen")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_be_hidden()
    # On both before it is opened on one: a page that gets it after that gets it open.
    for page in (here, other):
        expect(section(page, "Folders")).to_contain_text("Kitchen")
    with here.expect_response("**/opened/"):
        section(here, "Folders").get_by_text("Kitchen").click()
    section(other, "Folders").get_by_text("Kitchen").click()
    for page in (here, other):
        expect(section(page, "Folders").get_by_role("link")).to_have_text(["Bread without kneading"])
    picture(here, "history-folders")
    # It is open on the next page as well.
    here.reload()
    expect(section(here, "Folders").get_by_role("link")).to_be_visible()
    # Its name is taken: a sentence, and the dialog stays.
    here.get_by_role("button", name="New folder").click()
    here.get_by_role("textbox", name="Name").fill("kitchen")
    here.get_by_role("button", name="Create").click()
    expect(here.get_by_role("alert")).to_contain_text("There is a folder named kitchen already")
    here.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    # Renamed, then deleted: its chat stands among the others, until that is undone.
    here.get_by_role("button", name="Options for folder Kitchen").click()
    here.get_by_role("menuitem", name="Rename folder").click()
    here.get_by_role("textbox", name="Name").fill("Cooking")
    here.keyboard.press("Enter")
    expect(section(other, "Folders")).to_contain_text("Cooking")
    # What is pressed below a dialog is looked for by scrolling, which would close the menu.
    expect(here.get_by_role("dialog")).to_have_count(0)
    here.get_by_role("button", name="Options for folder Cooking").click()
    here.get_by_role("menuitem", name="Delete folder").click()
    expect(section(here, "Today").get_by_role("link", name="Bread without kneading")).to_be_visible()
    here.get_by_role("button", name="Undo").click()
    expect(section(here, "Folders")).to_contain_text("Cooking")
    # The archive, and back.
    choose(here, "Letter to the landlord", "Archive")
    expect(here.get_by_text("Chat archived.", exact=True)).to_be_visible()
    expect(chats(here).get_by_role("link", name="Letter to the landlord")).to_have_count(0)
    # The focus goes on with what stands in its place.
    expect(section(here, "Today").get_by_role("link").first).to_be_focused()
    here.get_by_role("button", name="Archive", exact=True).click()
    expect(here.get_by_role("heading", name="Archive")).to_be_focused()
    choose(here, "Letter to the landlord", "Unarchive")
    expect(chats(here)).to_contain_text("Nothing is in the archive")
    here.get_by_role("button", name="Back to the chats").click()
    expect(section(here, "Today").get_by_role("link", name="Letter to the landlord")).to_be_visible()


def test_a_chat_is_renamed_where_it_stands_and_by_the_keyboard_alone(desk: Desk, here: Page) -> None:
    link = chats(here).get_by_role("link", name="Tax return")
    link.focus()
    here.keyboard.press("Tab")
    expect(here.get_by_role("button", name="Options for Tax return")).to_be_focused()
    here.keyboard.press("Enter")
    expect(here.get_by_role("menuitem", name="Rename")).to_be_focused()
    here.keyboard.press("d")
    expect(here.get_by_role("menuitem", name="Delete")).to_be_focused()
    here.keyboard.press("Escape")
    expect(here.get_by_role("menu", name="Options for Tax return")).to_be_hidden()
    expect(here.get_by_role("button", name="Options for Tax return")).to_be_focused()
    here.keyboard.press("Enter")
    expect(here.get_by_role("menuitem", name="Rename")).to_be_focused()
    here.keyboard.press("Enter")
    field = chats(here).get_by_role("textbox", name="Title")
    expect(field).to_have_value("Tax return")
    # News of the list leave what is being written alone.
    with desk.requests() as client:
        client.post("/folders/new/", data={"name": "News"}).raise_for_status()
    expect(section(here, "Folders")).to_contain_text("News")
    field.fill("Taxes")
    field.press("Enter")
    link = chats(here).get_by_role("link", name="Taxes")
    expect(link).to_be_focused()
    link.click()
    expect(here.get_by_role("heading", name="Taxes")).to_be_visible()


def test_from_chat_to_chat_the_list_stays_and_what_was_typed_comes_back(here: Page, stored: dict[str, str]) -> None:
    chats(here).get_by_role("link", name="Trip to Zürich").click()
    expect(here).to_have_url(re.compile(f"/chats/{stored['Trip to Zürich']}/$"))
    expect(here).to_have_title("Trip to Zürich · Lerix")
    expect(here.get_by_role("article", name="You")).to_contain_text("Tell me about Trip")
    field = here.get_by_role("textbox", name="Message")
    field.fill("Half a thought")
    files = here.locator("#chips [data-file]")
    here.locator("#attach-input").set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"Note"})
    expect(files).to_contain_text(["notes.txt"])
    chats(here).get_by_role("link", name="Regular expressions").click()
    expect(here).to_have_title("Regular expressions · Lerix")
    expect(field).to_have_value("")
    expect(files).to_have_count(0)
    expect(chats(here).get_by_role("link", name="Regular expressions")).to_have_attribute("aria-current", "page")
    expect(chats(here).locator("[aria-current]")).to_have_count(1)
    chats(here).get_by_role("link", name="Trip to Zürich").click()
    expect(field).to_have_value("Half a thought")
    expect(files).to_have_count(1)
    expect(here).to_have_url(re.compile(f"/chats/{stored['Trip to Zürich']}/$"))
    here.go_back()
    expect(here).to_have_title("Regular expressions · Lerix")
    expect(here.get_by_role("article", name="You")).to_contain_text("Tell me about Regular")


def test_what_has_not_come_to_the_list_yet_comes_with_the_next_chat(desk: Desk, stored: dict[str, str]) -> None:
    page = desk.page()
    silent = re.compile(rf"/events/\?chat={stored['Trip to Zürich']}")
    page.route(silent, lambda route: route.abort())
    page.goto(f"{desk.lerix.url}/chats/{stored['Trip to Zürich']}/")
    with desk.requests() as client:
        client.post("/folders/new/", data={"name": "Overtaken"}).raise_for_status()
    page.wait_for_timeout(600)  # until the streams that are open have told it
    expect(section(page, "Folders").filter(has_text="Overtaken")).to_have_count(0)
    chats(page).get_by_role("link", name="Regular expressions").click()
    expect(page).to_have_title("Regular expressions · Lerix")
    expect(section(page, "Folders")).to_contain_text("Overtaken")


def test_deleting_is_undone_and_other_pages_of_the_chat_say_so(
    desk: Desk, here: Page, stored: dict[str, str]
) -> None:
    other = desk.page(at=f"/chats/{stored['Trip to Zürich']}/")
    chats(here).get_by_role("link", name="Trip to Zürich").click()
    expect(here).to_have_title("Trip to Zürich · Lerix")
    here.get_by_role("button", name="Chat options").click()
    here.get_by_role("menuitem", name="Delete").click()
    expect(here).to_have_url(re.compile(r":\d+/$"))
    note = here.get_by_text("Chat deleted.", exact=True)
    expect(note).to_be_visible()
    # While the pointer is on it, it stays.
    note.hover()
    expect(here.get_by_role("status").filter(has_text="Undo is offered")).to_have_count(1)
    expect(chats(here).get_by_role("link", name="Trip to Zürich")).to_have_count(0)
    expect(other.get_by_text("This chat is no longer here")).to_be_visible()
    healthy(here, "history-undo")
    here.get_by_role("button", name="Undo").click()
    expect(here).to_have_title("Trip to Zürich · Lerix")
    expect(note).to_have_count(0)
    for page in (here, other):
        expect(page.get_by_role("article", name="You")).to_contain_text("Tell me about Trip")


def test_several_are_selected_and_changed_at_once(desk: Desk, here: Page) -> None:
    here.get_by_role("button", name="Select chats").click()
    boxes = section(here, "Last 7 days").get_by_role("checkbox")
    expect(here.get_by_role("button", name="Delete")).to_be_disabled()
    section(here, "Last 7 days").get_by_role("link", name="Older chat 3", exact=True).click()
    boxes.nth(5).click(modifiers=["Shift"])
    expect(here.get_by_text("3 selected")).to_be_visible()
    # News of the list leave the selection as it is.
    with desk.requests() as client:
        client.post("/folders/new/", data={"name": "Drawer"}).raise_for_status()
    expect(section(here, "Folders")).to_contain_text("Drawer")
    expect(here.get_by_role("checkbox", checked=True)).to_have_count(3)
    healthy(here, "history-select")
    here.get_by_role("toolbar", name="Selected chats").get_by_role("button", name="Delete").click()
    here.get_by_text("3 chats deleted.", exact=True).hover()
    expect(here.get_by_role("toolbar", name="Selected chats")).to_be_hidden()
    expect(chats(here).get_by_role("link", name="Older chat 4", exact=True)).to_have_count(0)
    # The page hears of the answer to Undo when something else is selected already.
    held: list[tuple[Route, APIResponse]] = []
    here.route("**/history/change/", lambda route: held.append((route, route.fetch())))
    here.get_by_role("button", name="Undo").click()
    expect(chats(here).get_by_role("link", name="Older chat 4", exact=True)).to_be_visible()
    here.get_by_role("button", name="Select chats").click()
    for number in (7, 9):
        chats(here).get_by_role("link", name=f"Older chat {number}", exact=True).click()
    for route, answer in held:
        route.fulfill(response=answer)
    here.unroute("**/history/change/")
    expect(here.get_by_role("button", name="Undo")).to_have_count(0)
    expect(here.get_by_text("2 selected")).to_be_visible()
    # Into a folder, by the menu of the selection.
    here.get_by_role("button", name="Move", exact=True).click()
    here.get_by_role("menu", name="Move to folder").get_by_role("menuitemradio", name="Drawer").click()
    here.get_by_role("navigation").get_by_text("Drawer", exact=True).click()
    expect(section(here, "Folders").get_by_role("link", name=re.compile("Older chat [79]"))).to_have_count(2)


def test_older_chats_come_as_the_list_is_scrolled_and_none_comes_twice(desk: Desk, here: Page) -> None:
    links = chats(here).get_by_role("link", name=re.compile("Older chat"))
    expect(links.first).to_be_visible()
    assert links.count() < OLDER - 50
    last = chats(here).get_by_role("link", name=f"Older chat {OLDER - 1}", exact=True)
    chats(here).get_by_role("link", name="Older chat 1", exact=True).hover()
    scroll_to(here, last)
    # One of the oldest is pinned: it stands above now, and no longer below.
    last.hover()
    here.get_by_role("button", name=f"Options for Older chat {OLDER - 1}", exact=True).click()
    here.get_by_role("menuitem", name="Pin").click()
    expect(section(here, "Pinned").get_by_role("link", name=f"Older chat {OLDER - 1}")).to_have_count(1)
    expect(last).to_have_count(1)
    # And back to where it was, which the page had fetched before.
    choose(here, f"Older chat {OLDER - 1}", "Unpin")
    expect(section(here, "Pinned").or_(section(here, "Today")).first).not_to_contain_text("Older chat")
    chats(here).get_by_role("link", name="Older chat 100", exact=True).hover()
    again = here.locator("#history .older").get_by_role("link", name=f"Older chat {OLDER - 1}")
    scroll_to(here, again)
    expect(again).to_have_count(1)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_on_a_phone_the_list_is_a_drawer_that_closes_behind_the_choice(
    desk: Desk, stored: dict[str, str], dark: bool
) -> None:
    page = desk.page(390, 844, dark=dark, touch=True)
    page.get_by_role("button", name="Open sidebar").tap()
    expect(chats(page).get_by_role("link", name="Regular expressions")).to_be_visible()
    healthy(page, f"history-drawer-{'dark' if dark else 'light'}")
    page.get_by_role("button", name="Options for Regular expressions").tap()
    expect(page.get_by_role("menuitem", name="Delete")).to_be_visible()
    assert (page.get_by_role("menuitem", name="Delete").bounding_box() or {"height": 0})["height"] >= 44
    healthy(page, f"history-menu-{'dark' if dark else 'light'}")
    page.keyboard.press("Escape")
    chats(page).get_by_role("link", name="Regular expressions").tap()
    expect(page).to_have_title("Regular expressions · Lerix")
    expect(chats(page).get_by_role("link", name="New chat")).to_be_hidden()

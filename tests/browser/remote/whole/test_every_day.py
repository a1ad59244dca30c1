"""Everything of a chat's every day, from a phone's browser through the relay: real broker, real Mac, real fingers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, FrameLocator, Locator, Page, expect

from tests import disk
from tests.browser.conftest import picture
from tests.browser.remote.whole.way import CHAT, Way, complete, document, inside, say, shown
from tests.browser.test_notifying import RECORD, age
from tests.browser.test_web_app import is_installable
from tests.chat.files import PLACE, photo
from tests.relay.proof.computers import until
from tests.upstream import RESPONSES, Gate, Reply


@pytest.fixture(scope="module")
def thumb(road: Way) -> Iterator[BrowserContext]:
    """A phone's browser that is signed in."""
    context = road.chromium.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, reduced_motion="reduce"
    )
    page = road.page("/sign-in/", context)
    road.fill_sign_in(page, "Thumb")
    expect(page.get_by_text("This browser is signed in.", exact=True)).to_be_visible()
    page.close()
    yield context
    context.close()


@pytest.fixture
def phone(way: Way, thumb: BrowserContext) -> Iterator[Page]:
    """The page of a new chat on the phone."""
    page = way.page(context=thumb)
    # Listened for from the start: told just before a tap, the browser may hear of the tap first.
    page.on("filechooser", lambda chooser: None)
    shown(page)
    yield page
    page.close()


def you(page: Page, number: int = 0) -> Locator:
    """One of the person's own messages."""
    return inside(page).get_by_role("article", name="You", exact=True).nth(number)


def answer(page: Page, number: int = 0) -> Locator:
    """One of the answers."""
    return inside(page).locator("article.message-assistant").nth(number)


def drawer(page: Page) -> FrameLocator:
    """Open the sidebar."""
    frame = inside(page)
    frame.get_by_role("button", name="Open sidebar").tap()
    expect(frame.get_by_role("button", name="Close sidebar")).to_be_visible()
    return frame


def fits(page: Page) -> None:
    """Nothing is wider than the phone."""
    over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    until(lambda: document(page).evaluate(over) <= 0, what="something is wider than the phone")


def test_a_message_is_edited_and_its_versions_are_stepped_through(way: Way, phone: Page) -> None:
    way.house.up.reply(Reply("The first answer."))
    say(phone, "the first wording")
    complete(phone)
    you(phone).get_by_role("button", name="Edit message").tap()
    field = inside(phone).get_by_role("textbox", name="Edit message")
    expect(field).to_have_value("the first wording")
    fits(phone)
    picture(phone, "phone-edit")
    field.fill("the second wording")
    way.house.up.reply(Reply("The second answer."))
    you(phone).get_by_role("button", name="Send").tap()
    expect(answer(phone)).to_contain_text("The second answer.")
    complete(phone)
    versions = you(phone).get_by_role("group", name="Versions")
    expect(versions).to_contain_text("2/2")
    versions.get_by_role("button", name="Previous version").tap()
    expect(answer(phone)).to_contain_text("The first answer.")
    expect(you(phone)).to_contain_text("the first wording")
    you(phone).get_by_role("button", name="Next version").tap()
    expect(answer(phone)).to_contain_text("The second answer.")
    # Answered again by the same model: versions of the answer.
    way.house.up.reply(Reply("The third answer."))
    answer(phone).get_by_role("button", name="Answer again").tap()
    expect(answer(phone)).to_contain_text("The third answer.")
    complete(phone)
    expect(answer(phone).get_by_role("group", name="Versions")).to_contain_text("2/2")
    picture(phone, "phone-versions")


def test_messages_that_are_sent_while_an_answer_runs_follow_in_order(way: Way, phone: Page) -> None:
    gate = Gate()
    way.house.up.reply(Reply(chunks=["The first ", "is done."], gate=gate))
    say(phone, "one")
    gate.step()
    expect(answer(phone)).to_contain_text("The first")
    for text in ("two", "three", "not this one"):
        say(phone, text)
    waiting = inside(phone).get_by_role("region", name="Messages that wait their turn")
    expect(waiting.get_by_role("listitem")).to_have_count(3)
    fits(phone)
    picture(phone, "phone-queue")
    waiting.get_by_role("listitem").nth(2).get_by_role("button", name="Remove waiting message").tap()
    expect(waiting.get_by_role("listitem")).to_have_count(2)
    gate.open()
    complete(phone, 3)
    said = inside(phone).get_by_role("article", name="You", exact=True).locator(".bubble")
    expect(said).to_have_text(["one", "two", "three"])
    assert way.sent("not this one") == 0


def test_a_message_is_deleted_and_brought_back_by_undo(way: Way, phone: Page) -> None:
    say(phone, "delete what follows")
    complete(phone)
    say(phone, "this too")
    complete(phone, 2)
    you(phone, 1).get_by_role("button", name="Delete message").tap()
    expect(inside(phone).get_by_role("article", name="You", exact=True)).to_have_count(1)
    picture(phone, "phone-undo")
    inside(phone).get_by_role("button", name="Undo").tap()
    complete(phone, 2)
    expect(you(phone, 1)).to_contain_text("this too")


def test_what_was_said_is_quoted_and_the_chat_renamed_in_place(way: Way, phone: Page) -> None:
    way.house.up.reply(Reply("Words worth quoting."))
    say(phone, "quote")
    complete(phone)
    answer(phone).get_by_role("button", name="Quote message").tap()
    expect(shown(phone).get_by_role("textbox", name="Message")).to_have_value(re.compile("^> Words worth quoting."))
    inside(phone).get_by_role("button", name="Chat options").tap()
    inside(phone).get_by_role("menuitem", name="Rename").tap()
    title = inside(phone).get_by_role("textbox", name="Title")
    title.fill("Named by thumb")
    title.press("Enter")
    expect(inside(phone).get_by_role("heading", name="Named by thumb")).to_be_visible()
    expect(phone).to_have_title("Named by thumb · Lerix")


def test_a_chat_is_found_by_a_word_of_its_answer(way: Way, phone: Page) -> None:
    way.house.up.reply(Reply("An axolotl is a salamander. Crème brûlée is none."))
    say(phone, "animals and sweets")
    complete(phone)
    phone.goto(f"{way.url}/app/")
    shown(phone)
    frame = drawer(phone)
    frame.get_by_role("searchbox", name="Search chats").fill("creme bru")
    hit = frame.locator("a.found-hit").first
    expect(hit.locator("mark").first).to_have_text("Crème")
    fits(phone)
    picture(phone, "phone-search")
    hit.tap()
    expect(answer(phone)).to_contain_text("axolotl")
    expect(answer(phone)).to_be_in_viewport()


def test_a_chat_is_pinned_put_into_a_folder_archived_and_deleted(way: Way, phone: Page) -> None:
    say(phone, "sort me away")
    complete(phone)
    frame = drawer(phone)
    item = frame.locator("#history").get_by_role("link", name="sort me away").first
    more = frame.get_by_role("button", name="Options for sort me away").first
    more.tap()
    menu = frame.get_by_role("menu")
    expect(menu.get_by_role("menuitem", name="Delete")).to_be_in_viewport()
    picture(phone, "phone-chat-menu")
    menu.get_by_role("menuitem", name="Pin", exact=True).tap()
    expect(frame.get_by_role("region", name="Pinned")).to_contain_text("sort me away")
    more.tap()
    menu.get_by_role("menuitem", name="Archive").tap()
    expect(item).to_be_hidden()
    frame.get_by_role("button", name="Undo").tap()
    expect(item).to_be_visible()
    more.tap()
    menu.get_by_role("menuitem", name="Delete").tap()
    expect(item).to_be_hidden()
    picture(phone, "phone-deleted")
    frame.get_by_role("button", name="Undo").tap()
    expect(item).to_be_visible()


def test_a_folder_is_made_and_several_chats_are_moved_into_it(way: Way, phone: Page) -> None:
    for text in ("first of two", "second of two"):
        phone.goto(f"{way.url}/app/")
        say(phone, text)
        complete(phone)
    frame = drawer(phone)
    frame.get_by_role("button", name="New folder").tap()
    name = frame.get_by_role("dialog").get_by_role("textbox", name="Name")
    name.fill("Pairs")
    name.press("Enter")
    folder = frame.get_by_role("region", name="Folders")
    expect(folder).to_contain_text("Pairs")
    frame.get_by_role("button", name="Select chats").tap()
    for text in ("first of two", "second of two"):
        frame.get_by_role("checkbox", name=text).tap()
    picture(phone, "phone-selecting")
    frame.get_by_role("toolbar").get_by_role("button", name="Move").tap()
    frame.get_by_role("menuitemradio", name="Pairs").tap()
    # They are there, and what is drawn anew then does not close the folder again.
    expect(frame.get_by_role("checkbox", name="of two")).to_have_count(0)
    folder.get_by_text("Pairs").tap()
    expect(folder.get_by_role("link", name="of two")).to_have_count(2)
    fits(phone)
    picture(phone, "phone-folder")


def test_a_chat_has_instructions_of_its_own_and_is_searched_through(way: Way, phone: Page) -> None:
    way.house.up.reply(Reply("Nothing of the word."))
    say(phone, "where is the needle")
    complete(phone)
    frame = inside(phone)
    frame.get_by_role("button", name="Chat options").tap()
    frame.get_by_role("menuitem", name="Instructions for this chat").tap()
    dialog = frame.get_by_role("dialog", name="Instructions for this chat")
    dialog.get_by_role("textbox").fill("Answer like a tailor.")
    picture(phone, "phone-instructions")
    dialog.get_by_role("button", name="Save").tap()
    expect(dialog).to_be_hidden()
    say(phone, "and now")
    complete(phone, 2)
    assert "Answer like a tailor." in json.dumps(way.house.up.to(RESPONSES)[-1].data)
    frame.get_by_role("button", name="Chat options").tap()
    frame.get_by_role("menuitem", name="Find in this chat").tap()
    frame.get_by_role("textbox", name="Find in this chat").fill("needle")
    expect(frame.locator("#find-count")).to_have_text("1 of 1")
    fits(phone)
    picture(phone, "phone-find")


def test_a_picture_is_attached_sent_and_opened_large(way: Way, phone: Page) -> None:
    frame = shown(phone)
    with phone.expect_file_chooser() as chooser:
        frame.get_by_role("button", name="Attach files").tap()
    chooser.value.set_files({"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": photo(900, 600)})
    chips = frame.get_by_role("list", name="Attached files")
    expect(chips.get_by_role("listitem")).to_have_count(1)
    expect(chips.get_by_role("progressbar")).to_have_count(0)
    picture(phone, "phone-attach")
    say(phone, "what is in it")
    complete(phone)
    image = you(phone).get_by_role("img", name="photo.jpg")
    # The page is at the end of the answer by now, and what is far above may not be drawn.
    image.evaluate("(image) => image.scrollIntoView()")
    expect(image).to_be_visible()
    until(lambda: image.evaluate("image => image.complete && image.naturalWidth > 0"))
    asked = json.dumps(way.house.up.to(RESPONSES)[-1].data)
    assert "input_image" in asked
    assert PLACE not in asked
    you(phone).get_by_role("button", name="Open photo.jpg").tap()
    large = frame.get_by_role("dialog").get_by_role("img", name="photo.jpg")
    until(lambda: large.evaluate("image => image.complete && image.naturalWidth > 0"))
    picture(phone, "phone-viewer")


def test_a_temporary_chat_leaves_nothing_on_the_mac(way: Way, phone: Page) -> None:
    frame = shown(phone)
    frame.get_by_role("link", name="Start a temporary chat").tap()
    expect(frame.get_by_role("heading", name="Temporary chat").first).to_be_visible()
    way.house.up.reply(Reply("A secret for a secret: pelican-crossing."))
    say(phone, "remember nothing of the wombat-lantern")
    complete(phone)
    expect(answer(phone)).to_contain_text("pelican-crossing")
    fits(phone)
    picture(phone, "phone-temporary")
    assert way.sent("remember nothing of the wombat-lantern") == 0
    assert disk.holding(disk.contents(way.house.mac.home), "wombat-lantern", "pelican-crossing") == []
    # It goes when it is left. (Its page itself is not asked for: whoever does is waited for.)
    expect(phone).to_have_url(CHAT)
    older = phone.url.removeprefix(f"{way.url}/app") + "older/?before=1"
    assert way.house.mac.pages.get(older).status_code == 200
    drawer(phone).get_by_role("link", name="New chat", exact=True).tap()
    expect(frame.get_by_text("What would you like to know?")).to_be_visible()
    until(lambda: way.house.mac.pages.get(older).status_code == 404, 60)


def test_a_chat_is_exported_as_markdown(way: Way, phone: Page) -> None:
    way.house.up.reply(Reply("Exported **words**."))
    say(phone, "export me")
    complete(phone)
    frame = drawer(phone)
    frame.get_by_role("button", name="Options for export me").first.tap()
    with phone.expect_download() as download:
        frame.get_by_role("menuitem", name="Export as Markdown").tap()
    assert download.value.suggested_filename.endswith(".md")
    text = download.value.path().read_text("utf-8")
    assert "export me" in text
    assert "Exported **words**." in text


def test_a_code_block_is_downloaded_under_a_name_of_its_language(way: Way, phone: Page) -> None:
    way.house.up.reply(Reply("```python\nprint('from afar')\n```\n"))
    say(phone, "code")
    complete(phone)
    with phone.expect_download() as download:
        answer(phone).get_by_role("button", name="Download").tap()
    assert download.value.suggested_filename.endswith(".py")
    assert download.value.path().read_text("utf-8") == "print('from afar')\n"


def test_math_and_tables_are_set_and_scroll_in_their_own_box(way: Way, phone: Page) -> None:
    wide = "| " + " | ".join(f"column {n}" for n in range(12)) + " |\n" + "|---" * 12 + "|\n"
    way.house.up.reply(
        Reply(f"Inline $a^2 + b^2$.\n\n$$\\int_0^1 x\\,dx = \\frac12$$\n\n{wide}\nA note[^1].\n\n[^1]: Here.")
    )
    say(phone, "show mathematics")
    complete(phone)
    expect(answer(phone).locator("math").first).to_be_visible()
    expect(answer(phone).get_by_text("Here.")).to_be_visible()
    fits(phone)
    picture(phone, "phone-math")


def test_a_long_answer_is_told_of_where_the_browser_can(way: Way) -> None:
    page = way.context.new_page()
    page.add_init_script(RECORD.replace("PERMISSION", "default"))
    page.goto(f"{way.url}/app/")
    frame = shown(page)
    switch = frame.get_by_role("switch", name="Tell me of long answers")
    expect(switch).not_to_be_checked()
    switch.click()
    expect(switch).to_be_checked()
    expect(frame.locator("body[data-notify=on]")).to_have_count(1)
    assert page.evaluate("window.asked") == 1
    gate = Gate()
    way.house.up.reply(Reply(chunks=["Beginning. ", "End."], gate=gate))
    say(page, "think for long")
    gate.step()
    expect(answer(page)).to_contain_text("Beginning.")
    age(way.house.mac, 75)
    document(page).evaluate("hide(true)")
    gate.open()
    page.wait_for_function("() => window.notes.length === 2")
    assert page.evaluate("window.notes[1].body") == "GPT-5.5 has answered, after 1 minute."
    assert page.evaluate("window.notes[1].title") == "think for long"
    page.evaluate("window.notes[1].onclick()")
    document(page).evaluate("hide(false)")
    complete(page)
    is_installable(page)
    page.close()

"""What a person does with messages: edits, steps through versions, queues, deletes, quotes, renames."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Desk, answers, picture, send
from tests.upstream import RESPONSES, Upstream
from tests.upstream.replies import Reply

pytestmark = pytest.mark.usefixtures("models_on")


def you(page: Page) -> Locator:
    return page.get_by_role("article", name="You")


def field(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message", exact=True)


def queue(page: Page) -> Locator:
    return page.get_by_role("region", name="Messages that wait their turn")


def asked(up: Upstream) -> list[str]:
    """The question that each request for an answer ended in."""
    return [body["input"][-1]["content"][0]["text"] for body in bodies(up)]


def bodies(up: Upstream) -> list[dict[str, Any]]:
    """What was asked, request by request."""
    return [request.data for request in up.to(RESPONSES)]


def test_a_question_is_edited_and_both_versions_are_kept(page: Page, up: Upstream) -> None:
    up.reply("The first answer.")
    send(page, "A question with a mistace")
    answers(page)(1)
    up.reply("The second answer.")
    you(page).hover()
    you(page).get_by_role("button", name="Edit message").click()
    editor = you(page).get_by_role("textbox", name="Edit message")
    expect(editor).to_be_focused()
    expect(editor).to_have_value("A question with a mistace")
    picture(page, "conversation-edit")
    editor.press("Escape")
    expect(editor).to_have_count(0)
    expect(you(page).get_by_role("button", name="Edit message")).to_be_focused()
    page.keyboard.press("Enter")
    editor.fill("A question without one")
    editor.press("Enter")
    expect(page.get_by_role("log")).to_contain_text("The second answer.")
    answers(page)(1)
    expect(you(page).locator(".bubble")).to_have_text("A question without one")
    versions = you(page).get_by_role("group", name="Versions")
    expect(versions).to_contain_text("2/2")
    picture(page, "conversation-versions")
    versions.get_by_role("button", name="Previous version").click()
    expect(you(page).locator(".bubble")).to_have_text("A question with a mistace")
    expect(page.get_by_role("log")).to_contain_text("The first answer.")
    expect(versions.get_by_role("button", name="Next version")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("log")).to_contain_text("The second answer.")
    page.reload()
    expect(you(page).locator(".bubble")).to_have_text("A question without one")
    assert asked(up)[-2:] == ["A question with a mistace", "A question without one"]


def test_an_edit_that_is_refused_stays_in_its_editor_and_one_whose_message_goes_in_the_field(
    page: Page, desk: Desk, up: Upstream
) -> None:
    send(page, "Kept")
    answers(page)(1)
    gate = up.gate()
    send(page, "Another")
    gate.wait_held()
    first = you(page).first
    first.hover()
    first.get_by_role("button", name="Edit message").click()
    editor = first.get_by_role("textbox", name="Edit message")
    editor.fill("Not now")
    editor.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("An answer is still coming")
    expect(editor).to_have_value("Not now")
    gate.open()
    answers(page)(2)
    expect(editor).to_have_value("Not now")
    with desk.requests() as elsewhere:
        message = first.get_attribute("id") or ""
        elsewhere.post(f"/messages/{message.removeprefix('m')}/delete/").raise_for_status()
    expect(page.get_by_role("article")).to_have_count(0)
    expect(field(page)).to_have_value("Not now")


def test_an_answer_is_given_again_by_another_model(page: Page, up: Upstream) -> None:
    send(page, "Who are you?")
    answers(page)(1)
    answer = page.locator("article.message-assistant")
    answer.hover()
    more = answer.get_by_role("button", name="Choose who answers again")
    more.click()
    menu = page.get_by_role("menu", name="Answer again with")
    expect(menu.get_by_role("menuitem", name="GPT-6.1 Sol")).to_be_focused()
    picture(page, "conversation-again")
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(more).to_be_focused()
    page.keyboard.press("Enter")
    menu.get_by_role("menuitem", name="GPT-5.5").click()
    other = page.get_by_role("article", name="GPT-5.5")
    expect(other).to_have_attribute("aria-busy", "false")
    expect(other.get_by_role("group", name="Versions")).to_contain_text("2/2")
    expect(page.get_by_role("button", name="Model", exact=True)).to_have_accessible_description(
        re.compile("GPT-6.1 Sol")
    )
    assert [body["model"] for body in bodies(up)][-2:] == ["gpt-6.1-sol", "gpt-5.5"]


def test_what_is_sent_while_an_answer_comes_waits_is_edited_and_sent_in_its_turn(page: Page, up: Upstream) -> None:
    gate = up.gate()
    send(page, "One")
    gate.wait_held()
    send(page, "Two")
    send(page, "Three")
    send(page, "Four")
    waiting = queue(page).get_by_role("listitem")
    expect(waiting).to_have_count(3)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_hidden()
    picture(page, "conversation-queue")
    waiting.first.get_by_role("button", name="Edit waiting message").click()
    editor = queue(page).get_by_role("textbox", name="Edit message")
    editor.fill("Two, better")
    editor.press("Enter")
    expect(editor).to_have_count(0)
    expect(waiting.first).to_contain_text("Two, better")
    waiting.nth(1).get_by_role("button", name="Remove waiting message").click()
    expect(waiting).to_have_count(2)
    gate.open()
    answers(page)(3)
    expect(queue(page)).to_have_count(0)
    expect(you(page)).to_have_text(["One", "Two, better", "Four"])
    assert asked(up)[-3:] == ["One", "Two, better", "Four"]


def test_after_stop_what_waits_is_held_and_sent_when_the_person_says_so(page: Page, up: Upstream) -> None:
    gate = up.gate()
    send(page, "Stopped")
    gate.wait_held()
    send(page, "Held")
    expect(queue(page)).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(queue(page)).to_contain_text("Not sent, because you stopped the answer before it.")
    picture(page, "conversation-held")
    page.reload()
    gate.open()
    queue(page).get_by_role("button", name="Send now").click()
    expect(you(page)).to_have_text(["Stopped", "Held"])
    answers(page)(2)
    expect(queue(page)).to_have_count(0)


def test_a_message_is_deleted_with_what_follows_and_comes_back(page: Page) -> None:
    for text in ("First", "Second"):
        send(page, text)
        answers(page)(1 if text == "First" else 2)
    second = you(page).last
    second.hover()
    second.get_by_role("button", name="Delete message").click()
    expect(page.get_by_role("article")).to_have_count(2)
    expect(page.get_by_text("Message deleted, with what followed it.", exact=True)).to_be_visible()
    picture(page, "conversation-deleted")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("article")).to_have_count(4)
    expect(you(page).last).to_contain_text("Second")
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    # By the keyboard alone.
    you(page).last.get_by_role("button", name="Delete message").press("Enter")
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("article")).to_have_count(4)


def test_a_selection_and_a_whole_answer_are_quoted(page: Page, up: Upstream) -> None:
    up.reply(Reply("To be quoted.\n\nNot **this**."))
    send(page, "Say something")
    answers(page)(1)
    answer = page.locator("article.message-assistant")
    field(page).fill("Before")
    answer.get_by_text("To be quoted.").select_text()
    float_button = page.get_by_role("button", name="Quote", exact=True)
    expect(float_button).to_be_visible()
    picture(page, "conversation-quote")
    float_button.click()
    expect(field(page)).to_have_value("Before\n\n> To be quoted.\n\n")
    expect(field(page)).to_be_focused()
    expect(float_button).to_be_hidden()
    field(page).fill("")
    answer.hover()
    answer.get_by_role("button", name="Quote message").click()
    expect(field(page)).to_have_value("> To be quoted.\n>\n> Not **this**.\n\n")


def test_a_chat_is_renamed_where_its_title_stands(page: Page) -> None:
    send(page, "Words that make the title")
    answers(page)(1)
    title = page.get_by_role("main").get_by_role("heading", level=1)
    title.hover()
    page.get_by_role("button", name="Rename chat").click()
    name = page.get_by_role("textbox", name="Title")
    expect(name).to_have_value("Words that make the title")
    picture(page, "conversation-rename")
    name.fill("")
    name.press("Escape")
    expect(title).to_have_text("Words that make the title")
    expect(page.get_by_role("button", name="Rename chat")).to_be_focused()
    page.keyboard.press("Enter")
    name.fill("A better name")
    name.press("Enter")
    expect(title).to_have_text("A better name")
    expect(page).to_have_title("A better name · Lerix")
    expect(page.get_by_role("link", name="A better name")).to_be_visible()
    page.reload()
    expect(title).to_have_text("A better name")


def test_on_a_phone_all_of_it_is_there_without_a_pointer_and_large_enough(desk: Desk, up: Upstream) -> None:
    page = desk.page(390, 844, touch=True)
    send(page, "From a phone")
    answers(page)(1)
    page.get_by_role("button", name="Answer again").tap()
    expect(page.get_by_role("group", name="Versions")).to_contain_text("2/2")
    answers(page)(1)
    for button in page.get_by_role("log").locator(".message-foot button").all():
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44, button.get_attribute("aria-label")
    you(page).get_by_role("button", name="Edit message").tap()
    editor = you(page).get_by_role("textbox", name="Edit message")
    editor.fill("Begun on a phone")
    picture(page, "conversation-phone-edit")
    gate = up.gate()
    editor.press("Enter")
    gate.wait_held()
    send(page, "Another")
    expect(queue(page)).to_contain_text("Another")
    picture(page, "conversation-phone-queue")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    gate.open()
    answers(page)(2)

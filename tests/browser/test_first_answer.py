"""Writing, stopping, choosing a model, copying: the chat page by hand."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.accounts import LABELS
from tests.browser.conftest import Desk, answers, send
from tests.browser.test_temporary import until
from tests.upstream import RESPONSES, Reply, Upstream, faults

pytestmark = pytest.mark.usefixtures("models_on")


def test_shift_enter_breaks_the_line_and_enter_sends(page: Page, up: Upstream) -> None:
    field = page.get_by_role("textbox", name="Message")
    field.press_sequentially("one")
    field.press("Shift+Enter")
    field.press_sequentially("two")
    expect(field).to_have_value("one\ntwo")
    field.press("Enter")
    expect(page.get_by_role("article", name="You")).to_have_text("one\ntwo")
    expect(field).to_have_value("")
    answers(page)(1)


def test_what_is_typed_while_a_new_chat_is_made_is_kept(page: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/chats/", hold)
    with page.expect_request("**/chats/"):
        send(page, "First")
    field = page.get_by_role("textbox", name="Message")
    expect(field).to_have_value("")
    page.keyboard.type("And then")
    held.pop().continue_()
    answers(page)(1)
    page.keyboard.type(" more")
    expect(field).to_have_value("And then more")


def test_what_is_sent_while_a_new_chat_is_made_keeps_its_order(page: Page, up: Upstream) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    gate = up.gate()
    page.route("**/chats/", hold)
    with page.expect_request("**/chats/"):
        send(page, "One")
    # Both go behind the first message of the chat, whose answer brings another message field.
    send(page, "Two")
    send(page, "Three")
    with page.expect_request("**/chats/"):
        held.pop().continue_()
    expect(page.get_by_role("article", name="You")).to_have_count(1)
    send(page, "Four")
    field = page.get_by_role("textbox", name="Message")
    field.evaluate("(field) => { field.dataset.same = 'yes'; }")
    page.unroute("**/chats/", hold)
    waiting = page.get_by_role("region", name="Messages that wait their turn").get_by_role("listitem")
    expect(waiting).to_have_text([re.compile(name) for name in ("Two", "Three", "Four")])
    # What came after the first brought no other field.
    expect(field).to_have_attribute("data-same", "yes")
    gate.open()
    answers(page)(4)
    expect(page.get_by_role("article", name="You")).to_have_text(["One", "Two", "Three", "Four"])


def test_whoever_goes_elsewhere_while_a_new_chat_is_made_stays_there(page: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    send(page, "Another chat")
    answers(page)(1)
    expect(page).to_have_url(re.compile("/chats/"))
    other = page.url
    page.get_by_role("navigation", name="Chats").get_by_role("link", name="New chat").click()
    expect(page.get_by_role("article")).to_have_count(0)
    page.route("**/chats/", hold)
    with page.expect_request("**/chats/"):
        send(page, "Sent and left")
    page.locator("#history").get_by_role("link", name="Another chat").click()
    expect(page.get_by_role("article", name="You")).to_have_text("Another chat")
    with page.expect_response("**/chats/"):
        held.pop().continue_()
    expect(page.locator("#history").get_by_role("link", name="Sent and left")).to_be_visible()
    expect(page.get_by_role("article", name="You")).to_have_text("Another chat")
    assert page.url == other
    page.locator("#history").get_by_role("link", name="Sent and left").click()
    expect(page.get_by_role("article", name="You")).to_have_text("Sent and left")
    answers(page)(1)


def test_an_empty_message_is_not_sent(page: Page, up: Upstream) -> None:
    before = up.turns
    field = page.get_by_role("textbox", name="Message")
    field.fill("   ")
    field.press("Enter")
    expect(page.get_by_role("article")).to_have_count(0)
    assert up.turns == before


def test_stop_keeps_what_came_and_ends_the_request(page: Page, up: Upstream) -> None:
    up.reply(Reply(chunks=[f"word{number} " for number in range(40)]))
    gate = up.gate()
    send(page, "Count")
    gate.wait_held()
    gate.step(3)
    answer = page.locator("article.message-assistant")
    expect(answer).to_contain_text("word2")
    page.get_by_role("button", name="Stop").click()
    expect(answer).to_have_attribute("aria-busy", "false")
    expect(answer).to_contain_text("stopped")
    expect(answer.locator(".body").last).to_have_text("word0 word1 word2")
    assert up.wait_outcome(up.to(RESPONSES)[-1]).name == "LEFT"
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    gate.open()
    send(page, "Go on")
    answers(page)(2)


def test_the_conversation_goes_on_and_is_there_after_a_reload(page: Page, up: Upstream) -> None:
    up.reply("First answer")
    send(page, "First question")
    answers(page)(1)
    up.reply("Second answer")
    send(page, "Second question")
    answers(page)(2)
    page.reload()
    expect(page.get_by_role("article")).to_have_count(4)
    expect(page.get_by_role("log")).to_contain_text("Second answer")
    sent = up.to(RESPONSES)[-1].json
    assert "First answer" in str(sent)


def test_a_second_tab_shows_the_answer_as_it_comes(page: Page, desk: Desk, up: Upstream) -> None:
    up.reply("Ready")
    send(page, "Prepare")
    answers(page)(1)
    expect(page).to_have_url(re.compile("/chats/"))
    other = desk.watched(page.context.new_page())
    other.goto(page.url)
    expect(other.get_by_role("article")).to_have_count(2)
    up.reply(Reply(chunks=["Both ", "see ", "this"]))
    gate = up.gate()
    send(page, "Go")
    gate.wait_held()
    gate.step(2)
    for tab in (page, other):
        expect(tab.locator("article.message-assistant").last).to_contain_text("Both see")
    gate.open()
    for tab in (page, other):
        answers(tab)(2)
        expect(tab.locator("article.message-assistant").last).to_contain_text("Both see this")


def test_the_model_menu_chooses_by_keyboard_and_remembers(page: Page, up: Upstream) -> None:
    button = page.get_by_role("button", name="Model", exact=True)
    button.press("Enter")
    menu = page.get_by_role("menu", name="Model")
    expect(menu.get_by_role("menuitemradio", name="Codex auth")).to_have_attribute("aria-checked", "true")
    expect(menu.get_by_role("menuitemradio", name="Codex auth")).to_be_focused()
    page.keyboard.type("gpt-5.5")
    expect(menu.get_by_role("menuitemradio", name="GPT-5.5", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(menu).to_be_hidden()
    expect(page.locator("#model-now")).to_contain_text("GPT-5.5 · Codex auth")
    button.press("ArrowDown")
    page.keyboard.type("high")
    expect(menu.get_by_role("menuitemradio", name="High", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#model-now")).to_contain_text("GPT-5.5 · Codex auth · high")
    button.press("Enter")
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(button).to_be_focused()
    page.reload()
    expect(page.locator("#model-now")).to_contain_text("GPT-5.5 · Codex auth · high")
    send(page, "With another model")
    expect(page.get_by_role("article", name="GPT-5.5", exact=True)).to_have_attribute("aria-busy", "false")
    sent: dict[str, Any] = up.to(RESPONSES)[-1].data
    assert (sent["model"], sent["reasoning"]["effort"]) == ("gpt-5.5", "high")
    page.goto(page.url.split("/chats/")[0])
    button.click()
    menu.get_by_role("menuitemradio", name="GPT-6.1 Sol").click()
    expect(page.locator("#model-now")).to_contain_text("GPT-6.1 Sol")


def test_code_and_messages_can_be_copied(desk: Desk, up: Upstream) -> None:
    page = desk.page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    up.reply("Some **bold**\n\n```python\nx = 1 < 2\n```\n")
    send(page, "Code please")
    answers(page)(1)
    labels = page.get_by_role("button", name="Copy code").evaluate_handle(LABELS)
    page.get_by_role("button", name="Copy code").click()
    until(lambda: "Copied" in labels.json_value())
    assert page.evaluate("navigator.clipboard.readText()") == "x = 1 < 2\n"
    page.get_by_role("button", name="Copy message").click()
    until(lambda: "bold" in page.evaluate("navigator.clipboard.readText()"))
    assert page.evaluate("navigator.clipboard.readText()") == "Some **bold**\n\n```python\nx = 1 < 2\n```\n"


@pytest.mark.parametrize("name", ["bytes", "random", "crlf", "keepalives", "malformed"])
def test_however_the_stream_is_cut_up_the_answer_is_whole(page: Page, up: Upstream, name: str) -> None:
    up.reply("Grüße 👩🏽‍🚀 and 日本語, **all** of it.")
    up.fail(RESPONSES, faults.NAMED[name]())
    send(page, f"Stream by {name}")
    answers(page)(1)
    expect(page.locator("article.message-assistant .body").last).to_have_text("Grüße 👩🏽‍🚀 and 日本語, all of it.")

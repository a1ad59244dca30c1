"""The whole way: from the launch link to an answer that streams, as a person goes it."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Desk, picture, send, switch_on
from tests.upstream import RESPONSES, Upstream


@pytest.mark.usefixtures("signed_in")
def test_from_the_launch_link_to_a_streamed_answer(desk: Desk, up: Upstream) -> None:
    page = desk.page()
    expect(page).to_have_url(f"{desk.lerix.url}/")
    expect(page.get_by_text("No model is switched on yet")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Connections").click()
    card = page.get_by_role("region", name="Codex session auth")
    expect(card.get_by_text("Connected", exact=True)).to_be_visible()
    expect(card.get_by_text("a•••@example.com · Plus")).to_be_visible()
    expect(card.get_by_text("go straight from here to OpenAI")).to_be_visible()
    page.get_by_role("link", name="Back to chat").click()
    switch_on(page, "GPT-6.1 Sol", "GPT-5.5")
    gate = up.gate()
    send(page, "What is Lerix?")
    expect(page.get_by_role("article", name="You")).to_have_text("What is Lerix?")
    answer = page.get_by_role("article", name="GPT-6.1 Sol")
    expect(answer).to_have_attribute("aria-busy", "true")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    gate.wait_held()
    gate.step(12)
    expect(answer).to_contain_text("Here is a short answer")
    expect(answer).not_to_contain_text("Ask me anything else")
    gate.open()
    expect(answer).to_have_attribute("aria-busy", "false")
    expect(answer).to_contain_text("Ask me anything else")
    expect(answer.get_by_role("heading", name="A small tour")).to_be_visible()
    expect(answer.get_by_role("table")).to_contain_text("Phobos and Deimos")
    expect(answer.locator("code .k").first).to_have_text("def")
    expect(page).to_have_url(re.compile(r"/chats/[0-9a-f-]{36}/$"))
    expect(page.get_by_role("link", name="What is Lerix?")).to_have_attribute("aria-current", "page")
    expect(page.get_by_role("heading", name="What is Lerix?")).to_be_visible()
    expect(page).to_have_title("What is Lerix? · Lerix")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    (request,) = up.to(RESPONSES)
    assert request.headers["originator"] == "lerix"
    assert request.headers["user-agent"].startswith("Lerix/")
    picture(page, "first-answer")

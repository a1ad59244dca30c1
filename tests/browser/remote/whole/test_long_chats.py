"""Long chats from a browser on another device: windows, jumping to the end, and the meter, through the relay."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import picture
from tests.browser.remote.whole.way import Way, document, inside, say, shown
from tests.long_chats import paragraphs, put_chat
from tests.upstream import Reply

USAGE = {"input": 120_000, "cached": 100_000, "output": 4_000, "reasoning": 2_000, "total": 124_000}


def test_a_long_chat_is_read_upward_and_written_to_from_its_middle(way: Way) -> None:
    texts = [(f"Question {number}", *paragraphs(2, f"Answer {number},")) for number in range(1, 61)]
    chat, ids = put_chat(way.house.mac.home / "lerix.sqlite3", "A long one", texts, usage=USAGE)
    tablet = way.browser("Tablet", viewport={"width": 820, "height": 1180}, has_touch=True)
    page = way.page(f"/app/chats/{chat}/", tablet)
    frame = shown(page)
    expect(frame.get_by_text("Question 60", exact=True)).to_be_in_viewport()
    expect(frame.locator(".message")).to_have_count(40)
    expect(frame.locator("#meter")).to_contain_text("46 %")
    document(page).evaluate("document.getElementById('scroller').scrollTo(0, 300)")
    expect(frame.locator(".message")).to_have_count(80)
    jump = frame.get_by_role("button", name="Jump to latest")
    expect(jump).to_be_visible()
    document(page).evaluate("document.getElementById('scroller').scrollTo(0, 300)")
    expect(frame.locator(".message")).to_have_count(120)
    expect(frame.locator(".message.is-far").first).to_be_attached()
    picture(page, "tablet-long-chat")
    way.house.up.reply(Reply("Answered at the end."))
    say(page, "From up here")
    expect(inside(page).get_by_role("log").get_by_text("Answered at the end.")).to_be_in_viewport()
    expect(jump).to_be_hidden()
    # A link to a message, as a hit of the search has it: it is looked for once.
    page.goto("about:blank")
    page.goto(f"{way.url}/app/chats/{chat}/#?at={ids[40]}")
    expect(shown(page).locator(".is-found")).to_have_text("Question 21")
    expect(inside(page).locator(".is-found")).to_be_in_viewport()
    expect(page).to_have_url(f"{way.url}/app/chats/{chat}/")
    page.close()

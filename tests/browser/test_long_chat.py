"""Long chats and long answers: opened at the end, read in any place, and nothing that is read ever moves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Desk, answers, picture, send
from tests.long_chats import paragraphs, put_chat
from tests.upstream import RESPONSES, Reply, Upstream

pytestmark = pytest.mark.usefixtures("models_on")

USAGE = {"input": 120_000, "cached": 100_000, "output": 4_000, "reasoning": 2_000, "total": 124_000}


def long_chat(desk: Desk, exchanges: int = 60) -> tuple[str, list[int]]:
    texts = [(f"Question {number}", *paragraphs(2, f"Answer {number},")) for number in range(1, exchanges + 1)]
    chat, ids = put_chat(desk.lerix.home / "lerix.sqlite3", f"Long {exchanges}", texts, usage=USAGE)
    return f"/chats/{chat}/", ids


def is_at_end(page: Page) -> None:
    """Wait until the end of the conversation is shown."""
    page.wait_for_function(
        """() => {
          const box = document.getElementById("scroller");
          return box.scrollHeight - box.scrollTop - box.clientHeight < 1;
        }"""
    )


def scroll(page: Page, by: int) -> None:
    page.locator("#scroller").evaluate("(box, by) => box.scrollBy(0, by)", by)


def top_of(page: Page, message: int) -> float:
    box = page.locator(f"#m{message}").bounding_box()
    assert box is not None
    return box["y"]


def is_at(page: Page, message: int, top: float) -> None:
    """Wait until a message stands at this height."""
    page.wait_for_function(
        "([id, top]) => Math.abs(document.getElementById(id).getBoundingClientRect().top - top) < 2",
        arg=[f"m{message}", top],
    )


def shown(page: Page) -> list[int]:
    """The ids of the messages in the page, in their order."""
    found: Sequence[str] = page.locator("#log > .message").evaluate_all("all => all.map(each => each.id.slice(1))")
    return [int(each) for each in found]


def test_a_long_chat_opens_at_its_end_and_older_messages_come_where_they_belong(desk: Desk) -> None:
    address, ids = long_chat(desk)
    page = desk.page(at=address)
    expect(page.get_by_text("Question 60", exact=True)).to_be_in_viewport()
    assert shown(page) == ids[-40:]
    is_at_end(page)
    jump = page.get_by_role("button", name="Jump to latest")
    expect(jump).to_be_hidden()
    # A reader on the way up: what stands at the edge stays there while older messages come in above it.
    page.locator("#scroller").evaluate("box => box.scrollTo(0, 1200)")
    read = ids[-36]
    before = top_of(page, read)
    page.locator("#scroller").evaluate("box => box.scrollBy(0, -300)")
    expect(page.locator(".message")).to_have_count(80)
    is_at(page, read, before + 300)
    expect(jump).to_be_visible()
    older = page.get_by_role("button", name="Show older messages")
    # The focus brings it into view, and with it what it offers.
    older.focus()
    expect(page.locator(".message")).to_have_count(120)
    expect(older).to_have_count(0)
    assert shown(page) == ids
    jump.click()
    expect(page.get_by_text("Question 60", exact=True)).to_be_in_viewport()
    is_at_end(page)
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()


def test_a_link_to_a_message_opens_around_it_and_what_is_sent_is_shown(desk: Desk, up: Upstream) -> None:
    address, ids = long_chat(desk, 70)
    page = desk.page(at=f"{address}?at={ids[40]}#m{ids[40]}")
    found = page.locator(".is-found")
    expect(found).to_have_text("Question 21")
    expect(found).to_be_in_viewport()
    assert ids[-1] not in shown(page)
    # Looked for once: a reload does not go there again.
    expect(page).to_have_url(f"{desk.lerix.url}{address}")
    picture(page, "long-chat-found")
    # Downward until the end is there, which is then followed.
    for count in (80, 120):
        scroll(page, 100_000)
        expect(page.locator(".message")).to_have_count(count)
    expect(page.get_by_text("Question 70", exact=True)).to_be_attached()
    expect(page.get_by_role("button", name="Show newer messages")).to_have_count(0)
    up.reply("At the end of it")
    send(page, "Is this the end?")
    expect(page.get_by_role("log").get_by_text("At the end of it")).to_be_in_viewport()
    at = shown(page)
    assert at[: at.index(ids[-1]) + 1] == ids[ids.index(at[0]) :]
    # From the middle: the end comes for whoever says something there.
    page.goto(f"{desk.lerix.url}{address}?at={ids[10]}")
    expect(page.locator(".is-found")).to_be_in_viewport()
    up.reply("Down here")
    send(page, "And now?")
    expect(page.get_by_role("log").get_by_text("Down here")).to_be_in_viewport()
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    assert shown(page)[-4] > ids[-1]


def test_an_answer_is_followed_at_the_end_only(page: Page, up: Upstream) -> None:
    up.reply(Reply(chunks=[f"Paragraph {number} of some length.\n\n" for number in range(400)]))
    gate, log = up.gate(), page.get_by_role("log")
    send(page, "A long one")
    gate.wait_held()
    gate.step(60)
    expect(log.get_by_text("Paragraph 59 of")).to_be_in_viewport()
    is_at_end(page)
    jump = page.get_by_role("button", name="Jump to latest")
    scroll(page, -500)
    expect(jump).to_be_visible()
    expect(log.get_by_text("Paragraph 30 of")).to_be_attached()
    read = log.get_by_text("Paragraph 45 of")
    before = read.bounding_box()
    gate.step(40)
    expect(log.get_by_text("Paragraph 98 of")).to_be_attached()
    assert read.bounding_box() == before
    jump.click()
    expect(log.get_by_text("Paragraph 98 of")).to_be_in_viewport()
    expect(jump).to_be_hidden()
    for more in range(130, 400, 30):
        gate.step(30)
        expect(log.get_by_text(f"Paragraph {more - 2} of")).to_be_attached()
    gate.open()
    answers(page)(1)
    expect(log.get_by_text("Paragraph 399 of")).to_be_in_viewport()
    is_at_end(page)
    # Blocks that are far are put together and not laid out; none is missing, and none changes its place.
    assert page.locator(".fold").count() >= 4
    expect(page.locator(".fold.is-far").first).to_be_attached()
    assert re.findall(r"Paragraph (\d+) of", page.locator(".body").last.text_content() or "") == [
        str(number) for number in range(400)
    ]
    box = page.locator("#scroller")
    height = box.evaluate("box => box.scrollHeight")
    for part in (0, 0.3, 0.6, 1):
        # Two frames, so that what came near is laid out.
        now = box.evaluate(
            """(box, part) => new Promise((done) => {
              box.scrollTo(0, part * box.scrollHeight);
              requestAnimationFrame(() => requestAnimationFrame(() => done(box.scrollHeight)));
            })""",
            part,
        )
        assert now == height


def test_what_no_longer_fits_is_left_out_and_the_page_says_so(desk: Desk, up: Upstream) -> None:
    texts = [(f"Question {number}", "word " * 40_000, f"<p>Answer {number}</p>") for number in range(1, 9)]
    chat, ids = put_chat(desk.lerix.home / "lerix.sqlite3", "Too long", texts)
    page = desk.page(at=f"/chats/{chat}/")
    meter = page.locator("#meter summary")
    expect(meter).to_have_text(re.compile("100 %"))
    up.reply("Answered all the same")
    send(page, "Does it fit?")
    answers(page)(len(texts) + 1)
    # 50,000 tokens an exchange, and 240,000 of 272,000 for the conversation.
    asked: Any = up.to(RESPONSES)[-1].json
    sent = [item["content"][0]["text"][:12] for item in asked["input"] if item.get("role") == "user"]
    assert sent == ["Question 5", "Question 6", "Question 7", "Question 8", "Does it fit?"]
    mark = page.locator("#cut")
    expect(mark).to_contain_text("Older messages were not sent: they no longer fit")
    expect(mark).to_have_count(1)
    assert mark.evaluate("mark => mark.nextElementSibling.id") == f"m{ids[8]}"
    # The answer says it too, since the line may be far above it.
    expect(page.get_by_text("older messages not sent")).to_be_in_viewport()
    mark.scroll_into_view_if_needed()
    meter.click()
    expect(page.get_by_text("Older messages were not sent with the last question")).to_be_visible()
    picture(page, "long-chat-cut")
    page.keyboard.press("Escape")
    expect(page.get_by_text("Older messages were not sent with the last question")).to_be_hidden()
    page.reload()
    expect(mark).to_have_count(1)


def test_the_meter_tells_what_the_service_counted(desk: Desk) -> None:
    address, _ = long_chat(desk, 3)
    page = desk.page(390, 844, touch=True, at=address)
    meter = page.locator("#meter summary")
    expect(meter).to_have_text(re.compile(r"Context:\s+46 % used"))
    meter.click()
    card = page.locator(".meter-card")
    expect(card).to_contain_text("124,000 of 272,000 tokens of the context are used.")
    box = card.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    picture(page, "meter-phone")
    page.get_by_text("Question 3", exact=True).click()
    expect(card).to_be_hidden()


# Counts the elements that each piece of the stream brings into the conversation.
COUNT = """
window.brought = [];
new MutationObserver((records) => {
  let count = 0;
  for (const { addedNodes } of records)
    for (const node of addedNodes) if (node.nodeType === 1) count += 1 + node.getElementsByTagName("*").length;
  brought.push(count);
}).observe(document.getElementById("log"), { childList: true, subtree: true });
"""


def test_the_end_of_a_long_table_brings_none_of_it_again(page: Page, up: Upstream) -> None:
    rows = [f"| {number} | **row** of some words | `code {number}` |\n" for number in range(300)]
    chunks = ["| a | b | c |\n|--:|---|---|\n", *rows, "\n", "After", " it", ".\n\n", "The end."]
    up.reply(Reply(chunks=chunks))
    gate, log = up.gate(), page.get_by_role("log")
    send(page, "A long table")
    gate.wait_held()
    gate.step(90)
    expect(log.get_by_text("code 87", exact=True)).to_be_attached()
    gate.step(10)
    expect(log.get_by_text("code 97", exact=True)).to_be_in_viewport()
    # Not before: a page that came late has its table anew where it joins the stream.
    table = page.locator(".body table").last
    expect(table).to_have_class("is-long")
    table.evaluate("table => (window.kept = table)")
    # Its columns stay as they are: as a table it would be as large, and it stays one for whoever hears it.
    assert table.evaluate(
        """table => {
          const size = () => [table.getBoundingClientRect(), table.tHead.rows[0].cells[2].getBoundingClientRect()]
            .flatMap((box) => [box.width, box.height]);
          const long = size();
          table.classList.remove("is-long");
          const plain = size();
          table.classList.add("is-long");
          return long.every((each, at) => Math.abs(each - plain[at]) < 2);
        }"""
    )
    page.evaluate(COUNT)
    for more in range(150, 301, 50):
        gate.step(50)
        expect(log.get_by_text(f"code {more - 3}", exact=True)).to_be_attached()
    gate.step(3)
    expect(log.get_by_text("code 299", exact=True)).to_be_in_viewport()
    # A row has seven elements: none came twice.
    assert sum(page.evaluate("brought")) < 210 * 7
    page.evaluate("brought.length = 0")
    gate.open()
    answers(page)(1)
    expect(log.get_by_text("The end.")).to_be_in_viewport()
    is_at_end(page)
    assert sum(page.evaluate("brought")) < 100
    assert table.evaluate("table => table === kept")
    # Rows stand in groups, of which those that are far are not laid out.
    assert table.locator("tbody").count() >= 4
    expect(table.locator("tbody.is-far").first).to_be_attached()
    assert page.get_by_role("table").get_by_role("row").count() == 301
    assert page.get_by_role("columnheader").all_text_contents() == ["a", "b", "c"]
    words = table.evaluate("table => [...table.rows].map((row) => row.textContent.trim())")
    assert len(words) == 301
    page.reload()
    plain = page.locator(".body table").last
    assert plain.evaluate("table => [...table.rows].map((row) => row.textContent.trim())") == words


def test_the_end_of_long_code_brings_its_colours_part_by_part(page: Page, up: Upstream) -> None:
    lines = [f'value_{number} = "text" + str({number})  # <and> & so on\n' for number in range(600)]
    up.reply(Reply(chunks=["```python\n", *lines, "```", "\n\nAfter it."]))
    gate, log = up.gate(), page.get_by_role("log")
    send(page, "Long code")
    gate.wait_held()
    gate.step(580)
    expect(log.get_by_text("value_570 =")).to_be_attached()
    gate.step(10)
    expect(log.get_by_text("value_580 =")).to_be_attached()
    code = page.locator(".body code").last
    code.evaluate("code => (window.kept = code)")
    # Nothing is coloured before the end is known.
    assert code.locator(".n").count() == 0
    page.evaluate(COUNT)
    gate.open()
    answers(page)(1)
    expect(log.get_by_text("After it.")).to_be_in_viewport()
    assert code.evaluate("code => code === kept")
    assert code.text_content() == "".join(lines)
    spans = code.locator(".n").count()
    assert spans >= 600
    brought = page.evaluate("brought")
    assert sum(brought) > 5_000
    assert max(brought) < 1_500
    page.reload()
    assert page.locator(".body code").last.text_content() == "".join(lines)
    assert page.locator(".body code .n").count() == spans


def test_no_rule_has_the_browser_look_through_an_answer_that_grows(page: Page, up: Upstream) -> None:
    up.reply(Reply(chunks=["One.\n\n", "Two", " more"]))
    gate = up.gate()
    send(page, "A short one")
    gate.wait_held()
    gate.step(2)
    expect(page.locator(".body > .open").last).to_have_text("Two")
    # A rule of the kind "what has this, its that" of an element around the answer costs all of it with each piece.
    found = page.evaluate(
        r"""() => {
          const around = [];
          let one = document.querySelector(".body:has(> .chunk)");
          for (; one; one = one.parentElement) around.push(one);
          const selectors = [];
          const parts = (text) => {
            const found = [""];
            let depth = 0;
            for (const sign of text) {
              depth += sign === "(" ? 1 : sign === ")" ? -1 : 0;
              if (sign === "," && !depth) found.push("");
              else found[found.length - 1] += sign;
            }
            return found;
          };
          const rules = (list) => {
            for (const rule of list) {
              if (rule.selectorText) selectors.push(...parts(rule.selectorText));
              if (rule.cssRules) rules(rule.cssRules);
            }
          };
          for (const sheet of document.styleSheets) rules(sheet.cssRules);
          const having = /:has\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)/g;
          const others = selectors.filter((each) => /\0[^\s>+~]*[\s>+~]/.test(each.replace(having, "\0")));
          const subject = (each) => each.replace(having, "\0").replace(/(\0[^\s>+~]*)[\s>+~].*/, "$1");
          const plain = (each) => subject(each).replace(/:not\(\0\)|\0/g, "");
          const costly = others.filter((each) => around.some((element) => element.matches(plain(each))));
          return [selectors.length, others.length, costly];
        }"""
    )
    assert found[0] > 500
    assert found[1] > 0
    assert found[2] == []
    gate.open()
    answers(page)(1)

"""Every failure is told inside the conversation, keeps what was written, and offers the next step."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Desk, answers, picture, send
from tests.upstream import RESPONSES, Upstream, faults

pytestmark = pytest.mark.usefixtures("models_on")

FAILURES = [
    ("402", "workspace", True),
    ("403", "web page", False),
    ("404", "", False),
    ("429", "", False),
    ("usage not included", "plan", True),
    ("unsupported model", "cannot use the chosen model", True),
    ("overloaded", "capacity", False),
    ("html", "", False),
    ("cut", "", False),
    ("reset", "", False),
    ("no end", "", False),
    ("invalid utf-8", "", False),
    ("context length", "", False),
    ("quota", "", False),
    ("failed", "", False),
    ("incomplete", "", False),
    ("content filter", "", False),
    ("error event", "", False),
]


@pytest.mark.parametrize(("name", "words", "connections"), FAILURES, ids=[name for name, _, _ in FAILURES])
def test_a_failure_says_what_happened_and_a_retry_succeeds(
    page: Page, up: Upstream, name: str, words: str, connections: bool
) -> None:
    up.fail(RESPONSES, faults.NAMED[name](), times=None)
    send(page, f"Failure {name}")
    notice = page.get_by_role("group", name="What went wrong")
    expect(notice).to_be_visible()
    expect(notice).to_contain_text(words)
    expect(page.get_by_role("article", name="You")).to_have_text(f"Failure {name}")
    if connections:
        expect(notice.get_by_role("link", name="Connections")).to_be_visible()
    picture(page, f"error-{name.replace(' ', '-')}")
    up.clear()
    notice.get_by_role("button", name="Retry").click()
    answers(page)(1)
    expect(notice).to_be_hidden()
    expect(page.get_by_role("log")).to_contain_text("Ask me anything else")
    expect(page.get_by_role("article")).to_have_count(2)


def test_one_401_is_recovered_silently(page: Page, up: Upstream) -> None:
    up.fail(RESPONSES, faults.unauthorized(), times=1)
    send(page, "Once refused")
    answers(page)(1)
    expect(page.get_by_role("log")).to_contain_text("Ask me anything else")


def test_server_errors_before_the_first_word_are_tried_again_at_most_twice(page: Page, up: Upstream) -> None:
    before = len(up.to(RESPONSES))
    up.fail(RESPONSES, faults.server_error(), times=2)
    send(page, "Twice broken")
    answers(page)(1)
    expect(page.get_by_role("log")).to_contain_text("Ask me anything else")
    assert len(up.to(RESPONSES)) == before + 3
    up.fail(RESPONSES, faults.server_error(), times=None)
    send(page, "Always broken")
    expect(page.get_by_role("group", name="What went wrong")).to_be_visible()
    assert len(up.to(RESPONSES)) == before + 6


def test_what_came_before_a_cut_stays_and_is_not_asked_for_twice(page: Page, up: Upstream) -> None:
    before = up.turns
    up.reply("This part came and stays here")
    up.fail(RESPONSES, faults.cut(3))
    send(page, "Cut")
    expect(page.get_by_role("group", name="What went wrong")).to_contain_text("What had come is kept")
    expect(page.get_by_role("log")).to_contain_text("This part came")
    assert up.turns == before + 1


def test_a_usage_limit_says_until_when_and_sends_nothing_more(page: Page, desk: Desk, up: Upstream) -> None:
    up.fail(RESPONSES, faults.usage_limit(resets_in=15), times=1)
    send(page, "Over the limit")
    notice = page.get_by_role("group", name="What went wrong")
    expect(notice).to_contain_text("Try again after")
    expect(page.locator("#composer-note")).to_contain_text("limit")
    asked = len(up.to(RESPONSES))
    with page.expect_response("**/retry/"):
        notice.get_by_role("button", name="Retry").click()
    expect(notice).to_be_visible()
    assert len(up.to(RESPONSES)) == asked
    picture(page, "limit")
    expect(page.locator("#composer-note")).to_be_empty()
    notice.get_by_role("button", name="Retry").click()
    expect(notice).to_be_hidden()
    answers(page)(1)


def test_a_session_refused_for_good_asks_for_a_new_sign_in_and_recovers_by_itself(
    page: Page, up: Upstream, codex_home: object
) -> None:
    up.fail(RESPONSES, faults.unauthorized(), times=None)
    send(page, "Refused")
    notice = page.get_by_role("group", name="What went wrong")
    expect(notice).to_contain_text("Run codex login again")
    expect(page.locator("#composer-note")).to_contain_text("Run codex login again")
    up.clear()
    up.sign_in(codex_home)  # type: ignore[arg-type]
    expect(page.locator("#composer-note")).to_be_empty()
    notice.get_by_role("button", name="Retry").click()
    expect(notice).to_be_hidden()
    answers(page)(1)


def test_a_server_that_went_away_is_said_and_the_text_stays(page: Page, desk: Desk) -> None:
    desk.lerix.kill()
    field = page.get_by_role("textbox", name="Message")
    field.fill("Keep me")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Lerix did not answer")
    expect(field).to_have_value("Keep me")
    page.close()
    desk.problems.clear()
    desk.lerix.start()

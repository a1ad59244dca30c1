"""A message to a computer that is away, in a browser: it waits, it is sent once, and taken back it is not lost."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Desk, answers, picture, send
from tests.serving import LerixProcess
from tests.upstream import Upstream

TAKE_BACK = "**/messages/*/take-back/"


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """While this file exists, Anna's Mac is away."""
    return tmp_path_factory.mktemp("away") / "away"


@pytest.fixture(scope="module")
def lerix(
    up: Upstream, away: Path, codex_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LerixProcess]:
    home = tmp_path_factory.mktemp("lerix") / "home"
    command = [sys.executable, "-m", "tests.browser.away", str(away), "serve", "--no-browser", "--port", "0"]
    with LerixProcess(home, {**up.environment(codex_home), "TZ": "UTC"}, command=command) as process:
        yield process


@pytest.fixture
def chat(desk: Desk, away: Path) -> Iterator[Page]:
    """The page of a new chat, with Anna's Mac chosen, which goes away right after."""
    away.unlink(missing_ok=True)
    page = desk.page()
    button = page.get_by_role("button", name="Model", exact=True)
    expect(button).to_have_accessible_description(re.compile("GPT Relayed"))
    yield page
    away.unlink(missing_ok=True)


def leave(page: Page, away: Path) -> None:
    away.touch()
    expect(page.locator("#composer-note")).to_contain_text("Anna's Mac is asleep.")


def field(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message")


def waits(page: Page) -> Locator:
    """What stands in the place of the answer."""
    notice = page.get_by_role("group", name="Waiting to be sent")
    expect(notice).to_contain_text("Anna's Mac is asleep. Your message is kept.")
    return notice


def take_back(page: Page) -> None:
    waits(page).get_by_role("button", name="Take back").click()


def placed(page: Page) -> AbstractContextManager[object]:
    """What stands in the field is the next page's until the server has heard that it stands there."""
    return page.expect_response("**/drafts/*/placed/")


def test_it_waits_through_a_reload_and_is_answered_once_the_mac_is_back(chat: Page, away: Path) -> None:
    leave(chat, away)
    send(chat, "Good morning")
    expect(waits(chat)).to_contain_text("It is sent as soon as Anna's Mac is back.")
    picture(chat, "waiting")
    chat.reload()
    waits(chat)
    expect(chat.get_by_role("button", name="Send")).to_be_visible()
    away.unlink()
    expect(chat.get_by_role("log")).to_contain_text("You said: Good morning")
    expect(chat.get_by_role("group", name="Waiting to be sent")).to_have_count(0)
    answers(chat)(1)
    expect(chat.get_by_role("article")).to_have_count(2)


def test_the_first_message_taken_back_is_in_the_field_of_a_new_chat_before_what_was_typed(
    chat: Page, away: Path
) -> None:
    leave(chat, away)
    send(chat, "Taken back\n  & whole")
    waits(chat)
    expect(chat).to_have_url(re.compile("/chats/"))
    field(chat).fill("being typed")
    field(chat).press("Home")
    take_back(chat)
    expect(field(chat)).to_have_value("Taken back\n  & whole\n\nbeing typed")
    expect(chat).to_have_url(re.compile(r":\d+/$"))
    expect(chat).to_have_title("Lerix")
    expect(chat.get_by_role("heading", name="New chat")).to_be_visible()
    expect(chat.get_by_role("article")).to_have_count(0)
    expect(chat.get_by_role("link", name="Taken back")).to_have_count(0)
    chat.keyboard.type("still ")
    expect(field(chat)).to_have_value("Taken back\n  & whole\n\nstill being typed")
    away.unlink()
    field(chat).press("Enter")
    expect(chat.get_by_role("log")).to_contain_text("You said: Taken back")
    expect(chat.get_by_role("article")).to_have_count(2)
    chat.get_by_role("link", name="New chat", exact=True).click()
    expect(field(chat)).to_have_value("")


def test_a_later_message_taken_back_leaves_the_chat_as_it_was(chat: Page, away: Path) -> None:
    send(chat, "First")
    answers(chat)(1)
    leave(chat, away)
    send(chat, "Second")
    with placed(chat):
        take_back(chat)
    expect(field(chat)).to_have_value("Second")
    expect(field(chat)).to_be_focused()
    expect(chat.get_by_role("article")).to_have_count(2)
    chat.reload()
    expect(chat.get_by_role("article")).to_have_count(2)
    expect(field(chat)).to_have_value("")


def test_another_message_is_not_taken_meanwhile_and_stays_in_the_field(chat: Page, away: Path) -> None:
    leave(chat, away)
    send(chat, "First")
    waits(chat)
    send(chat, "Second")
    expect(chat.get_by_role("alert")).to_contain_text("A message still waits in this chat.")
    expect(field(chat)).to_have_value("Second")
    take_back(chat)
    expect(field(chat)).to_have_value("First\n\nSecond")


@pytest.mark.parametrize("first", [True, False])
def test_when_the_network_loses_the_answer_the_text_is_there_on_the_next_page(
    chat: Page, away: Path, first: bool
) -> None:
    if not first:
        send(chat, "Before")
        answers(chat)(1)
    leave(chat, away)
    send(chat, "Not lost")
    waits(chat)

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    chat.route(TAKE_BACK, lose)
    with chat.expect_event("requestfailed"):  # before it has failed it must not be let through
        take_back(chat)
    expect(chat.get_by_role("article")).to_have_count(0 if first else 2)
    chat.unroute(TAKE_BACK)
    with placed(chat):
        if first:
            expect(chat.get_by_role("log")).to_contain_text("This chat is no longer here.")
            chat.get_by_role("log").get_by_role("link", name="New chat").click()
        else:
            chat.reload()
    expect(field(chat)).to_have_value("Not lost")
    chat.reload()
    expect(field(chat)).to_have_value("")

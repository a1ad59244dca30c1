"""A temporary chat in a browser: marked, kept in memory only, and gone when it is left. Instructions for one chat."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import FilePayload, Locator, Page, Playwright, expect

from tests import disk
from tests.browser.conftest import FLAGS, Desk, answers, chromium_path, picture, send
from tests.serving import LerixProcess
from tests.upstream import RESPONSES, Upstream

SECRET = "Quetzalcoatlus-im-Nebel"
OPEN = "Archaeopteryx-am-Mittag"
ANY = re.compile("")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that Lerix, and a browser of its own, may write to."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def lerix(up: Upstream, place: Path, codex_home: Path) -> Iterator[LerixProcess]:
    (place / "tmp").mkdir()
    command = [sys.executable, "-m", "tests.browser.fleeting", str(place / "notes"), "serve", "--no-browser"]
    env = {**up.environment(codex_home), "TZ": "UTC", "TMPDIR": str(place / "tmp")}
    with LerixProcess(place / "home", env, command=[*command, "--port", "0"]) as process:
        yield process


def holding(text: str, folder: Path, pid: int | None = None) -> list[str]:
    """The files below a folder, and those that a process has open though they have no name, with a text in them."""
    found = disk.contents(folder)
    if pid is not None:
        found |= disk.read(Path(f"/proc/{pid}/fd").glob("*"))
    return [str(path) for path in disk.holding(found, text)]


def until(test: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds that no page shows."""
    end = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)


def gone(desk: Desk, path: str) -> None:
    """Wait until a chat is gone. Its page is not asked for: a page that is made is waited for."""
    with desk.requests() as client:
        until(lambda: client.get(f"{path}older/?before=1").status_code == 404)


def ready(page: Page) -> None:
    """Wait until a Lerix that has just started knows that it can ask."""
    expect(page.locator("#model-now")).to_contain_text("GPT-6.1 Sol")
    expect(page.locator("#composer-note .notice")).to_have_count(0)


def mark(page: Page) -> Locator:
    return page.get_by_text("Not kept", exact=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.usefixtures("models_on")
def test_it_leaves_nothing_on_any_disk_while_it_lasts_after_quit_and_after_a_crash(
    desk: Desk, up: Upstream, place: Path, lerix: LerixProcess, playwright: Playwright
) -> None:
    before = (place / "notes").read_text().splitlines()
    profile = place / "profile"
    # A browser that keeps what browsers keep: history, sessions, caches.
    context = playwright.chromium.launch_persistent_context(
        profile, executable_path=chromium_path(), args=FLAGS, headless=True
    )
    page = desk.watched(context.pages[0])
    link = lerix.run("open", "--no-browser").stdout.split()[-1]
    page.goto(link)
    page.get_by_role("link", name="Temporary chat", exact=True).click()
    expect(page.get_by_role("heading", name="Temporary chat", level=2)).to_be_visible()
    up.reply(f"You said {SECRET}, in **confidence**.")
    file: FilePayload = {"name": "plan.txt", "mimeType": "text/plain", "buffer": f"{SECRET} as a file".encode()}
    page.set_input_files("#attach-input", file)
    expect(page.locator("#chips > [data-file]")).to_contain_text("plan.txt")
    # Longer than what servers like to put into temporary files.
    send(page, f"{SECRET} {'.' * 300_000}")
    answers(page)(1)
    page.reload()
    answers(page)(1)
    expect(mark(page)).to_be_visible()
    expect(page).to_have_title("Temporary chat · Lerix")
    expect(page.get_by_role("navigation", name="Chats")).not_to_contain_text(SECRET)
    request = up.to(RESPONSES)[-1]
    assert SECRET.encode() in request.body
    assert b"as a file" in request.body
    assert not holding(SECRET, place, lerix.pid)
    assert re.search(r"Max core file size +0 +0 ", Path(f"/proc/{lerix.pid}/limits").read_text())
    written = (place / "notes").read_text().splitlines()[len(before) :]
    assert [path for path in written if not path.startswith("/dev/")] == []
    path = urlsplit(page.url).path
    lerix.restart()
    assert not holding(SECRET, place, lerix.pid)
    page.goto(lerix.url + path)
    expect(page.get_by_role("heading", name="This temporary chat is gone")).to_be_visible()
    page.get_by_role("link", name="Temporary chat", exact=True).click()
    ready(page)
    send(page, f"{SECRET} once more")
    answers(page)(1)
    lerix.signal(signal.SIGKILL)
    lerix.wait()
    assert not holding(SECRET, place)
    lerix.restart()
    page.goto(lerix.url)
    ready(page)
    # The same as any other chat is found by this test.
    send(page, OPEN)
    answers(page)(1)
    page.reload()
    expect(page).to_have_title(f"{OPEN} · Lerix")
    assert any("lerix.sqlite3" in path for path in holding(OPEN, place / "home"))
    context.close()
    assert not holding(SECRET, place)
    assert SECRET not in lerix.stderr


@pytest.mark.usefixtures("models_on")
def test_it_stays_through_a_reload_and_goes_with_its_last_tab(desk: Desk) -> None:
    page = desk.page()
    page.get_by_role("link", name="Start a temporary chat").click()
    expect(page.get_by_role("link", name="Temporary chat", exact=True)).to_have_attribute("aria-current", "true")
    send(page, "Only for now")
    answers(page)(1)
    expect(page).to_have_url(re.compile("/chats/"))
    path = urlsplit(page.url).path
    other = page.context.new_page()
    other.goto(desk.lerix.url + path)
    page.reload()
    answers(page)(1)
    picture(page, "temporary-chat")
    # To an ordinary chat and so out of this one: the other tab still has it.
    page.get_by_role("link", name="New chat", exact=True).click()
    send(page, "To be kept")
    answers(page)(1)
    send(other, "Still there?")
    answers(other)(2)
    other.close()
    gone(desk, path)


@pytest.mark.usefixtures("models_on")
def test_a_temporary_chat_ends_when_another_takes_its_place(desk: Desk) -> None:
    page = desk.page()
    send(page, "An ordinary one")
    answers(page)(1)
    page.get_by_role("link", name="Temporary chat", exact=True).click()
    send(page, "Only for now")
    answers(page)(1)
    expect(page).to_have_url(re.compile("/chats/"))
    path = urlsplit(page.url).path
    page.get_by_role("link", name="An ordinary one").click()
    expect(page.get_by_role("article", name="You")).to_have_text("An ordinary one")
    expect(page.get_by_role("link", name="Temporary chat", exact=True)).not_to_have_attribute("aria-current", ANY)
    page.go_back()
    answers(page)(1)
    page.get_by_role("link", name="An ordinary one").click()
    expect(page.get_by_role("article", name="You")).to_have_text("An ordinary one")
    gone(desk, path)
    page.go_back()
    expect(page.get_by_role("main")).to_contain_text("temporary chat is gone")


@pytest.mark.usefixtures("models_on")
def test_instructions_of_a_new_chat_and_later(desk: Desk, up: Upstream) -> None:
    page = desk.page()
    page.get_by_role("button", name="Instructions for this chat").click()
    dialog = page.get_by_role("dialog", name="Instructions for this chat")
    dialog.get_by_role("textbox").fill("Answer like a pirate.")
    expect(dialog).to_contain_text("21 of 8,000 characters")
    picture(page, "chat-instructions")
    dialog.get_by_role("button", name="Done").click()
    send(page, "What is Lerix?")
    answers(page)(1)
    assert b"Answer like a pirate." in up.to(RESPONSES)[-1].body
    # Quietly marked where there are some, and opened by that.
    page.get_by_role("button", name="Instructions for this chat").click()
    field = dialog.get_by_role("textbox")
    expect(field).to_have_value("Answer like a pirate.")
    expect(field).to_be_focused()
    field.fill("x" * 8001)
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("8,001 characters, at most 8,000")
    field.fill("")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Instructions for this chat")).to_have_count(0)
    page.get_by_role("button", name="Chat options").click()
    page.get_by_role("menuitem", name="Instructions for this chat").click()
    expect(field).to_have_value("")
    field.fill("Answer in verse.")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Instructions for this chat")).to_be_visible()
    send(page, "And now?")
    answers(page)(2)
    assert b"Answer in verse." in up.to(RESPONSES)[-1].body
    assert b"pirate" not in up.to(RESPONSES)[-1].body

"""axe-core finds nothing serious in any state of the chat page, by day and by night; what moves is in the other tests.

`test_layout`, `test_settings` and `test_account` hold the pages themselves to it, at three sizes; here it is menus,
dialogs, and everything that comes and goes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.browser.conftest import Desk, answers, picture, send
from tests.browser.test_layout import AXE
from tests.chat.files import photo
from tests.upstream import Reply, Upstream

EVERYTHING = (
    "# A heading\n\nWords, `code`, a [link](https://x.org), and $a^2 + b^2$.\n\n$$\\int_0^1 x\\,dx = \\frac12$$\n\n"
    "| a | b |\n|---|--:|\n| one | 2 |\n\n```python\nprint('hello')  # a comment\n```\n\n- [x] done\n- [ ] open\n\n"
    "> A quotation with a note[^1].\n\n[^1]: The note."
)
#: Rules that depend on the scheme; all others need one look.
RUN = """async ([name, dark, part]) => {
  const options = {resultTypes: ["violations"], preload: false};
  if (dark) options.runOnly = ["color-contrast"];
  const {violations} = await axe.run(part || document, options);
  return violations.filter(({impact}) => ["serious", "critical"].includes(impact)).map(({id, nodes}) =>
    `${name}: ${id}: ` + nodes.map(({target, failureSummary}) => `${target} ${failureSummary}`).join(" | "));
}"""

pytestmark = pytest.mark.usefixtures("models_on")


class Auditor:
    """Looks at one page again and again, and collects what is wrong."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.found: list[str] = []

    def look(self, name: str, part: str = "") -> None:
        """Hold the page as it is now to axe, in both schemes; or what of it is new, which `part` selects."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE)
        for dark in (False, True):
            self.page.emulate_media(color_scheme="dark" if dark else "light")
            picture(self.page, f"axe-{name}-{'dark' if dark else 'light'}")
            self.found += self.page.evaluate(RUN, [f"{name} {'dark' if dark else 'light'}", dark, part])


@pytest.fixture
def auditor(desk: Desk) -> Iterator[Auditor]:
    made = Auditor(desk.page())
    yield made
    assert made.found == []


def named(page: Page, name: str) -> Locator:
    """A button."""
    return page.get_by_role("button", name=name, exact=True)


def test_what_belongs_to_messages(auditor: Auditor, up: Upstream) -> None:
    page = auditor.page
    files: list[FilePayload] = [
        {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": photo()},
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"Some notes.\n"},
        {"name": "broken.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\nnothing"},
    ]
    page.locator("#attach-input").set_input_files(files)
    chips = page.get_by_role("list", name="Attached files")
    expect(chips.locator(".chip:not(.is-coming)")).to_have_count(3)
    auditor.look("attached", "#composer")
    named(page, "Remove broken.png").click()
    up.reply(Reply(EVERYTHING, reasoning="**Looking**\n\nFirst this."))
    send(page, "Show me everything")
    answers(page)(1)
    page.get_by_text("Reasoning summary").click()
    auditor.look("everything")
    named(page, "Answer again").click()
    expect(page.get_by_role("group", name="Versions")).to_have_count(1)
    answers(page)(1)
    named(page, "Choose who answers again").click()
    expect(page.get_by_role("menu", name="Answer again with").get_by_role("menuitem").first).to_be_focused()
    auditor.look("again", "#again-menu")
    page.keyboard.press("Escape")
    named(page, "Open photo.jpg").click()
    expect(page.get_by_role("dialog", name="File").get_by_role("heading", name="photo.jpg")).to_be_visible()
    auditor.look("viewer", "#viewer")
    page.keyboard.press("Escape")
    page.get_by_role("article", name="You").hover()
    named(page, "Edit message").click()
    auditor.look("editing", "article.message-user")
    page.keyboard.press("Escape")
    page.locator("#meter-details summary").click()
    auditor.look("meter", "#meter")
    page.locator("#meter-details summary").click()
    gate = up.gate()
    send(page, "Slowly")
    gate.wait_held()
    expect(named(page, "Stop")).to_be_visible()
    send(page, "And then this")
    expect(page.get_by_role("region", name="Messages that wait their turn")).to_be_visible()
    auditor.look("queue", "#queue")
    named(page, "Stop").click()
    expect(named(page, "Send now")).to_be_visible()
    auditor.look("queue-held", "#queue")
    gate.open()


def test_what_belongs_to_chats(auditor: Auditor, up: Upstream) -> None:
    page = auditor.page
    send(page, "Words about the salamander")
    answers(page)(1)
    named(page, "Chat options").click()
    menu = page.locator("#chat-menu")
    expect(menu.get_by_role("menuitem", name="Delete")).to_be_visible()
    auditor.look("options", "#chat-menu")
    menu.get_by_role("menuitem", name="Instructions for this chat").click()
    dialog = page.get_by_role("dialog", name="Instructions for this chat")
    expect(dialog.get_by_role("textbox")).to_be_visible()
    auditor.look("instructions", "#instructions-dialog")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    named(page, "Chat options").click()
    menu.get_by_role("menuitem", name="Find in this chat").click()
    expect(page.get_by_role("textbox", name="Find in this chat")).to_be_focused()
    page.keyboard.type("salamander")
    expect(page.locator("#find-count")).to_contain_text("of")
    auditor.look("find", "#find")
    page.keyboard.press("Escape")
    named(page, "Rename chat").click()
    auditor.look("rename", ".topbar")
    page.keyboard.press("Escape")
    named(page, "New folder").click()
    page.get_by_role("textbox", name="Name").fill("Animals")
    auditor.look("folder", "#folder-dialog")
    named(page, "Create").click()
    expect(page.get_by_role("region", name="Folders")).to_contain_text("Animals")
    named(page, "Select chats").click()
    page.locator("#history").get_by_role("checkbox").first.check()
    auditor.look("selecting", "#sidebar")
    named(page, "Pin").click()
    expect(page.get_by_role("region", name="Pinned")).to_be_visible()
    expect(page.get_by_role("toolbar", name="Selected chats")).to_be_hidden()
    auditor.look("sidebar-undo")
    page.get_by_role("searchbox", name="Search chats").fill("salam")
    expect(page.locator(".found-hit mark").first).to_be_visible()
    auditor.look("search", "#sidebar")
    named(page, "Archive").click()
    expect(page.get_by_role("heading", name="Archive")).to_be_visible()
    auditor.look("archive", "#sidebar")


def test_a_temporary_chat(auditor: Auditor, desk: Desk) -> None:
    page = auditor.page
    page.goto(f"{desk.lerix.url}/?temporary=1")
    auditor.look("temporary-new")
    send(page, "Nothing of this is kept")
    answers(page)(1)
    auditor.look("temporary")

"""Files in a real browser: picked, pasted, dropped, cancelled, refused, sent, opened large, able to do nothing."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, Locator, Page, expect

from tests.browser.conftest import Desk, answers, picture, send
from tests.browser.test_temporary import until
from tests.chat import files
from tests.upstream import RESPONSES, Upstream
from tests.upstream.catalogue import ENTRIES

EVIL = b"<svg xmlns='http://www.w3.org/2000/svg'><script>document.title = 'taken over'</script></svg>"
GIVE = """([name, kind, data, way]) => {
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  const brought = new DataTransfer();
  brought.items.add(new File([bytes], name, { type: kind }));
  if (way === "paste") {
    document.getElementById("message").dispatchEvent(
      new ClipboardEvent("paste", { clipboardData: brought, bubbles: true, cancelable: true }));
    return;
  }
  for (const type of ["dragenter", "dragover", way].filter(Boolean)) {
    document.body.dispatchEvent(new DragEvent(type, { dataTransfer: brought, bubbles: true, cancelable: true }));
  }
}"""


@pytest.fixture(scope="module", autouse=True)
def blind(up: Upstream) -> None:
    """One of the models takes no images."""
    up.models.replace(replace(each, modalities=("text",)) if each.slug == "gpt-6-sol" else each for each in ENTRIES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in {
        "photo.jpg": files.photo(1200, 800, noise=True),
        "small.png": files.png(),
        "notes.md": b"# Notes\n\nBuy milk",
        "paper.pdf": files.pdf("Findings", "More"),
        "report.docx": b"PK\3\4" + bytes(26) + b"word/document.xml",
    }.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


@pytest.fixture
def chat(desk: Desk, models_on: None) -> Page:
    page = desk.page()
    # Listened for from the start: told just before a click, the browser may hear of the click first.
    page.on("filechooser", lambda chooser: None)
    choose(page, "GPT-6.1 Sol")
    return page


def choose(page: Page, model: str) -> None:
    page.get_by_role("button", name="Model", exact=True).click()
    with page.expect_response("**/choice/"):
        page.get_by_role("menuitemradio", name=model, exact=True).click()


def pick(page: Page, *paths: Path) -> None:
    with page.expect_file_chooser() as chosen:
        page.get_by_role("button", name="Attach files").click()
    chosen.value.set_files(paths)


def attached(page: Page) -> Locator:
    return page.get_by_role("list", name="Attached files").get_by_role("listitem")


def give(page: Page, way: str, name: str, kind: str, data: bytes) -> None:
    page.evaluate(GIVE, [name, kind, base64.b64encode(data).decode(), way])


def parts(up: Upstream) -> list[dict[str, Any]]:
    asked: Any = up.to(RESPONSES)[-1].data["input"]
    found: list[dict[str, Any]] = asked[-1]["content"]
    return found


def test_files_are_picked_sent_shown_and_opened_large(chat: Page, up: Upstream, folder: Path, desk: Desk) -> None:
    pick(chat, *(folder / name for name in ("photo.jpg", "paper.pdf", "notes.md", "report.docx")))
    ready = chat.locator("#chips > [data-file]")
    expect(ready).to_have_count(3)
    refused = attached(chat).filter(has_text="report.docx")
    expect(refused).to_contain_text("Export it as PDF")
    picture(chat, "attached")
    send(chat, "What is in these?")
    expect(chat.locator("#toast")).to_contain_text("report.docx is not attached")
    refused.get_by_role("button", name="Remove report.docx").click()
    chat.get_by_role("button", name="Send").click()
    answers(chat)(1)
    expect(attached(chat)).to_have_count(0)
    photo, paper, notes, words = parts(up)
    assert photo["image_url"].startswith("data:image/jpeg;base64,")
    assert "[Page 1]\nFindings" in paper["text"]
    assert "Buy milk" in notes["text"]
    assert words["text"] == "What is in these?"

    mine = chat.get_by_role("article", name="You")
    small = mine.get_by_role("img", name="photo.jpg")
    until(lambda: bool(small.evaluate("image => image.complete && image.naturalWidth > 100")))
    mine.get_by_role("button", name="Open photo.jpg").click()
    dialog = chat.get_by_role("dialog", name="File")
    expect(dialog.get_by_role("heading", name="photo.jpg")).to_be_visible()
    large = dialog.get_by_role("img", name="photo.jpg")
    expect(large).to_have_js_property("naturalWidth", 800)
    with chat.expect_download() as saved:
        dialog.get_by_role("link", name="Download photo.jpg").click()
    assert saved.value.suggested_filename == "photo.jpg"
    assert Path(saved.value.path()).read_bytes().startswith(b"\xff\xd8\xff")
    picture(chat, "attachment-large")
    chat.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    mine.get_by_role("button", name="Open paper.pdf").click()
    expect(dialog).to_contain_text("Findings")
    dialog.get_by_role("button", name="Close").click()

    # Another page of the same chat, on a telephone.
    phone = desk.page(390, 844, dark=True, touch=True, at=chat.url.removeprefix(desk.lerix.url))
    phone.get_by_role("button", name="Open photo.jpg").tap()
    expect(phone.get_by_role("dialog", name="File").get_by_role("img")).to_have_js_property("naturalWidth", 800)
    picture(phone, "attachment-phone")


def test_files_are_pasted_and_dropped_and_a_file_alone_is_a_message(chat: Page, up: Upstream) -> None:
    give(chat, "paste", "pasted.png", "image/png", files.png())
    expect(chat.locator("#chips > [data-file]")).to_have_count(1)
    give(chat, "", "dropped.txt", "text/plain", b"From the desktop")
    expect(chat.get_by_text("Drop files to attach them")).to_be_visible()
    picture(chat, "attachment-drop")
    give(chat, "drop", "dropped.txt", "text/plain", b"From the desktop")
    expect(chat.get_by_text("Drop files to attach them")).not_to_be_visible()
    expect(chat.locator("#chips > [data-file]")).to_have_count(2)
    # A picture of a kind that no model takes becomes one here.
    give(chat, "paste", "scan.bmp", "image/bmp", files.bmp())
    expect(attached(chat).filter(has_text="scan.jpg")).to_contain_text("JPEG")
    chat.get_by_role("textbox", name="Message").press("Enter")
    answers(chat)(1)
    assert [part["type"] for part in parts(up)] == ["input_image", "input_text", "input_image"]
    expect(chat.get_by_role("heading", name="pasted.png", level=1)).to_be_visible()


def test_what_the_model_cannot_take_is_said_before_sending(chat: Page, up: Upstream, folder: Path) -> None:
    before = len(up.to(RESPONSES))
    pick(chat, folder / "small.png")
    expect(chat.locator("#chips > [data-file]")).to_have_count(1)
    choose(chat, "GPT-6 Sol")
    chip = attached(chat)
    expect(chip).to_contain_text("GPT-6 Sol takes no images")
    picture(chat, "attachment-refused")
    send(chat, "What is it?")
    expect(chat.locator("#toast")).to_contain_text("GPT-6 Sol takes no images. Choose another model, or remove it.")
    expect(chat.get_by_role("textbox", name="Message")).to_have_value("What is it?")
    assert len(up.to(RESPONSES)) == before
    choose(chat, "GPT-6.1 Sol")
    expect(chip).to_contain_text("PNG · 1 KB")
    chat.get_by_role("button", name="Send").click()
    answers(chat)(1)


def test_an_upload_is_cancelled_and_tried_again(chat: Page, folder: Path) -> None:
    uploads = "**/attachments/"
    chat.route(uploads, lambda route: None)
    pick(chat, folder / "photo.jpg")
    coming = attached(chat)
    expect(coming.get_by_role("progressbar", name="Uploading photo.jpg")).to_be_visible()
    send(chat, "Now")
    expect(chat.locator("#toast")).to_contain_text("still being uploaded")
    with chat.expect_event("requestfailed"):
        coming.get_by_role("button", name="Remove photo.jpg").click()
    expect(attached(chat)).to_have_count(0)
    chat.unroute(uploads)
    chat.route(uploads, lambda route: route.abort())
    pick(chat, folder / "notes.md")
    expect(attached(chat)).to_contain_text("could not be uploaded")
    chat.unroute(uploads)
    attached(chat).get_by_role("button", name="Try again").click()
    expect(chat.locator("#chips > [data-file]")).to_have_count(1)
    with chat.expect_response("**/remove/"):
        attached(chat).get_by_role("button", name="Remove notes.md").click()
    expect(attached(chat)).to_have_count(0)
    expect(chat.get_by_role("textbox", name="Message")).to_be_focused()


def test_a_message_that_is_not_taken_gives_its_files_back(chat: Page, folder: Path) -> None:
    pick(chat, folder / "notes.md")
    expect(chat.locator("#chips > [data-file]")).to_have_count(1)
    chat.route("**/chats/", lambda route: route.abort())
    send(chat, "Read it")
    expect(chat.locator("#toast")).to_contain_text("did not answer")
    expect(chat.locator("#chips > [data-file]")).to_have_count(1)
    expect(chat.get_by_role("textbox", name="Message")).to_have_value("Read it")
    chat.unroute("**/chats/")
    chat.get_by_role("button", name="Send").click()
    answers(chat)(1)


@pytest.mark.parametrize("name", ["evil.svg", "evil.html", "<img src=x onerror=alert(1)>.svg"])
def test_a_hostile_file_can_do_nothing(chat: Page, desk: Desk, name: str) -> None:
    give(chat, "paste", name, "image/svg+xml", EVIL)
    expect(chat.locator("#chips > [data-file]")).to_have_count(1)
    attached(chat).get_by_role("button", name="Open").click()
    dialog = chat.get_by_role("dialog", name="File")
    expect(dialog).to_contain_text("<svg xmlns=")
    assert dialog.locator("script, svg[xmlns], img").count() == 0
    address = dialog.get_by_role("link", name="Download").get_attribute("href")
    # Opened by its address it is saved, and nothing else.
    other = desk.watched(chat.context.new_page())
    with other.expect_download() as saved:
        _goto(other, desk.lerix.url + str(address))
    assert Path(saved.value.path()).read_bytes() == EVIL
    assert other.title() != "taken over"
    assert not desk.problems


def _goto(page: Page, address: str) -> None:
    """Go to what is a download, which Playwright takes for a failure."""
    with pytest.raises(Error, match="ownload"):
        page.goto(address)

"""The Mac's own pages in the frame of a browser on another device: what one can do with them."""

from __future__ import annotations

import re
from email.parser import BytesParser
from email.policy import HTTP
from itertools import product

from playwright.sync_api import FrameLocator, Page, expect

from tests.browser.conftest import picture
from tests.browser.remote.frame.conftest import SHOWN, Away, child, complete, inside, kept, send, shown
from tests.relay.proof.computers import until
from tests.upstream import Gate, Reply, Upstream

CHAT = re.compile(r"/app/chats/[0-9a-f-]{36}/$")


def begun(away: Away, text: str, at: str = "/app/") -> tuple[Page, FrameLocator]:
    """A page with a chat that has one answer."""
    page = away.page(at)
    frame = shown(page)
    send(frame, text)
    complete(frame, 1)
    expect(page).to_have_url(CHAT)
    return page, frame


def test_an_answer_streams_into_the_page_word_by_word(away: Away, up: Upstream) -> None:
    gate = Gate()
    up.reply(Reply(chunks=["First words. ", "Last words."], gate=gate))
    page = away.page()
    frame = shown(page)
    expect(frame.get_by_role("textbox", name="Message")).to_be_focused()
    page.keyboard.type("hello from afar")
    page.keyboard.press("Enter")
    gate.step()
    expect(frame.get_by_role("log")).to_contain_text("First words.")
    expect(frame.locator("article[aria-busy=true]")).to_have_count(1)
    expect(page).to_have_url(CHAT)
    expect(page).to_have_title("hello from afar · Lerix")
    gate.open()
    complete(frame, 1)
    expect(frame.get_by_role("log")).to_contain_text("First words. Last words.")
    expect(frame.get_by_role("link", name="hello from afar")).to_be_visible()


def test_stop_keeps_what_came(away: Away, up: Upstream) -> None:
    gate = Gate()
    up.reply(Reply(chunks=["Kept. ", "Never seen."], gate=gate))
    frame = shown(away.page())
    send(frame, "stop me")
    gate.step()
    expect(frame.get_by_role("log")).to_contain_text("Kept.")
    frame.get_by_role("button", name="Stop", exact=True).click()
    complete(frame, 1)
    expect(frame.get_by_role("log")).not_to_contain_text("Never seen.")


def test_back_forward_reload_and_a_link_to_a_chat_lead_where_they_say(away: Away, up: Upstream) -> None:
    page, frame = begun(away, "the first chat")
    chat = page.url
    frame.get_by_role("link", name="New chat").first.click()
    expect(page).to_have_url(f"{away.double.url}/app/")
    expect(frame.get_by_text("What would you like to know?")).to_be_visible()
    page.go_back()
    expect(page).to_have_url(chat)
    expect(frame.get_by_role("heading", name="the first chat")).to_be_visible()
    page.go_back()
    expect(frame.get_by_text("What would you like to know?")).to_be_visible()
    page.go_forward()
    expect(frame.get_by_role("heading", name="the first chat")).to_be_visible()
    page.reload()
    expect(frame.get_by_role("heading", name="the first chat")).to_be_visible()
    other = away.page(chat.removeprefix(away.double.url))
    expect(inside(other).get_by_role("heading", name="the first chat")).to_be_visible()
    missing = away.page("/app/chats/00000000-0000-4000-8000-000000000000/")
    expect(inside(missing).get_by_role("heading", name="This chat is not here")).to_be_visible()


def test_the_model_menu_is_chosen_from(away: Away, up: Upstream) -> None:
    page = away.page()
    frame = shown(page)
    button = frame.get_by_role("button", name="Model")
    button.click()
    frame.get_by_role("menuitemradio", name="GPT-5.5").click()
    expect(frame.locator("#model-now")).to_contain_text("GPT-5.5")
    expect(button).to_be_focused()
    page.reload()
    expect(shown(page).locator("#model-now")).to_contain_text("GPT-5.5")


def test_a_second_message_goes_to_the_same_chat(away: Away, up: Upstream) -> None:
    _, frame = begun(away, "one")
    send(frame, "two")
    complete(frame, 2)
    assert len(away.double.sent("/chats/")) == 1
    expect(frame.get_by_role("article", name="You")).to_have_text(["one", "two"])


def test_what_is_typed_survives_a_reload_and_what_was_sent_does_not_come_back(away: Away, up: Upstream) -> None:
    page = away.page()
    field = shown(page).get_by_role("textbox", name="Message")
    field.fill("half a thought")
    until(lambda: len(kept(page)) == 1)
    page.reload()
    expect(shown(page).get_by_role("textbox", name="Message")).to_have_value("half a thought")
    field.press("Enter")
    complete(inside(page), 1)
    until(lambda: not kept(page))
    page.reload()
    expect(shown(page).get_by_role("textbox", name="Message")).to_have_value("")
    page.goto(f"{away.double.url}/app/")
    expect(shown(page).get_by_role("textbox", name="Message")).to_have_value("")


def test_redirects_are_followed_within_the_mac_and_nowhere_else(away: Away) -> None:
    answers = away.double.answers
    answers["/old/"] = (303, {"location": "/older/?a=1"}, b"")
    answers["/older/"] = (303, {"location": "/"}, b"")
    answers["/out/"] = (303, {"location": "https://example.com/"}, b"")
    answers["/round/"] = (303, {"location": "/round/"}, b"")
    page = away.page("/app/old/")
    shown(page)
    expect(page).to_have_url(f"{away.double.url}/app/")
    for path in ("/app/out/", "/app/round/"):
        page.goto(away.double.url + path)
        expect(page.get_by_text("sent this page to another address, which was not opened")).to_be_visible()
    assert len(away.double.sent("/round/")) == 11


def test_a_reload_while_a_page_loads_or_streams_loses_nothing(away: Away, up: Upstream) -> None:
    gate = Gate()
    up.reply(Reply(chunks=["Before. ", "After."], gate=gate))
    page = away.page()
    send(shown(page), "reload me")
    gate.step()
    expect(inside(page).get_by_role("log")).to_contain_text("Before.")
    page.reload(wait_until="domcontentloaded")
    page.reload()
    expect(inside(page).get_by_role("log")).to_contain_text("Before.")
    gate.open()
    complete(inside(page), 1)
    expect(inside(page).get_by_role("log")).to_contain_text("Before. After.")
    expect(page.locator("iframe")).to_have_count(2)


def test_two_tabs_show_the_same(away: Away, up: Upstream) -> None:
    page, frame = begun(away, "seen twice")
    other = away.page(page.url.removeprefix(away.double.url))
    send(shown(other), "from the other tab")
    complete(frame, 2)
    other.close()
    send(frame, "still here")
    complete(frame, 3)


def test_a_page_that_is_left_stops_reading(away: Away, up: Upstream) -> None:
    page, frame = begun(away, "left alone")
    events = [asked for asked in away.double.sent("/events/") if "chat=" in asked.path]
    frame.get_by_role("link", name="New chat").first.click()
    expect(page).to_have_url(f"{away.double.url}/app/")
    assert events[-1].cut.wait(60)


def test_a_page_that_does_not_read_is_sent_nothing_more(away: Away) -> None:
    page = away.page()
    shown(page)
    mac = child(page)
    mac.evaluate("async () => { window.held = (await fetch('/endless/')).body.getReader(); await held.read(); }")
    page.wait_for_timeout(200)
    assert page.evaluate("endless.pulled") == 1
    mac.evaluate("held.cancel()")
    page.wait_for_function("endless.cancelled")


def test_pictures_and_files_come_through_the_port(away: Away) -> None:
    image = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="7"/>'
    html = b'<html data-theme="dark"><title>Things</title><body><img src="/picture.svg" alt="A picture">'
    html += b'<a href="/file/" download>File</a>'
    answers = away.double.answers
    answers["/things/"] = (200, {"content-type": "text/html"}, html)
    answers["/picture.svg"] = (200, {"content-type": "image/svg+xml"}, image)
    disposition = {"content-type": "text/html", "content-disposition": 'attachment; filename="notes.html"'}
    answers["/file/"] = (200, disposition, b"<script>alert(1)</script>")
    page = away.page("/app/things/")
    frame = inside(page)
    expect(frame.get_by_role("img")).to_have_js_property("naturalWidth", 9)
    expect(page).to_have_title("Things")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    with page.expect_download() as waiting:
        frame.get_by_role("link", name="File").click()
    assert waiting.value.suggested_filename == "notes.html"
    assert waiting.value.path().read_bytes() == b"<script>alert(1)</script>"


def test_files_that_are_sent_arrive_whole(away: Away) -> None:
    away.double.answers["/upload/"] = (204, {}, b"")
    page = away.page()
    shown(page)
    mac = child(page)
    asked = """async () => {
      const form = new FormData();
      form.append('a "name"', "two\\nlines");
      form.append("file", new File([new Uint8Array([0, 255, 13, 10])], "ä.bin", { type: "application/x-thing" }));
      const answer = await fetch("/upload/", { method: "POST", body: form });
      return [answer.status, answer.body, answer.url];
    }"""
    assert mac.evaluate(asked) == [204, None, f"{away.double.url}/upload/"]
    upload = away.double.sent("/upload/")[0]
    assert upload.headers["content-length"] == str(len(upload.body))
    assert upload.idem is not None
    assert len(upload.idem) == 32
    message = BytesParser(policy=HTTP).parsebytes(
        f"Content-Type: {upload.headers['content-type']}\r\n\r\n".encode() + upload.body
    )
    text, file = message.iter_parts()
    assert text.get_content() == "two\r\nlines"
    assert 'name="a %22name%22"' in text["content-disposition"]
    assert file.get_payload(decode=True) == bytes([0, 255, 13, 10])
    assert file.get_content_type() == "application/x-thing"
    assert "ä.bin".encode() in upload.body
    # A page hears how much of something long has gone, and nothing of what is short.
    tell = """async () => {
      const told = [];
      for (const length of [1000, 300_000]) {
        const body = new Uint8Array(length);
        await fetch("/upload/", { method: "POST", body, onsent: (bytes) => told.push(bytes) });
      }
      return told;
    }"""
    assert mac.evaluate(tell) == [300_000]


def test_a_message_is_copied_as_the_model_wrote_it(away: Away, up: Upstream) -> None:
    up.reply(Reply(chunks=["Some **bold** words"]))
    page, frame = begun(away, "copy this")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=away.double.url)
    frame.get_by_role("button", name="Copy message", exact=True).click()
    expect(frame.locator("#spoken")).to_have_text("Copied")
    page.bring_to_front()
    # It may be read only once the page has the focus.
    read = "navigator.clipboard.readText().catch((error) => error.name)"
    until(lambda: page.evaluate(read) == "Some **bold** words")


def test_links_to_other_sites_open_in_a_tab_of_their_own(away: Away, up: Upstream) -> None:
    up.reply(Reply(chunks=[f"See [this]({away.double.url.replace('localhost', '127.0.0.1')}/static/none)"]))
    page, frame = begun(away, "a link")
    with page.expect_popup() as waiting:
        frame.get_by_role("link", name="this", exact=True).click()
    expect(waiting.value).to_have_url(re.compile(r"//127\.0\.0\.1:"))
    assert waiting.value.evaluate("opener") is None
    expect(page).to_have_url(CHAT)


def bottom(frame: FrameLocator) -> float:
    """How far down the message field reaches."""
    box = frame.get_by_role("textbox", name="Message").bounding_box()
    assert box is not None
    return box["y"] + box["height"]


def test_the_chat_fills_the_window(away: Away, up: Upstream) -> None:
    page, frame = begun(away, "how does it look")
    for (width, height), dark in product(((1440, 900), (820, 1180), (390, 844)), (False, True)):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if dark else "light")
        window = {"x": 0, "y": 0, "width": width, "height": height}
        until(lambda: page.locator(SHOWN).bounding_box() == window)  # noqa: B023
        # The page in the frame, which may be another process, hears of it a moment later.
        until(lambda: bottom(frame) < height)  # noqa: B023
        picture(page, f"frame-{width}-{'dark' if dark else 'light'}")

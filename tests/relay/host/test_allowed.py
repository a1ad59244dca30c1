"""Nothing but what is listed is answered over the relay, whoever writes the request and however.

`test_pages` has the pages that browsers get.
"""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import unquote

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver, path

from connections.visitor import Visitor
from lerix_web.urls.remote import PAGES
from relay.answers import MAX_BODY, MODELS, RESPONSES, STATE
from relay.host.adapter import Adapter, django_under
from relay.host.allowed import REQUESTS, from_django, is_allowed, to_django
from relay.host.offer import Offer
from relay.host.pages import Pages, Rule, rule
from relay.host.turns import Turns
from relay.link.host import Incoming
from relay.link.streams import StreamEnded, Streams
from relay.protocol.headers import Answer, Request
from tests.relay.host.house import SOL, URLCONF, Obedient, house
from tests.relay.link.wire import PHONE, whole

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
IDEM = "0" * 32


class Sink:
    """A stream in place of a session's: what was asked, and what was answered."""

    def __init__(self, body: bytes) -> None:
        self._pieces = [body[at : at + 60_000] for at in range(0, len(body), 60_000)]
        self.answered: Answer | None = None
        self.body = b""
        self.given_up: int | None = None
        self.done = asyncio.Event()
        self.session = self
        self.streams = (1,)

    async def read(self, stream: int) -> bytes:
        await asyncio.sleep(0)
        return self._pieces.pop(0) if self._pieces else b""

    def answer(self, stream: int, answer: Answer) -> None:
        answer.encode()
        self.answered = answer

    async def write(self, stream: int, data: bytes) -> None:
        self.body += data

    def end(self, stream: int) -> None:
        self.done.set()

    def give_up(self, stream: int, code: int = 1) -> None:
        self.given_up = code
        self.done.set()


async def models() -> list[Any]:
    return [SOL]


def adapter(urlconf: str = URLCONF, *rules: Rule) -> Adapter:
    """With pages by these rules, or without any."""
    served = Obedient()
    pages = Pages(rules, lambda device: Visitor(device, served.key, "Codex Relay")) if rules else None
    return Adapter(django_under(urlconf), Offer(cast(Any, served), Turns(cast(Any, served)), models), pages=pages)


async def answer(to: Adapter, request: Request, body: bytes = b"") -> Sink:
    sink = Sink(body)
    to.serve(Incoming(PHONE, cast(Streams, sink), 1, request))
    async with asyncio.timeout(20):
        await sink.done.wait()
    await to.aclose()
    return sink


def request(method: str, address: str, *headers: tuple[str, str]) -> Request:
    return Request(method, address, headers, None if method in {"GET", "HEAD"} else IDEM)


def addresses(patterns: list[Any], before: str = "/") -> Iterator[str]:
    """Every address of an urlconf, with something in place of its arguments."""
    for each in patterns:
        part = str(each.pattern).replace("^", "").replace("\\Z", "").replace("$", "")
        for converter, value in (
            ("<int:", "1"),
            ("<uuid:", "01890000-0000-7000-8000-000000000001"),
            ("<str:", "x"),
            ("<slug:", "x"),
            ("<path:", "x/y"),
        ):
            while converter in part:
                start = part.index(converter)
                part = part[:start] + value + part[part.index(">", start) + 1 :]
        if isinstance(each, URLResolver):
            yield from addresses(each.url_patterns, before + part)
        elif isinstance(each, URLPattern):
            yield before + part.replace("<", "").replace(">", "")


ADDRESSES = sorted(set(addresses(get_resolver("lerix_web.urls.local").url_patterns)))
FORGED = [
    "/v1/models/",
    "/v1/state/..",
    "/v1/..%2fsettings",
    "/v1/%2e%2e/settings/connections/",
    "/v1%2fmodels",
    "/%76%31/models",
    "/v1/./models",
    "/v1//models",
    "/V1/MODELS",
    "/v1/models;x=1",
    "/v1/models%00",
    "/v1/models%20",
    "/v1/models#x",
    "/v1/models%3fx",
    "/static/x.css",
    "/admin/",
    "/",
    "/@127.0.0.1:7717/",
    "/http://localhost/v1/models",
    "/v1/models?" + "x" * 3000,
    "/../v1/models",
    "/\\evil/v1/models",
]


def is_page(address: str) -> bool:
    return any(pattern.fullmatch(address.partition("?")[0]) for _, pattern in PAGES)


def test_the_urlconf_of_remotes_has_what_is_allowed_and_nothing_else() -> None:
    found = set(addresses(get_resolver(URLCONF).url_patterns))
    assert [address for address in found if not is_page(address)] == []
    for _, pattern in PAGES:
        assert any(pattern.fullmatch(address) for address in found), pattern.pattern
    assert {address for _, address in REQUESTS} == {STATE, MODELS, RESPONSES}
    assert len(ADDRESSES) > 40


@pytest.mark.parametrize("method", METHODS)
async def test_every_address_of_the_project_is_unknown_by_every_method(method: str) -> None:
    to = adapter()
    for address in [*ADDRESSES, *FORGED, STATE, MODELS, RESPONSES]:
        asked = request(method, address)
        if is_allowed(asked):
            assert (method, address) in {("GET", STATE), ("GET", MODELS), ("POST", RESPONSES)}
            continue
        sink = await answer(to, asked)
        assert sink.answered is not None, address
        assert sink.answered.status == 404, address
        assert json.loads(sink.body)["lerix_error"]["code"] == "relay-unknown"


@pytest.mark.parametrize("lenient", ["allowed", "pages"])
async def test_every_address_is_unknown_also_behind_the_list(monkeypatch: pytest.MonkeyPatch, lenient: str) -> None:
    """To what answers other Lerix, and to Django: neither relies on the list in front of it."""
    monkeypatch.setattr("relay.host.adapter.is_allowed", lambda request: lenient == "allowed")
    to = adapter(URLCONF, rule("GET", "/"))
    monkeypatch.setattr(Pages, "allow", lambda self, request: True)
    for address in [*ADDRESSES, *FORGED, STATE, MODELS, RESPONSES]:
        if is_page(unquote(address)) if lenient == "pages" else ("GET", address.partition("?")[0]) in REQUESTS:
            continue
        sink = await answer(to, request("GET", address))
        assert sink.answered is not None
        assert sink.answered.status == 404, address


async def test_a_few_of_them_over_the_relay_itself() -> None:
    async with house(Obedient()) as home:
        for address in ("/", "/settings/connections/", "/admin/", "/v1/..%2fsettings", "/v1/models/"):
            for method in ("GET", "POST", "DELETE"):
                reply = await home.raw(request(method, address), b"" if method == "GET" else b"body")
                assert reply.answer.status == 404
                await whole(reply)
        reply = await home.raw(request("GET", MODELS))
        assert reply.answer.status == 200
        assert json.loads(await whole(reply))["models"] == [json.loads(json.dumps(SOL.to_json()))]


@pytest.mark.parametrize("address", ["http://localhost/v1/models", "//evil/v1/models", "v1/models", "/v1/mod els", "*"])
async def test_what_is_no_path_is_not_even_a_frame(address: str) -> None:
    async with house(Obedient()) as home:
        with pytest.raises(Exception, match="FrameMalformed"):
            await home.raw(request("GET", address))


def test_headers_pass_by_a_list_and_who_asks_comes_from_the_channel() -> None:
    forged = [
        ("cookie", "lerix_session=1"),
        ("host", "evil"),
        ("authorization", "Bearer x"),
        ("forwarded", "for=1"),
        ("x-forwarded-for", "1"),
        ("x-forwarded-host", "evil"),
        ("x-lerix-device", "ff" * 16),
        ("x-http-method-override", "DELETE"),
        ("x-csrftoken", "1"),
        ("sec-fetch-site", "same-origin"),
        ("origin", "http://localhost"),
        ("referer", "http://localhost/"),
        ("transfer-encoding", "chunked"),
        ("content-length", "7"),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("range", "bytes=0-"),
        ("lerix_boot", "x"),
        ("lerix-from", "3"),
    ]
    kept = [("accept", "a/b"), ("hx-request", "true"), ("content-type", "c/d")]
    asked = Request("POST", RESPONSES, tuple(forged + kept), IDEM)
    expected = {**dict(kept), "x-lerix-device": PHONE.hex(), "content-length": "5"}
    assert dict(to_django(asked, PHONE, 5)) == {k.encode(): v.encode() for k, v in expected.items()}


def test_cookies_and_what_belongs_to_a_connection_do_not_leave() -> None:
    answered = [(b"Set-Cookie", b"a=1"), (b"Connection", b"close"), (b"Transfer-Encoding", b"chunked"), (b"X-A", b"1")]
    assert from_django(answered) == (("x-a", "1"),)


def cookie(request: HttpRequest) -> HttpResponse:
    found = HttpResponse(json.dumps([request.get_host(), dict(request.headers), request.META.get("REMOTE_ADDR")]))
    found.set_cookie("lerix_session", "1")
    return found


urlpatterns = [path("cookie/", cookie)]


async def test_a_view_sees_only_that_and_its_cookie_stays_here() -> None:
    headers = (("host", "evil"), ("cookie", "a=b"), ("x-lerix-device", "00"), ("hx-target", "main"))
    sink = await answer(adapter(__name__, rule("GET", "/cookie/")), request("GET", "/cookie/", *headers))
    assert sink.answered is not None
    assert sink.answered.status == 200
    assert "set-cookie" not in dict(sink.answered.headers)
    host, seen, address = json.loads(sink.body)
    assert host == "localhost"
    assert {name.lower() for name in seen} == {"hx-target", "x-lerix-device"}
    assert seen["X-Lerix-Device"] == PHONE.hex()
    assert address is None


@pytest.mark.parametrize("length", [None, "", "-1", "x", "1e3", str(MAX_BODY + 1), "9" * 30])
async def test_a_body_without_an_honest_length_is_not_taken(length: str | None) -> None:
    headers = (("content-length", length),) if length is not None else ()
    sink = await answer(adapter(), request("POST", RESPONSES, *headers), b"{}")
    assert sink.given_up is not None


@pytest.mark.parametrize("said", [1, 3, 100])
async def test_a_body_of_another_length_is_not_taken(said: int) -> None:
    to = adapter()
    sink = await answer(to, request("POST", RESPONSES, ("content-length", str(said))), b"{}")
    assert sink.given_up is not None
    assert to.budget.held == 0


async def test_a_get_with_a_body_is_not_taken() -> None:
    sink = await answer(adapter(), request("GET", MODELS), b"x")
    assert sink.given_up is not None


async def test_an_unknown_address_with_an_endless_body_is_given_up() -> None:
    async with house(Obedient()) as home:
        with pytest.raises(StreamEnded):
            await home.raw(request("POST", "/upload"), bytes(3_000_000))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"stream": true}',
        b'{"stream": true, "model": "gpt-5.5", "prompt_cache_key": "../x", "input": []}',
        b'{"stream": true, "model": "gpt-5.5", "prompt_cache_key": "c", "input": [{"type": "item_reference"}]}',
        b"[" * 100_000,
    ],
)
async def test_a_body_that_lerix_does_not_write_is_refused(body: bytes) -> None:
    sink = await answer(adapter(), request("POST", RESPONSES, ("content-length", str(len(body)))), body)
    assert sink.answered is not None
    assert sink.answered.status == 400
    assert json.loads(sink.body)["lerix_error"]["kind"] == "AskUnreadable"

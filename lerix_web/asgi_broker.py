"""The ASGI application of the account broker: its front around static files and Django.

The front, for each request:

    1. Host     exactly one, of a name in ALLOWED_HOSTS; else 400. Devices sign that name (relay.account.keys.device)
    2. proxy    one that calls us by this machine's name keeps from us what the devices dialled and sign; 503
    3. scheme   for other names than this machine's, https by the word of the proxy; else 503
    4. site     to /api/, no page of another site, as browsers tell; 403. Nothing there rests on cookies, but a page
                could use up somebody's tries
    5. parent   to /api/ and links, an embedded broker lets only the Lerix that started it, and no other program; 403
    6. body     at most what the interface takes; else 413

An answer of the interface is cut off after two minutes, so that those who do not read do not keep it in memory.

Every answer gets the protective headers, and where the browser came by https, HSTS and Secure cookies.
"""

import asyncio
import json
import os
import secrets
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Final, cast

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http.request import split_domain_port, validate_host

from lerix_web.assets import Application, Message, Receive, Scope, Send, StaticFiles
from lerix_web.browser_headers import page_headers
from lerix_web.guard import HEADERS, LOOPBACK, OWN, SINGLE, limited
from relay.api import MAX_REQUEST, PARENT_HEADER, PREFIX, Problem
from relay.broker import house
from relay.broker.calls import SENDING
from relay.broker.links import rendezvous
from relay.protocol.link import PATH

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lerix_web.settings.broker")

HSTS = (b"strict-transport-security", b"max-age=31536000")
#: Carries the secret of the Lerix that started an embedded broker.
PARENT = PARENT_HEADER.lower().encode()
ALONE = SINGLE | {b"authorization", b"content-type", b"x-forwarded-proto", PARENT}
API: Final = "/api/"
#: What proxies add; a program on this machine has no reason to.
FORWARDED = b"x-forwarded-"
#: Seconds that an answer of the interface may take, all in all.
ANSWER_SECONDS: Final = 120.0


HOST_LOST = (
    "The proxy in front of this broker does not pass on the Host header. Set it to do so, in nginx by "
    '"proxy_set_header Host $host;", then try again.'
)


class Stopped(Exception):
    """The request is answered by the front. Internal: turned into an answer in ``Front``."""

    def __init__(self, status: int, problem: Problem, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.problem = problem
        self.sentence = sentence


class Front:
    """ASGI middleware around everything the broker answers; ``hosts`` as in ALLOWED_HOSTS.

    ``links`` takes the devices' WebSockets.
    """

    def __init__(
        self, application: Application, links: Application, hosts: Iterable[str], *, body_limit: int = MAX_REQUEST
    ) -> None:
        self.application = application
        self.links = links
        self.hosts = list(hosts)
        self.body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            if self._may_link(scope):
                await self.links(scope, receive, send)
            else:
                await receive()  # websocket.connect, which ASGI wants read before the answer
                await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        headers = _headers(scope)
        secure = headers.get(b"x-forwarded-proto", "") == "https"
        send = _protected(send, scope["path"], headers.get(b"host", ""), secure=secure)
        try:
            self._admit(scope, headers, secure=secure)
            if scope["path"].startswith(API):
                with ExitStack() as sending:
                    async with asyncio.timeout(ANSWER_SECONDS):
                        await self.application({**scope, SENDING: sending}, self._limited(headers, receive), send)
            else:
                await self.application(scope, self._limited(headers, receive), send)
        except Stopped as stopped:
            await _answer(scope, send, stopped)

    def _may_link(self, scope: Scope) -> bool:
        """Whether a socket is a device's: at its address, under our name, and from no page of another site."""
        headers = _headers(scope)
        secure = headers.get(b"x-forwarded-proto", "") == "https"
        try:
            self._admit(scope, headers, secure=secure)
        except Stopped:
            return False
        # Programs send no Origin. A page's socket would prove nothing here, but it could take up places.
        own = f"{'https' if secure else 'http'}://{headers.get(b'host', '')}"
        return scope["path"] == PATH and headers.get(b"origin", own) == own

    def _admit(self, scope: Scope, headers: dict[bytes, str], *, secure: bool) -> None:
        names = [name for name, _ in scope["headers"]]
        if any(names.count(name) > 1 for name in ALONE & set(names)):
            raise Stopped(400, Problem.MALFORMED, "This request has a header twice.")
        name = split_domain_port(headers.get(b"host", ""))[0]
        if not name or not validate_host(name, self.hosts):
            raise Stopped(400, Problem.MALFORMED, "This broker does not answer at this address.")
        if name in LOOPBACK and any(header.startswith(FORWARDED) for header in names):
            raise Stopped(503, Problem.UNAVAILABLE, HOST_LOST)
        if name not in LOOPBACK and not secure:
            raise Stopped(503, Problem.UNAVAILABLE, "This broker answers by https only. Open its https address.")
        if scope["path"].startswith(API) and headers.get(b"sec-fetch-site", "same-origin") not in OWN:
            raise Stopped(403, Problem.UNAVAILABLE, "This broker’s interface is not for pages of other sites.")
        parent = house.installed().parent
        if parent and (scope["type"] == "websocket" or scope["path"].startswith(API)):
            given = headers.get(PARENT, "").encode("latin-1")
            if not secrets.compare_digest(given, parent.encode()):
                raise Stopped(403, Problem.UNAVAILABLE, "This broker answers only the Lerix that started it.")

    def _limited(self, headers: dict[bytes, str], receive: Receive) -> Receive:
        too_much = Stopped(413, Problem.TOO_LARGE, f"This is more than {self.body_limit // 2**20} MB.")
        return limited(receive, headers.get(b"content-length", ""), self.body_limit, too_much)


def _headers(scope: Scope) -> dict[bytes, str]:
    return {name: value.decode("latin-1") for name, value in scope["headers"]}


def _protected(send: Send, path: str, host: str, *, secure: bool) -> Send:
    own = [*HEADERS, HSTS] if secure else list(HEADERS)
    if split_domain_port(host)[0]:  # a name that may stand in a policy
        pages = dict(page_headers(path, f"{'https' if secure else 'http'}://{host}"))
        own = [*pages.items(), *(pair for pair in own if pair[0] not in pages)]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = [_secured(pair) if secure else pair for pair in message.get("headers", ())]
            names = {name.lower() for name, _ in given}
            message = {**message, "headers": given + [pair for pair in own if pair[0] not in names]}
        await send(message)

    return sending


def _secured(pair: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, value = pair
    if name.lower() != b"set-cookie" or b"; secure" in value.lower():
        return pair
    return name, value + b"; Secure"


async def _answer(scope: Scope, send: Send, stopped: Stopped) -> None:
    if scope["path"].startswith(PREFIX):
        kind, body = b"application/json", json.dumps({"error": stopped.problem.value}).encode()
    else:
        kind, body = b"text/plain; charset=utf-8", stopped.sentence.encode()
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": stopped.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


# Django describes ASGI in types of its own, which agree in substance only.
pages = StaticFiles(cast(Application, get_asgi_application()), settings.STATIC_FOLDERS, settings.STATIC_URL)
application = Front(pages, cast(Application, rendezvous), settings.ALLOWED_HOSTS)

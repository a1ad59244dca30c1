"""The guard: who may talk to localhost. ASGI middleware around everything Lerix answers.

In this order, for each request:

    1. Host       exactly one, a loopback name with the port we listen on; else 400 (DNS rebinding)
    2. site       Sec-Fetch-Site must be same-origin or none, and where a browser does not send it, Origin
                  must be ours, for anything but a plain GET. From other sites only a top-level GET navigation
                  is let in: no image, script, frame, form, stream or socket; else 403
    3. token      /?token=... on a GET is exchanged for the cookie, once; else the locked page
    4. cookie     known, or the locked page; static files need none, since the locked page shows some

A link on another site arrives without the cookie (it is SameSite=Strict, and a redirect would not help, for
its initiator is still the other site), so it gets a tiny page that asks again, now from our own origin.

What a cookie cannot do: it ignores ports, so another program's server on this machine receives it if its page
is opened in the same browser. Pages of other programs cannot use it (2); a program of another user could.
"""

import asyncio
import html
import re
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, quote, urlencode

from django.template.loader import render_to_string

from lerix_web.assets import Application, Message, Receive, Scope, Send
from lerix_web.launch import COOKIE_SECONDS, Doorkeeper

#: An attachment of 32 MiB and the form around it.
BODY_LIMIT = 33 * 1024 * 1024
#: What a wrong token costs whoever tries: with 256 bits it only keeps logs and CPU quiet.
WRONG_TOKEN_SECONDS = 0.3

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
SAFE = frozenset({"GET", "HEAD"})
METHODS = SAFE | {"POST", "PUT", "PATCH", "DELETE"}
OWN = frozenset({"same-origin", "none"})
#: Headers a decision rests on: two of one name mean that two programs may read two different requests.
SINGLE = frozenset(
    b"host origin referer cookie content-length accept sec-fetch-site sec-fetch-mode sec-fetch-dest".split()
)

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: On every answer, unless the view gave a stricter one of its own.
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # Not no-referrer: Chromium would send "Origin: null" with plain forms.
    (b"referrer-policy", b"same-origin"),
    (
        b"permissions-policy",
        b"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), serial=(), usb=()",
    ),
    (b"cache-control", b"no-store"),
)


class Refused(Exception):
    """The request is answered by the guard. Internal: turned into an answer in ``Guard``."""

    def __init__(self, status: int, sentence: str, *, locked: bool = False) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.locked = locked


class Guard:
    """ASGI middleware around http and websocket scopes.

    ``open_command`` is named on the locked page, for example "lerix open". ``public`` is the path prefix that
    needs no cookie.
    """

    def __init__(
        self,
        application: Application,
        doorkeeper: Doorkeeper,
        *,
        open_command: str = "lerix open",
        public: str = "/static/",
        body_limit: int = BODY_LIMIT,
        wrong_token_seconds: float = WRONG_TOKEN_SECONDS,
    ) -> None:
        self.application = application
        self.doorkeeper = doorkeeper
        self.open_command = open_command
        self.public = public
        self.body_limit = body_limit
        self.wrong_token_seconds = wrong_token_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        if scope["type"] != "http":
            # Lifespan and whatever comes later: not from the network, nothing to guard.
            await self.application(scope, receive, send)
            return
        send = _with_headers(send)
        try:
            request = Request(scope)
            _admit(request)
            if not await self._entered(request, send):
                await self.application(scope, self._limited(request, receive), send)
        except Refused as refused:
            await self._refuse(refused, scope, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            request = Request(scope)
            if not request.ours:
                raise Refused(403, "Another site may not open this socket.")
            if not self._known(request):
                raise Refused(403, "Open Lerix with a launch link first.")
        except Refused:
            await receive()  # websocket.connect, which ASGI wants read before the answer
            await send({"type": "websocket.close", "code": 1008})
            return
        await self.application(scope, receive, send)

    async def _entered(self, request: "Request", send: Send) -> bool:
        """Answer launch links, bounces and strangers; return False if the application shall answer."""
        known = self._known(request)
        query = parse_qsl(request.query, keep_blank_values=True)
        tokens = [value for name, value in query if name == "token"]
        if tokens and request.method == "GET" and not request.public(self.public):
            if request.header(b"sec-purpose"):
                # A browser that loads pages ahead would use up the token for a page nobody sees.
                raise Refused(503, "Launch links are not loaded ahead.")
            good = len(tokens) == 1 and self.doorkeeper.redeem(tokens[0])
            if not good and not known:
                await asyncio.sleep(self.wrong_token_seconds)
                if request.followed:
                    # The cookie may be there and held back: an old link shall not lock anybody out.
                    await _answer(send, 200, _bounce(request.address(request.query)), [HTML])
                    return True
                raise Refused(403, "This launch link is not valid. Each link works once.", locked=True)
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            headers = [(b"location", request.address(rest).encode()), (b"referrer-policy", b"no-referrer")]
            if not known:
                headers.append((b"set-cookie", self._cookie()))
            await _answer(send, 303, b"", headers)
            return True
        if known or request.public(self.public):
            return False
        if request.followed:
            await _answer(send, 200, _bounce(request.address(request.query)), [HTML])
            return True
        raise Refused(403, "This browser has not been let in yet.", locked=True)

    def _known(self, request: "Request") -> bool:
        value = request.cookies().get(self.doorkeeper.cookie_name)
        return value is not None and self.doorkeeper.knows(value)

    def _cookie(self) -> bytes:
        return (
            f"{self.doorkeeper.cookie_name}={self.doorkeeper.issue_cookie()}; "
            f"Max-Age={COOKIE_SECONDS}; Path=/; HttpOnly; SameSite=Strict"
        ).encode()

    def _limited(self, request: "Request", receive: Receive) -> Receive:
        too_much = Refused(413, f"This is more than {self.body_limit // 2**20} MB, the most Lerix takes at once.")
        return limited(receive, request.header(b"content-length"), self.body_limit, too_much)

    async def _refuse(self, refused: Refused, scope: Scope, send: Send) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        sentence = refused.sentence
        if refused.locked:
            sentence += f" Run {self.open_command} in a terminal: it opens Lerix with a fresh link."
        kind, body, extra = TEXT, sentence.encode(), []
        if headers.get(b"hx-request") == "true" and refused.locked:
            # htmx loads the page again, and the page is then the locked one.
            extra = [(b"hx-refresh", b"true")]
        elif _wants_page(headers):
            context = {"sentence": refused.sentence, "locked": refused.locked, "command": self.open_command}
            kind, body = HTML, render_to_string("lerix_web/locked.html", context).encode()
        await _answer(send, refused.status, b"" if scope["method"] == "HEAD" else body, [kind, *extra])


class Request:
    """What the guard reads of a request. Raises Refused if Host, target or a doubled header is wrong."""

    def __init__(self, scope: Scope) -> None:
        self._headers: dict[bytes, str] = {}
        pairs: Iterable[tuple[bytes, bytes]] = scope["headers"]
        for name, value in pairs:
            if name in SINGLE and name in self._headers:
                raise Refused(400, "This request has a header twice.")
            self._headers[name] = value.decode("latin-1")
        self.method: str = scope.get("method", "GET")
        self.host = self.header(b"host")
        # The port we listen on, as the socket says: nothing to keep in step with --port.
        server = scope.get("server") or ("", None)
        names = {f"{name}:{server[1]}" for name in LOOPBACK} | (set(LOOPBACK) if server[1] == 80 else set())
        if self.host not in names:
            raise Refused(400, "Lerix answers at localhost only.")
        self.path: str = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
        if not re.fullmatch(r"/[!-~]*", self.path) or "\\" in self.path:
            raise Refused(400, "This address is not one of Lerix.")
        self.query: str = scope["query_string"].decode("latin-1")
        self.site = self._site()
        #: From our own page, or typed; not merely "not known to be foreign".
        self.ours = self.site in OWN

    def header(self, name: bytes) -> str:
        """Return the header's value, or "" if it was not sent."""
        return self._headers.get(name, "")

    def _site(self) -> str:
        """Return Sec-Fetch-Site, or what it would say; "" if nothing tells."""
        own = f"http://{self.host}"
        origin, site = self.header(b"origin"), self.header(b"sec-fetch-site")
        # "null" beside same-origin is a form on a page without referrer; any other stranger contradicts.
        if origin not in {"", "null", own}:
            return "cross-site"
        if site:
            return site
        if origin:
            return "same-origin" if origin == own else "cross-site"
        # Older browsers send no Origin with a GET to their own site; no page can forge a Referer.
        return "same-origin" if self.header(b"referer").startswith(own + "/") else ""

    @property
    def navigation(self) -> bool:
        """True for a page asked for in a tab of its own, by address or by link."""
        mode, dest = self.header(b"sec-fetch-mode"), self.header(b"sec-fetch-dest")
        return self.method == "GET" and mode == "navigate" and dest == "document"

    @property
    def followed(self) -> bool:
        """True for a link on another site, with which browsers do not send our cookie."""
        return self.navigation and self.site == "cross-site"

    def public(self, prefix: str) -> bool:
        """True if the path is below the prefix that needs no cookie."""
        return self.path.startswith(prefix)

    def address(self, query: str) -> str:
        """Return the request's address with this query; absolute, for "//x" would be another host."""
        return f"http://{self.host}{self.path}" + (f"?{query}" if query else "")

    def cookies(self) -> dict[str, str]:
        """Return the cookies; none at all if the header cannot be read."""
        try:
            return {name: morsel.value for name, morsel in SimpleCookie(self.header(b"cookie")).items()}
        except CookieError:
            return {}


def limited(receive: Receive, length: str, limit: int, too_much: Exception) -> Receive:
    """Return a receive that gives at most so many bytes of body; `length` is the Content-Length that was sent, or "".

    Raises `too_much`, here for a length that says so, and while receiving for a body that grows beyond it.
    """
    if length and (not length.isdigit() or int(length[:20]) > limit):
        raise too_much
    taken = 0

    async def counting() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise too_much  # a body without a length; Django reads it before any view runs
        return message

    return counting


def _admit(request: Request) -> None:
    """Let through what our own pages and a person's address bar ask for. Raises Refused."""
    if request.method not in METHODS and request.method != "OPTIONS":
        raise Refused(405, "Lerix does not know this method.")
    stream = "text/event-stream" in request.header(b"accept").lower()
    if request.ours:
        return
    if request.method not in SAFE or stream:
        raise Refused(403, "This request came from another site, so nothing was done.")
    if request.site and not request.navigation:
        raise Refused(403, "Other sites may not load parts of Lerix.")


HTML = (b"content-type", b"text/html; charset=utf-8")
TEXT = (b"content-type", b"text/plain; charset=utf-8")


def _wants_page(headers: dict[bytes, str]) -> bool:
    mode = headers.get(b"sec-fetch-mode", "navigate")
    return mode == "navigate" and "text/html" in headers.get(b"accept", "")


def _bounce(address: str) -> bytes:
    """Return a page that asks for the address again, from our own origin and without a script."""
    target = html.escape(address, quote=True)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Lerix</title>'
        f'<meta http-equiv="refresh" content="0;url={target}"></head>'
        f'<body><p><a href="{target}">Open Lerix</a></p></body></html>'
    ).encode()


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", ()))
            names = {name.lower() for name, _ in given}
            message = {**message, "headers": given + [pair for pair in HEADERS if pair[0] not in names]}
        await send(message)

    return sending


async def _answer(send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})

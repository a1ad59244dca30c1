"""Requests as browsers and attackers send them, handed to the guard without a network."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lerix_web.assets import Application, Message, Receive, Scope, Send
from lerix_web.guard import Guard
from lerix_web.launch import Doorkeeper

PORT = 7717
HOST = f"localhost:{PORT}"
OWN = f"http://{HOST}"

#: An address that was typed, or came from a bookmark.
TYPED = {
    "sec-fetch-site": "none",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
    "accept": "text/html",
}
#: A link on another site.
FOLLOWED = {**TYPED, "sec-fetch-site": "cross-site"}
#: Our own page's form.
OWN_FORM = {**TYPED, "sec-fetch-site": "same-origin", "origin": OWN}
#: Our own page's fetch.
OWN_FETCH = {
    "sec-fetch-site": "same-origin",
    "sec-fetch-mode": "cors",
    "sec-fetch-dest": "empty",
    "accept": "*/*",
}
EVENTS = {"accept": "text/event-stream"}


@dataclass
class Answer:
    """What came back; status 0 if nothing was sent."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    #: websocket only: "websocket.accept" or "websocket.close"
    socket: str = ""

    @property
    def text(self) -> str:
        return self.body.decode()


class Recorder:
    """The application behind the guard: says hello, and remembers that it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.body = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        message = await receive()
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        self.body = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            self.body += message.get("body", b"")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"hello"})


class Door:
    """A guard around a Recorder, and a browser that may hold the cookie."""

    def __init__(self, body_limit: int = 1000) -> None:
        self.keeper = Doorkeeper(b"k" * 43, role="local")
        self.behind = Recorder()
        self.guard = Guard(self.behind, self.keeper, body_limit=body_limit, wrong_token_seconds=0)

    @property
    def cookie(self) -> dict[str, str]:
        """The header of a browser that has been let in."""
        return {"cookie": f"{self.keeper.cookie_name}={self.keeper.issue_cookie()}"}

    def ask(
        self,
        method: str = "GET",
        target: str = "/",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        *,
        host: str | None = HOST,
        chunks: Iterable[bytes] = (b"",),
    ) -> Answer:
        """Send one http request; a list of pairs may hold a header twice."""
        return call(self.guard, scope("http", method, target, headers, host), chunks)

    def connect(
        self,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        *,
        target: str = "/socket/",
        host: str | None = HOST,
    ) -> Answer:
        """Send one WebSocket handshake."""
        return call(self.guard, scope("websocket", "GET", target, headers, host))


def scope(
    kind: str,
    method: str,
    target: str,
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    host: str | None,
) -> Scope:
    """Return the ASGI scope that daphne makes of such a request."""
    path, _, query = target.partition("?")
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    if host is not None:
        pairs.insert(0, ("host", host))
    made: Scope = {
        "type": kind,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in pairs],
        "server": ["127.0.0.1", PORT],
        "client": ["127.0.0.1", 50000],
        "scheme": "http",
    }
    if kind == "http":
        made["method"] = method
    return made


def call(application: Application, made: Scope, chunks: Iterable[bytes] = (b"",)) -> Answer:
    """Run the application for one scope and return what it sent."""
    answer = Answer()
    if made["type"] == "websocket":
        incoming: list[Message] = [{"type": "websocket.connect"}]
    else:
        incoming = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        incoming[-1]["more_body"] = False

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            for name, value in message["headers"]:
                assert name.decode() not in answer.headers, f"{name!r} was sent twice"
                answer.headers[name.decode()] = value.decode()
        elif message["type"] == "http.response.body":
            answer.body += message["body"]
        else:
            answer.socket = message["type"]

    async def run() -> None:
        await application(made, receive, send)

    asyncio.run(run())
    return answer

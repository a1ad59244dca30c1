"""The far side of these tests: small callables in place of the Codex backend, and people's sign-ins."""

import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from connections.catalogue import Effort, Model
from connections.client import Limits
from connections.codex.path import CodexPath
from connections.errors import AccessError
from connections.responses import AnswerEvent, Ask, TextDelta, Turn

BASE = "https://backend.example/backend-api"
TOKEN_URL = "https://sign-in.example/oauth/token"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
AUTH = "https://api.openai.com/auth"
ALICE = "aaaaaaaa-1111-4111-8111-111111111111"
BOB = "bbbbbbbb-2222-4222-8222-222222222222"

SOL = Model(
    slug="gpt-6.1-sol",
    name="GPT-6.1 Sol",
    efforts=(Effort("low"), Effort("high")),
    default_effort="low",
    lite=True,
    summaries=True,
    verbosity="low",
)
OLD = Model(slug="gpt-5.5", name="GPT-5.5", efforts=(Effort("medium"),), default_effort="medium", summaries=True)


def jwt(**payload: Any) -> str:
    """An unsigned token with these claims; its signature is a text that tests can look for."""
    parts = ({"alg": "none"}, payload)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "planted-signature"])


def access_token(account: str = ALICE, *, exp: Any = None, generation: int = 1, **auth: Any) -> str:
    """An access token; `exp` is by default an hour after NOW."""
    expiry = int((NOW + timedelta(hours=1)).timestamp()) if exp is None else exp
    return jwt(exp=expiry, generation=generation, **{AUTH: {"chatgpt_account_id": account, **auth}})


def sign_in(account: str = ALICE, email: str = "alice@example.com", **changes: Any) -> dict[str, Any]:
    """What auth.json holds after `codex login`; `changes` replace tokens, or remove them where they are `...`."""
    tokens = {
        "id_token": jwt(email=email, **{AUTH: {"chatgpt_plan_type": "plus", "chatgpt_account_id": account}}),
        "access_token": access_token(account),
        "refresh_token": "rt-planted-refresh",
        "account_id": account,
        **changes,
    }
    return {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": {name: value for name, value in tokens.items() if value is not ...},
        "last_refresh": "2026-11-22T06:47:23.884445187Z",
    }


def write(home: Path, content: Any) -> Path:
    """Put `content` into auth.json as the CLI does: a new file renamed over the old one."""
    home.mkdir(exist_ok=True)
    raw = content if isinstance(content, bytes) else json.dumps(content, indent=2).encode()
    new = home / ".auth-new"
    new.write_bytes(raw)
    return new.rename(home / "auth.json")


class Clock:
    """A time that passes only when somebody sleeps, or is told to."""

    def __init__(self) -> None:
        self.time = NOW
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)


def event(kind: str, **fields: Any) -> bytes:
    """One frame of the service's event stream."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def delta(text: str, **fields: Any) -> bytes:
    return event("response.output_text.delta", delta=text, output_index=0, content_index=0, **fields)


COMPLETED = event("response.completed", response={"id": "resp_1", "output": [], "usage": {"total_tokens": 7}})


class Body(httpx.AsyncByteStream):
    """A body that comes in pieces and remembers whether it was closed."""

    def __init__(self, pieces: AsyncIterator[bytes] | Sequence[bytes]) -> None:
        self.pieces = pieces
        self.given = 0
        self.closed = False

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        if isinstance(self.pieces, Sequence):
            for piece in self.pieces:
                self.given += len(piece)
                yield piece
        else:
            async for piece in self.pieces:
                self.given += len(piece)
                yield piece

    async def aclose(self) -> None:
        self.closed = True


def stream(*pieces: bytes, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """A 200 answer with an event stream in these pieces."""
    kind = {"content-type": "text/event-stream", **(headers or {})}
    return httpx.Response(200, headers=kind, stream=Body(pieces))


def refusal(status: int, body: Any = None, **headers: str) -> httpx.Response:
    """An answer with an error body."""
    return httpx.Response(status, json=body, headers={n.replace("_", "-"): v for n, v in headers.items()})


Reply = httpx.Response | Exception | Callable[[httpx.Request], "httpx.Response | Awaitable[httpx.Response]"]


class Far(httpx.AsyncBaseTransport):
    """Gives the replies in their order, the last one for ever, and keeps the requests."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.requests: list[httpx.Request] = []
        self.tokens: list[str] = []  # the bearer token of each request: a retried request is one object

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        self.tokens.append(request.headers.get("authorization", "").removeprefix("Bearer "))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, httpx.Response):
            return reply
        answer = reply(request)
        return answer if isinstance(answer, httpx.Response) else await answer


def no_sign_in_host(request: httpx.Request) -> httpx.Response:
    """In place of the sign-in host, where a test does not expect it to be asked."""
    raise httpx.ConnectError("there is no sign-in host")


def codex(home: Path, far: httpx.AsyncBaseTransport, clock: Clock | None = None, **options: Any) -> CodexPath:
    """The Codex path of somebody whose CLI folder is `home`, with `far` as the service."""
    clock = clock or Clock()
    settings: dict[str, Any] = {
        "base_url": BASE,
        "known_account": None,
        "user_agent": "Lerix/0.1 (test)",
        "find_cli": lambda: Path("/nowhere/codex"),  # installed, and cannot be run
        "token_url": TOKEN_URL,
        "token_transport": httpx.MockTransport(no_sign_in_host),
        "limits": Limits(),
        "now": clock,
        "sleep": clock.sleep,
        **options,
    }
    return CodexPath(home, transport=far, **settings)


def ask(text: str = "Hello", model: Model = SOL, **changes: Any) -> Ask:
    fields: dict[str, Any] = {
        "turns": [Turn("user", text)],
        "instructions": "",
        "effort": None,
        "conversation": "01890000-0000-7000-8000-000000000001",
        **changes,
    }
    return Ask(model=model, **fields)


async def collect(path: CodexPath, question: Ask | None = None) -> list[AnswerEvent]:
    async with aclosing(path.answer(question or ask())) as events:
        return [one async for one in events]


async def text_of(path: CodexPath, question: Ask | None = None) -> str:
    return "".join(one.text for one in await collect(path, question) if isinstance(one, TextDelta))


async def ending(path: CodexPath) -> tuple[list[str], AccessError]:
    """The texts of an answer that fails, and the error after them."""
    came: list[str] = []
    async with aclosing(path.answer(ask())) as events:
        try:
            async for one in events:
                came += [one.text] if isinstance(one, TextDelta) else []
        except AccessError as error:
            return came, error
    raise AssertionError("the answer did not fail")

"""A host with its adapter, and a remote's access path to it, over a switch in this process; and a path that obeys."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from connections.catalogue import Catalogue, Effort, Model
from connections.client import Limits
from connections.codex.path import CodexPath
from connections.codex.usage import Usage
from connections.errors import AccessError
from connections.paths import AccessPath
from connections.responses import AnswerEvent, Ask, Completed, TextDelta, Turn
from connections.status import NextStep, Status
from relay.client.path import RelayPath
from relay.client.transport import RelayTransport
from relay.host.adapter import Adapter, django_under
from relay.host.offer import Offer
from relay.host.pages import Pages
from relay.host.turns import Turns
from relay.link.link import LinkState, Phase
from relay.link.remote import Reply
from relay.protocol.headers import Request
from tests.relay.link.wire import MAC, World, world
from tests.upstream import TOKEN, Upstream

URLCONF = "lerix_web.urls.remote"
SOL = Model("gpt-5.5", "GPT-5.5", efforts=(Effort("low"), Effort("high")), default_effort="low", summaries=True)
READY = Status(True, "ready", "Ready", "All is well.", None)


def ask(text: str = "Hello", model: Model = SOL, *before: Turn) -> Ask:
    return Ask(model, (*before, Turn("user", text)), "", "high", "01890000-0000-7000-8000-000000000001")


class Obedient:
    """An access path that says what a test queues: texts, `...` to wait for `go`, other events to wait for, errors."""

    key, provider, label, runs = "codex", "ChatGPT", "Codex auth", "Here."
    keeps_messages = False

    def __init__(self) -> None:
        self.script: list[object] = ["Well."]
        self.asked: list[Ask] = []
        self.stopped = 0
        self.most = self.now = 0
        self.go = asyncio.Event()
        self.usage: Usage | None = None
        self.models_etag: str | None = None
        self.state = READY

    def status(self) -> Status:
        return self.state

    async def changes(self) -> AsyncGenerator[Status, None]:
        yield self.state

    async def models(self) -> Catalogue:
        return Catalogue((SOL,))

    async def answer(self, ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
        self.asked.append(ask)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            for said in list(self.script):
                if said is ...:
                    await self.go.wait()
                elif isinstance(said, asyncio.Event):
                    await said.wait()
                elif isinstance(said, Exception):
                    raise said
                else:
                    await asyncio.sleep(0)
                    yield TextDelta(str(said))
            yield Completed("resp_1")
        except (asyncio.CancelledError, GeneratorExit):
            self.stopped += 1
            raise
        finally:
            self.now -= 1

    def replay_key(self, model: Model) -> str:
        return f"codex:account:{model.slug}"

    async def aclose(self) -> None:
        pass


@dataclass
class House:
    """Both ends."""

    made: World
    adapter: Adapter
    turns: Turns
    path: RelayPath
    transport: RelayTransport
    noted: list[tuple[str, AccessError | None]]

    async def raw(self, request: Request, body: bytes = b"") -> Reply:
        """Ask as a remote that is not Lerix would."""
        async with asyncio.timeout(20):
            return await self.made.remote.ask(request, body)

    async def text(self, question: Ask | None = None) -> str:
        """A whole answer over the relay."""
        async with asyncio.timeout(20):
            return "".join([e.text async for e in self.path.answer(question or ask()) if isinstance(e, TextDelta)])


@asynccontextmanager
async def house(
    path: object,
    models: Callable[[], Awaitable[Sequence[Model]]] | None = None,
    *,
    connected: bool = True,
    pages: Pages | None = None,
) -> AsyncIterator[House]:
    """`path` is served to a remote over links that can be cut."""
    noted: list[tuple[str, AccessError | None]] = []

    async def note(model: Model, error: AccessError | None) -> None:
        noted.append((model.slug, error))

    async def all_models() -> Sequence[Model]:
        return (SOL,)

    served = cast(AccessPath, path)
    turns = Turns(served, noted=note)
    adapter = Adapter(django_under(URLCONF), Offer(served, turns, models or all_models), pages=pages)
    async with world(adapter.serve, connected=connected) as made:
        made.host._gave_up = adapter.gave_up
        link = LinkState(Phase.READY, datetime.now(UTC))
        relayed = RelayPath(MAC, "Ada’s Mac", made.remote, lambda: link, "Lerix/0 (test)", limits=Limits(idle=10))
        made.remote._changed = relayed.noticed
        relayed.noticed()
        try:
            yield House(made, adapter, turns, relayed, RelayTransport(made.remote), noted)
        finally:
            await relayed.aclose()
            await turns.aclose()
            await adapter.aclose()


def codex(home: Path, up: Upstream) -> CodexPath:
    """The Codex path of somebody who is signed in, against the stand-in."""
    return CodexPath(
        home, f"{up.url}/backend-api", None, "Lerix/0 (test)", token_url=f"{up.url}{TOKEN}", find_cli=lambda: None
    )


def unready(code: str = "sign-in-again", step: NextStep = NextStep.SIGN_IN_AGAIN) -> Status:
    return Status(False, code, "Sign in again", "Codex's sign-in has ended. Run codex login again.", step)

"""An access path whose far side is the test itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chat.choice import Choice
from connections.catalogue import Catalogue, Effort, Model
from connections.codex.usage import Usage
from connections.codex.watch import Broadcast
from connections.errors import AccessError
from connections.responses import AnswerEvent, Ask, Completed, TextDelta, TokenUsage
from connections.status import NextStep, Status

READY = Status(ready=True, code="connected", title="Connected", sentence="It works.", next_step=None)
MODEL = Model("gpt-test", "GPT Test", efforts=(Effort("low"), Effort("high")), default_effort="low")
OTHER = Model("gpt-other", "GPT Other")

Script = Callable[[Ask], AsyncGenerator[AnswerEvent, None]]


async def pleasant(ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
    """Answer in three deltas."""
    for text in ("Hello, ", "**wor", "ld**"):
        yield TextDelta(text)
    yield Completed("resp_1", TokenUsage(input=3, output=2, total=5))


@dataclass
class FakePath:
    """Answers as `script` says and records what it was asked."""

    script: Script = pleasant
    key: str = "fake"
    provider: str = "ChatGPT"
    label: str = "Fake access"
    runs: str = "In the test."
    state: Status = READY
    account: str = "one"
    keeps_messages: bool = False
    usage: Usage | None = None
    models_etag: str | None = None
    asked: list[Ask] = field(default_factory=list)

    def status(self) -> Status:
        return self.state

    async def changes(self) -> AsyncGenerator[Status, None]:
        yield self.state

    async def models(self) -> Catalogue:
        return Catalogue((MODEL, OTHER), "etag")

    def replay_key(self, model: Model) -> str:
        return f"{self.key}:{self.account}:{model.slug}"

    def answer(self, ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
        self.asked.append(ask)
        return self.script(ask)

    async def aclose(self) -> None:
        return None

    def choice(self, model: Model = MODEL) -> Choice:
        return Choice(self, model, model.default_effort)


AWAY = Status(
    ready=False,
    code="relay-off-line",
    title="Off line",
    sentence="Anna's Mac is not on line.",
    next_step=NextStep.WAIT,
    since=datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
)


@dataclass
class KeepingPath(FakePath):
    """A path that keeps messages while it is away, and tells of each change."""

    key: str = "mac"
    label: str = "Codex Relay · Anna's Mac"
    keeps_messages: bool = True
    state: Status = AWAY

    def __post_init__(self) -> None:
        self._statuses = Broadcast(self.state)

    def be(self, state: Status) -> None:
        self.state = state
        self._statuses.publish(state)

    def changes(self) -> AsyncGenerator[Status, None]:
        return self._statuses.changes()


class Held:
    """A script that sends what the test puts in, when the test puts it in."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[AnswerEvent | AccessError] = asyncio.Queue()

    async def __call__(self, ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
        while True:
            event = await self.queue.get()
            if isinstance(event, AccessError):
                raise event
            yield event
            if isinstance(event, Completed):
                return

    def say(self, text: str) -> None:
        self.queue.put_nowait(TextDelta(text))

    def end(self) -> None:
        self.queue.put_nowait(Completed("resp_1"))

"""The turns that remotes ask for: at most two at once, each read to its end whoever listens, kept to be read again.

A turn is named by its device and the request's `idem`, and entered before anything is sent: whoever comes with the
same name and the same request attaches to the turn or reads it again from any byte, and it is asked once.

What a turn answers is kept in the memory of this process only, never on a disk: at most 8 MiB each and 64 MiB in all,
for a day, the oldest first to go. Of a turn that went its name stays, so that it is not begun again; the names
themselves are bounded to 4,096. A turn does not outlive its process: `boot` names the process, and who comes with the
name of an earlier one is told that the turn is forgotten instead of having it begun a second time.
"""

import asyncio
import contextlib
import contextvars
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Final

from connections.catalogue import Model
from connections.changes import Signal
from connections.errors import AccessError
from connections.paths import AccessPath
from connections.responses import Ask, Completed
from relay.answers import ERROR, QUEUE, USAGE, comment, encode_event, error_document
from relay.errors import HostBusy, HostFailed, OtherRequest, SpoolFull, TurnForgotten, TurnStopped
from relay.host.budget import Lease

logger = logging.getLogger(__name__)

MOST_RUNNING: Final = 2
MOST_WAITING: Final = 16
#: Bytes.
MOST_SPOOLED: Final = 8 * 1024 * 1024
MOST_KEPT: Final = 64 * 1024 * 1024
MOST_NAMES: Final = 4096
#: Seconds.
KEPT_SECONDS: Final = 24 * 3600.0
#: Until `Turns.changed` rings: who counts turns takes this loop a millisecond, which a question would wait for.
TOLD_SECONDS: Final = 0.1
# Bytes given at once.
_PIECE: Final = 64 * 1024

Name = tuple[bytes, str]


async def _note_nothing(model: Model, error: AccessError | None) -> None:
    pass


class Turn:
    """One answer of a model, as far as it has come."""

    def __init__(self, name: Name, digest: bytes, since: float) -> None:
        self.name = name
        self.digest = digest
        self.since = since
        self.spool: bytearray | None = bytearray()
        self.done = False
        #: All of the answer is here; only what the host notes of it may be missing.
        self.whole = False
        #: How many turns are before it, itself included; 0 when it runs.
        self.position = 0
        self.changed = Signal()
        self.go = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.error: AccessError | None = None
        self._stopped = False

    def stop(self) -> None:
        """End it now: somebody pressed Stop. Harmless for one that is over, or as good as over."""
        # Once: a second one would meet it as it closes its connection to the service, which would then stay open, and
        # the service would go on answering.
        if self.task is not None and not self.whole and not self._stopped:
            self._stopped = True
            self.task.cancel()

    def put(self, data: bytes) -> None:
        """Add to the answer. Raises SpoolFull."""
        if self.spool is not None:
            if len(self.spool) + len(data) > MOST_SPOOLED:
                raise SpoolFull
            self.spool += data
            self.changed.set()

    def finish(self, error: AccessError | None) -> None:
        """It has ended, with an answer or an error."""
        if self.spool is not None and error is not None:
            self.spool += comment(ERROR, error_document(error))
        self.done = True
        self.changed.set()


class Reading:
    """The answer of a turn from a byte on, as it comes; to be iterated once. Ends with the turn."""

    def __init__(self, turn: Turn, at: int) -> None:
        self._turn = turn
        self._at = at
        self._told = 0
        self._bell = asyncio.Event()
        turn.changed.ring(self._bell)

    def __aiter__(self) -> "Reading":
        return self

    async def __anext__(self) -> bytes:
        turn = self._turn
        while True:
            self._bell.clear()
            if turn.spool is not None and len(turn.spool) > self._at:
                piece = bytes(turn.spool[self._at : self._at + _PIECE])
                self._at += len(piece)
                return piece
            if turn.spool is None:
                return self._forgotten()
            if turn.done:
                raise StopAsyncIteration
            if turn.position and turn.position != self._told:
                self._told = turn.position
                return comment(QUEUE, turn.position)
            await self._bell.wait()

    def _forgotten(self) -> bytes:
        # Let go of while somebody slow was reading it: said once, then it ends.
        if self._at < 0:
            raise StopAsyncIteration
        self._at = -1
        return comment(ERROR, error_document(TurnForgotten()))


class Turns:
    """The turns over one access path. `noted` is told how each ended; `clock` is in seconds. On one event loop."""

    def __init__(
        self,
        path: AccessPath,
        *,
        noted: Callable[[Model, AccessError | None], Awaitable[None]] = _note_nothing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        #: This process, to remotes.
        self.boot = secrets.token_hex(16)
        #: Rings a moment after the number of turns that run or wait is another.
        self.changed = Signal()
        self._path = path
        self._noted = noted
        self._clock = clock
        self._turns: dict[Name, Turn] = {}
        self._waiting: deque[Turn] = deque()
        self._running: set[Turn] = set()

    @property
    def running(self) -> int:
        """How many are being answered."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    def find(self, name: Name, digest: bytes, boot: str | None) -> Turn | None:
        """The turn of that name, or None for one that is new. Raises OtherRequest, TurnForgotten.

        `boot` names the process that was asked first, or is None.
        """
        found = self._turns.get(name)
        if found is None:
            if boot is not None and boot != self.boot:
                raise TurnForgotten
            return None
        if found.digest != digest:
            raise OtherRequest
        if found.spool is None:
            raise TurnForgotten
        return found

    def begin(self, name: Name, digest: bytes, ask: Ask, take_lease: Callable[[], Lease | None] = lambda: None) -> Turn:
        """Begin a new turn; the lease that `take_lease` gives is released when it has ended. Raises HostBusy."""
        if len(self._waiting) >= MOST_WAITING:
            raise HostBusy
        lease = take_lease()
        self.sweep()
        # Entered first: whatever happens from here on, nobody begins it again.
        turn = self._turns[name] = Turn(name, digest, self._clock())
        self._waiting.append(turn)
        self._pass_on()
        # An empty context: it outlives the request that began it, and must not inherit that one's executor.
        task = asyncio.get_running_loop().create_task(self._work(turn, ask), context=contextvars.Context())
        task.add_done_callback(lambda done: self._ended(turn, lease, stopped=done.cancelled()))
        turn.task = task
        return turn

    def stop(self, device: bytes | None = None) -> None:
        """End and forget the turns of a device, or of all: removed, signed out, switched off."""
        for name, turn in list(self._turns.items()):
            if device is None or name[0] == device:
                turn.stop()
                self._forget(turn)

    async def aclose(self) -> None:
        """End all, and wait for it."""
        self.stop()
        tasks = [turn.task for turn in self._turns.values() if turn.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    def sweep(self) -> None:
        """Forget what is too old or too much. To be called now and then."""
        now = self._clock()
        over = [turn for turn in self._turns.values() if turn.done]
        kept = sum(len(turn.spool or b"") for turn in self._turns.values())
        for turn in over:
            if now - turn.since > KEPT_SECONDS:
                kept -= len(turn.spool or b"")
                del self._turns[turn.name]
                self._forget(turn)
        for turn in over:
            if kept <= MOST_KEPT - MOST_SPOOLED:
                break
            kept -= len(turn.spool or b"")
            self._forget(turn)
        for turn in over[: max(0, len(self._turns) - MOST_NAMES)]:
            self._turns.pop(turn.name, None)
            self._forget(turn)

    def _forget(self, turn: Turn) -> None:
        turn.spool = None
        turn.changed.set()

    # One turn

    async def _work(self, turn: Turn, ask: Ask) -> None:
        try:
            await turn.go.wait()
            turn.error = await self._answer(turn, ask)
        except Exception:
            logger.exception("A turn of another device failed.")
            turn.error = HostFailed()

    def _ended(self, turn: Turn, lease: Lease | None, *, stopped: bool) -> None:
        # As a callback and not in `_work`, which never runs at all where it is cancelled at once.
        turn.finish(TurnStopped() if stopped else turn.error)
        if lease is not None:
            lease.release()
        self._running.discard(turn)
        if turn in self._waiting:
            self._waiting.remove(turn)
        self._pass_on()

    async def _answer(self, turn: Turn, ask: Ask) -> AccessError | None:
        error: AccessError | None = None
        try:
            async with aclosing(self._path.answer(ask)) as events:
                begun = False
                async for event in events:
                    if not begun:
                        begun = True
                        turn.put(self._usage())
                    turn.put(encode_event(event))
                    turn.whole = isinstance(event, Completed)
        except AccessError as refusal:
            error = refusal
        try:
            await self._noted(ask.model, error)
        except Exception:  # the database: the answer is there all the same
            logger.exception("How an answer ended could not be noted.")
        if error is not None:
            with contextlib.suppress(SpoolFull):
                turn.put(self._usage())
        return error

    def _usage(self) -> bytes:
        usage = self._path.usage
        return comment(USAGE, {"usage": usage.to_json() if usage is not None else None})

    def _pass_on(self) -> None:
        while self._waiting and len(self._running) < MOST_RUNNING:
            turn = self._waiting.popleft()
            turn.position = 0
            self._running.add(turn)
            turn.go.set()
        for position, turn in enumerate(self._waiting, 1):
            if turn.position != position:
                turn.position = position
                turn.changed.set()
        asyncio.get_running_loop().call_later(TOLD_SECONDS, self.changed.set)

"""A session's streams for coroutines: bodies to read and write, with the session's own backpressure.

`Streams` outlives the links below it. Whoever writes waits for the peer's window, whoever reads grants it again; a
stream that is given up wakes everybody who waits for it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from relay.protocol import events
from relay.protocol.frames import MAX_PAYLOAD
from relay.protocol.headers import Answer, Request
from relay.protocol.session import CANCELLED, Session

#: What is written at once, so that one long body does not keep the others from their turn.
PIECE = 4 * MAX_PAYLOAD


class StreamEnded(Exception):
    """The stream is no more: the peer gave it up (`code`), or the session was lost (`code` None).

    `is_final` says that no other session with this peer will have it either.
    """

    def __init__(self, code: int | None, *, is_final: bool = False) -> None:
        super().__init__(f"stream ended: {code}")
        self.code = code
        self.is_final = is_final


@dataclass
class _Inbox:
    """What has come on a stream and was not read."""

    pieces: deque[bytes] = field(default_factory=deque)
    answer: Answer | None = None
    ended: bool = False
    error: StreamEnded | None = None


class Streams:
    """The streams of one session. `bell` is rung whenever there may be frames to send.

    `requested` is called with each request that comes (on the host), `gave_up` with each stream that the peer resets
    (True), or whose session is lost (False).
    """

    def __init__(
        self,
        session: Session,
        bell: asyncio.Event,
        *,
        requested: Callable[[int, Request], None] = lambda stream, request: None,
        gave_up: Callable[[int, bool], None] = lambda stream, reset: None,
    ) -> None:
        self.session = session
        self._bell = bell
        self._requested = requested
        self._gave_up = gave_up
        self._inboxes: dict[int, _Inbox] = {}
        self._changed = asyncio.Condition()
        self._turn: asyncio.Task[None] | None = None

    # From the route

    def heard(self, happened: Iterable[events.Event]) -> None:
        """Take what the session tells."""
        any_event = False
        for event in happened:
            any_event = True
            match event:
                case events.Requested(stream, request):
                    self._inboxes[stream] = _Inbox()
                    self._requested(stream, request)
                case events.Answered(stream, answer) if stream in self._inboxes:
                    self._inboxes[stream].answer = answer
                case events.Data(stream, data) if stream in self._inboxes:
                    self._inboxes[stream].pieces.append(data)
                case events.Data(stream, data):
                    self.session.consume(stream, len(data))  # nobody reads it any more
                case events.Ended(stream) if stream in self._inboxes:
                    self._inboxes[stream].ended = True
                case events.WasReset(stream, code):
                    if stream in self._inboxes:
                        self._inboxes[stream].error = StreamEnded(code)
                    self._gave_up(stream, True)
                case _:
                    pass
        if any_event:
            self._wake()
        self._bell.set()

    def lose(self, *, is_final: bool = False) -> None:
        """The session is gone: everybody who waits learns it, and whether it was the last with this peer."""
        for stream, inbox in list(self._inboxes.items()):
            if inbox.error is not None:
                continue  # the peer has given it up before
            if not inbox.ended:
                inbox.error = StreamEnded(None, is_final=is_final)
            self._gave_up(stream, False)
        self._wake()

    def _wake(self) -> None:
        """Wake all who wait, soon; called outside of coroutines."""
        if self._turn is None or self._turn.done():
            self._turn = asyncio.get_running_loop().create_task(self._notify())

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    # For the application

    def open(self, request: Request) -> int:
        """Ask; returns the stream. Raises TooManyStreams, StreamMisused, HeadersTooLarge."""
        stream = self.session.open(request)
        self._inboxes[stream] = _Inbox()
        self._bell.set()
        return stream

    def answer(self, stream: int, answer: Answer) -> None:
        """Begin an answer."""
        self.session.answer(stream, answer)
        self._bell.set()

    async def write(self, stream: int, data: bytes) -> None:
        """Send a part of a body; waits for the peer to read. Raises StreamEnded."""
        view = memoryview(data)
        while view:
            self._check(stream)
            count = min(len(view), self.session.writable(stream), PIECE)
            if not count:
                await self._wait(lambda: self._is_over(stream) or self.session.writable(stream) > 0)
                continue
            self.session.send(stream, bytes(view[:count]))
            view = view[count:]
            self._bell.set()

    def end(self, stream: int) -> None:
        """Say that our body is complete."""
        self.session.end(stream)
        self._forget_if_read(stream)
        self._bell.set()

    async def answered(self, stream: int) -> Answer:
        """Wait for the answer to begin. Raises StreamEnded."""
        inbox = self._inbox(stream)
        await self._wait(lambda: inbox.answer is not None or inbox.error is not None)
        if inbox.answer is None:
            self._check(stream)
            raise StreamEnded(None)
        return inbox.answer

    async def read(self, stream: int) -> bytes:
        """The next part of the peer's body, b"" after its end. Raises StreamEnded."""
        inbox = self._inbox(stream)
        await self._wait(lambda: bool(inbox.pieces) or inbox.ended or inbox.error is not None)
        if inbox.pieces:
            data = inbox.pieces.popleft()
            self.session.consume(stream, len(data))
            self._bell.set()
            return data
        if inbox.error is not None:
            self._inboxes.pop(stream, None)
            raise inbox.error
        self._forget_if_read(stream)
        return b""

    def give_up(self, stream: int, code: int = CANCELLED) -> None:
        """Tell the peer that nobody wants this any more; harmless for one that is over."""
        inbox = self._inboxes.pop(stream, None)
        for piece in inbox.pieces if inbox is not None else ():
            self.session.consume(stream, len(piece))
        self.session.reset(stream, code)
        if inbox is not None:
            inbox.error = inbox.error or StreamEnded(code)
            self._wake()
        self._bell.set()

    def _inbox(self, stream: int) -> _Inbox:
        inbox = self._inboxes.get(stream)
        if inbox is None:
            raise StreamEnded(None)
        return inbox

    def _is_over(self, stream: int) -> bool:
        inbox = self._inboxes.get(stream)
        return inbox is None or inbox.error is not None

    def _check(self, stream: int) -> None:
        error = self._inbox(stream).error
        if error is not None:
            raise error

    def _forget_if_read(self, stream: int) -> None:
        inbox = self._inboxes.get(stream)
        if inbox is not None and inbox.ended and not inbox.pieces and stream not in self.session.streams:
            del self._inboxes[stream]

    async def _wait(self, test: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(test)

"""A session: streams that survive any number of links, each frame delivered once and in order.

Frames are numbered. The receiver takes the number it expects, drops what it has already, and takes a gap for a broken
link. The sender keeps a frame until the other side says that all before a number have arrived; on a new link it begins
again from there. A session has no keys and no clock: links are encrypted below it, and times come from the caller.

    application   open, answer, send, end, reset, consume          → frames to send
    link          attach(peer's rx), receive(frame), pull() ...     → events

The remote opens streams, with odd numbers; the host opens none. Everything that a peer can make us keep is bounded:
bodies by the windows that we granted, streams and frames by `Limits`.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from relay.protocol import events
from relay.protocol.errors import (
    FrameMalformed,
    GapInFrames,
    NeverAcknowledged,
    PeerForgot,
    ResetTooOften,
    StreamMisused,
    TooManyStreams,
    WindowExceeded,
)
from relay.protocol.frames import MAX_PAYLOAD, UNNUMBERED, Frame, Kind, decode
from relay.protocol.headers import Answer, Request, decode_answer, decode_request
from relay.protocol.limits import Bucket, Limits
from relay.protocol.streams import Stream

#: Codes of RESET.
CANCELLED: Final = 1
FAILED: Final = 2
#: What a window may grow to; more is no window any more.
MOST_WINDOW: Final = (1 << 31) - 1

_Kept = tuple[Kind, int, bytes]


class Session:
    """One side of a session. `host` says which; `now` are seconds of a clock that does not go back."""

    def __init__(self, *, host: bool, limits: Limits | None = None) -> None:
        self.host = host
        self.limits = limits or Limits()
        self.attached = False
        #: The number expected next: all before it have arrived.
        self.rx = 0
        #: The number that the next new frame gets.
        self.tx = 0
        self.last_stream = 0
        self._streams: dict[int, Stream] = {}
        # Bytes of streams closed by both that the application has not taken yet.
        self._owed: dict[int, int] = {}
        # Frames [oldest, tx); those from `_next` on have not been given to this link yet.
        self._kept: deque[_Kept] = deque()
        self._kept_data = 0
        self._next = 0
        self._fleeting: deque[tuple[Kind, bytes]] = deque(maxlen=16)
        self._unacknowledged = 0
        self._may_send = self._may_come = self.limits.session_window
        self._taken = 0
        self._gone = False
        self._opens = Bucket(self.limits.opens, self.limits.open_burst)
        self._resets = Bucket(self.limits.resets, self.limits.reset_burst)
        self._handlers: dict[Kind, Callable[[Frame, float], list[events.Event]]] = {
            Kind.HEADERS: self._heard_headers,
            Kind.DATA: self._heard_data,
            Kind.END: self._heard_end,
            Kind.RESET: self._heard_reset,
            Kind.WINDOW: self._heard_window,
            Kind.GOAWAY: self._heard_goaway,
        }

    def __repr__(self) -> str:
        return f"<Session rx={self.rx} tx={self.tx} streams={len(self._streams)} kept={len(self._kept)}>"

    # Application

    @property
    def streams(self) -> tuple[int, ...]:
        """The streams that are not closed."""
        return tuple(self._streams)

    def open(self, request: Request) -> int:
        """Ask something on a new stream, and return its number. Raises TooManyStreams, StreamMisused on the host."""
        if self.host or self._gone:
            raise StreamMisused
        if len(self._streams) >= self.limits.streams:
            raise TooManyStreams
        payload = request.encode()
        number = self.last_stream + 2 if self.last_stream else 1
        stream = self._new(number)
        stream.say_headers()
        self._keep(Kind.HEADERS, number, payload)
        return number

    def answer(self, stream: int, answer: Answer) -> None:
        """Begin the answer to a request. Raises StreamMisused, HeadersTooLarge; a closed stream is let go."""
        found, payload = self._streams.get(stream), answer.encode()
        if found is not None:
            if not self.host:
                raise StreamMisused
            found.say_headers()
            self._keep(Kind.HEADERS, stream, payload)

    def writable(self, stream: int) -> int:
        """Return how many bytes `send` takes now. 0 for a stream that is closed."""
        found = self._streams.get(stream)
        if found is None or found.ended_here or len(self._kept) >= self.limits.kept_frames:
            return 0
        return max(0, min(found.may_send, self._may_send, self.limits.kept - self._kept_data))

    def send(self, stream: int, data: bytes) -> None:
        """Send a part of a body, at most `writable` bytes. Raises WindowExceeded, StreamMisused."""
        found = self._streams.get(stream)
        if found is None or not data:
            return
        found.say_data()
        if len(data) > self.writable(stream):
            raise WindowExceeded
        found.may_send -= len(data)
        self._may_send -= len(data)
        for start in range(0, len(data), MAX_PAYLOAD):
            self._keep(Kind.DATA, stream, data[start : start + MAX_PAYLOAD])

    def end(self, stream: int) -> None:
        """Say that our body on a stream is complete. Raises StreamMisused."""
        found = self._streams.get(stream)
        if found is not None:
            found.say_end()
            self._keep(Kind.END, stream, b"")
            self._close_if_done(found)

    def reset(self, stream: int, code: int = CANCELLED) -> None:
        """Give a stream up, at once."""
        found = self._streams.pop(stream, None)
        if found is not None:
            self._take(None, found.untaken)
            self._keep(Kind.RESET, stream, code.to_bytes(2, "big"))

    def consume(self, stream: int, count: int) -> None:
        """Say that the application has taken so many bytes of `Data`: the peer may send as many more."""
        found = self._streams.get(stream)
        if found is not None:
            self._take(found, count)
        elif stream in self._owed:
            # A stream that was reset is not here: all of it was given back then.
            count = min(count, self._owed[stream])
            self._owed[stream] -= count
            if not self._owed[stream]:
                del self._owed[stream]
            self._take(None, count)

    def ping(self, payload: bytes) -> None:
        """Ask for a `Ponged` with these 8 bytes."""
        self._fleeting.append((Kind.PING, payload))

    def go_away(self, code: int = 0) -> None:
        """Take no more streams."""
        if not self._gone:
            self._gone = True
            self._keep(Kind.GOAWAY, 0, self.last_stream.to_bytes(4, "big") + code.to_bytes(2, "big"))

    # Link

    @property
    def oldest(self) -> int:
        """The number of the oldest frame that is kept."""
        return self.tx - len(self._kept)

    def can_resume(self, peer_rx: int) -> bool:
        """Whether a peer that expects this number next can be served."""
        return self.oldest <= peer_rx <= self.tx

    def attach(self, peer_rx: int) -> None:
        """Go on over a new link, from what the peer expects next. Raises PeerForgot."""
        if not self.can_resume(peer_rx):
            raise PeerForgot
        self._acknowledged(peer_rx)
        self._next = peer_rx
        self._fleeting.clear()
        self._unacknowledged = 0
        self.attached = True

    def detach(self) -> None:
        """The link is gone; everything is kept."""
        self.attached = False
        self._fleeting.clear()

    @property
    def ack_due(self) -> bool:
        """Whether frames have arrived that the peer does not know of yet."""
        return self._unacknowledged > 0

    def acknowledge(self) -> None:
        """Have the next `pull` tell the peer what has arrived, if it does not know."""
        if self._unacknowledged and not any(kind is Kind.ACK for kind, _ in self._fleeting):
            self._fleeting.append((Kind.ACK, b""))

    def pull(self) -> bytes | None:
        """Return the next frame for the link, or None if there is none now."""
        if not self.attached:
            return None
        if self._fleeting:
            kind, payload = self._fleeting.popleft()
            self._unacknowledged = 0
            return Frame(kind, 0, UNNUMBERED, self.rx, payload).encode()
        if self._next == self.tx:
            return None
        kind, stream, payload = self._kept[self._next - self.oldest]
        frame = Frame(kind, stream, self._next, self.rx, payload)
        self._next += 1
        self._unacknowledged = 0
        return frame.encode()

    def receive(self, data: bytes, now: float) -> list[events.Event]:
        """Take a frame from the link.

        Raises GapInFrames and FrameMalformed, after which the link ends, and SessionBroken, after which both end.
        """
        frame = decode(data)
        if frame.ack > self.tx:
            raise FrameMalformed  # it knows more than was sent
        heard: list[events.Event] = [events.Writable(0)] if self._acknowledged(frame.ack) else []
        if frame.seq == UNNUMBERED:
            return heard + self._heard_fleeting(frame)
        self._unacknowledged += 1
        if self._unacknowledged >= self.limits.ack_every:
            self.acknowledge()
        if frame.seq < self.rx:
            return heard
        if frame.seq > self.rx:
            raise GapInFrames
        self.rx += 1
        return heard + self._handlers[frame.kind](frame, now)

    # Inside

    def _new(self, number: int) -> Stream:
        window = self.limits.stream_window
        stream = self._streams[number] = Stream(number, may_send=window, may_come=window)
        self.last_stream = number
        return stream

    def _keep(self, kind: Kind, stream: int, payload: bytes) -> None:
        if kind is Kind.DATA:
            self._kept_data += len(payload)
        elif len(self._kept) >= 2 * self.limits.kept_frames:
            raise NeverAcknowledged
        self._kept.append((kind, stream, payload))
        self.tx += 1

    def _acknowledged(self, number: int) -> bool:
        """All before `number` have arrived: let go of them. Returns whether that makes room where there was none."""
        full = self._kept_data >= self.limits.kept or len(self._kept) >= self.limits.kept_frames
        while self.oldest < number:
            kind, _, payload = self._kept.popleft()
            if kind is Kind.DATA:
                self._kept_data -= len(payload)
        self._next = max(self._next, self.oldest)
        return full and self._kept_data < self.limits.kept and len(self._kept) < self.limits.kept_frames

    def _take(self, stream: Stream | None, count: int) -> None:
        """The application has taken bytes, or will never want them; grant as many, half a window at a time."""
        self._taken += count
        if self._taken * 2 >= self.limits.session_window:
            self._may_come += self._taken
            self._keep(Kind.WINDOW, 0, self._taken.to_bytes(4, "big"))
            self._taken = 0
        if stream is None:
            return
        stream.untaken -= count
        if stream.ended_there:
            return
        stream.taken += count
        if stream.taken * 2 >= self.limits.stream_window:
            stream.may_come += stream.taken
            self._keep(Kind.WINDOW, stream.id, stream.taken.to_bytes(4, "big"))
            stream.taken = 0

    def _close_if_done(self, stream: Stream) -> None:
        if stream.closed:
            del self._streams[stream.id]
            if stream.untaken:
                self._owed[stream.id] = stream.untaken

    def _heard_fleeting(self, frame: Frame) -> list[events.Event]:
        if frame.kind is Kind.PING:
            self._fleeting.append((Kind.PONG, frame.payload))
        return [events.Ponged(frame.payload)] if frame.kind is Kind.PONG else []

    def _known(self, frame: Frame) -> Stream | None:
        """The stream of a frame; None if it is closed already. Raises StreamMisused for one that never was."""
        stream = self._streams.get(frame.stream)
        if stream is None and (frame.stream > self.last_stream or frame.stream % 2 == 0):
            raise StreamMisused
        return stream

    def _heard_headers(self, frame: Frame, now: float) -> list[events.Event]:
        if not self.host:
            stream, answer = self._known(frame), decode_answer(frame.payload)
            if stream is None:
                return []
            stream.hear_headers()
            return [events.Answered(stream.id, answer)]
        if frame.stream != (self.last_stream + 2 if self.last_stream else 1):
            raise StreamMisused
        if len(self._streams) >= self.limits.streams or not self._opens.take(now):
            raise TooManyStreams
        request, stream = decode_request(frame.payload), self._new(frame.stream)
        stream.hear_headers()
        return [events.Requested(stream.id, request)]

    def _heard_data(self, frame: Frame, now: float) -> list[events.Event]:
        stream, count = self._known(frame), len(frame.payload)
        if count == 0:
            raise FrameMalformed
        self._may_come -= count
        if self._may_come < 0:
            raise WindowExceeded
        if stream is None:
            self._take(None, count)
            return []
        stream.hear_data()
        stream.may_come -= count
        if stream.may_come < 0:
            raise WindowExceeded
        stream.untaken += count
        return [events.Data(stream.id, frame.payload)]

    def _heard_end(self, frame: Frame, now: float) -> list[events.Event]:
        stream = self._known(frame)
        if stream is None:
            return []
        stream.hear_end()
        self._close_if_done(stream)
        return [events.Ended(stream.id)]

    def _heard_reset(self, frame: Frame, now: float) -> list[events.Event]:
        stream = self._known(frame)
        if self.host and not self._resets.take(now):
            raise ResetTooOften
        if stream is None:
            return []
        del self._streams[stream.id]
        self._take(None, stream.untaken)
        return [events.WasReset(stream.id, int.from_bytes(frame.payload, "big"))]

    def _heard_window(self, frame: Frame, now: float) -> list[events.Event]:
        more = int.from_bytes(frame.payload, "big")
        if frame.stream == 0:
            self._may_send += more
            if self._may_send > MOST_WINDOW or not more:
                raise WindowExceeded
            return [events.Writable(0)]
        stream = self._known(frame)
        if stream is None:
            return []
        stream.may_send += more
        if stream.may_send > MOST_WINDOW or not more:
            raise WindowExceeded
        return [events.Writable(stream.id)]

    def _heard_goaway(self, frame: Frame, now: float) -> list[events.Event]:
        self._gone = True
        return [events.GoneAway(int.from_bytes(frame.payload[:4], "big"), int.from_bytes(frame.payload[4:], "big"))]

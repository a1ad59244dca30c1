"""The event stream format: bytes in, events out. No I/O.

Source: WHATWG HTML, "Server-sent events", sections 9.2.5 and 9.2.6. Errors:

EventStreamError
├── LineTooLong       a line, finished or not, is over max_line bytes
├── EventTooLarge     the data lines of one event are over max_event bytes together
└── InvalidEncoding   a line is not UTF-8
"""

from dataclasses import dataclass

# One event of the model API is one data line. The largest are response.completed, which echoes the
# request's settings, and reasoning items with encrypted content: some 100 KB. 8 MiB leaves room.
MAX_LINE = 8 * 1024 * 1024
MAX_EVENT = 8 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_CR = 0x0D
_LF = 0x0A
# A reconnection time of more digits is no time; this also keeps int() cheap.
_RETRY_DIGITS = 12


class EventStreamError(Exception):
    """The bytes are not an event stream within the limits; the parser is of no further use."""


class LineTooLong(EventStreamError):
    """A line is longer than max_line."""


class EventTooLarge(EventStreamError):
    """An event holds more data than max_event."""


class InvalidEncoding(EventStreamError):
    """A line is not valid UTF-8."""


@dataclass(frozen=True)
class ServerSentEvent:
    """One dispatched event. `id` is the last id seen so far; `retry` is in milliseconds."""

    event: str
    data: str
    id: str = ""
    retry: int | None = None


class EventStreamParser:
    """Parses one stream. Work and memory are linear in the bytes fed, however they are cut."""

    def __init__(self, *, max_line: int = MAX_LINE, max_event: int = MAX_EVENT) -> None:
        self._max_line = max_line
        self._max_event = max_event
        self._buffer = bytearray()  # the unfinished line
        self._scanned = 0  # bytes of _buffer known to hold no line end
        self._skip_lf = False  # the last byte was CR: an LF that follows belongs to it
        self._first_line = True
        self._error: EventStreamError | None = None
        self._type = ""
        self._data: list[str] = []
        self._data_size = 0
        self._id = ""
        self._retry: int | None = None

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """The events which `data` completes.

        Raises EventStreamError. Events that were complete before the fault are returned first and the
        error is raised by the next call, so that the cutting of the stream changes nothing.
        """
        self.close()
        events: list[ServerSentEvent] = []
        try:
            self._feed(data, events)
        except EventStreamError as error:
            self._error = error
            if not events:
                raise
        return events

    def close(self) -> None:
        """At the end of the stream: raise a held error. An event without its blank line is dropped."""
        if self._error is not None:
            raise self._error

    def _feed(self, data: bytes, events: list[ServerSentEvent]) -> None:
        if self._skip_lf and data:
            self._skip_lf = False
            if data[0] == _LF:
                data = data[1:]
        buffer = self._buffer
        buffer += data
        start = 0
        position = self._scanned
        # Looked for once and then only after it was passed, so that a stream with one kind of line
        # end does not search to the end of the buffer for the other one at each line.
        lf = buffer.find(_LF, position)
        cr = buffer.find(_CR, position)
        while lf >= 0 or cr >= 0:
            end = lf if cr < 0 or 0 <= lf < cr else cr
            self._line(bytes(buffer[start:end]), events)
            start = end + 1
            if end == cr:
                if start < len(buffer):
                    start += buffer[start] == _LF
                else:
                    self._skip_lf = True
            if 0 <= lf < start:
                lf = buffer.find(_LF, start)
            if 0 <= cr < start:
                cr = buffer.find(_CR, start)
        del buffer[:start]
        self._scanned = len(buffer)
        if len(buffer) > self._max_line + (len(_BOM) if self._first_line else 0):
            raise LineTooLong(f"a line is longer than {self._max_line} bytes")

    def _line(self, line: bytes, events: list[ServerSentEvent]) -> None:
        if self._first_line:
            self._first_line = False
            line = line.removeprefix(_BOM)
        if len(line) > self._max_line:
            raise LineTooLong(f"a line is longer than {self._max_line} bytes")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidEncoding("a line is not UTF-8") from None
        if not text:
            self._dispatch(events)
            return
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        match name:  # a comment has the empty name, and is ignored as every unknown field
            case "data":
                self._data_size += len(line)
                if self._data_size > self._max_event:
                    raise EventTooLarge(f"an event is larger than {self._max_event} bytes")
                self._data.append(value)
            case "event":
                self._type = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit() and len(value) <= _RETRY_DIGITS:
                self._retry = int(value)

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        if self._data:
            events.append(ServerSentEvent(self._type or "message", "\n".join(self._data), self._id, self._retry))
            self._retry = None
        self._type = ""
        self._data = []
        self._data_size = 0

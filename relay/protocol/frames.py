"""What is inside one encrypted message: one frame, padded, so that its length tells little.

+0    u8   kind
+1    u8   flags = 0
+2    u32  stream         0 for what concerns the session
+6    u64  seq            number of this frame; 2^64-1 for a frame that is not sent again when it is lost
+14   u64  ack            the number expected next from the other side: all before it have arrived
+22   u16  length of the payload
+24   payload, at most 16,384 bytes
      zeros, up to 256, 1,024, 4,096 or 16,416 bytes in all

kind          payload                                       sent again
0 CONFIRM     -                                             no
1 HEADERS     JSON: a request or an answer, see `headers`   yes
2 DATA        bytes of a body                               yes
3 END         -                                             yes
4 RESET       u16 code                                      yes
5 WINDOW      u32 bytes that may be sent besides            yes
6 ACK         -                                             no
7 PING        8 bytes                                       no
8 PONG        the same 8 bytes                              no
9 GOAWAY      u32 last stream that was taken, u16 code      yes
"""

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from relay.protocol.errors import FrameMalformed

_HEAD: Final = struct.Struct(">BBIQQH")
MAX_PAYLOAD: Final = 16 * 1024
SIZES: Final = (256, 1024, 4096, MAX_PAYLOAD + 32)
#: The `seq` of frames that nobody waits for.
UNNUMBERED: Final = (1 << 64) - 1


class Kind(IntEnum):
    """What a frame says."""

    CONFIRM = 0
    HEADERS = 1
    DATA = 2
    END = 3
    RESET = 4
    WINDOW = 5
    ACK = 6
    PING = 7
    PONG = 8
    GOAWAY = 9


#: The payload's length, where a kind allows one only.
_LENGTH: Final = {
    Kind.CONFIRM: 0,
    Kind.END: 0,
    Kind.RESET: 2,
    Kind.WINDOW: 4,
    Kind.ACK: 0,
    Kind.PING: 8,
    Kind.PONG: 8,
    Kind.GOAWAY: 6,
}
#: Kinds that are not sent again.
FLEETING: Final = frozenset({Kind.CONFIRM, Kind.ACK, Kind.PING, Kind.PONG})
#: Kinds that speak of the whole session; WINDOW speaks of it on stream 0.
_OF_SESSION: Final = FLEETING | {Kind.GOAWAY}
_KINDS: Final = {int(kind): kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. The payload is somebody's content, and stays out of the repr."""

    kind: Kind
    stream: int
    seq: int
    ack: int
    payload: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """Return the padded frame. Raises FrameMalformed for a payload that is too long."""
        length = len(self.payload)
        if length > MAX_PAYLOAD:
            raise FrameMalformed
        head = _HEAD.pack(self.kind, 0, self.stream, self.seq, self.ack, length)
        size = next(size for size in SIZES if size >= _HEAD.size + length)
        return b"".join((head, self.payload, bytes(size - _HEAD.size - length)))


def decode(data: bytes) -> Frame:
    """Read a frame; every frame has one encoding. Raises FrameMalformed."""
    if len(data) not in SIZES:
        raise FrameMalformed
    number, flags, stream, seq, ack, length = _HEAD.unpack_from(data)
    kind, end = _KINDS.get(number), _HEAD.size + length
    if kind is None or flags or length > MAX_PAYLOAD or end > len(data) or _LENGTH.get(kind, length) != length:
        raise FrameMalformed
    # The smallest size that holds it, and nothing hidden behind.
    if next(size for size in SIZES if size >= end) != len(data) or data.count(0, end) != len(data) - end:
        raise FrameMalformed
    if (kind in FLEETING) != (seq == UNNUMBERED) or ack == UNNUMBERED:
        raise FrameMalformed
    if (stream == 0) != (kind in _OF_SESSION) and kind is not Kind.WINDOW:
        raise FrameMalformed
    return Frame(kind, stream, seq, ack, data[_HEAD.size : end])

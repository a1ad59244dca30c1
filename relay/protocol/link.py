"""What a device and the broker say to each other around a route: one binary WebSocket message for each of these.

    +0  u8   type
    +1  u8   0
    +2  u32  route          0 for what concerns the link; a device numbers its own routes, the broker those of a host
    +6  payload             the whole message is at most 32,768 bytes; numbers are big-endian

    type          from      payload
    01 HELLO      broker    nonce 32
    02 AUTH       device    account 16 ‖ device 16 ‖ u8 role ‖ signature 64      see `relay.account.keys.device`
    03 READY      broker    u64 link epoch ‖ u32 credit a route begins with
    10 OPEN       remote    host 16 ‖ u32 epoch of the workspace key
    11 INCOMING   broker    remote 16 ‖ u32 epoch                                to the host
    12 OPENED     broker    u32 credit                                           to the remote
    13 CLOSE      both      u16 code ‖ reason in UTF-8, at most 120 bytes; of route 0: the link, a device's last word
    20 DATA       both      one message of a route
    21 CREDIT     both      u32 bytes that the other side may send besides
    30 PING       both      8 bytes
    31 PONG       both      the same 8 bytes
    40 EVENT      broker    JSON, see `presence`, or {"kind": "restarting", "after_ms": n, "spread_ms": n}

Credit counts the payloads of DATA. It is the receiver's own: the broker passes it on and holds senders to it.
"""

import json
import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from relay.protocol.errors import FrameMalformed

#: Where the broker takes links, below its own address.
PATH: Final = "/relay/1/link"
_HEAD: Final = struct.Struct(">BBI")
MAX_MESSAGE: Final = 32 * 1024
MAX_DATA: Final = MAX_MESSAGE - _HEAD.size
MAX_REASON: Final = 120
#: Bytes that may be under way in one direction of a route before the receiver grants more.
FIRST_CREDIT: Final = 1024 * 1024
MOST_CREDIT: Final = (1 << 31) - 1


class Type(IntEnum):
    """What a message says."""

    HELLO = 0x01
    AUTH = 0x02
    READY = 0x03
    OPEN = 0x10
    INCOMING = 0x11
    OPENED = 0x12
    CLOSE = 0x13
    DATA = 0x20
    CREDIT = 0x21
    PING = 0x30
    PONG = 0x31
    EVENT = 0x40


_LENGTH: Final = {
    Type.HELLO: 32,
    Type.AUTH: 16 + 16 + 1 + 64,
    Type.READY: 8 + 4,
    Type.OPEN: 16 + 4,
    Type.INCOMING: 16 + 4,
    Type.OPENED: 4,
    Type.CREDIT: 4,
    Type.PING: 8,
    Type.PONG: 8,
}
_TYPES: Final = {int(each): each for each in Type}
_OF_LINK: Final = frozenset({Type.HELLO, Type.AUTH, Type.READY, Type.PING, Type.PONG, Type.EVENT})


class Code(IntEnum):
    """Why a route or a link ends, in CLOSE and as the WebSocket's own code."""

    DONE = 4000
    MALFORMED = 4400
    REFUSED = 4403  # no such account or device, or it did not prove itself
    NO_HOST = 4404  # the host is not on line
    SUPERSEDED = 4409  # the same device has dialled again
    OTHER_EPOCH = 4412  # fetch the device log, then dial again
    TOO_MANY = 4428  # links, routes or bytes of this account
    CREDIT_EXCEEDED = 4429
    RESTARTING = 4430
    REVOKED = 4431
    RELAY_OFF = 4432  # the host's switch
    NO_PLAN = 4433  # the account's plan has no relay
    CLOSED = 4434  # Lerix was quit on the host
    ASLEEP = 4435  # the host's computer goes to sleep
    SIGNED_OUT = 4436  # the host has left the account


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the outer link."""

    type: Type
    route: int = 0
    payload: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """Return its bytes. Raises FrameMalformed for a payload that is too long."""
        if len(self.payload) > MAX_DATA:
            raise FrameMalformed
        return _HEAD.pack(self.type, 0, self.route) + self.payload


def decode(data: bytes) -> Message:
    """Read a message. Raises FrameMalformed."""
    if not _HEAD.size <= len(data) <= MAX_MESSAGE:
        raise FrameMalformed
    number, zero, route = _HEAD.unpack_from(data)
    kind, length = _TYPES.get(number), len(data) - _HEAD.size
    if kind is None or zero or _LENGTH.get(kind, length) != length:
        raise FrameMalformed
    if (route == 0) != (kind in _OF_LINK) and kind is not Type.CLOSE:
        raise FrameMalformed
    return Message(kind, route, data[_HEAD.size :])


def close(route: int, code: int, reason: str = "") -> Message:
    """Make a CLOSE; the reason is cut to what fits."""
    text = reason.encode()[:MAX_REASON].decode("utf-8", "ignore").encode()
    return Message(Type.CLOSE, route, code.to_bytes(2, "big") + text)


def read_close(payload: bytes) -> tuple[int, str]:
    """Read a CLOSE: its code, and its reason for the log only, since the broker wrote it. Raises FrameMalformed."""
    if not 2 <= len(payload) <= 2 + MAX_REASON:
        raise FrameMalformed
    return int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8", "replace")


def event(value: dict[str, Any]) -> Message:
    """Make an EVENT. Raises FrameMalformed if it is too long."""
    payload = json.dumps(value, separators=(",", ":")).encode()
    if len(payload) > MAX_DATA:
        raise FrameMalformed
    return Message(Type.EVENT, 0, payload)


def read_event(payload: bytes) -> dict[str, Any]:
    """Read an EVENT. Raises FrameMalformed."""
    try:
        value = json.loads(payload.decode())
    except (ValueError, RecursionError):
        raise FrameMalformed from None
    if not isinstance(value, dict):
        raise FrameMalformed
    return value


class Credit:
    """How much may be sent in one direction of a route. Kept by the sender, and by the broker against the sender."""

    __slots__ = ("_left",)

    def __init__(self, first: int = FIRST_CREDIT) -> None:
        self._left = first

    @property
    def left(self) -> int:
        """Bytes that may be sent now."""
        return self._left

    def spend(self, count: int) -> bool:
        """Take `count` bytes. Returns False, and takes nothing, if there are fewer."""
        if count > self._left:
            return False
        self._left -= count
        return True

    def grant(self, count: int) -> None:
        """Add what a CREDIT says. Raises FrameMalformed for nothing, or for more than any receiver has."""
        if count == 0 or self._left + count > MOST_CREDIT:
            raise FrameMalformed
        self._left += count

"""What goes wrong in the relay's protocol. None of these ever holds content or keys.

ProtocolError                 the peer does not keep to the protocol: end the link
├── HandshakeFailed           somebody else's keys, another secret, or changed on the way
├── MessageForged             a message that the peer did not make, or not in this order
├── KeyUsedUp                 2^32 messages under one key: shake hands again
├── FrameMalformed            not a frame
├── GapInFrames               a frame is missing: end the link and resume
└── SessionBroken             a rule that only a broken peer breaks; the session ends with the link
    ├── WindowExceeded        more data than was granted
    ├── TooManyStreams        over the limit of streams at once
    ├── HeadersTooLarge       over the limit of bytes or of headers
    ├── StreamMisused         a frame that the stream's state does not allow
    ├── ResetTooOften         rapid reset
    ├── NeverAcknowledged     it makes us speak, and never says that anything arrived
    └── PeerForgot            a resume to a point that is not kept
"""

from typing import ClassVar


class ProtocolError(Exception):
    """Base. `code` travels in CLOSE or GOAWAY."""

    code: ClassVar[int] = 4400

    def __init__(self) -> None:
        super().__init__(type(self).__name__)


class HandshakeFailed(ProtocolError):
    """A handshake message cannot be opened, or says what is not so."""

    code = 4401


class MessageForged(ProtocolError):
    """A transport message cannot be opened."""

    code = 4402


class KeyUsedUp(ProtocolError):
    """No more messages under these keys."""

    code = 4403


class FrameMalformed(ProtocolError):
    """Not in the form of a frame."""

    code = 4404


class GapInFrames(ProtocolError):
    """A frame came before one that is missing."""

    code = 4405


class SessionBroken(ProtocolError):
    """The session itself cannot go on."""

    code = 4420


class WindowExceeded(SessionBroken):
    """Data beyond the window."""

    code = 4421


class TooManyStreams(SessionBroken):
    """More streams than allowed at once, or opened too fast."""

    code = 4422


class HeadersTooLarge(SessionBroken):
    """Headers over 16 KiB, or more than 64."""

    code = 4423


class StreamMisused(SessionBroken):
    """A frame for a stream that does not take it."""

    code = 4424


class ResetTooOften(SessionBroken):
    """More resets than work."""

    code = 4425


class NeverAcknowledged(SessionBroken):
    """More frames are kept for the peer than any honest one lets pile up."""

    code = 4427


class PeerForgot(SessionBroken):
    """The peer resumes from a point outside of what is kept here."""

    code = 4426

"""Fields of binary messages: every value has exactly one encoding, and nothing may follow the last field."""

from collections.abc import Callable

from relay.account.keys.errors import AnswerMalformed, KeysError

# Ids are random and made by the device that needs one; 128 bits never meet by chance.
ID = 16


def uint(value: int, width: int) -> bytes:
    """An unsigned integer of `width` bytes, big-endian. Raises OverflowError if it does not fit."""
    return value.to_bytes(width, "big")


def exact(value: bytes, length: int) -> bytes:
    """The value, if it has that many bytes. Raises AnswerMalformed: what has fixed length came from the broker."""
    if len(value) != length:
        raise AnswerMalformed
    return bytes(value)


class Reader:
    """Takes a message apart from the left; whatever does not fit raises the error it was made with."""

    def __init__(self, data: bytes, error: Callable[[], KeysError]) -> None:
        self._data = bytes(data)
        self._at = 0
        self._error = error

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        end = self._at + count
        if end > len(self._data):
            raise self._error()
        taken, self._at = self._data[self._at : end], end
        return taken

    def uint(self, width: int) -> int:
        """The next `width` bytes as an unsigned integer."""
        return int.from_bytes(self.take(width), "big")

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data) - self._at)

    def end(self) -> None:
        """Refuse what follows the last field."""
        if self._at != len(self._data):
            raise self._error()

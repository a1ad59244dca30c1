"""Texts that must not be shown."""

import hmac
from typing import NoReturn


class Secret:
    """A token or key that shows itself only to a caller of `reveal()`.

    `repr`, `str` and format give a mask, so that a log line, an error page or a dataclass which holds
    one gives nothing away; pickling is refused for the same reason.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(•••)"

    def __str__(self) -> str:
        return "•••"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._bytes(), other._bytes())

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")

    def _bytes(self) -> bytes:
        return self._value.encode("utf-8", "surrogatepass")

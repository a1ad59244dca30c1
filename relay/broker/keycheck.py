"""Whether the secret key is the one that the database was begun with.

With another one nobody could log in any more, and new accounts would be bound to a key that nobody meant to use.
"""

from typing import Final

from relay.broker import digests
from relay.broker.models import KeyCheck

_ROW: Final = 1


def holds() -> bool:
    """Compare with the mark in the database; the first time, leave it there. It tells nothing about the key."""
    mark = digests.pepper("check")
    kept, _ = KeyCheck.objects.get_or_create(pk=_ROW, defaults={"mark": mark})
    return digests.same(kept.mark, mark)

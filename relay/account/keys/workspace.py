"""The workspace keys WK_0 … WK_e, one for each epoch, and what is derived from them.

    relay psk   = HKDF(WK_e, "lerix/relay-psk/1")
    item key    = HKDF(WK_e, "lerix/item/1" ‖ item 16 ‖ version u64 ‖ author 16)
    announced   = HKDF(WK_e, "lerix/epoch-check/1" ‖ account 16 ‖ epoch u32)      public, in the device log

A revocation begins a new epoch. Older keys are kept, because older items are sealed by them.
"""

import hmac

from relay.account.keys.errors import StoredUnreadable
from relay.account.keys.holders import ItemKey, RelayPsk, Stored, WorkspaceKey
from relay.account.keys.primitives import KEY, SYSTEM, Randomness, hkdf
from relay.account.keys.wire import ID, Reader, exact, uint

# With one revocation a week, twenty years; 32 KiB in the root bundle.
MAX_EPOCHS = 1024


class WorkspaceKeys:
    """The keys of all epochs so far, at least one. Raises ValueError for none or too many."""

    __slots__ = ("_keys",)

    def __init__(self, keys: tuple[WorkspaceKey, ...]) -> None:
        if not 1 <= len(keys) <= MAX_EPOCHS:
            raise ValueError(f"{len(keys)} epochs")
        self._keys = keys

    @classmethod
    def from_stored(cls, stored: Stored) -> "WorkspaceKeys":
        """Read what `stored` gave. Raises StoredUnreadable."""
        reader = Reader(stored.reveal(), StoredUnreadable)
        form, count = reader.uint(1), reader.uint(4)
        if form != 1 or not 1 <= count <= MAX_EPOCHS:
            raise StoredUnreadable
        keys = tuple(WorkspaceKey(reader.take(KEY)) for _ in range(count))
        reader.end()
        return cls(keys)

    def stored(self) -> Stored:
        """For this device to keep: u8 1 ‖ u32 count ‖ count × 32."""
        return Stored(uint(1, 1) + uint(len(self._keys), 4) + b"".join(key.reveal() for key in self._keys))

    @property
    def epoch(self) -> int:
        """The newest epoch."""
        return len(self._keys) - 1

    def __getitem__(self, epoch: int) -> WorkspaceKey:
        """The key of an epoch. Raises IndexError for one that is not here."""
        if not 0 <= epoch < len(self._keys):
            raise IndexError(f"no key of epoch {epoch}")
        return self._keys[epoch]

    def __len__(self) -> int:
        return len(self._keys)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WorkspaceKeys):
            return NotImplemented
        return self._keys == other._keys

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"WorkspaceKeys(epoch={self.epoch})"

    def plus(self, key: WorkspaceKey) -> "WorkspaceKeys":
        """These keys and the one of the next epoch."""
        return WorkspaceKeys((*self._keys, key))

    def relay_psk(self, epoch: int) -> RelayPsk:
        """The pre-shared key of handshakes in an epoch. Raises IndexError."""
        return RelayPsk(hkdf(self[epoch].reveal(), b"lerix/relay-psk/1"))

    def item_key(self, epoch: int, *, item: bytes, version: int, author: bytes) -> ItemKey:
        """The key of one version of an item by one author (ids of 16 bytes). Raises IndexError, AnswerMalformed."""
        info = b"lerix/item/1" + exact(item, ID) + uint(version, 8) + exact(author, ID)
        return ItemKey(hkdf(self[epoch].reveal(), info))


def new_key(random: Randomness = SYSTEM) -> WorkspaceKey:
    """Make the key of a new epoch."""
    return WorkspaceKey(random.take(KEY))


def announcement(key: WorkspaceKey, account: bytes, epoch: int) -> bytes:
    """What the device log says about an epoch's key: enough to recognise it, nothing to make it from."""
    return hkdf(key.reveal(), b"lerix/epoch-check/1" + exact(account, ID) + uint(epoch, 4))


def announced(key: WorkspaceKey, account: bytes, epoch: int, check: bytes) -> bool:
    """Say whether this is the key that the log means."""
    return hmac.compare_digest(announcement(key, account, epoch), check)

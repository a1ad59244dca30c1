"""API keys as they are stored: sealed, each for its own row, with a sealing key that lies elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from connections.key_errors import KeyNotKept, SealedKeyDamaged, SealingKeyAway, SealingKeyGone
from connections.models import ApiKey, SealingRecord
from connections.sealing import (
    Binding,
    SealingKey,
    SealingKeyLost,
    SealingKeySilent,
    Unsealable,
    fingerprint_of,
)
from connections.sealing_keys import Place, SealingKeys
from connections.secrets import Secret

PURPOSE: Final = "OpenAI API key"
_AWAY: Final = {
    Place.KEYRING: "The system keyring does not answer, so the key was not kept. Unlock the keyring, then try again.",
    Place.FILE: "The file with the sealing key cannot be read, so the key was not kept. Check its permissions.",
}


class StoredKeys:
    """Seals API keys and opens them."""

    def __init__(self, sealing_keys: SealingKeys) -> None:
        self._sealing_keys = sealing_keys

    @property
    def is_asking(self) -> bool:
        """Whether a keyring was asked for a sealing key, and may still answer."""
        return self._sealing_keys.is_asking

    async def place(self) -> Place:
        """Where the key that seals the next API key is kept, or would be."""
        record = await SealingRecord.objects.order_by("-pk").afirst()
        return record.kept.place if record is not None else await self._sealing_keys.expected()

    def opener(self, row: ApiKey) -> Callable[[], Awaitable[Secret]]:
        """What opens the API key that `row` holds now, each time it is called. Raises KeyUnreadable then."""
        return partial(self._unseal, bytes(row.sealed), _binding(row))

    async def seal(self, key: Secret, row: ApiKey) -> bytes:
        """`key` sealed for `row`, with the newest sealing key, or a new one where that has vanished.

        Raises KeyNotKept where that is not possible.
        """
        record = await SealingRecord.objects.order_by("-pk").afirst()
        if record is not None:
            try:
                return (await self._sealing_keys.find(record.kept)).seal(key, _binding(row))
            except SealingKeySilent:
                raise KeyNotKept("key", _AWAY[Place(record.place)]) from None
            except SealingKeyLost:
                pass  # what it sealed stays as it is, and its cards say what to do
        return (await self._new_sealing_key()).seal(key, _binding(row))

    async def _new_sealing_key(self) -> SealingKey:
        try:
            kept = await self._sealing_keys.create()
            await SealingRecord.objects.acreate(
                name=kept.name, place=kept.place.value, fingerprint=kept.fingerprint.hex()
            )
            return await self._sealing_keys.find(kept)
        except (OSError, SealingKeyLost, SealingKeySilent):
            raise KeyNotKept(
                "key", "The API key could not be sealed, so it was not kept. Check that the data folder can be written."
            ) from None

    async def _unseal(self, sealed: bytes, binding: Binding) -> Secret:
        """The API key in `sealed`. Raises KeyUnreadable."""
        try:
            fingerprint = fingerprint_of(sealed).hex()
            record = await SealingRecord.objects.filter(fingerprint=fingerprint).afirst()
            if record is None:
                raise SealingKeyGone
            return (await self._sealing_keys.find(record.kept)).unseal(sealed, binding)
        except Unsealable:
            raise SealedKeyDamaged from None
        except SealingKeyLost:
            raise SealingKeyGone from None
        except SealingKeySilent:
            raise SealingKeyAway from None


def _binding(row: ApiKey) -> Binding:
    return Binding(row.path_key, PURPOSE, row.revision)


async def places() -> dict[str, Place]:
    """Where each sealing key is kept, by its fingerprint."""
    return {record.fingerprint: record.kept.place async for record in SealingRecord.objects.all()}

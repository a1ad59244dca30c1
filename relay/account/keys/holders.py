"""Bytes that must not be shown, each kind with a type of its own so that they cannot be mixed up."""

import hmac
from typing import ClassVar, NoReturn


class SecretBytes:
    """Key material that shows itself only to a caller of `reveal()`.

    `repr`, `str` and format give a mask; pickling and copying are refused; comparing takes constant time and only
    the same kind is ever equal. Python cannot wipe memory: what is no longer needed should go out of scope.
    Raises ValueError if a kind with a fixed `LENGTH` gets another number of bytes.
    """

    LENGTH: ClassVar[int | None] = None
    __slots__ = ("_value",)
    # Typed as in object, so that dataclasses which hold a secret stay valid types; hashing raises TypeError.
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: bytes) -> None:
        if self.LENGTH is not None and len(value) != self.LENGTH:
            raise ValueError(f"{type(self).__name__} is {self.LENGTH} bytes, not {len(value)}")
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """The bytes themselves, for the one place that uses them."""
        return self._value

    def __repr__(self) -> str:
        return f"{type(self).__name__}(•••)"

    def __str__(self) -> str:
        return "•••"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} cannot be pickled or copied")


class AuthKey(SecretBytes):
    """What the broker takes instead of the password."""

    LENGTH = 32


class WrapKey(SecretBytes):
    """Opens the root bundle; made from the password, never sent or kept."""

    LENGTH = 32


class RecoveryAuth(SecretBytes):
    """What the broker takes instead of `AuthKey` from somebody with the recovery key."""

    LENGTH = 32


class SigningSeed(SecretBytes):
    """The seed of the account signing key (ASK): whoever has it decides which devices belong to the account."""

    LENGTH = 32


class WorkspaceKey(SecretBytes):
    """WK_e: the key of one epoch, from which the keys of the relay and of synced items are derived."""

    LENGTH = 32


class RelayPsk(SecretBytes):
    """The pre-shared key of a Noise handshake, the same on every device of an epoch."""

    LENGTH = 32


class ItemKey(SecretBytes):
    """Seals one version of one synced item by one author."""

    LENGTH = 32


class DeviceSeed(SecretBytes):
    """A private key of a device, X25519 or Ed25519, as its 32 bytes."""

    LENGTH = 32


class Stored(SecretBytes):
    """Secrets in the form in which a device keeps them; the caller seals it before it reaches a disk."""

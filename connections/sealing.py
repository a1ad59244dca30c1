"""Secrets sealed at rest: AES-256-GCM, each bound to the row that it stands in.

A sealed secret is `format (1) | fingerprint of the sealing key (8) | nonce (12) | ciphertext and tag`, and its
associated data names the format, the fingerprint, the row, the purpose and the revision: a sealed secret which was
changed, moved to another row or put back from an earlier revision does not open. Where the sealing keys are kept is
`connections.sealing_keys`.

SealingError
├── Unsealable          changed, moved, or of a format that this version does not know
├── SealingKeyLost      the sealing key is not where it was kept
└── SealingKeySilent    the place where it is kept does not answer now
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import NoReturn, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connections.secrets import Secret

FORMAT = 1
KEY_BYTES = 32
NONCE_BYTES = 12
FINGERPRINT_BYTES = 8
TAG_BYTES = 16
_HEADER = 1 + FINGERPRINT_BYTES


class SealingError(Exception):
    """Base of what goes wrong when a secret is to be sealed or opened. Holds no key and no secret."""


class Unsealable(SealingError):
    """The sealed bytes are not what was sealed for this row, or of a format that this version does not know."""


class SealingKeyLost(SealingError):
    """The sealing key is not where it was kept."""


class SealingKeySilent(SealingError):
    """The place where the sealing key is kept does not answer now: locked, switched off or not readable."""


@dataclass(frozen=True)
class Binding:
    """What a sealed secret belongs to: the id of its row, what it is for, and how often it was replaced."""

    row: str
    purpose: str
    revision: int

    def data(self, header: bytes) -> bytes:
        """The associated data. Each part has its length in front, so that no two bindings give the same bytes."""
        parts = (b"Lerix sealed", header, self.row.encode(), self.purpose.encode(), str(self.revision).encode())
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


class SealingKey:
    """256 bits that seal and open. Shows itself to nobody; `fingerprint` tells keys apart and gives nothing away."""

    __slots__ = ("_key", "fingerprint")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("a sealing key has 32 bytes")
        self._key = key
        self.fingerprint = hashlib.sha256(b"Lerix sealing key\0" + key).digest()[:FINGERPRINT_BYTES]

    @classmethod
    def new(cls) -> Self:
        """A key of fresh random bits."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @property
    def text(self) -> Secret:
        """The key for the place that keeps it, in hexadecimal digits."""
        return Secret(self._key.hex())

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The key that `text` wrote. Raises ValueError for anything else, without showing it."""
        try:
            return cls(bytes.fromhex(text.strip()))
        except ValueError:
            raise ValueError("this is no sealing key") from None

    def seal(self, secret: Secret, binding: Binding) -> bytes:
        """`secret` sealed for that row, with a nonce that was never used before."""
        header = bytes((FORMAT,)) + self.fingerprint
        nonce = secrets.token_bytes(NONCE_BYTES)
        text = secret.reveal().encode("utf-8")
        return header + nonce + AESGCM(self._key).encrypt(nonce, text, binding.data(header))

    def unseal(self, sealed: bytes, binding: Binding) -> Secret:
        """The secret in `sealed`. Raises Unsealable unless it is, to the bit, what was sealed for that row."""
        header, nonce = sealed[:_HEADER], sealed[_HEADER : _HEADER + NONCE_BYTES]
        if fingerprint_of(sealed) != self.fingerprint:
            raise Unsealable("sealed with another key")
        try:
            text = AESGCM(self._key).decrypt(nonce, sealed[_HEADER + NONCE_BYTES :], binding.data(header))
            return Secret(text.decode("utf-8"))
        except (InvalidTag, ValueError):
            raise Unsealable("changed since it was sealed, or sealed for another row") from None

    def __repr__(self) -> str:
        return f"SealingKey({self.fingerprint.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SealingKey cannot be pickled")


def fingerprint_of(sealed: bytes) -> bytes:
    """The fingerprint of the key that `sealed` was sealed with. Raises Unsealable for bytes of another format."""
    if len(sealed) < _HEADER + NONCE_BYTES + TAG_BYTES or sealed[0] != FORMAT:
        raise Unsealable("of a format that this version does not know")
    return sealed[1:_HEADER]

"""The recovery key: 160 random bits on paper, which open the account when the password is lost.

    LRX1-XXXX-XXXX-XXXX-XXXX-XXXX-XXXX-XXXX-XXXX-CCCC

X: the 160 bits, five per character, from the left, in Crockford's base 32 (0-9 and A-Z without I, L, O, U; see
https://www.crockford.com/base32.html). C: the first 20 bits of SHA-256("lerix/recovery-check/1" ‖ 20 bytes), which
misses one typing error in a million. Of RK, the 20 bytes:

    recAuth = HKDF(RK, "lerix/recovery-auth/1")          sent to the broker, which keeps an HMAC of it
    RPK     = X25519 pair of the private key HKDF(RK, "lerix/recovery-x25519/1")
    anchor  = HMAC-SHA256(HKDF(RK, "lerix/recovery-anchor/1"), "lerix/recovery-anchor/1" ‖ account 16 ‖ ASK public 32)

Why the anchor: anybody can seal to RPK, the broker too. A device that comes with nothing but the recovery key needs
to know whose bundle it opened; the anchor is kept by the broker, and only the recovery key could have made it.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from connections.secrets import Secret
from relay.account.keys.errors import (
    RecoveryKeyCharacter,
    RecoveryKeyLength,
    RecoveryKeyMistyped,
    RecoveryKeyVersion,
    RetypeDiffers,
)
from relay.account.keys.holders import RecoveryAuth, SecretBytes
from relay.account.keys.primitives import SYSTEM, Randomness, agreement_public, hkdf, hpke_open
from relay.account.keys.wire import ID, exact

PREFIX = "LRX1"
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM = 20  # bytes
GROUP = 4  # characters
GROUPS = 9  # after the prefix: eight of the key, one of the check

# How the prefix reads once L is a 1, see _SAME.
_TYPED_PREFIX = "1RX1"
# What is easily mistaken for another when copied by hand, and what people put between groups.
_SAME = str.maketrans("ILO", "110")
_BETWEEN = dict.fromkeys(map(ord, " \t\r\n\u00a0-\u2010\u2011\u2012\u2013\u2014\u2212_."))


@dataclass(frozen=True)
class RecoveryRecord:
    """What the broker keeps about a recovery key: an HMAC of `auth`, and the rest as it is."""

    auth: RecoveryAuth
    public: bytes  # X25519, 32 bytes; only the broker's copy, devices believe the one in the root bundle
    anchor: bytes  # 32 bytes


class RecoveryKey(SecretBytes):
    """The key itself; make one by `new` or `parse`."""

    LENGTH = RANDOM

    @classmethod
    def new(cls, random: Randomness = SYSTEM) -> "RecoveryKey":
        """Make a key that nobody has."""
        return cls(random.take(RANDOM))

    @classmethod
    def parse(cls, typed: str) -> "RecoveryKey":
        """Read what a person typed: any case, blanks and dashes anywhere, I and L for 1, O for 0, prefix or not.

        Raises RecoveryKeyLength, RecoveryKeyCharacter, RecoveryKeyVersion, RecoveryKeyMistyped.
        """
        characters = _plain(typed)
        if len(characters) == GROUP * (GROUPS + 1):
            if not hmac.compare_digest(characters[:GROUP], _TYPED_PREFIX):
                raise RecoveryKeyVersion
            characters = characters[GROUP:]
        if len(characters) != GROUP * GROUPS:
            raise RecoveryKeyLength
        body, check = characters[:-GROUP], characters[-GROUP:]
        number = 0
        for character in body:
            number = number << 5 | ALPHABET.index(character)
        key = cls(number.to_bytes(RANDOM, "big"))
        if not hmac.compare_digest(key._check(), check):
            raise RecoveryKeyMistyped
        return key

    def text(self) -> Secret:
        """The key as it is shown once, in groups."""
        return Secret("-".join([PREFIX, *self._groups()]))

    def auth(self) -> RecoveryAuth:
        """What proves the key to the broker."""
        return RecoveryAuth(hkdf(self.reveal(), b"lerix/recovery-auth/1"))

    def public(self) -> bytes:
        """RPK, the public key to which the second copy of the root bundle is sealed."""
        return agreement_public(self._private())

    def open(self, info: bytes, sealed: bytes) -> bytes | None:
        """Open what was sealed to `public`, or return None; says nothing about who sealed it."""
        return hpke_open(self._private(), info, sealed)

    def anchor(self, account: bytes, signing_key: bytes) -> bytes:
        """Vouch for an account's signing key (Ed25519, 32 bytes)."""
        key = hkdf(self.reveal(), b"lerix/recovery-anchor/1")
        message = b"lerix/recovery-anchor/1" + exact(account, ID) + exact(signing_key, 32)
        return hmac.digest(key, message, "sha256")

    def record(self, account: bytes, signing_key: bytes) -> RecoveryRecord:
        """What the broker shall keep."""
        return RecoveryRecord(self.auth(), self.public(), self.anchor(account, signing_key))

    def check_retyped(self, typed: Mapping[int, str]) -> None:
        """Compare groups that a person typed again, by their position from 0. Raises RetypeDiffers."""
        groups = self._groups()
        same = [0 <= at < GROUPS and hmac.compare_digest(_loose(text), groups[at]) for at, text in typed.items()]
        if not same or not all(same):
            raise RetypeDiffers

    def _private(self) -> bytes:
        return hkdf(self.reveal(), b"lerix/recovery-x25519/1")

    def _groups(self) -> list[str]:
        characters = _base32(int.from_bytes(self.reveal(), "big"), RANDOM * 8 // 5) + self._check()
        return [characters[at : at + GROUP] for at in range(0, len(characters), GROUP)]

    def _check(self) -> str:
        digest = hashlib.sha256(b"lerix/recovery-check/1" + self.reveal()).digest()
        return _base32(int.from_bytes(digest[:3], "big") >> 4, GROUP)


def groups_to_retype(count: int = 3, random: Randomness = SYSTEM) -> tuple[int, ...]:
    """Choose which groups a person types again: distinct positions from 0, in order; the check group is one of nine.

    Which ones is no secret; it only must not be foreseen when the key is copied.
    """
    left = list(range(GROUPS))
    chosen = [left.pop(int.from_bytes(random.take(8), "big") % len(left)) for _ in range(count)]
    return tuple(sorted(chosen))


def _base32(number: int, length: int) -> str:
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(length)))


def _loose(typed: str) -> str:
    """As `_plain`, but what cannot be in a key becomes a blank: it is merely not equal."""
    folded = typed.translate(_BETWEEN).upper().translate(_SAME)
    return "".join(character if character in ALPHABET else " " for character in folded)


def _plain(typed: str) -> str:
    """The characters of a key as typed, each in the alphabet. Raises RecoveryKeyCharacter."""
    characters = _loose(typed)
    if " " in characters:
        raise RecoveryKeyCharacter
    return characters

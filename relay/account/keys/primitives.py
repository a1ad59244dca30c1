"""The few cryptographic operations everything else is made of, with one choice each.

HKDF-SHA256 (RFC 5869), AES-256-GCM, Ed25519 (RFC 8032), X25519 (RFC 7748), and HPKE in base mode with
DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM (RFC 9180). All come from `cryptography`.
"""

import os
from typing import Protocol

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY = 32  # bytes of every key, public or secret
NONCE = 12
TAG = 16
SIGNATURE = 64
DIGEST = 32
# What HPKE adds: the sender's one-time X25519 key before the ciphertext, the tag after it.
HPKE_OVERHEAD = KEY + TAG

_HPKE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
# The y of the points of Ed25519 whose order divides 8, and what reduces to one of them; the sign of x does not matter.
# A key at such a point verifies signatures that nobody made (Wycheproof's SmallOrderPublicKey).
_P = 2**255 - 19
_SMALL_ORDER = {
    *(0, 1, _P - 1, _P, _P + 1),
    int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
}
# Any private key shows a public key that has no secret in it, so this one may be known.
_PROBE = X25519PrivateKey.from_private_bytes(b"\x40" * KEY)


class Randomness(Protocol):
    """Where unpredictable bytes come from; tests have a fixed one."""

    def take(self, count: int) -> bytes:
        """Return `count` random bytes."""
        ...

    def seal(self, public: bytes, info: bytes, plaintext: bytes) -> bytes:
        """Seal to an X25519 public key by HPKE; the sender's one-time key is where randomness goes in."""
        ...


class SystemRandomness:
    """The operating system's generator."""

    def take(self, count: int) -> bytes:
        """Return `count` random bytes."""
        return os.urandom(count)

    def seal(self, public: bytes, info: bytes, plaintext: bytes) -> bytes:
        """Return the one-time key, ciphertext and tag. The receiver learns nothing about who sealed it."""
        return _HPKE.encrypt(plaintext, X25519PublicKey.from_public_bytes(public), info)


SYSTEM: Randomness = SystemRandomness()


def hkdf(secret: bytes, info: bytes) -> bytes:
    """Derive 32 bytes. The salt is empty, as WebCrypto has it too: the secrets here are uniform already."""
    return HKDF(SHA256(), KEY, None, info).derive(secret)


def seal(key: bytes, nonce: bytes, plaintext: bytes, bound: bytes) -> bytes:
    """Encrypt by AES-256-GCM; `bound` is authenticated with it. The tag follows the ciphertext."""
    return AESGCM(key).encrypt(nonce, plaintext, bound)


def unseal(key: bytes, nonce: bytes, ciphertext: bytes, bound: bytes) -> bytes | None:
    """Decrypt what `seal` made, or return None: for which reason it fails is nobody's business."""
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, bound)
    except InvalidTag:
        return None


def hpke_open(private: bytes, info: bytes, sealed: bytes) -> bytes | None:
    """Open what was sealed to this X25519 key by HPKE, or return None. It says nothing about who sealed it."""
    try:
        return _HPKE.decrypt(sealed, X25519PrivateKey.from_private_bytes(private), info)
    except (InvalidTag, ValueError):
        return None


def signing_public(seed: bytes) -> bytes:
    """The Ed25519 public key of a seed."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed: bytes, message: bytes) -> bytes:
    """Sign by Ed25519; deterministic."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def can_sign(public: bytes) -> bool:
    """Say whether an Ed25519 public key is worth verifying with: not at a point of small order."""
    return len(public) == KEY and int.from_bytes(public, "little") & (1 << 255) - 1 not in _SMALL_ORDER


def signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether the signature holds; under a key of small order none does."""
    if not can_sign(public):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def agreement_public(private: bytes) -> bytes:
    """The X25519 public key of a private one."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def can_agree(public: bytes) -> bool:
    """Say whether an X25519 public key gives secrets: points of small order give zero (RFC 7748, section 6.1)."""
    try:
        _PROBE.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        return False
    return True

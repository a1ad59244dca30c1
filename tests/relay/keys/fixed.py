"""Randomness that is the same each time, and HPKE written from RFC 9180 so that its one-time key can be chosen."""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEM_SUITE = b"KEM" + bytes.fromhex("0020")
HPKE_SUITE = b"HPKE" + bytes.fromhex("002000010002")


class FixedRandomness:
    """A stream of SHA-256(label ‖ u64 counter); two of the same label give the same account."""

    def __init__(self, label: str) -> None:
        self._label = label.encode()
        self._counter = 0
        self._left = b""

    def take(self, count: int) -> bytes:
        while len(self._left) < count:
            self._left += hashlib.sha256(self._label + self._counter.to_bytes(8, "big")).digest()
            self._counter += 1
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def seal(self, public: bytes, info: bytes, plaintext: bytes) -> bytes:
        return hpke_seal(public, info, plaintext, one_time=self.take(32))


def hpke_seal(public: bytes, info: bytes, plaintext: bytes, *, one_time: bytes, bound: bytes = b"") -> bytes:
    """RFC 9180, SealBase for X25519, HKDF-SHA256 and AES-256-GCM; `bound` is its aad."""
    private = X25519PrivateKey.from_private_bytes(one_time)
    enc = private.public_key().public_bytes_raw()
    agreed = private.exchange(X25519PublicKey.from_public_bytes(public))
    key, nonce = schedule(agreed, enc + public, info)
    return enc + AESGCM(key).encrypt(nonce, plaintext, bound)


def schedule(agreed: bytes, kem_context: bytes, info: bytes) -> tuple[bytes, bytes]:
    """RFC 9180, sections 4.1 and 5.1: the key and the first nonce from what X25519 agreed on."""
    eae = _extract(KEM_SUITE, b"", b"eae_prk", agreed)
    shared = _expand(KEM_SUITE, eae, b"shared_secret", kem_context, 32)
    psk_id = _extract(HPKE_SUITE, b"", b"psk_id_hash", b"")
    context = b"\0" + psk_id + _extract(HPKE_SUITE, b"", b"info_hash", info)
    secret = _extract(HPKE_SUITE, shared, b"secret", b"")
    return _expand(HPKE_SUITE, secret, b"key", context, 32), _expand(HPKE_SUITE, secret, b"base_nonce", context, 12)


def _extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + material, "sha256")


def _expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    # One block of HKDF-Expand is enough for 32 bytes.
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(key, labelled + b"\1", "sha256")[:length]

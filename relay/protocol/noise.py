"""Noise_IKpsk2_25519_AESGCM_SHA256 (Noise Protocol Framework, revision 34), and nothing else of it.

    <- s                     the initiator knows the responder's static key
    ...
    -> e, es, s, ss          message 1: 32 ‖ 48 ‖ payload + 16 bytes
    <- e, ee, se, psk        message 2: 32 ‖ payload + 16 bytes

The pre-shared key comes in last, so that a responder reads message 1 without having decided on it: which epoch a device
is at, it learns from the prologue. Whoever opens message 2, or the first transport message, knows that the other side
has the same pre-shared key. Message 1 can be replayed by whoever carried it: nothing may follow from it alone.

AES-256-GCM takes 4 zero bytes and the message's number in 8 bytes, big-endian, as its nonce (section 12.4).
"""

import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, Hash

from relay.protocol.errors import HandshakeFailed, KeyUsedUp, MessageForged

NAME: Final = b"Noise_IKpsk2_25519_AESGCM_SHA256"
KEY: Final = 32
TAG: Final = 16
#: Bytes that message 1, message 2 and each later one are longer than their payloads.
FIRST_OVERHEAD: Final = KEY + KEY + TAG + TAG
SECOND_OVERHEAD: Final = KEY + TAG
#: Section 3: no Noise message is longer.
MAX_MESSAGE: Final = 65535
# Far from where AES-GCM becomes weak; a route is renewed within the hour anyway.
MOST_MESSAGES: Final = 1 << 32


class Cipher:
    """One direction after the handshake. Every message has the next number; one lost or changed ends it."""

    __slots__ = ("_aead", "_number")

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self._number = 0

    def encrypt(self, plaintext: bytes) -> bytes:
        """Return the next message. Raises KeyUsedUp."""
        return self._aead.encrypt(self._nonce(), plaintext, None)

    def decrypt(self, message: bytes) -> bytes:
        """Open the next message. Raises MessageForged for anything else, KeyUsedUp."""
        try:
            return self._aead.decrypt(self._nonce(), message, None)
        except InvalidTag:
            raise MessageForged from None

    def _nonce(self) -> bytes:
        number = self._number
        if number >= MOST_MESSAGES:
            raise KeyUsedUp
        self._number = number + 1
        return number.to_bytes(12, "big")

    def __repr__(self) -> str:
        return f"<Cipher after {self._number} messages>"


class _Symmetric:
    """The chaining key, the hash of all that was said, and the cipher of the handshake itself."""

    def __init__(self, prologue: bytes) -> None:
        # The name has exactly 32 bytes: it is its own hash (section 5.2).
        self.hash = self._chain = NAME
        self._aead: AESGCM | None = None
        self._number = 0
        self.mix_hash(prologue)

    def mix_hash(self, data: bytes) -> None:
        digest = Hash(SHA256())
        digest.update(self.hash)
        digest.update(data)
        self.hash = digest.finalize()

    def mix_key(self, material: bytes) -> None:
        self._chain, key = _derive(self._chain, material, 2)
        self._aead, self._number = AESGCM(key), 0

    def mix_psk(self, psk: bytes) -> None:
        self._chain, spoken, key = _derive(self._chain, psk, 3)
        self.mix_hash(spoken)
        self._aead, self._number = AESGCM(key), 0

    def encrypt(self, plaintext: bytes) -> bytes:
        sealed = self._cipher().encrypt(self._nonce(), plaintext, self.hash)
        self.mix_hash(sealed)
        return sealed

    def decrypt(self, sealed: bytes) -> bytes:
        try:
            plaintext = self._cipher().decrypt(self._nonce(), sealed, self.hash)
        except InvalidTag:
            raise HandshakeFailed from None
        self.mix_hash(sealed)
        return plaintext

    def split(self) -> tuple[Cipher, Cipher]:
        first, second = _derive(self._chain, b"", 2)
        return Cipher(first), Cipher(second)

    def _cipher(self) -> AESGCM:
        if self._aead is None:
            raise HandshakeFailed  # no message of this pattern comes before its first key
        return self._aead

    def _nonce(self) -> bytes:
        number, self._number = self._number, self._number + 1
        return number.to_bytes(12, "big")


class Initiator:
    """The device that asks. Use `first`, then `second`, once each; after any error throw it away.

    `static` is this device's private key, `host` the responder's public key, `psk` the epoch's; 32 bytes each.
    """

    def __init__(
        self, *, static: bytes, host: bytes, psk: bytes, prologue: bytes, ephemeral: bytes | None = None
    ) -> None:
        self._static, self._ephemeral = _private(static), _private(ephemeral)
        self._host, self._psk = host, psk
        self._state = _Symmetric(prologue)
        self._state.mix_hash(host)

    def first(self, payload: bytes) -> bytes:
        """Return message 1. Raises HandshakeFailed for a key of the host that cannot be agreed with."""
        state, own = self._state, _public(self._ephemeral)
        state.mix_hash(own)
        state.mix_key(own)  # e, because there is a psk (section 9.2)
        state.mix_key(_agree(self._ephemeral, self._host))  # es
        static = state.encrypt(_public(self._static))  # s
        state.mix_key(_agree(self._static, self._host))  # ss
        return own + static + state.encrypt(payload)

    def second(self, message: bytes) -> tuple[bytes, Cipher, Cipher]:
        """Open message 2: its payload, and the ciphers to send and to receive with. Raises HandshakeFailed."""
        state, theirs = self._state, message[:KEY]
        if not SECOND_OVERHEAD <= len(message) <= MAX_MESSAGE:
            raise HandshakeFailed
        state.mix_hash(theirs)
        state.mix_key(theirs)
        state.mix_key(_agree(self._ephemeral, theirs))  # ee
        state.mix_key(_agree(self._static, theirs))  # se
        state.mix_psk(self._psk)
        payload = state.decrypt(message[KEY:])
        send, receive = state.split()
        return payload, send, receive

    def __repr__(self) -> str:
        return "<Initiator>"


class Responder:
    """The host. Use `first`, look at `remote`, then `second` with the epoch's key; after any error throw it away."""

    def __init__(self, *, static: bytes, prologue: bytes, ephemeral: bytes | None = None) -> None:
        self._static, self._ephemeral = _private(static), _private(ephemeral)
        self._state = _Symmetric(prologue)
        self._state.mix_hash(_public(self._static))
        self._theirs = b""
        #: The initiator's static key, once message 1 was read; the caller decides whether it belongs to anybody.
        self.remote = b""

    def first(self, message: bytes) -> bytes:
        """Open message 1 and return its payload. Raises HandshakeFailed."""
        if not FIRST_OVERHEAD <= len(message) <= MAX_MESSAGE:
            raise HandshakeFailed
        state, end = self._state, KEY + KEY + TAG
        theirs = self._theirs = message[:KEY]
        state.mix_hash(theirs)
        state.mix_key(theirs)
        state.mix_key(_agree(self._static, theirs))  # es
        remote = state.decrypt(message[KEY:end])  # s
        state.mix_key(_agree(self._static, remote))  # ss
        payload = state.decrypt(message[end:])
        self.remote = remote
        return payload

    def second(self, payload: bytes, psk: bytes) -> tuple[bytes, Cipher, Cipher]:
        """Return message 2, and the ciphers to send and to receive with."""
        if not self.remote:
            raise HandshakeFailed
        state, own = self._state, _public(self._ephemeral)
        state.mix_hash(own)
        state.mix_key(own)
        state.mix_key(_agree(self._ephemeral, self._theirs))  # ee
        state.mix_key(_agree(self._ephemeral, self.remote))  # se
        state.mix_psk(psk)
        sealed = state.encrypt(payload)
        receive, send = state.split()
        return own + sealed, send, receive

    def __repr__(self) -> str:
        return "<Responder>"


def _private(key: bytes | None) -> X25519PrivateKey:
    return X25519PrivateKey.generate() if key is None else X25519PrivateKey.from_private_bytes(key)


def _public(key: X25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def _agree(own: X25519PrivateKey, theirs: bytes) -> bytes:
    """The shared secret; a point of small order, which gives zero, is refused (section 12.1 lets us)."""
    try:
        return own.exchange(X25519PublicKey.from_public_bytes(theirs))
    except ValueError:
        raise HandshakeFailed from None


def _derive(chain: bytes, material: bytes, count: int) -> tuple[bytes, ...]:
    """HKDF as section 4.3 has it: so many outputs of 32 bytes."""
    secret, output, outputs = hmac.digest(chain, material, "sha256"), b"", []
    for number in range(1, count + 1):
        output = hmac.digest(secret, output + bytes((number,)), "sha256")
        outputs.append(output)
    return tuple(outputs)

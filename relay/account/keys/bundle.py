"""The root bundle: what an account is, sealed once by the password and once to the recovery key.

    Plaintext
    +0    u8   form = 1
    +1    u64  revision            counts replacements from 1; equals the one outside
    +9    32   seed of the account signing key (Ed25519)
    +41   32   RPK, the recovery key's X25519 public key
    +73   u64  n                   number of the device log's last entry
    +81   32   head                SHA-256 of that entry
    +113  u32  count of epochs = epoch + 1
    +117  count × 32               WK_0 … WK_e
          zeros up to the next multiple of 4,096: the size is the same for 1 and for 124 epochs

    Sealed by the password                        Sealed to the recovery key
    +0    u8   form = 1                           +0    u8   form = 1
    +1    u8   suite                              +1    u8   suite
    +2    u32  epoch                              +2    u32  epoch
    +6    u64  revision                           +6    u64  revision
    +14   16   salt                               +14   16   salt
    +30   12   nonce                              +30   32   HPKE's one-time key
    +42   ciphertext ‖ tag 16                     +62   ciphertext ‖ tag 16
    AES-256-GCM, key wrapKey, bound:              HPKE to RPK, info:
    "root/1" ‖ account 16 ‖ u32 epoch             "lerix/root-recovery/1" ‖ the same
             ‖ u8 suite ‖ salt 16

Both copies are replaced together and have the same header. RPK is inside because a device that closes the bundle
again must not take the key it seals to from the broker. Only somebody with the password can have made the first copy;
anybody can have made the second, see the anchor in `recovery`.
"""

from dataclasses import dataclass, field

from relay.account.keys.errors import BundleMalformed, BundleNotAnchored, BundleNotOpened
from relay.account.keys.holders import SigningSeed, WorkspaceKey
from relay.account.keys.password import PasswordKeys
from relay.account.keys.primitives import (
    DIGEST,
    KEY,
    NONCE,
    SYSTEM,
    TAG,
    Randomness,
    can_agree,
    seal,
    signing_public,
    unseal,
)
from relay.account.keys.recovery import RecoveryKey
from relay.account.keys.wire import ID, Reader, exact, uint
from relay.account.keys.workspace import MAX_EPOCHS, WorkspaceKeys

FORM = 1
SALT = 16
PADDED = 4096
# 117 + 1,024 × 32 bytes of plaintext are nine times PADDED; nothing larger is worth decrypting.
MAX_BUNDLE = 10 * PADDED


@dataclass(frozen=True)
class Header:
    """What the broker can read of a bundle; prelogin answers suite and salt, a replacement compares revisions."""

    suite: int
    epoch: int
    revision: int
    salt: bytes

    def encode(self) -> bytes:
        """The first 30 bytes of both copies."""
        return uint(FORM, 1) + uint(self.suite, 1) + uint(self.epoch, 4) + uint(self.revision, 8) + self.salt

    def bound(self, account: bytes) -> bytes:
        """What a copy is bound to besides its key."""
        return b"root/1" + exact(account, ID) + uint(self.epoch, 4) + uint(self.suite, 1) + self.salt


@dataclass(frozen=True)
class RootBundle:
    """The content of a bundle; see the drawing."""

    revision: int
    signing_seed: SigningSeed
    recovery_public: bytes
    n: int
    head: bytes
    workspace: WorkspaceKeys

    @property
    def signing_key(self) -> bytes:
        """The public half of the account signing key."""
        return signing_public(self.signing_seed.reveal())

    def _encode(self) -> bytes:
        keys = [self.workspace[epoch].reveal() for epoch in range(len(self.workspace))]
        plain = b"".join(
            [
                uint(FORM, 1),
                uint(self.revision, 8),
                self.signing_seed.reveal(),
                exact(self.recovery_public, KEY),
                uint(self.n, 8),
                exact(self.head, DIGEST),
                uint(len(keys), 4),
                *keys,
            ]
        )
        return plain.ljust(-(-len(plain) // PADDED) * PADDED, b"\0")


@dataclass(frozen=True)
class SealedBundle:
    """Both copies, for the broker to keep and replace together."""

    by_password: bytes = field(repr=False)
    by_recovery: bytes = field(repr=False)

    @property
    def header(self) -> Header:
        """The header of both. Raises BundleMalformed, also where they differ."""
        header = read_header(self.by_password)
        if read_header(self.by_recovery) != header:
            raise BundleMalformed
        return header


def read_header(copy: bytes) -> Header:
    """Read what is open to everybody in either copy. Raises BundleMalformed."""
    return _split(copy)[0]


def seal_bundle(
    bundle: RootBundle, keys: PasswordKeys, *, account: bytes, random: Randomness = SYSTEM
) -> SealedBundle:
    """Seal a bundle for the broker, by the password and to the recovery key that it names."""
    header = Header(keys.suite, bundle.workspace.epoch, bundle.revision, keys.salt)
    bound, plain = header.bound(account), bundle._encode()
    nonce = random.take(NONCE)
    return SealedBundle(
        by_password=header.encode() + nonce + seal(keys.wrap.reveal(), nonce, plain, bound),
        by_recovery=header.encode() + random.seal(bundle.recovery_public, _info(bound), plain),
    )


def open_by_password(copy: bytes, keys: PasswordKeys, *, account: bytes) -> RootBundle:
    """Open the first copy; that it opens says that somebody with the password made it, for this account.

    Raises BundleMalformed, BundleNotOpened, AnswerMalformed.
    """
    header, sealed = _split(copy)
    if (header.suite, header.salt) != (keys.suite, keys.salt):
        raise BundleNotOpened
    plain = unseal(keys.wrap.reveal(), sealed[:NONCE], sealed[NONCE:], header.bound(account))
    return _decode(plain, header)


def open_by_recovery(copy: bytes, key: RecoveryKey, *, account: bytes, anchor: bytes) -> RootBundle:
    """Open the second copy, and let the recovery key vouch for its signing key by the anchor from the broker.

    Raises BundleMalformed, BundleNotOpened, BundleNotAnchored, AnswerMalformed.
    """
    header, sealed = _split(copy)
    bundle = _decode(key.open(_info(header.bound(account)), sealed), header)
    vouched = exact(anchor, DIGEST) == key.anchor(account, bundle.signing_key)
    if not vouched or bundle.recovery_public != key.public():
        raise BundleNotAnchored
    return bundle


def _info(bound: bytes) -> bytes:
    return b"lerix/root-recovery/1" + bound


def _split(copy: bytes) -> tuple[Header, bytes]:
    if len(copy) > MAX_BUNDLE:
        raise BundleMalformed
    reader = Reader(copy, BundleMalformed)
    if reader.uint(1) != FORM:
        raise BundleMalformed
    header = Header(suite=reader.uint(1), epoch=reader.uint(4), revision=reader.uint(8), salt=reader.take(SALT))
    sealed = reader.rest()
    if len(sealed) < NONCE + TAG:
        raise BundleMalformed
    return header, sealed


def _decode(plain: bytes | None, header: Header) -> RootBundle:
    if plain is None:
        raise BundleNotOpened
    reader = Reader(plain, BundleMalformed)
    form, revision = reader.uint(1), reader.uint(8)
    seed, recovery_public = SigningSeed(reader.take(KEY)), reader.take(KEY)
    n, head, count = reader.uint(8), reader.take(DIGEST), reader.uint(4)
    if form != FORM or not 1 <= count <= MAX_EPOCHS or not can_agree(recovery_public):
        raise BundleMalformed
    workspace = WorkspaceKeys(tuple(WorkspaceKey(reader.take(KEY)) for _ in range(count)))
    padding = reader.rest()
    if any(padding) or len(padding) >= PADDED or len(plain) % PADDED:
        raise BundleMalformed
    if (revision, workspace.epoch) != (header.revision, header.epoch):
        raise BundleNotOpened  # the header was changed: a revision is not bound, so it is compared
    return RootBundle(revision, seed, recovery_public, n, head, workspace)

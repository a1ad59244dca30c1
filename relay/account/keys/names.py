"""Names of devices, which the broker keeps but cannot read.

    +0   u32  epoch e
    +4   12   nonce
    +16  65   ciphertext of: u8 length ‖ name in UTF-8 ‖ zeros, in all 65
    +81  16   tag
    key = HKDF(WK_e, "lerix/device-name/1" ‖ device 16);  bound = "lerix/device-name/1" ‖ account 16 ‖ device 16 ‖ u32 e

A device's first name stands in the device log. To rename it, any device seals another one and gives it to the broker
beside the log: that needs no password. The broker may bring back an older name, but not make one.
"""

import unicodedata

from relay.account.keys.errors import DeviceNameUnusable, NameNotOpened
from relay.account.keys.primitives import NONCE, SYSTEM, TAG, Randomness, hkdf, seal, unseal
from relay.account.keys.wire import ID, Reader, exact, uint
from relay.account.keys.workspace import WorkspaceKeys

# Bytes of UTF-8. Every sealed name has the same length, so length tells nothing.
MAX_NAME = 64
SEALED_NAME = 4 + NONCE + 1 + MAX_NAME + TAG


def is_hidden(character: str) -> bool:
    """Whether it cannot be seen, or moves what stands beside it: controls, format characters, ends of lines."""
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def normalise_name(name: str) -> str:
    """Return the name in NFC, without blanks around it. Raises DeviceNameUnusable."""
    text = unicodedata.normalize("NFC", name).strip()
    hidden = any(is_hidden(character) for character in text)
    if hidden or not 0 < len(text.encode("utf-8", "replace")) <= MAX_NAME:
        raise DeviceNameUnusable
    return text


def seal_name(
    name: str, keys: WorkspaceKeys, *, account: bytes, device: bytes, random: Randomness = SYSTEM
) -> bytes:
    """Seal a device's name by the newest epoch's key; 97 bytes. Raises DeviceNameUnusable."""
    data = normalise_name(name).encode()
    plain = uint(len(data), 1) + data.ljust(MAX_NAME, b"\0")
    nonce = random.take(NONCE)
    sealed = seal(_key(keys, keys.epoch, device), nonce, plain, _bound(account, device, keys.epoch))
    return uint(keys.epoch, 4) + nonce + sealed


def open_name(sealed: bytes, keys: WorkspaceKeys, *, account: bytes, device: bytes) -> str:
    """Return the name of a device, as `normalise_name` gives it.

    Raises NameNotOpened, also for an epoch whose key is not here yet, and for a name that could not be given: any
    device of the account can seal one, and a device that was taken over would.
    """
    reader = Reader(sealed, NameNotOpened)
    epoch, nonce = reader.uint(4), reader.take(NONCE)
    if epoch > keys.epoch:
        raise NameNotOpened
    plain = unseal(_key(keys, epoch, device), nonce, reader.rest(), _bound(account, device, epoch))
    if plain is None:
        raise NameNotOpened
    opened = Reader(plain, NameNotOpened)
    name, padding = opened.take(opened.uint(1)), opened.rest()
    if len(plain) != 1 + MAX_NAME or any(padding):
        raise NameNotOpened
    try:
        text = name.decode()
        if normalise_name(text) != text:
            raise NameNotOpened
    except (UnicodeDecodeError, DeviceNameUnusable):
        raise NameNotOpened from None
    return text


def _key(keys: WorkspaceKeys, epoch: int, device: bytes) -> bytes:
    return hkdf(keys[epoch].reveal(), b"lerix/device-name/1" + exact(device, ID))


def _bound(account: bytes, device: bytes, epoch: int) -> bytes:
    return b"lerix/device-name/1" + exact(account, ID) + exact(device, ID) + uint(epoch, 4)

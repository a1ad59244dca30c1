"""Names with characters that cannot be seen: nobody gives one, and none that another device has sealed is shown."""

from __future__ import annotations

import unicodedata

import pytest

from relay.account.keys import names
from relay.account.keys.errors import DeviceNameUnusable, NameNotOpened
from relay.account.keys.holders import WorkspaceKey
from relay.account.keys.primitives import hkdf, seal
from relay.account.keys.workspace import WorkspaceKeys

ACCOUNT, DEVICE = b"a" * 16, b"d" * 16
KEYS = WorkspaceKeys((WorkspaceKey(b"k" * 32),))
# Turning the direction of writing, without width, isolating, joining, a mark of byte order, a soft hyphen.
HIDDEN = ["\u202e", "\u200b", "\u2066", "\u200d", "\ufeff", "\u00ad", "\U000e0041"]


@pytest.mark.parametrize("character", HIDDEN)
def test_a_name_with_a_format_character_is_refused(character: str) -> None:
    assert unicodedata.category(character) == "Cf"
    for name in (f"Ada{character}", f"{character}Ada", f"A{character}da"):
        with pytest.raises(DeviceNameUnusable):
            names.normalise_name(name)
        with pytest.raises(DeviceNameUnusable):
            names.seal_name(name, KEYS, account=ACCOUNT, device=DEVICE)


def sealed(name: str) -> bytes:
    """As a device of the account could seal it that does not look at the name."""
    data = name.encode()
    plain = bytes([len(data)]) + data.ljust(names.MAX_NAME, b"\0")
    key, bound = hkdf(KEYS[0].reveal(), b"lerix/device-name/1" + DEVICE), ACCOUNT + DEVICE + bytes(4)
    return bytes(4) + bytes(12) + seal(key, bytes(12), plain, b"lerix/device-name/1" + bound)


def test_a_name_that_could_be_given_is_read() -> None:
    assert names.open_name(sealed("Ada’s Mac"), KEYS, account=ACCOUNT, device=DEVICE) == "Ada’s Mac"


@pytest.mark.parametrize(
    "name",
    [*(f"Ada{each}s Mac" for each in HIDDEN), "", " ", " Ada", "Ada ", "a\nb", "a\0b", "a\u2028b", "e\u0301"],
)
def test_a_name_that_could_not_be_given_is_not_read_either(name: str) -> None:
    with pytest.raises(NameNotOpened):
        names.open_name(sealed(name), KEYS, account=ACCOUNT, device=DEVICE)

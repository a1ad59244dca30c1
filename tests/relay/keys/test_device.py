"""A device's keys, its proofs for the broker, its name."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.account.keys import names, workspace
from relay.account.keys.device import DeviceKeys, Role, check_proof
from relay.account.keys.errors import (
    AnswerMalformed,
    DeviceNameUnusable,
    NameNotOpened,
    ProofRefused,
    StoredUnreadable,
)
from relay.account.keys.holders import Stored, WorkspaceKey
from relay.account.keys.log import Known
from relay.account.keys.primitives import hkdf, seal, signed
from relay.account.keys.workspace import WorkspaceKeys
from tests.relay.keys.fixed import FixedRandomness
from tests.relay.keys.flips import flips

RANDOM = FixedRandomness("device")
MAC, PHONE = DeviceKeys.new(RANDOM), DeviceKeys.new(RANDOM)
CLAIM: dict[str, Any] = {
    "nonce": RANDOM.take(32),
    "account": RANDOM.take(16),
    "role": Role.HOST,
    "host": "broker.example.com",
}
PROOF = MAC.prove(**CLAIM)
KEYS = WorkspaceKeys((workspace.new_key(RANDOM), workspace.new_key(RANDOM)))
ACCOUNT = RANDOM.take(16)


def test_a_proof_holds_for_what_it_was_made_for() -> None:
    check_proof(MAC.public, PROOF, **CLAIM)
    check_proof(MAC.public, PROOF, **CLAIM | {"host": "BROKER.example.com"})
    host = b"broker.example.com"
    message = b"lerix/broker-auth/1" + CLAIM["nonce"] + CLAIM["account"] + MAC.id + b"\1" + b"\0\x12" + host
    assert signed(MAC.public.signing, PROOF, message)


def test_each_byte_of_a_proof_matters() -> None:
    for _, changed in flips(PROOF):
        with pytest.raises(ProofRefused):
            check_proof(MAC.public, changed, **CLAIM)
    for proof in (b"", PROOF[:-1], PROOF + b"\0"):
        with pytest.raises(ProofRefused):
            check_proof(MAC.public, proof, **CLAIM)


def test_each_byte_of_the_claim_matters() -> None:
    for name in ("nonce", "account"):
        for _, changed in flips(CLAIM[name]):
            with pytest.raises(ProofRefused):
                check_proof(MAC.public, PROOF, **CLAIM | {name: changed})
    for _, changed in flips(MAC.id):
        with pytest.raises(ProofRefused):
            check_proof(dataclasses.replace(MAC.public, id=changed), PROOF, **CLAIM)
    others: list[dict[str, Any]] = [{"role": Role.REMOTE}, {"host": "broker.example.org"}, {"host": "broker.example"}]
    for other in others:
        with pytest.raises(ProofRefused):
            check_proof(MAC.public, PROOF, **CLAIM | other)
    with pytest.raises(ProofRefused):
        check_proof(PHONE.public, PROOF, **CLAIM)


@pytest.mark.parametrize(
    "other",
    [
        {"nonce": b""},
        {"nonce": bytes(31)},
        {"account": bytes(17)},
        {"host": ""},
        {"host": "x" * 254},
        {"host": "bücher.example"},
        {"role": Role.HOST | Role.REMOTE},
        {"role": Role(0)},
    ],
)
def test_a_claim_of_another_form_is_neither_signed_nor_checked(other: dict[str, Any]) -> None:
    with pytest.raises(AnswerMalformed):
        MAC.prove(**CLAIM | other)
    with pytest.raises(AnswerMalformed):
        check_proof(MAC.public, PROOF, **CLAIM | other)


def test_what_a_device_stores_it_reads_again() -> None:
    known = Known(3, bytes(32), b"k" * 32, 7)
    assert DeviceKeys.from_stored(MAC.stored()) == MAC
    assert WorkspaceKeys.from_stored(KEYS.stored()) == KEYS
    assert Known.from_stored(known.stored()) == known


@given(st.binary(max_size=120))
def test_anything_else_is_not_read(data: bytes) -> None:
    for kind in (DeviceKeys, WorkspaceKeys, Known):
        with pytest.raises(StoredUnreadable):
            kind.from_stored(Stored(data if data[:1] != b"\1" else b"\2" + data))


def test_what_was_cut_or_grew_is_not_read() -> None:
    for kind, stored in ((DeviceKeys, MAC.stored()), (WorkspaceKeys, KEYS.stored())):
        data = stored.reveal()
        for broken in (data[:-1], data + b"\0", b"", b"\1"):
            with pytest.raises(StoredUnreadable):
                kind.from_stored(Stored(broken))


def test_keys_of_the_workspace_are_derived_apart() -> None:
    item, author = RANDOM.take(16), MAC.id
    derived = {
        KEYS.relay_psk(0).reveal(),
        KEYS.relay_psk(1).reveal(),
        KEYS.item_key(0, item=item, version=1, author=author).reveal(),
        KEYS.item_key(1, item=item, version=1, author=author).reveal(),
        KEYS.item_key(1, item=item, version=2, author=author).reveal(),
        KEYS.item_key(1, item=author, version=1, author=item).reveal(),
        KEYS.item_key(1, item=item, version=1, author=PHONE.id).reveal(),
        workspace.announcement(KEYS[1], ACCOUNT, 1),
        workspace.announcement(KEYS[1], ACCOUNT, 0),
    }
    assert len(derived) == 9
    info = b"lerix/item/1" + item + (2).to_bytes(8, "big") + author
    assert KEYS.item_key(1, item=item, version=2, author=author).reveal() == hkdf(KEYS[1].reveal(), info)
    assert KEYS.relay_psk(1).reveal() == hkdf(KEYS[1].reveal(), b"lerix/relay-psk/1")


def test_an_epoch_that_is_not_here_has_no_keys() -> None:
    for epoch in (-1, 2):
        with pytest.raises(IndexError):
            KEYS.relay_psk(epoch)
    with pytest.raises(ValueError, match="0 epochs"):
        WorkspaceKeys(())
    with pytest.raises(ValueError, match="1025 epochs"):
        WorkspaceKeys((KEYS[0],) * 1025)
    with pytest.raises(AnswerMalformed):
        KEYS.item_key(0, item=b"short", version=1, author=MAC.id)


@pytest.mark.parametrize("name", ["Ada’s Mac", "Téléphone", "x", "💻" * 16, "ü" * 32])
def test_a_name_is_read_where_the_key_is(name: str) -> None:
    sealed = names.seal_name(f"  {name} ", KEYS, account=ACCOUNT, device=MAC.id)
    assert len(sealed) == names.SEALED_NAME == 97
    assert names.open_name(sealed, KEYS, account=ACCOUNT, device=MAC.id) == name
    assert len(name) < 3 or name.encode() not in sealed


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "💻" * 17, "a\nb", "a\0b", "a\u2028b", "\ud800"])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(DeviceNameUnusable):
        names.seal_name(name, KEYS, account=ACCOUNT, device=MAC.id)


def test_each_byte_of_a_sealed_name_matters() -> None:
    sealed = names.seal_name("Ada’s Mac", KEYS, account=ACCOUNT, device=MAC.id, random=FixedRandomness("name"))
    for _, changed in flips(sealed):
        with pytest.raises(NameNotOpened):
            names.open_name(changed, KEYS, account=ACCOUNT, device=MAC.id)
    for cut in range(len(sealed)):
        with pytest.raises(NameNotOpened):
            names.open_name(sealed[:cut], KEYS, account=ACCOUNT, device=MAC.id)


@pytest.mark.parametrize(
    "plain", [b"\1x" + bytes(62) + b"\1", b"\1x" + bytes(62), b"\1\xff" + bytes(63), b"\x41" + b"x" * 64, b""]
)
def test_a_sealed_name_of_another_form_is_refused(plain: bytes) -> None:
    """Sealed by a device of the account, so the key is right."""
    key, bound = hkdf(KEYS[1].reveal(), b"lerix/device-name/1" + MAC.id), ACCOUNT + MAC.id + b"\0\0\0\1"
    sealed = b"\0\0\0\1" + bytes(12) + seal(key, bytes(12), plain, b"lerix/device-name/1" + bound)
    with pytest.raises(NameNotOpened):
        names.open_name(sealed, KEYS, account=ACCOUNT, device=MAC.id)


def test_a_name_is_of_one_device_of_one_account() -> None:
    sealed = names.seal_name("Ada’s Mac", KEYS, account=ACCOUNT, device=MAC.id)
    older = WorkspaceKeys((KEYS[0],))
    strangers = WorkspaceKeys((WorkspaceKey(bytes(32)), WorkspaceKey(bytes(32))))
    for keys, account, device in (
        (KEYS, ACCOUNT, PHONE.id),
        (KEYS, bytes(16), MAC.id),
        (older, ACCOUNT, MAC.id),
        (strangers, ACCOUNT, MAC.id),
    ):
        with pytest.raises(NameNotOpened):
            names.open_name(sealed, keys, account=account, device=device)

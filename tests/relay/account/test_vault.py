"""What lies on the disk: sealed while somebody is signed in, and nothing usable afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.db import connection

from connections.sealing_keys import Place
from connections.secrets import Secret
from relay.account.errors import NotKept, StoredAway, StoredLost
from relay.account.models import Membership, Notice
from relay.api.fields import encode
from tests import disk
from tests.connections.keyrings import LockedKeyring, MemoryKeyring, using
from tests.relay.account.far_broker import FarBroker
from tests.relay.account.macs import EMAIL, NEW, PASSWORD, Mac, create

OLD, FRESH = Secret(PASSWORD), Secret(NEW)


@pytest.fixture
def whole(transactional_db: None, far: FarBroker, tmp_path: Path) -> Iterator[Mac]:
    """A Mac whose rows really reach the database's files."""
    yield Mac(tmp_path / "mac", far)
    Membership.objects.all().delete()
    Notice.objects.all().delete()


def files() -> bytes:
    """All bytes of the database's files."""
    path = Path(connection.settings_dict["NAME"])
    return b"".join(disk.read(sorted(path.parent.glob(f"{path.name}*"))).values())


def secrets_of(mac: Mac) -> dict[str, bytes]:
    """What nobody may find, by name."""
    row = mac.account._desk.vault.member
    assert row is not None
    keys = mac.account._desk.vault.opened(row)
    assert keys is not None
    found = {
        "agreement key": keys.device.agreement.reveal(),
        "signing seed": keys.device.signing.reveal(),
        **{f"workspace key {epoch}": keys.workspace[epoch].reveal() for epoch in range(len(keys.workspace))},
    }
    return {
        f"{name} as {form}": text
        for name, data in found.items()
        for form, text in (("bytes", data), ("hex", data.hex().encode()), ("base64", encode(data).encode()[:-1]))
    }


def test_signing_out_leaves_nothing_usable_in_the_files(whole: Mac, far: FarBroker) -> None:
    other = Mac(whole.folder.parent / "other", far, name="Planted device name")

    async def live() -> tuple[dict[str, bytes], bytes, bytes]:
        key = await create(whole)
        planted = secrets_of(whole) | {
            "password": PASSWORD.encode(),
            "recovery key": key.reveal().encode(),
            "recovery key's middle": key.reveal()[10:24].encode(),
        }
        await whole.leave()
        await other.account.sign_in(EMAIL, OLD, other.name)
        await other.leave()
        await whole.come()
        await whole.account.refresh()
        assert len(whole.account.view.notices) == 1
        await whole.account.rename(whole.account.view.devices[1].id, "Planted other name")
        await whole.account.revoke(OLD, [whole.account.view.devices[1].id])
        await whole.account.refresh()
        planted |= secrets_of(whole)
        row = await Membership.objects.aget()
        sealed = bytes(row.sealed)
        during = files()
        assert sealed in during
        for name, text in planted.items():
            assert text not in during, name
        await whole.account.sign_out()
        return planted, sealed, files()

    planted, sealed, after = async_to_sync(live)()
    for name, text in planted.items():
        assert text not in after, name
    assert sealed not in after
    for plain in (EMAIL, other.name, "Planted"):
        assert plain.encode() not in after, plain
    assert not list(whole.folder.iterdir())


def test_no_key_lies_beside_the_database_as_it_is(whole: Mac) -> None:
    async_to_sync(create)(whole)
    for path in whole.folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        for name, text in secrets_of(whole).items():
            assert text not in path.read_bytes(), name


async def test_the_keyring_keeps_the_sealing_key_and_loses_it_at_sign_out(mac: Mac) -> None:
    backend = MemoryKeyring()
    with using(backend):
        await mac.account.refresh()
        await create(mac)
        assert mac.account.view.place is Place.KEYRING
        assert len(backend.kept) == 1
        await mac.restart()
        await mac.account.refresh()
        assert mac.account.view.problem is None
        await mac.account.sign_out()
    assert backend.kept == {}
    assert not list(mac.folder.iterdir())


async def test_a_locked_keyring_is_waited_for(mac: Mac) -> None:
    backend = LockedKeyring()
    backend.locked = False
    with using(backend):
        await create(mac)
        await mac.restart()
        backend.locked = True
        await mac.account.refresh()
        problem = mac.account.view.problem
        assert type(problem) is StoredAway
        assert mac.account.view.signed_in
        with pytest.raises(StoredAway):
            await mac.account.change_password(OLD, FRESH)
        backend.locked = False
        await mac.account.refresh()
        assert mac.account.view.problem is None


async def test_a_lost_sealing_key_asks_to_sign_out_and_that_works(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    for path in mac.folder.glob("sealing-*"):
        path.unlink()
    await mac.restart()
    await mac.account.refresh()
    assert isinstance(mac.account.view.problem, StoredLost)
    await mac.account.sign_out()
    assert not await Membership.objects.aexists()
    await mac.account.sign_in(EMAIL, OLD, mac.name)
    assert mac.account.view.signed_in


@pytest.mark.parametrize("damage", ["flipped", "older", "another row's"])
async def test_sealed_keys_that_were_changed_do_not_open(mac: Mac, other: Mac, damage: str) -> None:
    await create(mac)
    row = await Membership.objects.aget()
    old = bytes(row.sealed)
    await mac.account.change_password(OLD, FRESH)
    row = await Membership.objects.aget()
    assert bytes(row.sealed) != old
    sealed = bytearray(row.sealed)
    sealed[-1] ^= 1
    changed = {"flipped": bytes(sealed), "older": old, "another row's": bytes(row.sealed)}[damage]
    name = "data-other" if damage == "another row's" else row.sealing_name
    await Membership.objects.aupdate(sealed=changed, sealing_name=name)
    await mac.restart()
    await mac.account.refresh()
    assert isinstance(mac.account.view.problem, StoredLost)


async def test_keys_that_cannot_be_stored_are_not_sent(
    mac: Mac, other: Mac, far: FarBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(other)
    await other.leave()

    async def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mac.account._desk.sealing_keys, "create", full)
    with pytest.raises(NotKept):
        await mac.account.sign_in(EMAIL, OLD, mac.name)
    assert "POST update" not in [asked.name for asked in far.asked]
    assert len(far.accounts[EMAIL].devices) == 1


async def test_a_removed_device_keeps_no_key_and_no_old_sealing_key(mac: Mac, other: Mac) -> None:
    await create(mac)
    await mac.leave()
    await other.account.sign_in(EMAIL, OLD, other.name)
    await other.account.revoke(OLD, [other.account.view.devices[0].id])
    await other.leave()
    await mac.come()
    (before,) = mac.folder.glob("sealing-*")
    await mac.account.refresh()
    (after,) = mac.folder.glob("sealing-*")
    assert before != after
    row = await Membership.objects.aget()
    assert row.state == "revoked"
    fields = await mac.account._desk.vault._open(row)
    assert set(fields._value) == {"known"}


def test_the_database_overwrites_what_is_deleted(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA secure_delete")
        assert cursor.fetchone() == (1,)

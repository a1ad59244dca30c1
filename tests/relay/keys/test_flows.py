"""What people do with an account, against a broker that keeps to its part."""

import pytest

from connections.secrets import Secret
from relay.account.keys import flows, names
from relay.account.keys.device import EVERY_ROLE, Role
from relay.account.keys.errors import (
    BundleNotOpened,
    DeviceNotListed,
    DeviceRevoked,
    KeyNotOpened,
    PasswordNeeded,
    PasswordTooShort,
    SigningKeyChanged,
    TooManyDevices,
    TooManyEpochs,
)
from tests.relay.keys.broker import (
    EMAIL,
    NEW,
    PASSWORD,
    Broker,
    Conflict,
    WrongCredential,
    come_back,
    follow,
    join,
    sign_in,
)

pytestmark = pytest.mark.usefixtures("cheap_suite")


def test_an_account_is_made_and_opened_on_another_device(broker: Broker, created: flows.Created) -> None:
    phone = join(broker, "Téléphone")
    assert phone.after.workspace == created.after.workspace
    listed = phone.after.log.active
    assert [device.id for device in listed] == [created.device.id, phone.device.id]
    shown = [
        names.open_name(device.name, phone.after.workspace, account=broker.account, device=device.id)
        for device in listed
    ]
    assert shown == ["Ada’s Mac", "Téléphone"]


def test_other_devices_see_who_joined_and_who_left(broker: Broker, created: flows.Created) -> None:
    phone = join(broker, "Téléphone")
    seen = follow(broker, created)
    assert [device.id for device in seen.added] == [phone.device.id]
    assert seen.revoked == ()
    assert seen.workspace == created.after.workspace
    broker.take(flows.revoke_devices(sign_in(broker, EMAIL, PASSWORD), [phone.device.id]).update)
    later = flows.follow(
        broker.log, account=broker.account, device=created.device, workspace=seen.workspace, known=seen.known
    )
    assert [device.id for device in later.revoked] == [phone.device.id]
    assert later.added == ()


def test_a_revoked_device_gets_nothing_of_the_new_epoch(broker: Broker, created: flows.Created) -> None:
    phone, tablet = join(broker, "Téléphone"), join(broker, "Tablett")
    changed = flows.revoke_devices(sign_in(broker, EMAIL, PASSWORD), [tablet.device.id])
    broker.take(changed.update)
    assert changed.after.workspace.epoch == 1
    for device in (created, phone):
        assert follow(broker, device).workspace == changed.after.workspace
    with pytest.raises(DeviceRevoked):
        follow(broker, tablet)
    with pytest.raises(KeyNotOpened):
        changed.after.log.open_epoch(1, tablet.device)
    assert changed.after.workspace.relay_psk(1) != tablet.after.workspace.relay_psk(0)


def test_who_joins_after_a_revocation_reads_what_is_older(broker: Broker) -> None:
    phone = join(broker, "Téléphone")
    broker.take(flows.revoke_devices(sign_in(broker, EMAIL, PASSWORD), [phone.device.id]).update)
    tablet = join(broker, "Tablett")
    assert tablet.after.workspace[0] == phone.after.workspace[0]
    assert tablet.after.workspace.epoch == 1


def test_a_device_that_was_away_for_several_epochs_catches_up(broker: Broker, created: flows.Created) -> None:
    for number in range(3):
        lost = join(broker, f"Lost {number}")
        broker.take(flows.revoke_devices(sign_in(broker, EMAIL, PASSWORD), [lost.device.id]).update)
    seen = follow(broker, created)
    assert seen.workspace.epoch == 3
    assert seen.workspace == sign_in(broker, EMAIL, PASSWORD).workspace


def test_several_devices_leave_at_once_with_one_epoch(broker: Broker) -> None:
    leaving = [join(broker, name).device.id for name in ("one", "two", "three")]
    changed = flows.revoke_devices(sign_in(broker, EMAIL, PASSWORD), leaving)
    assert len(changed.update.entries) == 4
    assert changed.after.log.epoch == 1
    with pytest.raises(DeviceNotListed):
        flows.revoke_devices(changed.after, leaving)


def test_a_password_is_changed_in_one_step_and_the_workspace_stays(broker: Broker, created: flows.Created) -> None:
    """Up to the step the old password works and the new does not, after it the other way round: never neither."""
    changed = flows.change_password(sign_in(broker, EMAIL, PASSWORD), EMAIL, Secret(NEW))
    assert sign_in(broker, EMAIL, PASSWORD).workspace == created.after.workspace
    with pytest.raises(WrongCredential):
        sign_in(broker, EMAIL, NEW)
    broker.take(changed.update)
    assert sign_in(broker, EMAIL, NEW).workspace == created.after.workspace
    with pytest.raises(WrongCredential):
        sign_in(broker, EMAIL, PASSWORD)
    assert changed.update.entries == ()
    assert changed.update.recovery is None
    assert changed.update.bundle.header.salt != created.update.bundle.header.salt
    assert come_back(broker, created.recovery_key.text().reveal()).workspace == created.after.workspace


def test_an_address_is_changed_like_a_password(broker: Broker) -> None:
    opened = sign_in(broker, EMAIL, PASSWORD)
    broker.take(flows.change_password(opened, "countess@example.com", Secret(PASSWORD)).update)
    assert sign_in(broker, "countess@example.com", PASSWORD).log.n == 2
    with pytest.raises(WrongCredential):
        sign_in(broker, EMAIL, PASSWORD)


def test_a_new_password_has_a_length(broker: Broker) -> None:
    opened = sign_in(broker, EMAIL, PASSWORD)
    with pytest.raises(PasswordTooShort):
        flows.create(EMAIL, Secret("x" * 11), "Mac", EVERY_ROLE)
    with pytest.raises(PasswordTooShort):
        flows.change_password(opened, EMAIL, Secret("x" * 11))
    with pytest.raises(PasswordTooShort):
        flows.rekey(opened, EMAIL, Secret("x" * 11), [])


def test_of_two_changes_at_once_one_wins(broker: Broker) -> None:
    first, second = sign_in(broker, EMAIL, PASSWORD), sign_in(broker, EMAIL, PASSWORD)
    broker.take(flows.add_device(first, "one", Role.REMOTE).update)
    with pytest.raises(Conflict):
        broker.take(flows.add_device(second, "two", Role.REMOTE).update)
    assert [device.added for device in sign_in(broker, EMAIL, PASSWORD).log.active] == [1, 3]


def test_a_lost_password_is_replaced_by_the_recovery_key(broker: Broker, created: flows.Created) -> None:
    phone = join(broker, "Téléphone")
    broker.take(flows.revoke_devices(sign_in(broker, EMAIL, PASSWORD), [phone.device.id]).update)
    opened = come_back(broker, created.recovery_key.text().reveal().lower().replace("-", " "))
    with pytest.raises(PasswordNeeded):
        flows.add_device(opened, "Tablett", Role.REMOTE)
    with pytest.raises(PasswordNeeded):
        flows.renew_recovery_key(opened)
    changed = flows.change_password(opened, EMAIL, Secret(NEW))
    broker.take(changed.update)
    broker.take(flows.add_device(changed.after, "Tablett", Role.REMOTE).update)
    assert sign_in(broker, EMAIL, NEW).workspace.epoch == 1
    assert come_back(broker, created.recovery_key.text().reveal()).log.n == len(broker.log) - 1


def test_a_replaced_recovery_key_opens_nothing(broker: Broker, created: flows.Created) -> None:
    renewed = flows.renew_recovery_key(sign_in(broker, EMAIL, PASSWORD))
    broker.take(renewed.update)
    assert come_back(broker, renewed.recovery_key.text().reveal()).workspace == created.after.workspace
    with pytest.raises(WrongCredential):
        come_back(broker, created.recovery_key.text().reveal())
    with pytest.raises(BundleNotOpened):
        flows.recover(
            broker.bundle.by_recovery,
            broker.log,
            created.recovery_key,
            account=broker.account,
            anchor=created.recovery_key.anchor(broker.account, created.after.log.signing_key),
        )
    assert sign_in(broker, EMAIL, PASSWORD).bundle.revision == 2


def test_after_a_compromise_everything_is_new_and_others_compare_digits(
    broker: Broker, created: flows.Created
) -> None:
    phone, thief = join(broker, "Téléphone"), join(broker, "Thief")
    before = sign_in(broker, EMAIL, PASSWORD)
    rekeyed = flows.rekey(before, EMAIL, Secret(NEW), [created.device.id, phone.device.id])
    broker.take(rekeyed.update)
    assert rekeyed.after.log.signing_key != before.log.signing_key
    assert rekeyed.after.workspace.epoch == 1
    assert rekeyed.recovery_key != created.recovery_key
    with pytest.raises(SigningKeyChanged) as raised:
        follow(broker, phone)
    assert raised.value.digits == rekeyed.digits
    trusted = phone.after.known.trust(raised.value.signing_key)
    after = phone.after
    seen = flows.follow(
        broker.log, account=after.account, device=phone.device, workspace=after.workspace, known=trusted
    )
    assert seen.workspace == rekeyed.after.workspace
    assert seen.known.signing_key == rekeyed.after.log.signing_key
    with pytest.raises(DeviceRevoked):
        flows.follow(
            broker.log,
            account=after.account,
            device=thief.device,
            workspace=thief.after.workspace,
            known=thief.after.known.trust(raised.value.signing_key),
        )
    assert come_back(broker, rekeyed.recovery_key.text().reveal()).workspace == rekeyed.after.workspace
    with pytest.raises(WrongCredential):
        come_back(broker, created.recovery_key.text().reveal())
    # A new device has only the password, which is new too: nothing to compare.
    assert join(broker, "Tablett", NEW).after.log.epoch == 1
    with pytest.raises(SigningKeyChanged):
        sign_in(broker, EMAIL, NEW, known=phone.after.known)
    with pytest.raises(DeviceNotListed):
        flows.rekey(rekeyed.after, EMAIL, Secret(NEW), [thief.device.id])


def test_limits_are_named_before_anything_is_sent(
    broker: Broker, created: flows.Created, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = sign_in(broker, EMAIL, PASSWORD)
    monkeypatch.setattr(flows, "MAX_DEVICES", 1)
    with pytest.raises(TooManyDevices):
        flows.add_device(opened, "one too many", Role.REMOTE)
    monkeypatch.setattr(flows, "MAX_DEVICES", 2)
    monkeypatch.setattr(flows, "MAX_ENTRIES", 3)
    with pytest.raises(TooManyEpochs):
        flows.add_device(opened, "one too many", Role.REMOTE)
    monkeypatch.setattr(flows, "MAX_ENTRIES", 100)
    monkeypatch.setattr(flows, "MAX_EPOCHS", 1)
    with pytest.raises(TooManyEpochs):
        flows.revoke_devices(opened, [created.device.id])

"""Changing an account, recovering it, leaving it, and hearing of what others change."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connections.secrets import Secret
from relay.account.errors import (
    CodesDiffer,
    KeysRefused,
    NothingToConfirm,
    NotSignedIn,
    PasswordWeak,
    PendingElsewhere,
    ThisDevice,
)
from relay.account.models import Membership
from relay.account.pending import Step
from relay.account.refusals import TicketEnded, WrongLogin, WrongPassword, WrongRecoveryKey
from tests.relay.account.far_broker import CODE, LONG_AGO, FarBroker
from tests.relay.account.macs import EMAIL, NEW, PASSWORD, Mac, both, create, names, typed

OLD = Secret(PASSWORD)
FRESH = Secret(NEW)


# Changes.


async def test_the_password_is_changed_and_every_device_stays(mac: Mac, other: Mac) -> None:
    await both(mac, other)
    with pytest.raises(WrongPassword):
        await mac.account.change_password(FRESH, Secret("Noch ein ganz anderes"))
    await mac.account.change_password(OLD, FRESH)
    await mac.account.refresh()
    assert mac.account.view.problem is None
    await mac.leave()
    await other.come()
    await other.account.refresh()
    assert other.account.view.problem is None
    await other.account.sign_out()
    with pytest.raises(WrongLogin):
        await other.account.sign_in(EMAIL, OLD, other.name)
    await other.account.sign_in(EMAIL, FRESH, other.name)


async def test_a_weak_new_password_is_refused_before_the_old_one_is_asked(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    asked = len(far.asked)
    with pytest.raises(PasswordWeak):
        await mac.account.change_password(OLD, Secret("password1234"))
    assert len(far.asked) == asked


async def test_a_removed_device_loses_its_keys_and_says_so(mac: Mac, other: Mac) -> None:
    await both(mac, other)
    lost = mac.account.view.devices[1]
    await mac.account.revoke(OLD, [lost.id])
    assert names(mac) == [mac.name]
    await mac.account.refresh()
    assert mac.account.view.problem is None
    await mac.leave()
    await other.come()
    await other.account.refresh()
    view = other.account.view
    assert (view.signed_in, view.revoked, view.email, view.devices) == (False, True, EMAIL, ())
    assert view.problem is not None
    assert "removed" in view.problem.sentence
    row = await Membership.objects.aget()
    assert row.state == "revoked"
    await other.restart()
    assert other.account.view.revoked
    await other.account.sign_in(EMAIL, OLD, other.name)
    assert other.account.view.signed_in
    assert not other.account.view.revoked


async def test_removing_also_drops_devices_that_signed_out(mac: Mac, other: Mac, far: FarBroker) -> None:
    await both(mac, other)
    third = Mac(mac.folder.parent / "third", far, name="Third")
    await mac.leave()
    await third.account.sign_in(EMAIL, OLD, third.name)
    await third.account.sign_out()
    await mac.come()
    await mac.account.refresh()
    assert [(device.name, device.signed_out) for device in mac.account.view.devices] == [
        (mac.name, False),
        (other.name, False),
        ("Third", True),
    ]
    await mac.account.revoke(OLD, [mac.account.view.devices[1].id])
    assert names(mac) == [mac.name]


async def test_a_device_cannot_remove_itself_nor_one_that_is_gone(mac: Mac, other: Mac) -> None:
    await both(mac, other)
    here, there = mac.account.view.devices
    with pytest.raises(ThisDevice):
        await mac.account.revoke(OLD, [here.id, there.id])
    await mac.account.revoke(OLD, [there.id])
    with pytest.raises(KeysRefused) as refused:
        await mac.account.revoke(OLD, [there.id])
    assert refused.value.code == "device-not-listed"


async def test_a_device_gets_another_name_which_the_broker_cannot_read(mac: Mac, other: Mac, far: FarBroker) -> None:
    await both(mac, other)
    await mac.account.rename(mac.account.view.devices[1].id, "Küche")
    assert names(mac) == [mac.name, "Küche"]
    await mac.leave()
    await other.come()
    await other.account.refresh()
    assert names(other) == [mac.name, "Küche"]
    assert "Küche".encode() not in far.wire
    with pytest.raises(KeysRefused) as refused:
        await other.account.rename(other.account.view.devices[0].id, "")
    assert refused.value.field == "name"


async def test_a_new_recovery_key_counts_once_it_was_typed_again(mac: Mac, other: Mac) -> None:
    old = await create(mac)
    pending = await mac.account.start_recovery_key(OLD)
    new = pending.recovery_key
    assert new is not None
    with pytest.raises(KeysRefused):
        await mac.account.finish_recovery_key(pending.id, {})
    await mac.account.finish_recovery_key(pending.id, typed(pending))
    assert mac.account.pending(pending.id) is None
    await mac.leave()
    recovery = await other.account.start_recovery(EMAIL)
    await other.account.enter_code(recovery.id, CODE)
    with pytest.raises(WrongRecoveryKey):
        await other.account.open_recovery(recovery.id, old)
    assert (await other.account.open_recovery(recovery.id, new)).step is Step.NEW_PASSWORD


async def test_a_rekey_is_taken_over_where_the_digits_are_equal(mac: Mac, other: Mac) -> None:
    await both(mac, other)
    there = mac.account.view.devices[1].id
    pending = await mac.account.rekey(OLD, FRESH, [there])
    assert pending.digits is not None
    await mac.account.finish_rekey(pending.id, typed(pending))
    done = mac.account.pending(pending.id)
    assert done is not None
    assert (done.step, done.recovery_key, done.digits) == (Step.DONE, None, pending.digits)
    await mac.account.refresh()
    assert mac.account.view.problem is None
    await mac.leave()
    await other.come()
    for _ in range(2):
        await other.account.refresh()
        assert other.account.view.digits == pending.digits
        assert other.account.view.problem is not None
    await other.account.trust(True, pending.digits)
    assert (other.account.view.digits, other.account.view.problem) == (None, None)
    await other.restart()
    await other.account.refresh()
    assert other.account.view.problem is None
    assert names(other) == [mac.name, other.name]
    with pytest.raises(NothingToConfirm):
        await other.account.trust(True, pending.digits)


async def test_a_rekey_that_is_not_ours_is_refused_for_good(mac: Mac, other: Mac) -> None:
    await both(mac, other)
    pending = await mac.account.rekey(OLD, FRESH, [mac.account.view.devices[1].id])
    await mac.account.finish_rekey(pending.id, typed(pending))
    await mac.leave()
    await other.come()
    await other.account.refresh()
    await other.account.trust(False, pending.digits or "")
    await other.restart()
    for _ in range(2):
        await other.account.refresh()
        assert isinstance(other.account.view.problem, CodesDiffer)
        assert other.account.view.digits is None
    assert other.account.view.signed_in


async def test_whoever_is_not_kept_by_a_rekey_is_removed(mac: Mac, other: Mac) -> None:
    await both(mac, other)
    pending = await mac.account.rekey(OLD, FRESH, [])
    await mac.account.finish_rekey(pending.id, typed(pending))
    assert names(mac) == [mac.name]
    await mac.leave()
    await other.come()
    await other.account.refresh()
    assert other.account.view.revoked
    # What it saw before was another signing key; the new password vouches for the one that is in force.
    await other.account.sign_in(EMAIL, FRESH, other.name)
    await other.account.refresh()
    assert other.account.view.problem is None


# Recovery and erasure.


async def test_the_recovery_key_sets_a_new_password(mac: Mac, other: Mac) -> None:
    key = await create(mac)
    await mac.leave()
    pending = await other.account.start_recovery(EMAIL)
    pending = await other.account.enter_code(pending.id, CODE)
    assert pending.step is Step.ENTER_KEY
    with pytest.raises(KeysRefused) as refused:
        await other.account.open_recovery(pending.id, Secret(key.reveal()[:-1]))
    assert refused.value.field == "key"
    pending = await other.account.open_recovery(pending.id, Secret(key.reveal().lower()))
    assert pending.step is Step.NEW_PASSWORD
    with pytest.raises(PasswordWeak):
        await other.account.finish_recovery(pending.id, Secret("password1234"), other.name)
    await other.account.finish_recovery(pending.id, FRESH, other.name)
    assert other.account.view.recovery_key_used
    assert names(other) == [mac.name, other.name]
    await other.restart()
    assert other.account.view.recovery_key_used
    renewal = await other.account.start_recovery_key(FRESH)
    await other.account.finish_recovery_key(renewal.id, typed(renewal))
    assert not other.account.view.recovery_key_used
    with pytest.raises(WrongPassword):
        await other.account.start_recovery_key(OLD)


async def test_both_lost_leaves_only_erasing(mac: Mac, other: Mac, far: FarBroker) -> None:
    await create(mac)
    await mac.leave()
    pending = await other.account.start_erasure(EMAIL)
    with pytest.raises(PendingElsewhere):
        await other.account.finish_erasure(pending.id)
    pending = await other.account.enter_code(pending.id, CODE)
    assert pending.step is Step.CONFIRM
    await other.account.finish_erasure(pending.id)
    assert EMAIL not in far.accounts
    await create(other, password=NEW)
    await other.leave()
    await mac.come()
    await mac.account.refresh()
    assert mac.account.view.revoked


# Leaving.


async def test_signing_out_erases_and_tells_the_broker(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    await mac.account.refresh()
    await mac.account.sign_out()
    view = mac.account.view
    assert (view.signed_in, view.email, view.devices, view.notices, view.revoked) == (False, "", (), (), False)
    assert [device.signed_out for device in far.accounts[EMAIL].devices.values()] == [LONG_AGO]
    assert not await Membership.objects.aexists()
    assert not list(mac.folder.glob("sealing-*"))
    await mac.restart()
    assert not mac.account.view.signed_in
    for needs in (mac.account.sign_out_everywhere, mac.account.delete, mac.account.start_recovery_key):
        with pytest.raises(NotSignedIn):
            await needs(OLD)


async def test_signing_out_works_without_a_network(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    far.fail = lambda asked: "unsent"
    await mac.account.sign_out()
    assert not mac.account.view.signed_in
    assert not list(mac.folder.glob("sealing-*"))


async def test_signing_out_everywhere_removes_the_others(mac: Mac, other: Mac, far: FarBroker) -> None:
    await both(mac, other)
    await mac.account.sign_out_everywhere(OLD)
    assert not mac.account.view.signed_in
    assert len(far.accounts[EMAIL].devices) == 1
    await other.come()
    await other.account.refresh()
    assert other.account.view.revoked


async def test_deleting_the_account_needs_the_password(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    with pytest.raises(WrongPassword):
        await mac.account.delete(FRESH)
    assert mac.account.view.signed_in
    await mac.account.delete(OLD)
    assert not far.accounts
    assert not mac.account.view.signed_in
    assert not await Membership.objects.aexists()


# Following.


async def test_a_session_that_ended_is_renewed_by_the_device_itself(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    await mac.account.refresh()
    far.tokens.clear()
    await mac.account.refresh()
    assert mac.account.view.problem is None
    await mac.account.rename(mac.account.view.devices[0].id, "Anew")
    assert names(mac) == ["Anew"]


async def test_the_log_is_read_only_where_it_has_grown(mac: Mac, other: Mac, far: FarBroker) -> None:
    await both(mac, other)
    far.asked.clear()
    for _ in range(3):
        await mac.account.refresh()
    assert "GET log" not in {asked.name for asked in far.asked}


async def test_times_of_the_broker_are_shown_and_never_compared(mac: Mac, other: Mac, far: FarBroker) -> None:
    def tomorrow(asked: object, answer: dict[str, object]) -> dict[str, object]:
        if "expires" in answer:
            answer["expires"] = int((LONG_AGO - timedelta(days=365)).timestamp())
        if "created" in answer:
            answer["created"] = 253402300799
        return answer

    far.twist = tomorrow
    await both(mac, other)
    assert mac.account.view.problem is None
    await mac.account.change_password(OLD, FRESH)


async def test_a_ticket_that_ended_is_told(mac: Mac, far: FarBroker) -> None:
    pending = await mac.account.start_creation(EMAIL, OLD, mac.name)
    pending = await mac.account.enter_code(pending.id, CODE)
    far.tickets.clear()
    with pytest.raises(TicketEnded):
        await mac.account.finish_creation(pending.id, typed(pending))
    assert not await Membership.objects.aexists()
    assert not mac.account.view.unsettled

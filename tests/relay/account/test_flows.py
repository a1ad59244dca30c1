"""Creating an account and signing in to it, to the end, and what the pages can show then."""

from __future__ import annotations

import pytest

from connections.secrets import Secret
from relay.account.errors import (
    AlreadySignedIn,
    KeysRefused,
    PasswordWeak,
    PendingElsewhere,
    PendingEnded,
)
from relay.account.keys.device import EVERY_ROLE
from relay.account.models import Membership
from relay.account.pending import Step
from relay.account.refusals import DevicesFull, WrongCode, WrongLogin
from tests.relay.account.far_broker import CODE, FREE, LONG_AGO, FarBroker
from tests.relay.account.macs import EMAIL, NEW, PASSWORD, Mac, both, create, names, typed

OLD = Secret(PASSWORD)
FRESH = Secret(NEW)


# Creation.


async def test_a_new_account_has_this_device_and_nobody_else(mac: Mac) -> None:
    await create(mac, " Ada@Example.COM ")
    view = mac.account.view
    assert (view.signed_in, view.email, view.problem) == (True, EMAIL, None)
    (device,) = view.devices
    assert (device.name, device.this, device.roles, device.joined) == (mac.name, True, EVERY_ROLE, LONG_AGO)
    assert view.plan is not None
    assert view.plan.code == "pro"


async def test_nothing_is_created_before_the_recovery_key_was_typed_again(mac: Mac, far: FarBroker) -> None:
    pending = await mac.account.start_creation(EMAIL, OLD, mac.name)
    assert (pending.step, pending.recovery_key, pending.retype, pending.code) == (Step.CODE, None, (), None)
    pending = await mac.account.enter_code(pending.id, f" {CODE[:4]} {CODE[4:]} ")
    assert pending.step is Step.SHOW_KEY
    with pytest.raises(KeysRefused) as refused:
        await mac.account.finish_creation(pending.id, dict.fromkeys(pending.retype, "AAAA"))
    assert (refused.value.code, refused.value.field) == ("retype-differs", "key")
    for wrong in ({}, dict(list(typed(pending).items())[:1])):
        with pytest.raises(KeysRefused):
            await mac.account.finish_creation(pending.id, wrong)
    assert not far.accounts
    assert not mac.account.view.signed_in
    await mac.account.finish_creation(pending.id, typed(pending))
    assert mac.account.view.signed_in
    assert mac.account.pending(pending.id) is None


async def test_a_second_click_on_create_changes_nothing(mac: Mac, far: FarBroker) -> None:
    pending = await mac.account.start_creation(EMAIL, OLD, mac.name)
    pending = await mac.account.enter_code(pending.id, CODE)
    await mac.account.finish_creation(pending.id, typed(pending))
    with pytest.raises(PendingEnded):
        await mac.account.finish_creation(pending.id, typed(pending))
    assert len(far.accounts[EMAIL].devices) == 1


@pytest.mark.parametrize("code", ["", "1234567", "123456789", "12345679", "abcdefgh", "١٢٣٤٥٦٧٨"])
async def test_a_wrong_code_can_be_typed_again(mac: Mac, code: str) -> None:
    pending = await mac.account.start_creation(EMAIL, OLD, mac.name)
    with pytest.raises(WrongCode) as refused:
        await mac.account.enter_code(pending.id, code)
    assert refused.value.field == "code"
    assert (await mac.account.enter_code(pending.id, CODE)).step is Step.SHOW_KEY


async def test_a_code_can_be_sent_again_and_the_ticket_before_counts_no_more(mac: Mac, far: FarBroker) -> None:
    pending = await mac.account.start_creation(EMAIL, OLD, mac.name)
    (first,) = far.tickets
    assert (await mac.account.resend_code(pending.id)).id == pending.id
    await mac.account.enter_code(pending.id, CODE)
    assert [ticket for ticket, (_, _, confirmed) in far.tickets.items() if confirmed] != [first]


@pytest.mark.parametrize(
    ("email", "password", "name", "field"),
    [
        ("nobody", PASSWORD, "Mac", "email"),
        (EMAIL, "short", "Mac", "password"),
        (EMAIL, "password1234", "Mac", "password"),
        (EMAIL, "ada@example.com", "Mac", "password"),
        (EMAIL, PASSWORD, " ", "name"),
        (EMAIL, PASSWORD, "M" * 65, "name"),
    ],
)
async def test_what_cannot_be_used_is_refused_before_anything_is_sent(
    mac: Mac, far: FarBroker, email: str, password: str, name: str, field: str
) -> None:
    with pytest.raises((KeysRefused, PasswordWeak)) as refused:
        await mac.account.start_creation(email, Secret(password), name)
    assert refused.value.field == field
    assert not far.asked


async def test_steps_come_in_their_order(mac: Mac) -> None:
    pending = await mac.account.start_creation(EMAIL, OLD, mac.name)
    with pytest.raises(PendingElsewhere):
        await mac.account.finish_creation(pending.id, {})
    with pytest.raises(PendingElsewhere):
        await mac.account.open_recovery(pending.id, Secret("LRX1"))
    mac.account.cancel(pending.id)
    assert mac.account.pending(pending.id) is None
    with pytest.raises(PendingEnded):
        await mac.account.enter_code(pending.id, CODE)


# Signing in.


async def test_a_second_device_joins_and_the_first_hears_of_it(mac: Mac, other: Mac) -> None:
    await both(mac, other)
    assert names(mac) == [mac.name, other.name]
    (notice,) = mac.account.view.notices
    assert f"A new device joined your account: {other.name}, " in notice.sentence
    assert "If it was not you, remove it and change your password." in notice.sentence
    assert notice.device == mac.account.view.devices[1].hex
    await mac.restart()
    assert [each.sentence for each in mac.account.view.notices] == [notice.sentence]
    await mac.account.dismiss(notice.id)
    await mac.account.refresh()
    assert mac.account.view.notices == ()
    await mac.restart()
    assert mac.account.view.notices == ()


async def test_a_wrong_password_keeps_nothing(mac: Mac, other: Mac) -> None:
    await create(mac)
    await mac.leave()
    for email, password in ((EMAIL, FRESH), ("eve@example.com", OLD)):
        with pytest.raises(WrongLogin):
            await other.account.sign_in(email, password, other.name)
    assert not other.account.view.signed_in
    assert not await Membership.objects.aexists()


async def test_only_one_account_at_a_time(mac: Mac) -> None:
    await create(mac)
    with pytest.raises(AlreadySignedIn):
        await mac.account.sign_in(EMAIL, OLD, mac.name)
    with pytest.raises(AlreadySignedIn):
        await mac.account.start_creation("eve@example.com", OLD, mac.name)
    with pytest.raises(AlreadySignedIn):
        await mac.account.start_recovery(EMAIL)


async def test_a_full_plan_names_the_devices_and_removing_one_makes_room(
    mac: Mac, other: Mac, far: FarBroker
) -> None:
    far.plan = FREE
    await both(mac, other)
    await mac.leave()
    third = Mac(mac.folder.parent / "third", far, name="Third")
    with pytest.raises(DevicesFull) as full:
        await third.account.sign_in(EMAIL, OLD, third.name)
    assert "room for 2 devices" in full.value.sentence
    assert [name for _, name, _ in full.value.devices] == [mac.name, other.name]
    assert not await Membership.objects.aexists()
    await third.account.sign_in(EMAIL, OLD, third.name, remove=[full.value.devices[1][0]])
    assert names(third) == [mac.name, third.name]
    await third.leave()
    await other.come()
    await other.account.refresh()
    assert other.account.view.revoked

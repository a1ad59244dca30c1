"""What the relay is given of the account: who is signed in, by which log, and what devices are called."""

from __future__ import annotations

import json

import pytest

from connections.secrets import Secret
from relay.account.following import remember
from relay.account.keys.device import Role
from relay.account.models import Membership
from relay.account.viewing import UNREADABLE
from tests.relay.account.far_broker import ADDRESS, FarBroker
from tests.relay.account.macs import PASSWORD, Mac, both, create


async def started_off_line(mac: Mac, far: FarBroker) -> None:
    """A new process of `mac`, while the broker cannot be reached."""
    far.fail = lambda asked: "unsent"
    await mac.restart()
    await remember(mac.account._desk)
    await mac.account.refresh()


async def test_nobody_is_a_member_before_the_log_was_read(mac: Mac, far: FarBroker) -> None:
    assert mac.account.member is None
    await create(mac)
    member = mac.account.member
    assert member is not None
    assert (member.broker, member.parent) == (ADDRESS, None)
    member.check(Role.HOST)
    member.check(Role.REMOTE)
    assert mac.account.trusted


async def test_a_start_without_a_network_knows_the_other_devices(mac: Mac, other: Mac, far: FarBroker) -> None:
    await both(mac, other)
    before = mac.account.member
    assert before is not None
    (there,) = before.others(Role.HOST)
    await started_off_line(mac, far)
    member = mac.account.member
    assert member is not None
    assert member.is_same_device(before)
    assert (member.log.n, member.log.head) == (before.log.n, before.log.head)
    assert mac.account.name_of(there.id) == other.name
    assert mac.account.view.problem is not None


async def test_a_change_from_this_device_is_stored_with_the_next_look(mac: Mac, other: Mac, far: FarBroker) -> None:
    await both(mac, other)
    before = mac.account.member
    assert before is not None
    await mac.account.revoke(Secret(PASSWORD), [before.others(Role.HOST)[0].id])
    await mac.account.refresh()
    await started_off_line(mac, far)
    member = mac.account.member
    assert member is not None
    assert member.others(Role.HOST) == ()
    assert member.log.n > before.log.n


@pytest.mark.parametrize("stored", [b"", b"nonsense", b'{"entries": []}', b'{"entries": ["AAAA"]}'])
async def test_a_log_that_was_damaged_is_read_anew(mac: Mac, far: FarBroker, stored: bytes) -> None:
    await create(mac)
    await Membership.objects.aupdate(entries=stored)
    await started_off_line(mac, far)
    assert mac.account.member is None
    far.fail = lambda asked: None
    await mac.account.refresh()
    member = mac.account.member
    assert member is not None
    assert len(json.loads(bytes((await Membership.objects.aget()).entries))["entries"]) == member.log.n + 1


async def test_an_older_log_than_was_seen_is_not_taken_from_the_disk(mac: Mac, other: Mac, far: FarBroker) -> None:
    await create(mac)
    await mac.account.refresh()
    old = bytes((await Membership.objects.aget()).entries)
    await mac.leave()
    await other.account.sign_in("ada@example.com", Secret(PASSWORD), other.name)
    await other.leave()
    await mac.come()
    await mac.account.refresh()
    await Membership.objects.aupdate(entries=old)
    await started_off_line(mac, far)
    assert mac.account.member is None


async def test_nothing_of_the_log_stays_on_a_device_that_was_removed(mac: Mac, other: Mac, far: FarBroker) -> None:
    await both(mac, other)
    member = mac.account.member
    assert member is not None
    assert (await Membership.objects.aget()).entries
    await mac.leave()
    await other.come()
    await other.account.revoke(Secret(PASSWORD), [member.keys.device.id])
    await other.leave()
    await mac.come()
    await mac.account.refresh()
    row = await Membership.objects.aget()
    assert row.state == Membership.State.REVOKED
    assert not row.entries
    assert mac.account.member is None


async def test_a_device_that_is_not_listed_has_no_name(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    assert mac.account.name_of(b"x" * 16) == UNREADABLE


async def test_other_devices_can_bring_about_a_look_only_now_and_then(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    desk = mac.account._desk
    now = 100.0
    desk.clock = lambda: now
    looks = 0
    for _ in range(200):
        desk.wake.clear()
        mac.account.look_again()
        looks += desk.wake.is_set()
        now += 0.05
    assert looks == 5


async def test_an_account_with_another_history_is_not_trusted(mac: Mac, other: Mac, far: FarBroker) -> None:
    await both(mac, other)
    assert mac.account.trusted
    before = mac.account.member
    assert before is not None
    await mac.leave()
    await other.come()
    pending = await other.account.rekey(Secret(PASSWORD), Secret("Seekühe schwimmen nachts"), [before.keys.device.id])
    assert pending.recovery_key is not None
    groups = pending.recovery_key.reveal().split("-")[1:]
    await other.account.finish_rekey(pending.id, {position: groups[position] for position in pending.retype})
    await other.leave()
    await mac.come()
    await mac.account.refresh()
    digits = mac.account.view.digits
    assert digits
    assert not mac.account.trusted
    # A network that is lost, or a broker that falls silent, does not make it right again.
    far.fail = lambda asked: "unsent"
    await mac.account.refresh()
    assert not mac.account.trusted
    assert mac.account.view.digits == digits
    # Nor does a start.
    await started_off_line(mac, far)
    assert mac.account.member is None
    far.fail = lambda asked: None
    await mac.account.refresh()
    assert not mac.account.trusted
    await mac.account.trust(True, digits)
    assert mac.account.trusted
    assert mac.account.member is not None

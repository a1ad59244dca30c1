"""A broker that lies: each lie is refused with its sentence, and nothing on the device is changed by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from connections.secrets import Secret
from relay.account.errors import AccountError
from relay.account.keys import entries as log_entries
from relay.account.keys import flows
from relay.account.keys.bundle import open_by_recovery, seal_bundle
from relay.account.keys.device import EVERY_ROLE, DeviceKeys
from relay.account.keys.entries import Add, digest
from relay.account.keys.primitives import SYSTEM
from relay.account.keys.recovery import RecoveryKey
from relay.account.models import Membership
from relay.account.refusals import WrongLogin
from relay.api import Problem
from relay.api.fields import decode, encode
from tests.relay.account.far_broker import CODE, Asked, FarBroker, Kept, No
from tests.relay.account.macs import EMAIL, NEW, PASSWORD, Mac, create

OLD, FRESH = Secret(PASSWORD), Secret(NEW)
Answer = dict[str, Any]
Lie = Callable[[Answer, Kept], None]


def lying(far: FarBroker, name: str, lie: Lie) -> None:
    """From now on answer so to that request."""

    def twist(asked: Asked, answer: Answer) -> Answer:
        if asked.name == name:
            lie(answer, far.accounts[EMAIL])
        return answer

    far.twist = twist


async def rows() -> list[dict[str, Any]]:
    return [dict(row) async for row in Membership.objects.values()]


def forged(kept: Kept, seed: bytes = bytes(32)) -> bytes:
    """An entry that adds a device of the broker's own, signed with another key."""
    device = DeviceKeys.new()
    body = Add(device.public, EVERY_ROLE, bytes(97))
    return log_entries.encode(len(kept.log), digest(kept.log[-1]), body, seed)


async def bobs(far: FarBroker, mac: Mac) -> Kept:
    """Another account at the same broker."""
    bob = Mac(mac.folder.parent / "bob", far, name="Bob’s Mac")
    await create(bob, "bob@example.com")
    await bob.leave()
    return far.accounts["bob@example.com"]


# Before the password is used.


def _suite(number: int) -> Lie:
    return lambda answer, kept: answer.update(suite=number)


def _salt(length: int) -> Lie:
    return lambda answer, kept: answer.update(salt=encode(bytes(length)))


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        (_suite(0), "suite-unknown"),
        (_suite(99), "suite-unknown"),
        (_salt(8), "salt-malformed"),
        (_salt(0), "salt-malformed"),
        (_salt(64), "salt-malformed"),
        (lambda answer, kept: answer.update(suite="1"), "broker-unexpected"),
        (lambda answer, kept: answer.pop("salt"), "broker-unexpected"),
    ],
)
async def test_no_password_is_hashed_under_settings_that_nobody_knows(
    mac: Mac, far: FarBroker, monkeypatch: pytest.MonkeyPatch, lie: Lie, code: str
) -> None:
    await create(mac)
    lying(far, "POST prelogin", lie)
    asked = len(far.asked)
    with pytest.raises(AccountError) as refused:
        await mac.account.change_password(OLD, FRESH)
    assert refused.value.code == code
    assert [each.name for each in far.asked[asked:]] == ["POST prelogin"]


async def test_another_salt_makes_another_key_and_opens_nothing(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    lying(far, "POST prelogin", _salt(16))
    with pytest.raises(WrongLogin):
        await mac.account.change_password(OLD, FRESH)


# The answer to a log-in, on a device that has never seen the account.

LOGIN_LIES: dict[str, tuple[Lie, set[str]]] = {
    "a flipped bundle": (lambda answer, kept: answer.update(copy=_flip(answer["copy"], -1)), {"bundle-not-opened"}),
    "a flipped header": (lambda answer, kept: answer.update(copy=_flip(answer["copy"], 4)), {"bundle-not-opened"}),
    "no bundle": (lambda answer, kept: answer.update(copy=""), {"bundle-malformed"}),
    "a longer revision": (lambda answer, kept: answer.update(copy=_flip(answer["copy"], 13)), {"bundle-not-opened"}),
    "a forged device": (
        lambda answer, kept: answer["entries"].append(encode(forged(kept))),
        {"log-forged"},
    ),
    "entries left out": (lambda answer, kept: answer["entries"].pop(1), {"log-broken"}),
    "the end left out": (lambda answer, kept: answer["entries"].pop(), {"log-incomplete"}),
    "no log": (lambda answer, kept: answer.update(entries=[]), {"log-incomplete"}),
    "entries swapped": (lambda answer, kept: answer["entries"].reverse(), {"log-broken", "log-rule-broken"}),
    "another account's id": (
        lambda answer, kept: answer["state"].update(account=encode(bytes(16))),
        {"bundle-not-opened"},
    ),
    "another address": (lambda answer, kept: answer["state"].update(email="eve@example.com"), {"answer-malformed"}),
    "no state": (lambda answer, kept: answer.pop("state"), {"broker-unexpected"}),
    "a token of another length": (lambda answer, kept: answer.update(unlock="abc"), {"broker-unexpected"}),
}


def _flip(text: str, at: int) -> str:
    data = bytearray(decode(text))
    data[at] ^= 1
    return encode(bytes(data))


@pytest.mark.parametrize("name", LOGIN_LIES)
async def test_a_false_answer_to_a_log_in_is_refused_and_nothing_kept(
    mac: Mac, other: Mac, far: FarBroker, name: str
) -> None:
    await create(other)
    await other.leave()
    lie, codes = LOGIN_LIES[name]
    lying(far, "POST login", lie)
    with pytest.raises(AccountError) as refused:
        await mac.account.sign_in(EMAIL, OLD, mac.name)
    assert refused.value.code in codes
    assert refused.value.sentence.endswith(".")
    assert await rows() == []
    assert not list(mac.folder.glob("sealing-*"))
    assert "POST update" not in {asked.name for asked in far.asked}


async def test_the_bundle_and_log_of_another_account_do_not_open(mac: Mac, other: Mac, far: FarBroker) -> None:
    await create(other)
    await other.leave()
    bob = await bobs(far, mac)

    def swap(answer: Answer, kept: Kept) -> None:
        answer.update(copy=encode(bob.by_password), entries=[encode(entry) for entry in bob.log])
        answer["state"].update(account=encode(bob.id))

    lying(far, "POST login", swap)
    with pytest.raises(AccountError) as refused:
        await mac.account.sign_in(EMAIL, OLD, mac.name)
    assert refused.value.code == "bundle-not-opened"
    assert await rows() == []


async def test_a_recovery_copy_that_the_broker_sealed_itself_is_refused(mac: Mac, other: Mac, far: FarBroker) -> None:
    key = await create(other)
    await other.leave()
    recovery = RecoveryKey.parse(key.reveal())
    # Whoever knows the public half, as the broker does, can seal to it: an account of its own making.
    evil = flows.create(EMAIL, FRESH, "Evil", EVERY_ROLE)
    kept = far.accounts[EMAIL]
    assert evil.after.keys is not None
    bundle = replace(evil.after.bundle, recovery_public=recovery.public())
    sealed = seal_bundle(bundle, evil.after.keys, account=kept.id, random=SYSTEM)
    real = open_by_recovery(kept.by_recovery, recovery, account=kept.id, anchor=kept.recovery.anchor)
    assert real.recovery_public == bundle.recovery_public

    def swap(answer: Answer, kept: Kept) -> None:
        answer.update(copy=encode(sealed.by_recovery), entries=[encode(entry) for entry in evil.update.entries])

    pending = await mac.account.start_recovery(EMAIL)
    await mac.account.enter_code(pending.id, CODE)
    lying(far, "POST recover", swap)
    with pytest.raises(AccountError) as refused:
        await mac.account.open_recovery(pending.id, key)
    assert refused.value.code == "bundle-not-anchored"
    lying(far, "POST recover", lambda answer, kept: answer.pop("anchor"))
    with pytest.raises(AccountError) as refused:
        await mac.account.open_recovery(pending.id, key)
    assert refused.value.code == "answer-malformed"


# What a member is told.

FOLLOWING_LIES: dict[str, tuple[str, Lie, str]] = {
    "an older log": ("GET account", lambda answer, kept: answer.update(n=kept.revision - 1), "log-rolled-back"),
    "an older revision": ("GET account", lambda answer, kept: answer.update(revision=1), "bundle-rolled-back"),
    "another account": (
        "GET account",
        lambda answer, kept: answer.update(account=encode(bytes(16))),
        "answer-malformed",
    ),
    "another address": (
        "GET account",
        lambda answer, kept: answer.update(email="eve@example.com"),
        "answer-malformed",
    ),
    "a log that is kept back": ("GET account", lambda answer, kept: answer.update(n=99), "log-incomplete"),
    "a shorter log": ("GET log", lambda answer, kept: answer["entries"].pop(), "log-incomplete"),
    "a forged entry": (
        "GET log",
        lambda answer, kept: answer["entries"].append(encode(forged(kept))),
        "log-forged",
    ),
    "a flipped entry": (
        "GET log",
        lambda answer, kept: answer["entries"].append(_flip(answer["entries"].pop(), -1)),
        "log-forged",
    ),
    "no log": ("GET log", lambda answer, kept: answer.pop("entries"), "broker-unexpected"),
    "a nonce of another length": ("POST nonces", lambda answer, kept: answer.update(nonce="abc"), "broker-unexpected"),
    "a token of another length": ("POST sessions", lambda answer, kept: answer.update(token=""), "broker-unexpected"),
}


@pytest.mark.parametrize("name", FOLLOWING_LIES)
async def test_a_false_answer_to_a_member_is_told_and_changes_nothing(mac: Mac, far: FarBroker, name: str) -> None:
    await create(mac)
    await mac.account.change_password(OLD, FRESH)
    await mac.restart()
    before = await rows()
    request, lie, code = FOLLOWING_LIES[name]
    lying(far, request, lie)
    for _ in range(2):
        await mac.account.refresh()
        view = mac.account.view
        assert view.problem is not None
        assert view.problem.code == code
        assert view.signed_in
    assert await rows() == before
    far.twist = lambda asked, answer: answer
    await mac.account.refresh()
    assert mac.account.view.problem is None


async def test_another_history_is_refused(mac: Mac, other: Mac, far: FarBroker) -> None:
    await create(mac)
    kept = far.accounts[EMAIL]
    start = list(kept.log), kept.revision, kept.by_password, kept.by_recovery
    await mac.leave()
    # Two devices join at the same place of the log, each in a history of its own.
    await other.account.sign_in(EMAIL, OLD, other.name)
    await other.leave()
    kept.log, kept.revision, kept.by_password, kept.by_recovery = start
    third = Mac(mac.folder.parent / "third", far, name="Third")
    await third.account.sign_in(EMAIL, OLD, third.name)
    await third.leave()
    await other.come()
    await other.account.refresh()
    # The broker says that nothing was added; an hour later the log is read all the same.
    desk = other.account._desk
    desk.clock = lambda: time.monotonic() + 3601
    await other.account.refresh()
    view = other.account.view
    assert view.problem is not None
    assert view.problem.code == "log-forked"
    with pytest.raises(AccountError) as refused:
        await other.account.change_password(OLD, FRESH)
    assert refused.value.code == "log-forked"


async def test_an_older_bundle_is_refused_where_a_newer_one_was_seen(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    kept = far.accounts[EMAIL]
    before = kept.by_password, kept.salt, kept.auth
    await mac.account.change_password(OLD, FRESH)
    kept.by_password, kept.salt, kept.auth = before
    with pytest.raises(AccountError) as refused:
        await mac.account.change_password(OLD, FRESH)
    assert refused.value.code == "bundle-rolled-back"


async def test_a_device_that_was_turned_away_still_refuses_an_older_state(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    kept = far.accounts[EMAIL]
    before = replace(kept, log=list(kept.log), devices=dict(kept.devices), keys=dict(kept.keys))
    await mac.account.change_password(OLD, FRESH)
    far.refuse = lambda asked: No(401, Problem.DEVICE_REFUSED)
    await mac.restart()
    await mac.account.refresh()
    assert mac.account.view.revoked
    far.refuse = lambda asked: None
    far.accounts[EMAIL] = before
    with pytest.raises(AccountError) as refused:
        await mac.account.sign_in(EMAIL, OLD, mac.name)
    assert refused.value.code == "bundle-rolled-back"


async def test_a_device_that_only_the_broker_knows_is_not_shown(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    ghost = {"id": encode(bytes(16)), "created": 0, "seen": None, "signed_out": None, "name": None}
    lying(far, "GET account", lambda answer, kept: answer["devices"].append(ghost))
    await mac.account.refresh()
    assert [device.name for device in mac.account.view.devices] == [mac.name]
    lying(far, "GET account", lambda answer, kept: answer.update(devices=[]))
    await mac.account.refresh()
    (device,) = mac.account.view.devices
    assert (device.name, device.joined, device.signed_out) == (mac.name, None, False)


async def test_a_name_that_the_broker_made_up_is_not_shown(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    lying(far, "GET account", lambda answer, kept: answer["devices"][0].update(name=encode(bytes(97))))
    await mac.account.refresh()
    assert [device.name for device in mac.account.view.devices] == [mac.name]


@pytest.mark.parametrize(
    ("name", "shown"),
    [("P\u202ero\u200b", "P ro"), ("Pro\n\x1b plan", "Pro plan"), ("\u2066\u200b", "pro"), ("Größe", "Größe")],
)
async def test_the_name_of_a_plan_is_shown_without_what_cannot_be_seen(
    mac: Mac, far: FarBroker, name: str, shown: str
) -> None:
    await create(mac)

    def lie(asked: Asked, answer: Answer) -> Answer:
        for plan in [answer["plan"]] if "plan" in answer else answer.get("plans", []):
            plan.update(name=name if plan["code"] == "pro" else plan["name"])
        return answer

    far.twist = lie
    await mac.restart()
    await mac.account.refresh()
    view = mac.account.view
    assert view.plan is not None
    assert [view.plan.name, *(plan.name for plan in view.plans)] == [shown, "Free", shown]


@pytest.mark.parametrize("moment", [0, 253402300799])
async def test_times_at_the_ends_of_the_calendar_break_nothing(
    mac: Mac, other: Mac, far: FarBroker, moment: int
) -> None:
    def lie(asked: Asked, answer: Answer) -> Answer:
        for device in answer.get("devices", []):
            device.update(created=moment, seen=moment)
        if "plan_until" in answer:
            answer["plan_until"] = moment
        return answer

    await create(mac)
    await mac.leave()
    await other.account.sign_in(EMAIL, OLD, other.name)
    await other.leave()
    await mac.come()
    far.twist = lie
    await mac.account.refresh()
    view = mac.account.view
    assert len(view.notices) == 1
    for shown in (view.plan_until, view.devices[0].joined, view.devices[0].seen):
        assert shown is None or shown.year < 9999

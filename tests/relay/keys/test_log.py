"""The device log: its rules, and every way in which a broker could try to change it."""

import dataclasses
import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.account.keys import entries, log
from relay.account.keys.device import DeviceKeys, DevicePublic, Role
from relay.account.keys.entries import Add, Body, Epoch, Rekey, Revoke
from relay.account.keys.errors import (
    DeviceRevoked,
    KeyNotOpened,
    LogBroken,
    LogError,
    LogForged,
    LogForked,
    LogFromNewerLerix,
    LogIncomplete,
    LogMalformed,
    LogRolledBack,
    LogRuleBroken,
    LogTooLarge,
    SigningKeyChanged,
)
from relay.account.keys.log import Known, LogState, LogWriter, check_member, rekey_digits, verify_log
from relay.account.keys.primitives import sign, signing_public
from tests.relay.keys.fixed import FixedRandomness
from tests.relay.keys.flips import flips
from tests.relay.keys.story import Story

ACCOUNT = b"account of a log"
SEED, OTHER_SEED = b"s" * 32, b"t" * 32
KEY, OTHER_KEY = signing_public(SEED), signing_public(OTHER_SEED)
DEVICES = [DeviceKeys.new(FixedRandomness(f"log {number}")) for number in range(4)]
MAC, PHONE, TABLET, THIEF = DEVICES
NAME = b"\0" * 97


def add(device: DeviceKeys, roles: Role = Role.REMOTE) -> Add:
    return Add(device.public, roles, NAME)


def epoch(number: int, *devices: DeviceKeys) -> Epoch:
    return Epoch(number, bytes(32), tuple((device, b"\0" * 80) for device in sorted(device.id for device in devices)))


def write(*bodies: Body, seed: bytes = SEED, account: bytes = ACCOUNT) -> list[bytes]:
    """Entries in a row, whatever the rules say; a rekey after the first hands over to OTHER_SEED."""
    written: list[bytes] = []
    for n, body in enumerate(bodies):
        prev = entries.digest(written[-1]) if written else entries.start(account)
        written.append(entries.encode(n, prev, body, seed))
        if n and isinstance(body, Rekey):
            seed = OTHER_SEED
    return written


def verify(written: list[bytes], key: bytes = KEY, known: Known | None = None) -> LogState:
    return verify_log(written, account=ACCOUNT, signing_key=key, known=known)


GOOD: list[Body] = [Rekey(KEY), add(MAC), epoch(0, MAC), add(PHONE), Revoke(PHONE.id), epoch(1, MAC)]


def test_a_log_says_who_belongs_to_the_account() -> None:
    state = verify(write(*GOOD))
    assert [device.id for device in state.active] == [MAC.id]
    assert state.devices[PHONE.id].revoked == 4
    assert (state.n, state.epoch, state.signing_key) == (5, 1, KEY)
    assert state.head == hashlib.sha256(write(*GOOD)[-1]).digest()
    assert check_member(state, MAC).added == 1
    with pytest.raises(DeviceRevoked):
        check_member(state, PHONE)


def test_a_device_with_other_keys_than_its_entry_is_no_member() -> None:
    state = verify(write(*GOOD))
    for impostor in (THIEF, dataclasses.replace(MAC, signing=THIEF.signing), dataclasses.replace(THIEF, id=MAC.id)):
        with pytest.raises(LogRuleBroken):
            check_member(state, impostor)


RULES: dict[str, list[Body]] = {
    "begins with a device": [add(MAC), Rekey(KEY), epoch(0, MAC)],
    "begins with an epoch": [epoch(0)],
    "a device twice": [*GOOD, add(MAC)],
    "a device comes back": [*GOOD, add(PHONE)],
    "a device under another's id": [*GOOD, add(dataclasses.replace(THIEF, id=PHONE.id))],
    "another device's X25519 key": [*GOOD, add(dataclasses.replace(THIEF, agreement=PHONE.agreement))],
    "another device's Ed25519 key": [*GOOD, add(dataclasses.replace(THIEF, signing=MAC.signing))],
    "a device revoked twice": [*GOOD, Revoke(PHONE.id), epoch(2, MAC)],
    "an unknown device revoked": [*GOOD, Revoke(THIEF.id), epoch(2, MAC)],
    "an epoch skipped": [*GOOD, epoch(3, MAC)],
    "an epoch again": [*GOOD, epoch(1, MAC)],
    "an epoch for nobody": [*GOOD, epoch(2)],
    "an epoch for one too many": [*GOOD, epoch(2, MAC, THIEF)],
    "an epoch for a revoked device": [*GOOD, epoch(2, MAC, PHONE)],
    "an epoch that leaves one out": [*GOOD, add(TABLET), epoch(2, MAC)],
    "the same signing key again": [*GOOD, Rekey(KEY), epoch(2, MAC)],
}


@pytest.mark.parametrize("name", RULES)
def test_a_log_against_the_rules_is_refused_though_it_is_signed(name: str) -> None:
    with pytest.raises(LogRuleBroken):
        verify(write(*RULES[name]))


@pytest.mark.parametrize("end", [1, 2, 5])
def test_a_log_that_ends_before_its_epoch_is_refused(end: int) -> None:
    with pytest.raises(LogIncomplete):
        verify(write(*GOOD[:end]))


def test_a_rekey_needs_its_epoch_too() -> None:
    with pytest.raises(LogIncomplete):
        verify(write(*GOOD, Rekey(OTHER_KEY)), OTHER_KEY)


def test_an_entry_with_another_number_is_refused_though_it_is_signed() -> None:
    written = write(*GOOD)
    for n in (0, 5, 7):
        with pytest.raises(LogBroken):
            verify([*written, entries.encode(n, entries.digest(written[-1]), add(TABLET), SEED)])


def test_an_empty_log_is_refused() -> None:
    with pytest.raises(LogIncomplete):
        verify([])


def test_the_last_device_may_leave_and_another_come() -> None:
    gone: list[Body] = [*GOOD, Revoke(MAC.id), epoch(2), add(TABLET)]
    assert [device.id for device in verify(write(*gone)).active] == [TABLET.id]


def test_each_byte_of_each_entry_matters() -> None:
    written = write(*GOOD)
    for number, entry in enumerate(written):
        for _, changed in flips(entry, bits=(0x01,)):
            with pytest.raises(LogError):
                verify([*written[:number], changed, *written[number + 1 :]])


def test_each_byte_of_a_real_log_matters(ada: Story) -> None:
    """Ada's, which has all ops and real sealed keys; the last entry of each kind stands for its kind."""
    written = ada.entries()
    key = ada.end.log.signing_key
    assert verify_log(written, account=ada.account, signing_key=key).n == len(written) - 1
    for number in (len(written) - 1, len(written) - 2):
        for _, changed in flips(written[number], bits=(0x80,)):
            with pytest.raises(LogError):
                verify_log(
                    [*written[:number], changed, *written[number + 1 :]], account=ada.account, signing_key=key
                )


def test_entries_left_out_doubled_or_swapped_are_noticed() -> None:
    written = write(*GOOD)
    for at in range(len(written) - 1):
        without = written[:at] + written[at + 1 :]
        doubled = [*written[: at + 1], *written[at:]]
        swapped = [*written[:at], written[at + 1], written[at], *written[at + 2 :]]
        for changed in (without, doubled, swapped):
            with pytest.raises((LogBroken, LogRuleBroken)):
                verify(changed)


def test_another_accounts_log_is_refused() -> None:
    with pytest.raises(LogBroken):
        verify(write(*GOOD, account=b"another account!"))
    with pytest.raises(LogForged):
        verify(write(Rekey(OTHER_KEY), add(MAC), epoch(0, MAC), seed=OTHER_SEED))


@pytest.mark.parametrize(
    "signer", [OTHER_SEED, THIEF.signing.reveal(), MAC.signing.reveal()], ids=["broker", "the device", "another device"]
)
def test_a_device_that_the_signing_key_did_not_add_is_refused(signer: bytes) -> None:
    """The device's own key and that of another device do not do either."""
    written = write(*GOOD)
    for body in (add(THIEF), Rekey(signing_public(signer)), epoch(2, MAC)):
        forged = entries.encode(len(written), entries.digest(written[-1]), body, signer)
        with pytest.raises(LogForged):
            verify([*written, forged])


def test_an_unsigned_entry_is_refused() -> None:
    written = write(*GOOD)
    entry = entries.encode(len(written), entries.digest(written[-1]), add(THIEF), SEED)
    for signature in (bytes(64), entry[-64:-32] + bytes(32)):
        with pytest.raises(LogForged):
            verify([*written, entry[:-64] + signature])
    with pytest.raises(LogMalformed):
        verify([*written, entry[:-64]])


def test_after_a_rekey_the_old_signing_key_signs_nothing() -> None:
    rekeyed = write(*GOOD, Rekey(OTHER_KEY), epoch(2, MAC))
    assert verify(rekeyed, OTHER_KEY).signing_keys == (KEY, OTHER_KEY)
    forged = entries.encode(len(rekeyed), entries.digest(rekeyed[-1]), add(THIEF), SEED)
    with pytest.raises(LogForged):
        verify([*rekeyed, forged], OTHER_KEY)


def test_a_rekey_is_believed_when_a_person_has_compared_the_digits() -> None:
    before = verify(write(*GOOD))
    known = Known(before.n, before.head, KEY, 1)
    rekeyed = write(*GOOD, Rekey(OTHER_KEY), epoch(2, MAC))
    with pytest.raises(SigningKeyChanged) as raised:
        verify(rekeyed, KEY, known)
    assert raised.value.signing_key == OTHER_KEY
    assert raised.value.digits == rekey_digits(ACCOUNT, OTHER_KEY)
    trusting = known.trust(raised.value.signing_key)
    assert verify(rekeyed, OTHER_KEY, trusting).signing_key == OTHER_KEY
    # A bundle that names the new key does not replace the person, where the device knows the old one.
    with pytest.raises(SigningKeyChanged):
        verify(rekeyed, OTHER_KEY, known)
    # And who refused it stays with the old key; the log before the rekey is a rollback only if more was seen.
    assert verify(write(*GOOD), KEY, known) == before


def test_the_digits_are_six_groups_of_five() -> None:
    digits = rekey_digits(ACCOUNT, OTHER_KEY)
    hashed = hashlib.sha256(b"lerix/rekey-digits/1" + ACCOUNT + OTHER_KEY).digest()
    assert [len(group) for group in digits.split()] == [5] * 6
    assert digits.split()[1] == f"{int.from_bytes(hashed[5:10], 'big') % 100_000:05}"
    assert len({digits, rekey_digits(ACCOUNT, KEY), rekey_digits(bytes(16), OTHER_KEY)}) == 3


def test_a_shorter_log_than_known_is_a_rollback() -> None:
    state = verify(write(*GOOD))
    known = Known(state.n, state.head, KEY, 1)
    with pytest.raises(LogRolledBack):
        verify(write(*GOOD[:4]), KEY, known)
    with pytest.raises(LogRolledBack):
        verify(write(*GOOD), KEY, dataclasses.replace(known, n=2**64 - 1))


def test_another_history_than_known_is_a_fork() -> None:
    state = verify(write(*GOOD))
    known = Known(state.n, state.head, KEY, 1)
    fork = write(*GOOD[:3], add(TABLET), Revoke(TABLET.id), epoch(1, MAC))
    assert len(fork) == len(GOOD)
    with pytest.raises(LogForked):
        verify(fork, KEY, known)
    with pytest.raises(LogForked):
        verify(write(*GOOD[:3], add(TABLET), Revoke(TABLET.id), epoch(1, MAC), add(THIEF)), KEY, known)
    assert verify(write(*GOOD, add(TABLET)), KEY, known).n == 6
    with pytest.raises(LogForked):
        verify(write(*GOOD), KEY, known.trust(OTHER_KEY))


@pytest.mark.parametrize("op", [0, 5, 6, 127, 255])
def test_an_unknown_op_ends_the_reading(op: int) -> None:
    written = write(*GOOD)
    message = entries.encode(6, entries.digest(written[-1]), add(TABLET), SEED)[:-64]
    changed = message[:41] + bytes([op]) + message[42:]
    signed = changed + sign(SEED, b"lerix/log/1" + changed)
    with pytest.raises(LogFromNewerLerix):
        verify([*written, signed])


def test_an_unknown_form_ends_the_reading() -> None:
    written = write(*GOOD)
    with pytest.raises(LogFromNewerLerix):
        verify([*written[:-1], b"\2" + written[-1][1:]])


BODIES: dict[str, Callable[[bytes], bytes]] = {
    "no roles": lambda body: body[:16] + b"\0" + body[17:],
    "roles of the future": lambda body: body[:16] + b"\4" + body[17:],
    "an X25519 key of small order": lambda body: body[:17] + bytes(32) + body[49:],
    "an Ed25519 key of small order": lambda body: body[:49] + b"\1" + bytes(31) + body[81:],
    "too short": lambda body: body[:-1],
    "too long": lambda body: body + b"\0",
    "empty": lambda body: b"",
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_of_another_form_is_refused_though_it_is_signed(name: str) -> None:
    written = write(*GOOD)
    body = BODIES[name](add(TABLET).encode())
    message = b"\1" + (6).to_bytes(8, "big") + entries.digest(written[-1]) + b"\1" + len(body).to_bytes(2, "big") + body
    with pytest.raises(LogMalformed):
        verify([*written, message + sign(SEED, b"lerix/log/1" + message)])


def test_recipients_of_an_epoch_stand_in_order_and_once() -> None:
    both = sorted([MAC.id, TABLET.id])
    for devices in (both[::-1], [*both, both[1]]):
        body = Epoch(2, bytes(32), tuple((device, b"\0" * 80) for device in devices))
        with pytest.raises(LogMalformed):
            verify(write(*GOOD, add(TABLET), body))


def test_a_signing_key_of_small_order_is_refused() -> None:
    with pytest.raises(LogMalformed):
        verify(write(*GOOD, Rekey(b"\1" + bytes(31)), epoch(2, MAC)))


@given(st.lists(st.binary(max_size=400), max_size=4))
def test_anything_else_is_refused(data: list[bytes]) -> None:
    for start in (b"", b"\1", b"\1" + bytes(8) + entries.start(ACCOUNT)):
        with pytest.raises(LogError):
            verify([start + entry for entry in data])


def test_there_are_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LogMalformed):
        verify([*write(*GOOD), bytes(entries.MAX_ENTRY + 1)])
    monkeypatch.setattr(log, "MAX_ENTRIES", 5)
    with pytest.raises(LogTooLarge):
        verify(write(*GOOD))
    monkeypatch.setattr(log, "MAX_ENTRIES", 6)
    assert verify(write(*GOOD)).n == 5
    monkeypatch.setattr(log, "MAX_LOG", sum(map(len, write(*GOOD))) - 1)
    with pytest.raises(LogTooLarge):
        verify(write(*GOOD))


def test_a_full_account_takes_no_more_devices_and_its_epoch_still_fits() -> None:
    devices = [DeviceKeys.new(FixedRandomness(f"crowd {number}")) for number in range(log.MAX_DEVICES + 1)]
    bodies: list[Body] = [Rekey(KEY), *map(add, devices[:-1]), epoch(0, *devices[:-1])]
    written = write(*bodies)
    assert len(verify(written).active) == log.MAX_DEVICES
    assert len(written[-1]) <= entries.MAX_ENTRY
    with pytest.raises(LogRuleBroken):
        verify(write(*bodies, add(devices[-1])))


def test_the_writer_keeps_to_the_rules_it_is_read_by() -> None:
    writer = LogWriter(ACCOUNT, SEED)
    for body in GOOD:
        writer.write(body)
    assert writer.entries == write(*GOOD)
    assert writer.finish() == verify(writer.entries)
    with pytest.raises(LogRuleBroken):
        writer.write(add(MAC))
    longer = LogWriter(ACCOUNT, SEED, verify(write(*GOOD)))
    longer.write(add(TABLET))
    assert longer.finish() == verify(write(*GOOD, add(TABLET)))
    longer.write(Revoke(TABLET.id))
    with pytest.raises(LogIncomplete):
        longer.finish()


def test_a_key_of_an_epoch_opens_for_whom_it_was_sealed(ada: Story) -> None:
    state = ada.end.log
    for device in (ada.created.device, ada.phone.device):
        assert state.open_epoch(2, device) == ada.end.workspace[2]
    assert state.open_epoch(0, ada.created.device) == ada.end.workspace[0]
    for number, device in ((0, ada.phone.device), (1, ada.tablet.device), (2, ada.tablet.device)):
        with pytest.raises(KeyNotOpened):
            state.open_epoch(number, device)
    impostor = dataclasses.replace(ada.tablet.device, id=ada.phone.device.id)
    with pytest.raises(KeyNotOpened):
        state.open_epoch(2, impostor)


def test_a_sealed_key_is_of_one_account_epoch_and_device_and_the_one_announced(ada: Story, bob: Story) -> None:
    state, mac = ada.end.log, ada.created.device
    last = state.epochs[2]
    swapped = dataclasses.replace(last, sealed=tuple((device, last.sealed[0][1]) for device, _ in last.sealed))
    older = dataclasses.replace(last, sealed=state.epochs[1].sealed)
    other = dataclasses.replace(last, check=state.epochs[1].check)
    for changed in (swapped, older, other):
        forged = dataclasses.replace(state, epochs=(*state.epochs[:2], changed))
        devices = [mac, ada.phone.device] if changed is swapped else [mac]
        refused = 0
        for device in devices:
            try:
                forged.open_epoch(2, device)
            except KeyNotOpened:
                refused += 1
        assert refused == 1
    with pytest.raises(KeyNotOpened):
        dataclasses.replace(state, account=bob.account).open_epoch(2, mac)
    for _, sealed in flips(dict(last.sealed)[mac.id], bits=(0x01,)):
        changed = dataclasses.replace(last, sealed=((mac.id, sealed),))
        with pytest.raises(KeyNotOpened):
            dataclasses.replace(state, epochs=(*state.epochs[:2], changed)).open_epoch(2, mac)


def test_a_device_is_what_its_entry_says(ada: Story) -> None:
    listed = ada.end.log.devices[ada.phone.device.id]
    assert listed.public == DevicePublic(
        ada.phone.device.id, ada.phone.device.public.agreement, ada.phone.device.public.signing
    )
    assert listed.roles == Role.REMOTE
    assert ada.end.log.devices[ada.created.device.id].roles == Role.HOST | Role.REMOTE

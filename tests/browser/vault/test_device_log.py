"""The device log in the browser: read, followed and refused as in Python, whatever the broker makes of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from relay.account.keys import log
from relay.account.keys.device import DeviceKeys
from relay.account.keys.entries import Add, Body, Epoch, Rekey, Revoke, decode, digest, encode, epoch_info, start
from relay.account.keys.errors import KeysError, SigningKeyChanged
from relay.account.keys.holders import Stored, WorkspaceKey
from relay.account.keys.primitives import SYSTEM, signing_public
from relay.account.keys.workspace import announcement
from tests.browser.vault.conftest import Vault
from tests.browser.vault.vectors import ACCOUNT, CHANGES, FIXED, LAST, code, entries, flips, unhex
from tests.relay.keys.fixed import FixedRandomness


def told(state: log.LogState) -> dict[str, Any]:
    """What a log says, by the browser's names."""
    return {
        "n": state.n,
        "head": state.head.hex(),
        "epoch": state.epoch,
        "signingKeys": [key.hex() for key in state.signing_keys],
        "active": [device.id.hex() for device in state.active],
        "devices": [
            {
                "public": device.id.hex(),
                "roles": int(device.roles),
                "name": device.name.hex(),
                "added": device.added,
                "revoked": device.revoked,
            }
            for device in state.devices.values()
        ],
    }


Trusted = tuple[list[bytes], bytes, log.Known | None]


def both(vault: Vault, cases: Sequence[Trusted]) -> list[str]:
    """Let Python and the browser read each log; they must say the same. Returns the codes of the errors."""
    expected, given, codes = [], [], []
    for found, signing_key, known in cases:
        try:
            expected.append(told(log.verify_log(found, account=ACCOUNT, signing_key=signing_key, known=known)))
            codes.append("opened")
        except SigningKeyChanged as error:
            expected.append({"error": error.code, "digits": error.digits, "signingKey": error.signing_key.hex()})
            codes.append(error.code)
        except KeysError as error:
            expected.append({"error": error.code})
            codes.append(error.code)
        seen = known and {
            "n": known.n,
            "head": known.head.hex(),
            "signingKey": known.signing_key.hex(),
            "revision": known.revision,
        }
        given.append({"entries": [each.hex() for each in found], "signingKey": signing_key.hex(), "known": seen})
    assert vault.call("verifyLogs", cases=given, account=FIXED["account"]) == expected
    return codes


LOG = [unhex(entry) for entry in entries()]
OLD_KEY, NEW_KEY = (unhex(key) for key in FIXED["log"]["signing_keys"])
OLD_SEED, NEW_SEED = (unhex(CHANGES[name]["holds"]["signing_seed"]) for name in ("create", "rekey"))


def test_the_log_of_the_vectors_says_what_they_say(vault: Vault) -> None:
    assert both(vault, [(LOG, NEW_KEY, None)]) == ["opened"]
    assert FIXED["rekey_digits"] == vault.call("digits", account=FIXED["account"], signingKey=NEW_KEY.hex())


def test_a_changed_byte_anywhere_in_a_log_is_refused_as_python_refuses_it(vault: Vault) -> None:
    first = LOG[:3]
    expected = [
        [
            code(lambda: log.verify_log([*first[:at], changed, *first[at + 1 :]], account=ACCOUNT, signing_key=OLD_KEY))  # noqa: B023
            for changed in flips(entry)
        ]
        for at, entry in enumerate(first)
    ]
    assert "opened" not in {each for codes in expected for each in codes}
    given = {"entries": [entry.hex() for entry in first], "account": FIXED["account"], "signingKey": OLD_KEY.hex()}
    assert vault.call("flippedLog", **given) == expected


def test_logs_with_entries_lost_doubled_swapped_or_cut_are_read_alike(vault: Vault) -> None:
    chance = random.Random(9)
    cases: list[Trusted] = []
    for _ in range(40):
        changed = list(LOG)
        at, other = chance.randrange(len(changed)), chance.randrange(len(changed))
        match chance.randrange(6):
            case 0:
                del changed[at]
            case 1:
                changed.insert(at, changed[other])
            case 2:
                changed[at], changed[other] = changed[other], changed[at]
            case 3:
                changed = changed[:at]
            case 4:
                changed[at] = changed[at][: chance.randrange(len(changed[at]))]
            case _:
                changed[at] += bytes([chance.randrange(256)])
        cases.append((changed, chance.choice([OLD_KEY, NEW_KEY]), None))
    assert len(set(both(vault, cases))) > 3


def test_a_log_that_is_older_or_another_than_the_one_seen_is_refused(vault: Vault) -> None:
    state = log.verify_log(LOG, account=ACCOUNT, signing_key=NEW_KEY)

    def seen(n: int, head: bytes | None = None, key: bytes = NEW_KEY) -> log.Known:
        return log.Known(n, state.heads[n] if head is None else head, key, 6)

    shorter = LOG[:3]
    cases: list[Trusted] = [
        (LOG, NEW_KEY, seen(8)),
        (LOG, NEW_KEY, seen(2)),
        (shorter, OLD_KEY, seen(4, key=OLD_KEY)),
        (shorter, OLD_KEY, seen(2, bytes(32), key=OLD_KEY)),
        (LOG, NEW_KEY, seen(8, bytes(32))),
        (LOG, NEW_KEY, seen(4, key=OLD_KEY)),
        (LOG, OLD_KEY, seen(4, key=OLD_KEY)),
        (LOG, NEW_KEY, seen(4, key=bytes(31) + b"\1")),
        (LOG, bytes(31) + b"\1", None),
    ]
    assert both(vault, cases) == [
        "opened",
        "opened",
        "log-rolled-back",
        "log-forked",
        "log-forked",
        "signing-key-changed",
        "signing-key-changed",
        "log-forked",
        "log-forged",
    ]


def test_entries_that_are_signed_but_break_the_rules_are_refused_alike(vault: Vault) -> None:
    """A broker that got hold of nothing cannot make these; a device that was taken over could."""
    phone, tablet = (DeviceKeys.from_stored(Stored(unhex(each["stored"]))) for each in FIXED["devices"][1:])
    add, epoch = decode(LOG[1]).body, decode(LOG[2]).body
    assert isinstance(add, Add)
    assert isinstance(epoch, Epoch)
    fresh = DeviceKeys.new(FixedRandomness("fresh"))
    small = fresh.public.__class__(fresh.id, bytes(32), fresh.public.signing)
    bodies: list[Body] = [
        Add(fresh.public, add.roles, add.name),
        Add(small, add.roles, add.name),
        add,
        Add(fresh.public.__class__(fresh.id, phone.public.agreement, fresh.public.signing), add.roles, add.name),
        Revoke(tablet.id),
        Revoke(phone.id),
        Revoke(fresh.id),
        epoch,
        Epoch(3, epoch.check, epoch.sealed),
        Epoch(3, epoch.check, tuple((device, bytes(80)) for device in sorted((add.device.id, phone.id)))),
        Epoch(3, epoch.check, ((phone.id, bytes(80)), (add.device.id, bytes(80)))),
        Rekey(OLD_KEY),
        Rekey(bytes(32)),
        Rekey(signing_public(bytes(32))),
    ]
    cases: list[Trusted] = [
        ([*LOG, encode(9, digest(LOG[-1]), body, seed)], NEW_KEY, None)
        for body in bodies
        for seed in (NEW_SEED, OLD_SEED, phone.signing.reveal())
    ]
    first = encode(0, start(ACCOUNT), Revoke(phone.id), NEW_SEED)
    other_account = encode(0, start(bytes(16)), Rekey(NEW_KEY), NEW_SEED)
    newer = bytearray(LOG[1])
    newer[41] = 9
    cases += [([first], NEW_KEY, None), ([other_account], NEW_KEY, None), ([], NEW_KEY, None)]
    cases += [([LOG[0], bytes(newer)], OLD_KEY, None), ([LOG[0], b"\2" + LOG[1][1:]], OLD_KEY, None)]
    cases += [([LOG[0], LOG[1] + bytes(17000)], OLD_KEY, None)]
    found = both(vault, cases)
    assert {found[at] for at in range(0, len(bodies) * 3, 3)} >= {"opened", "log-rule-broken", "log-incomplete"}
    assert set(found[1 : len(bodies) * 3 : 3]) <= {"log-forged", "log-malformed"}
    last = {"log-rule-broken", "log-broken", "log-incomplete", "log-from-newer-lerix", "log-malformed"}
    assert set(found[-6:]) == last


def test_an_entry_written_in_the_browser_is_the_one_python_writes(vault: Vault) -> None:
    given = {"n": 9, "prev": digest(LOG[-1]).hex(), "seed": NEW_SEED.hex()}
    made = vault.call("encodeEntry", **given, body={"op": 4, "signingKey": OLD_KEY.hex()})
    assert made == encode(9, digest(LOG[-1]), Rekey(OLD_KEY), NEW_SEED).hex()


# Devices


def known(n: int, key: str, revision: int) -> dict[str, Any]:
    state = log.verify_log(LOG, account=ACCOUNT, signing_key=NEW_KEY)
    return {"n": n, "head": state.heads[n].hex(), "signingKey": key, "revision": revision}


def test_a_device_follows_the_log_and_opens_the_epochs_that_are_new_to_it(vault: Vault) -> None:
    phone = FIXED["devices"][1]
    given = {"account": FIXED["account"], "keys": phone, "workspace": CHANGES["add tablet"]["holds"]["workspace"]}
    followed = vault.call(
        "follow", **given, entries=entries("change password"), known=known(3, OLD_KEY.hex(), 2)
    )
    tablet = FIXED["devices"][2]["id"]
    assert followed["psks"] == FIXED["relay_psk"][:2]
    assert (followed["added"], followed["revoked"]) == ([tablet], [tablet])
    assert followed["known"] == known(6, OLD_KEY.hex(), 2)
    changed = vault.call("follow", **given, entries=entries(), known=known(3, OLD_KEY.hex(), 2))
    assert changed["error"] == "signing-key-changed"
    assert changed["digits"] == FIXED["rekey_digits"]
    trusted = vault.call("follow", **given, entries=entries(), known=known(3, changed["signingKey"], 2))
    assert trusted["psks"] == FIXED["relay_psk"]
    shorter = vault.call("follow", **given, entries=entries("create"), known=known(3, OLD_KEY.hex(), 2))
    assert shorter == {"error": "log-rolled-back"}


def test_an_epoch_whose_key_is_not_the_announced_one_is_refused(vault: Vault) -> None:
    """A device that was taken over, with the password, could keep another one from what it announced to all others."""
    phone, tablet = (DeviceKeys.from_stored(Stored(unhex(each["stored"]))) for each in FIXED["devices"][1:])
    mac, good = unhex(FIXED["devices"][0]["id"]), b"w" * 32
    check = announcement(WorkspaceKey(good), ACCOUNT, 3)
    revoke = encode(9, digest(LOG[-1]), Revoke(mac), NEW_SEED)
    given = {"account": FIXED["account"], "keys": FIXED["devices"][1], "workspace": LAST["holds"]["workspace"]}

    def followed(key: bytes, to: bytes) -> dict[str, Any]:
        sealed = SYSTEM.seal(to, epoch_info(ACCOUNT, 3, phone.id), key)
        epoch = encode(10, digest(revoke), Epoch(3, check, ((phone.id, sealed),)), NEW_SEED)
        log_now = [*entries(), revoke.hex(), epoch.hex()]
        found: dict[str, Any] = vault.call("follow", **given, entries=log_now, known=known(8, NEW_KEY.hex(), 6))
        return found

    assert followed(good, phone.public.agreement)["known"]["n"] == 10
    refused = {"error": "key-not-opened"}
    assert followed(b"x" * 32, phone.public.agreement) == refused
    assert followed(good, tablet.public.agreement) == refused


def test_a_device_that_was_removed_and_one_with_other_keys_are_told(vault: Vault) -> None:
    tablet = FIXED["devices"][2]
    given = {"account": FIXED["account"], "workspace": CHANGES["add tablet"]["holds"]["workspace"]}
    log_now = {"entries": entries("revoke tablet"), "known": known(4, OLD_KEY.hex(), 3)}
    assert vault.call("follow", **given, **log_now, keys=tablet) == {"error": "device-revoked"}
    stranger = {**tablet, "id": FIXED["devices"][1]["id"]}
    assert vault.call("follow", **given, **log_now, keys=stranger) == {"error": "log-rule-broken"}
    other = {**given, "workspace": [*given["workspace"], "00" * 32]}
    phone = FIXED["devices"][1]
    assert vault.call("follow", **other, **log_now, keys=phone) == {"error": "key-not-opened"}


def test_psks_item_keys_and_proofs_are_those_of_the_vectors(vault: Vault) -> None:
    workspace = LAST["holds"]["workspace"]
    assert vault.call("psks", workspace=workspace) == FIXED["relay_psk"]
    fixed = FIXED["broker_proof"]
    claim = {name: fixed[name] for name in ("nonce", "role", "host")}
    given = {"keys": FIXED["devices"][0], "account": FIXED["account"]}
    assert vault.call("proof", **given, **claim) == fixed["proof"]
    for wrong in ({"role": 3}, {"host": "brök.example"}, {"host": ""}, {"nonce": "00" * 31}, {"host": "a" * 254}):
        assert vault.call("proof", **given, **{**claim, **wrong}) == {"error": "answer-malformed"}
    item = FIXED["item_key"]
    found = {name: item[name] for name in ("epoch", "item", "version", "author")}
    exported, sealed = vault.call("itemSeals", workspace=workspace, **found, nonce="00" * 12, plain="68616c6c6f")
    ((expected, _),) = vault.call("aes", cases=[[item["key"], "00" * 12, "", "68616c6c6f", "00" * 16]])
    assert exported == []
    assert sealed == expected

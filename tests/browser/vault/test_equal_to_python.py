"""What the browser reads and writes is what Python reads and writes, and what Python refuses it refuses alike."""

from __future__ import annotations

import inspect
import random
from typing import Any

import pytest

from relay.account.keys import bundle, errors, names, primitives
from relay.account.keys.errors import KeysError
from relay.account.keys.holders import AuthKey, WorkspaceKey, WrapKey
from relay.account.keys.password import PasswordKeys
from relay.account.keys.recovery import ALPHABET, RecoveryKey
from relay.account.keys.workspace import WorkspaceKeys
from tests.browser.vault.conftest import Vault
from tests.browser.vault.vectors import ACCOUNT, CHANGES, FIXED, LAST, code, flips, unhex
from tests.relay.keys.fixed import FixedRandomness

#: Which of the passwords each bundle is sealed by.
SEALED_BY = {"create": 0, "add phone": 0, "add tablet": 0, "revoke tablet": 0, "change password": 1, "rekey": 2}
#: What is about this device is said in other words in a browser, where no chats are kept.
OWN_WORDS = {"device-revoked", "stored-unreadable"}


def keys(number: int) -> PasswordKeys:
    fixed = FIXED["passwords"][number]
    auth, wrap = AuthKey(unhex(fixed["auth"])), WrapKey(unhex(fixed["wrap"]))
    return PasswordKeys(auth, wrap, fixed["suite"], unhex(fixed["salt"]))


def test_every_error_has_the_codes_and_sentences_of_the_app(vault: Vault) -> None:
    classes = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, KeysError)]
    app = {each.code: each.sentence for each in classes if "code" in vars(each)}
    browser = vault.call("sentences")
    assert app.keys() <= browser.keys()
    assert browser.keys() - app.keys() == {"storage-unusable", "stretching-failed"}
    assert {code for code in app if browser[code] != app[code]} == OWN_WORDS


# Recovery key and names


def test_recovery_keys_are_read_as_python_reads_them(vault: Vault) -> None:
    chance = random.Random(7)
    key = RecoveryKey.parse(FIXED["recovery_keys"][0]["text"]).text().reveal()
    typed = [key, key.lower(), key.replace("-", " "), key[5:], key[:-1], key + "0", "", "LRX2" + key[4:], "ß" + key[1:]]
    typed += [key.replace("1", "l").replace("0", "o"), key.replace("-", "\u2013\u00a0"), key.replace("M", "Ｍ")]
    typed += ["𝟘" + key]
    for _ in range(60):
        at = chance.randrange(len(key))
        typed.append(key[:at] + chance.choice(ALPHABET + "ILOU-!é") + key[at + chance.randrange(2) :])

    def read(text: str) -> object:
        try:
            return RecoveryKey.parse(text).text().reveal()
        except KeysError as error:
            return {"error": error.code}

    expected = [read(text) for text in typed]
    assert {str(each) for each in expected} >= {key, "{'error': 'recovery-key-mistyped'}"}
    assert vault.call("recoveryKeys", typed=typed) == expected


def test_what_comes_of_a_recovery_key_is_what_the_vectors_say(vault: Vault) -> None:
    for fixed in FIXED["recovery_keys"]:
        made = vault.call("recoveryKey", typed=fixed["text"], account=FIXED["account"], signingKey=fixed["signing_key"])
        assert made == {
            "text": fixed["text"],
            "auth": fixed["auth"],
            "publicKey": fixed["public"],
            "anchor": fixed["anchor"],
        }
    assert vault.call("newRecoveryKey", label="new") == RecoveryKey.new(FixedRandomness("new")).text().reveal()


def test_groups_of_a_recovery_key_are_typed_again(vault: Vault) -> None:
    key = FIXED["recovery_keys"][0]["text"]
    groups = key.split("-")[1:]
    right = [[0, groups[0]], [8, groups[8].lower() + " "]]
    tried = vault.call("retyped", key=key, groups=[right, [*right, [3, groups[4]]], [[9, groups[8]]], []])
    assert tried == [None] + [{"error": "retype-differs"}] * 3
    for chosen in vault.call("chosenGroups", times=30):
        assert len(set(chosen)) == 3
        assert chosen == sorted(chosen)
        assert set(chosen) <= set(range(9))


def test_names_are_normalised_and_refused_as_python_does(vault: Vault) -> None:
    chance = random.Random(8)
    signs = "aé\u0301 \t\u00a0\u0085\u001c\ufeff\u200b\u202e\u2028\u3000ﬁ’🙂\n\u2003"
    typed = ["".join(chance.choice(signs) for _ in range(chance.randrange(5))) for _ in range(150)]
    typed += ["x" * 64, "x" * 65, "é" * 32, "é" * 33, " " + "x" * 64 + "\u2029", "\ufeffMac", "e\u0301" * 32]

    def read(text: str) -> object:
        try:
            return names.normalise_name(text)
        except KeysError as error:
            return {"error": error.code}

    assert vault.call("names", typed=typed) == [read(text) for text in typed]


def test_names_are_sealed_and_opened_by_both(vault: Vault) -> None:
    workspace = LAST["holds"]["workspace"]
    keys = WorkspaceKeys(tuple(WorkspaceKey(unhex(key)) for key in workspace))
    given = {"workspace": workspace, "account": FIXED["account"], "id": FIXED["devices"][1]["id"]}
    device = unhex(given["id"])
    sealed = vault.call("sealName", name=" Te\u0301le\u0301phone ", **given)
    assert len(unhex(sealed)) == names.SEALED_NAME
    assert names.open_name(unhex(sealed), keys, account=ACCOUNT, device=device) == "Téléphone"
    theirs = names.seal_name("Wohnzimmer", keys, account=ACCOUNT, device=device)
    assert vault.call("openName", sealed=theirs.hex(), **given) == "Wohnzimmer"
    for changed in (*flips(theirs, range(0, len(theirs), 7)), theirs[:-1], theirs + b"\0", b""):
        assert vault.call("openName", sealed=changed.hex(), **given) == {"error": "name-not-opened"}
    other = {**given, "id": FIXED["devices"][0]["id"]}
    assert vault.call("openName", sealed=theirs.hex(), **other) == {"error": "name-not-opened"}


@pytest.mark.parametrize("name", ["a\u202eb", " Mac", "e\u0301", "", "\ufeffMac"])
def test_a_name_that_nobody_could_have_given_is_not_shown(name: str, vault: Vault) -> None:
    """Any device of the account can seal a name, so one that was taken over can."""
    secret, device = unhex(LAST["holds"]["workspace"][2]), unhex(FIXED["devices"][1]["id"])
    plain = bytes([len(name.encode())]) + name.encode().ljust(names.MAX_NAME, b"\0")
    bound = b"lerix/device-name/1" + ACCOUNT + device + bytes([0, 0, 0, 2])
    key = primitives.hkdf(secret, b"lerix/device-name/1" + device)
    given = {"workspace": LAST["holds"]["workspace"], "account": FIXED["account"], "id": device.hex()}

    def opened(changed: bytes) -> Any:
        sealed = bytes([0, 0, 0, 2]) + bytes(12) + primitives.seal(key, bytes(12), changed, bound)
        return vault.call("openName", sealed=sealed.hex(), **given)

    assert opened(plain) == {"error": "name-not-opened"}
    good = b"\3Mac" + bytes(61)
    assert opened(good) == "Mac"
    for other in (good[:-1], good + b"\0", good[:-1] + b"\1", b"\101" + good[1:], b"\1\xff" + bytes(63)):
        assert opened(other) == {"error": "name-not-opened"}


# Root bundle


def holds(change: dict[str, Any]) -> dict[str, Any]:
    """What a bundle of the vectors holds, by the browser's names."""
    held = change["holds"]
    return {
        "seed": held["signing_seed"],
        "signingKey": held["signing_key"],
        "recoveryPublic": held["recovery_public"],
        "n": held["n"],
        "head": held["head"],
        "workspace": held["workspace"],
        "revision": change["revision"],
    }


def recovery(name: str) -> dict[str, str]:
    fixed = FIXED["recovery_keys"][name == "rekey"]
    return {"key": fixed["text"], "anchor": fixed["anchor"], "account": FIXED["account"]}


@pytest.mark.parametrize("name", CHANGES)
def test_both_copies_of_a_bundle_made_by_python_open(name: str, vault: Vault) -> None:
    change, typed = CHANGES[name], FIXED["passwords"][SEALED_BY[name]]
    opened = vault.call("openByPassword", copy=change["by_password"], keys=typed, account=FIXED["account"])
    assert opened == holds(change)
    assert vault.call("openByRecovery", copy=change["by_recovery"], **recovery(name)) == holds(change)


def test_a_changed_byte_anywhere_in_a_bundle_is_refused_as_python_refuses_it(vault: Vault) -> None:
    copy = unhex(LAST["by_password"])
    given = {"copy": copy.hex(), "keys": FIXED["passwords"][2], "account": FIXED["account"]}
    expected = [
        code(lambda changed=changed: bundle.open_by_password(changed, keys(2), account=ACCOUNT))  # type: ignore[misc]
        for changed in flips(copy)
    ]
    assert "opened" not in expected
    assert vault.call("flippedByPassword", **given) == expected


def test_a_changed_byte_in_the_recovery_copy_is_refused_as_python_refuses_it(vault: Vault) -> None:
    copy = unhex(LAST["by_recovery"])
    places = [*range(70), *range(70, len(copy), 67), *range(len(copy) - 16, len(copy))]
    fixed = recovery("rekey")
    key, anchor = RecoveryKey.parse(fixed["key"]), unhex(fixed["anchor"])
    expected = [
        code(lambda changed=changed: bundle.open_by_recovery(changed, key, account=ACCOUNT, anchor=anchor))  # type: ignore[misc]
        for changed in flips(copy, places)
    ]
    assert "opened" not in expected
    assert vault.call("flippedByRecovery", copy=copy.hex(), places=places, **fixed) == expected


def test_a_bundle_that_opens_but_is_not_in_the_form_of_one_is_refused_as_python_refuses_it(vault: Vault) -> None:
    """Only somebody with the password can make these, so they are slips of another program."""
    copy, wrap = unhex(LAST["by_password"]), keys(2).wrap.reveal()
    header, nonce = bundle.read_header(copy), copy[30:42]
    plain = primitives.unseal(wrap, nonce, copy[42:], header.bound(ACCOUNT))
    assert plain is not None

    def at(place: int, *values: int) -> bytes:
        changed = bytearray(plain)
        changed[place : place + len(values)] = values
        return bytes(changed)

    changed = [
        plain,
        at(0, 2),
        at(8, 5),
        at(41, *bytes(32)),
        at(116, 0),
        at(116, 2),
        at(113, 255, 255, 255, 255),
        at(117 + 3 * 32, 1),
        at(len(plain) - 1, 1),
        plain + bytes(4096),
        plain[:-1],
        plain[:100],
        b"",
    ]
    copies = [copy[:42] + primitives.seal(wrap, nonce, each, header.bound(ACCOUNT)) for each in changed]
    expected = [code(lambda each=each: bundle.open_by_password(each, keys(2), account=ACCOUNT)) for each in copies]  # type: ignore[misc]
    assert set(expected) == {"opened", "bundle-malformed", "bundle-not-opened"}
    given = {"keys": FIXED["passwords"][2], "account": FIXED["account"]}
    found = [vault.call("openByPassword", copy=each.hex(), **given) for each in copies]
    assert [each.get("error", "opened") for each in found] == expected


def test_a_bundle_of_another_account_password_or_anchor_is_refused(vault: Vault) -> None:
    given = {"copy": LAST["by_password"], "keys": FIXED["passwords"][2], "account": FIXED["account"]}
    refused = {"error": "bundle-not-opened"}
    assert vault.call("openByPassword", **{**given, "account": "00" * 16}) == refused
    assert vault.call("openByPassword", **{**given, "keys": FIXED["passwords"][1]}) == refused
    wrong_wrap = {**FIXED["passwords"][2], "wrap": "00" * 32}
    assert vault.call("openByPassword", **{**given, "keys": wrong_wrap}) == refused
    assert vault.call("openByPassword", **{**given, "copy": ""}) == {"error": "bundle-malformed"}
    assert vault.call("openByPassword", **{**given, "copy": "01" + "00" * 40960}) == {"error": "bundle-malformed"}
    other = {**recovery("rekey"), "anchor": recovery("create")["anchor"]}
    assert vault.call("openByRecovery", copy=LAST["by_recovery"], **other) == {"error": "bundle-not-anchored"}

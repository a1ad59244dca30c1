"""tests/relay/vectors/account-v1.json: what was sealed by the first version must always open, and come out the same."""

import json
import unicodedata
from typing import Any

import pytest

from connections.secrets import Secret
from relay.account.keys import flows, names, password
from relay.account.keys.device import DeviceKeys, Role, check_proof
from relay.account.keys.holders import Stored
from relay.account.keys.log import rekey_digits
from relay.account.keys.recovery import RecoveryKey
from tests.relay.keys.story import FILE, tell, text

FIXED: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
ACCOUNT = bytes.fromhex(FIXED["account"])


def log_up_to(name: str) -> list[bytes]:
    entries: list[bytes] = []
    for change in FIXED["changes"]:
        entries += map(bytes.fromhex, change["entries"])
        if change["name"] == name:
            return entries
    raise KeyError(name)


def stretched(number: int) -> password.PasswordKeys:
    """What a password of the file gives, typed decomposed, while the file has it composed."""
    fixed = FIXED["passwords"][number]
    typed = Secret(unicodedata.normalize("NFD", fixed["password"]))
    return password.stretch(typed, FIXED["email"]["typed"], suite=fixed["suite"], salt=bytes.fromhex(fixed["salt"]))


@pytest.fixture(scope="module")
def last_keys() -> password.PasswordKeys:
    return stretched(2)


def test_the_story_told_again_is_the_file() -> None:
    """At full cost, with suite 1: whatever changes a byte of a format shows here."""
    assert text(tell()) == FILE.read_text("utf-8")


def test_the_passwords_give_the_keys_in_the_file(last_keys: password.PasswordKeys) -> None:
    assert FIXED["passwords"][2]["suite"] == 1
    assert last_keys.auth.reveal().hex() == FIXED["passwords"][2]["auth"]
    assert last_keys.wrap.reveal().hex() == FIXED["passwords"][2]["wrap"]


def test_the_last_bundle_and_the_log_in_the_file_open(last_keys: password.PasswordKeys) -> None:
    last = FIXED["changes"][-1]
    opened = flows.unlock(bytes.fromhex(last["by_password"]), log_up_to("rekey"), last_keys, account=ACCOUNT)
    assert [opened.workspace[epoch].reveal().hex() for epoch in range(3)] == last["holds"]["workspace"]
    assert opened.bundle.signing_seed.reveal().hex() == last["holds"]["signing_seed"]
    assert opened.log.head.hex() == FIXED["log"]["head"]
    shown = [
        names.open_name(device.name, opened.workspace, account=ACCOUNT, device=device.id)
        for device in opened.log.devices.values()
    ]
    assert shown == [device["name"] for device in FIXED["devices"]]
    assert [opened.workspace.relay_psk(epoch).reveal().hex() for epoch in range(3)] == FIXED["relay_psk"]


@pytest.mark.parametrize(
    ("name", "number"), [("create", 0), ("revoke tablet", 0), ("change password", 0), ("rekey", 1)]
)
def test_the_recovery_keys_in_the_file_open_their_bundles(name: str, number: int) -> None:
    (change,) = (change for change in FIXED["changes"] if change["name"] == name)
    fixed = FIXED["recovery_keys"][number]
    key = RecoveryKey.parse(fixed["text"])
    assert key.reveal().hex() == fixed["bytes"]
    assert key.auth().reveal().hex() == fixed["auth"]
    opened = flows.recover(
        bytes.fromhex(change["by_recovery"]),
        log_up_to(name),
        key,
        account=ACCOUNT,
        anchor=bytes.fromhex(fixed["anchor"]),
    )
    assert opened.bundle.signing_key.hex() == change["holds"]["signing_key"] == fixed["signing_key"]
    assert opened.bundle.recovery_public.hex() == fixed["public"]
    assert opened.bundle.head.hex() == change["holds"]["head"]


def test_the_devices_in_the_file_open_their_epochs_and_prove_themselves(last_keys: password.PasswordKeys) -> None:
    last = FIXED["changes"][-1]
    opened = flows.unlock(bytes.fromhex(last["by_password"]), log_up_to("rekey"), last_keys, account=ACCOUNT)
    mac, phone, _ = (DeviceKeys.from_stored(Stored(bytes.fromhex(device["stored"]))) for device in FIXED["devices"])
    for device in (mac, phone):
        assert opened.log.open_epoch(2, device) == opened.workspace[2]
    fixed = FIXED["broker_proof"]
    check_proof(
        mac.public,
        bytes.fromhex(fixed["proof"]),
        nonce=bytes.fromhex(fixed["nonce"]),
        account=ACCOUNT,
        role=Role(fixed["role"]),
        host=fixed["host"],
    )
    item = FIXED["item_key"]
    key = opened.workspace.item_key(
        item["epoch"], item=bytes.fromhex(item["item"]), version=item["version"], author=bytes.fromhex(item["author"])
    )
    assert key.reveal().hex() == item["key"]
    assert FIXED["rekey_digits"] == rekey_digits(ACCOUNT, opened.log.signing_key)

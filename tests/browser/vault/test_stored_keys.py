"""What the browser keeps of an account: it survives a reload, works, and cannot be exported or set back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from relay.account.keys import flows
from relay.account.keys.bundle import RootBundle
from relay.account.keys.device import DevicePublic, Role, check_proof
from relay.account.keys.entries import Add
from relay.account.keys.flows import Unlocked
from relay.account.keys.holders import AuthKey, SigningSeed, WorkspaceKey, WrapKey
from relay.account.keys.log import LogWriter, verify_log
from relay.account.keys.names import seal_name
from relay.account.keys.password import PasswordKeys
from relay.account.keys.workspace import WorkspaceKeys
from relay.protocol.noise import Responder
from tests.browser.vault.conftest import Vault
from tests.browser.vault.test_handshakes import HOST, public
from tests.browser.vault.vectors import ACCOUNT, FIXED, LAST

LOG = [bytes.fromhex(entry) for change in FIXED["changes"] for entry in change["entries"]]


def ada() -> Unlocked:
    """Ada's account, opened on her Mac."""
    held, fixed = LAST["holds"], FIXED["passwords"][2]
    keys = tuple(WorkspaceKey(bytes.fromhex(key)) for key in held["workspace"])
    log = verify_log(LOG, account=ACCOUNT, signing_key=bytes.fromhex(held["signing_key"]))
    bundle = RootBundle(
        LAST["revision"],
        SigningSeed(bytes.fromhex(held["signing_seed"])),
        bytes.fromhex(held["recovery_public"]),
        held["n"],
        bytes.fromhex(held["head"]),
        WorkspaceKeys(keys),
    )
    secrets = AuthKey(bytes(32)), WrapKey(bytes.fromhex(fixed["wrap"]))
    return Unlocked(ACCOUNT, bundle, log, PasswordKeys(*secrets, fixed["suite"], bytes.fromhex(fixed["salt"])))


class Joined:
    """A browser that has joined Ada's account, and has been reloaded."""

    def __init__(self, vault: Vault) -> None:
        made = {name: bytes.fromhex(value) for name, value in vault.call("newDevice").items()}
        self.vault, self.device = vault, DevicePublic(made["id"], made["agreement"], made["signing"])
        before = ada()
        writer = LogWriter(ACCOUNT, before.bundle.signing_seed.reveal(), before.log)
        name = seal_name("Safari", before.workspace, account=ACCOUNT, device=self.device.id)
        writer.write(Add(self.device, Role.REMOTE, name))
        self.after = Unlocked(ACCOUNT, before.bundle, writer.finish(), before.keys)
        self.log = [*LOG, *writer.entries]
        self.workspace = LAST["holds"]["workspace"]
        self.keep()
        self.reload()

    def keep(self, **other: Any) -> Any:
        log = self.after.log
        known = {"n": log.n, "head": log.head.hex(), "signingKey": log.signing_key.hex(), "revision": 7, **other}
        email = FIXED["email"]["normalised"]
        return self.vault.call("keep", account=ACCOUNT.hex(), email=email, workspace=self.workspace, known=known)

    def reload(self) -> None:
        self.vault.page.reload()
        kept = self.vault.call("kept")
        assert kept["device"]["id"] == self.device.id.hex()
        assert kept["email"] == FIXED["email"]["normalised"]


@pytest.fixture
def joined(vault: Vault) -> Iterator[Joined]:
    yield Joined(vault)
    assert vault.call("forget") is None


def test_no_stored_key_can_be_exported_after_a_reload(joined: Joined) -> None:
    found = joined.vault.call("exports")
    assert [name for name, _, _ in found] == ["X25519", "Ed25519", "HKDF", "HKDF", "HKDF"]
    assert [(extractable, given) for _, extractable, given in found] == [(False, [])] * 5


def test_the_stored_keys_work_after_a_reload(joined: Joined) -> None:
    nonce, host = bytes(range(32)), "broker.example.com"
    proof = bytes.fromhex(joined.vault.call("keptProof", nonce=nonce.hex(), role=2, host=host))
    check_proof(joined.device, proof, nonce=nonce, account=ACCOUNT, role=Role.REMOTE, host=host)
    psk = joined.vault.call("keptPsk", epoch=2)
    assert psk == FIXED["relay_psk"][2]
    given = {"name": "kept", "own": None, "host": public(HOST).hex(), "prologue": "00"}
    responder = Responder(static=HOST, prologue=b"\0")
    message = joined.vault.call("shake", **given, psk=psk, payload=b"hello".hex())
    assert responder.first(bytes.fromhex(message)) == b"hello"
    assert responder.remote == joined.device.agreement
    answer, _, receive = responder.second(b"welcome", bytes.fromhex(psk))
    assert joined.vault.call("shaken", name="kept", message=answer.hex()) == b"welcome".hex()
    (sealed,) = joined.vault.call("send", name="kept", plain=["ff"])
    assert receive.decrypt(bytes.fromhex(sealed)) == b"\xff"


def test_an_epoch_that_python_sealed_to_the_browser_is_opened_kept_and_not_exported(joined: Joined) -> None:
    phone = bytes.fromhex(FIXED["devices"][1]["id"])
    changed = flows.revoke_devices(joined.after, [phone])
    entries = [entry.hex() for entry in (*joined.log, *changed.update.entries)]
    seen = joined.vault.call("keptFollow", entries=entries)
    assert seen["n"] == changed.after.log.n
    joined.reload()
    assert joined.vault.call("keptPsk", epoch=3) == changed.after.workspace.relay_psk(3).reveal().hex()
    assert [given for *_, given in joined.vault.call("exports")] == [[]] * 6
    # What the broker had before is refused now, also after the reload.
    older = joined.vault.call("keptFollow", entries=[entry.hex() for entry in joined.log])
    assert older == {"error": "log-rolled-back"}


def test_an_older_or_another_state_never_replaces_what_is_kept(joined: Joined) -> None:
    log = joined.after.log
    now = {"n": log.n, "head": log.head.hex(), "revision": 7}

    def kept(**other: Any) -> Any:
        found = joined.vault.call("keptAgain", **{**now, **other})
        return found if "error" in found else {name: found[name] for name in now}

    assert kept() == now
    # Another tab, which looked earlier, comes later; one has seen a newer root bundle.
    assert kept(n=log.n - 1, head="00" * 32) == now
    assert kept(revision=6) == now
    assert kept(n=log.n - 1, head="00" * 32, revision=8) == {**now, "revision": 8}
    assert kept(head="00" * 32) == {"error": "log-forked"}
    joined.reload()
    known = joined.vault.call("kept")["known"]
    assert {name: known[name] for name in now} == {**now, "revision": 8}
    # Another device of this browser, which signed in anew, begins where it begins.
    joined.vault.call("newDevice")
    assert joined.keep(n=1) == "kept"


@pytest.mark.parametrize("change", [{"form": 2}, {"account": None}, {"workspace": []}, {"known": {}}, {"device": {}}])
def test_a_damaged_record_is_told_and_can_be_replaced(change: dict[str, Any], joined: Joined) -> None:
    assert joined.vault.call("spoil", change=change) == {"error": "stored-unreadable"}
    joined.vault.call("newDevice")
    assert joined.keep() == "kept"


def test_a_record_with_a_key_that_can_be_exported_is_not_taken(joined: Joined) -> None:
    assert joined.vault.call("spoiltByKey", extractable=False)["account"] == ACCOUNT.hex()
    assert joined.vault.call("spoiltByKey", extractable=True) == {"error": "stored-unreadable"}


def test_nothing_is_kept_where_nobody_signed_in(vault: Vault) -> None:
    assert vault.call("forget") is None
    assert vault.call("kept") is None

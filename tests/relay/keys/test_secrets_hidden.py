"""No secret shows itself: not in a repr, not in an error, not where an object is copied or pickled."""

import base64
import copy
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connections.secrets import Secret
from relay.account.keys import flows, names, password
from relay.account.keys.bundle import open_by_password, open_by_recovery
from relay.account.keys.device import DeviceKeys, Role
from relay.account.keys.errors import KeysError
from relay.account.keys.holders import SecretBytes, Stored, WorkspaceKey
from relay.account.keys.log import Known
from relay.account.keys.recovery import RecoveryKey
from relay.account.keys.workspace import WorkspaceKeys
from tests.relay.keys.story import EMAIL, MAC, PASSWORDS, Story


def secrets_of(ada: Story) -> list[SecretBytes]:
    created, end = ada.created, ada.end
    found: list[SecretBytes] = [created.recovery_key, ada.rekeyed.recovery_key, created.recovery_key.auth()]
    for change in ada.changes.values():
        bundle, keys = change.after.bundle, change.after.keys
        assert keys is not None
        found += [bundle.signing_seed, keys.auth, keys.wrap]
        found += [bundle.workspace[epoch] for epoch in range(len(bundle.workspace))]
    for device in (created.device, ada.phone.device, ada.tablet.device):
        found += [device.agreement, device.signing, device.stored()]
    found += [end.workspace.stored(), end.workspace.relay_psk(0)]
    found.append(end.workspace.item_key(0, item=bytes(16), version=1, author=bytes(16)))
    return found


def spellings(ada: Story) -> set[str]:
    """Each secret in every way in which it could be written down, without case."""
    texts = {*PASSWORDS, ada.created.recovery_key.text().reveal(), ada.created.recovery_key.text().reveal()[5:14]}
    for secret in secrets_of(ada):
        value = secret.reveal()
        texts |= {value.hex(), base64.b64encode(value).decode(), base64.urlsafe_b64encode(value).decode()}
        texts |= {repr(value)[2:-1], str(list(value))[1:-1], str(int.from_bytes(value, "big"))}
    return {text.casefold() for text in texts}


def assert_clean(text: str, planted: set[str]) -> None:
    folded = text.casefold()
    assert [secret for secret in planted if secret in folded] == []


def test_nothing_shows_a_secret_when_it_is_printed(ada: Story) -> None:
    planted = spellings(ada)
    things: list[Any] = [*secrets_of(ada), Secret(PASSWORDS[0])]
    for change in ada.changes.values():
        things += [change, change.update, change.after, change.after.bundle, change.after.keys, change.after.workspace]
        things += [change.after.log, change.after.known, change.update.bundle, change.update.recovery]
    things += [ada.created.device, ada.created.device.public, ada.created.recovery_key]
    for thing in things:
        for text in (repr(thing), str(thing), f"{thing}", f"{thing!r:>20}", ascii(thing)):
            assert_clean(text, planted)


def test_the_scan_would_find_one(ada: Story) -> None:
    planted = spellings(ada)
    with pytest.raises(AssertionError):
        assert_clean(f"key {ada.created.device.signing.reveal().hex().upper()}", planted)
    with pytest.raises(AssertionError):
        assert_clean(repr({"password": PASSWORDS[1]}), planted)


def test_no_secret_is_pickled_or_copied(ada: Story) -> None:
    for secret in (*secrets_of(ada), ada.created.device, ada.end, ada.end.workspace, ada.created.update):
        for attempt in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError, match="cannot be pickled"):
                attempt(secret)
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.copy(ada.created.recovery_key)


def test_secrets_are_equal_only_to_their_own_kind() -> None:
    assert WorkspaceKey(bytes(32)) == WorkspaceKey(bytes(32))
    assert WorkspaceKey(bytes(32)) != WorkspaceKey(b"\1" + bytes(31))
    assert WorkspaceKey(bytes(32)) != Stored(bytes(32))
    assert WorkspaceKey(bytes(32)) != bytes(32)
    with pytest.raises(TypeError, match="unhashable"):
        hash(WorkspaceKey(bytes(32)))
    with pytest.raises(ValueError, match="WorkspaceKey is 32 bytes, not 31"):
        WorkspaceKey(bytes(31))


def failures(ada: Story, bob: Story) -> Iterator[Callable[[], object]]:
    """Everything that goes wrong with secrets at hand."""
    end, keys, theirs = ada.end, ada.end.keys, bob.end.keys
    assert keys is not None
    assert theirs is not None
    bundle, account = ada.rekeyed.update.bundle, ada.account
    recovery_key, entries = ada.rekeyed.recovery_key, ada.entries()
    yield lambda: password.stretch(Secret(PASSWORDS[0]), EMAIL, suite=9, salt=bytes(16))
    yield lambda: password.stretch(Secret(PASSWORDS[0]), EMAIL, suite=1, salt=bytes(5))
    yield lambda: password.stretch(Secret(PASSWORDS[0] * 99), EMAIL, suite=1, salt=bytes(16))
    yield lambda: password.stretch(Secret(PASSWORDS[0] + "\ud800"), EMAIL, suite=1, salt=bytes(16))
    yield lambda: password.stretch(Secret(PASSWORDS[0]), "no address", suite=1, salt=bytes(16))
    yield lambda: RecoveryKey.parse(recovery_key.text().reveal()[:-1] + "?")
    yield lambda: RecoveryKey.parse(recovery_key.text().reveal()[:-1])
    yield lambda: RecoveryKey.parse("0" + recovery_key.text().reveal()[1:])
    yield lambda: recovery_key.check_retyped({0: recovery_key.text().reveal()[5:9] + "X"})
    yield lambda: open_by_password(bundle.by_password[:-1], keys, account=account)
    yield lambda: open_by_password(bundle.by_password, theirs, account=account)
    yield lambda: open_by_recovery(bundle.by_recovery, bob.created.recovery_key, account=account, anchor=bytes(32))
    yield lambda: open_by_recovery(bundle.by_recovery, recovery_key, account=account, anchor=bytes(32))
    yield lambda: flows.unlock(bundle.by_password, entries[:-1], keys, account=account)
    yield lambda: flows.unlock(bundle.by_password, entries, keys, account=account, known=bob.end.known)
    yield lambda: flows.follow(
        entries,
        account=account,
        device=ada.tablet.device,
        workspace=ada.tablet.after.workspace,
        known=ada.tablet.after.known.trust(end.log.signing_key),
    )
    yield lambda: flows.follow(
        entries, account=account, device=ada.phone.device, workspace=bob.end.workspace, known=end.known
    )
    yield lambda: end.log.open_epoch(2, ada.tablet.device)
    yield lambda: end.workspace.relay_psk(99)
    yield lambda: end.workspace.item_key(0, item=b"", version=1, author=b"")
    yield lambda: names.open_name(bytes(97), end.workspace, account=account, device=ada.tablet.device.id)
    yield lambda: ada.created.device.prove(nonce=b"", account=account, role=Role.HOST, host="broker.example.com")
    yield lambda: DeviceKeys.from_stored(Stored(ada.created.device.stored().reveal()[:-1]))
    yield lambda: WorkspaceKeys.from_stored(Stored(end.workspace.stored().reveal()[:-1]))
    yield lambda: Known.from_stored(Stored(end.workspace.stored().reveal()))
    yield lambda: WorkspaceKey(ada.created.device.stored().reveal())


def test_no_error_carries_a_secret(ada: Story, bob: Story) -> None:
    planted = spellings(ada) | spellings(bob)
    raised = 0
    for fail in failures(ada, bob):
        error: BaseException | None = None
        try:
            fail()
        except (KeysError, IndexError, ValueError) as caught:
            error = caught
        assert error is not None
        raised += 1
        chain: BaseException | None = error
        while chain is not None:
            assert_clean(f"{chain!r} {chain} {chain.args!r} {vars(chain)!r}", planted)
            chain = chain.__cause__ or chain.__context__
        # The lines of our own code say how an error came about; what was called with what they must not say.
        assert_clean("".join(traceback.format_exception(error)), planted)
    assert raised > 20


def test_nothing_the_broker_gets_holds_a_secret(ada: Story) -> None:
    """But the two keys it is meant to get, of which it keeps an HMAC."""
    sent = b"".join(
        b"".join([update.bundle.by_password, update.bundle.by_recovery, *update.entries])
        + (update.recovery.public + update.recovery.anchor if update.recovery else b"")
        for update in (change.update for change in ada.changes.values())
    )
    for secret in secrets_of(ada):
        assert secret.reveal() not in sent
    for text in (*PASSWORDS, MAC, "Téléphone", "Tablett", "ada.lovelace"):
        assert text.encode() not in sent

"""What a broker may try that has taken an honest account: each is refused, and the device keeps what it knew."""

import dataclasses

import pytest

from connections.secrets import Secret
from relay.account.keys import flows
from relay.account.keys.bundle import SealedBundle, open_by_password, seal_bundle
from relay.account.keys.device import EVERY_ROLE, Role
from relay.account.keys.errors import (
    BundleError,
    BundleNotAnchored,
    BundleNotOpened,
    BundleOutdated,
    BundleRolledBack,
    LogError,
    LogForged,
    LogForked,
    LogIncomplete,
    LogRolledBack,
    SaltMalformed,
    SigningKeyChanged,
    SuiteUnknown,
)
from relay.account.keys.holders import SigningSeed, WorkspaceKey
from relay.account.keys.workspace import WorkspaceKeys
from tests.relay.keys.broker import EMAIL, NEW, PASSWORD, Broker, follow, follow_entries, join, sign_in

pytestmark = pytest.mark.usefixtures("cheap_suite")


def test_a_broker_that_names_another_suite_or_salt_stops_the_device(broker: Broker) -> None:
    by_password = broker.bundle.by_password
    broker.bundle = SealedBundle(by_password[:1] + b"\7" + by_password[2:], by_password[:1] + b"\7" + by_password[2:])
    with pytest.raises(SuiteUnknown):
        sign_in(broker, EMAIL, PASSWORD)

    class ShortSalt(Broker):
        def prelogin(self) -> tuple[int, bytes]:
            return 1, b"short"

    with pytest.raises(SaltMalformed):
        sign_in(ShortSalt(), EMAIL, PASSWORD)


@pytest.fixture
def stranger() -> flows.Created:
    """The account of somebody else at the same broker, with the same password by chance."""
    return flows.create("bob@example.com", Secret(PASSWORD), "Bob’s PC", EVERY_ROLE)


def test_a_broker_that_swaps_bundles_logs_or_accounts_is_refused(
    broker: Broker, created: flows.Created, stranger: flows.Created
) -> None:
    mine, theirs = created.update, stranger.update
    keys, their_keys = created.after.keys, stranger.after.keys
    assert keys is not None
    assert their_keys is not None
    swaps: list[tuple[bytes, tuple[bytes, ...], bytes, type[Exception]]] = [
        (theirs.bundle.by_password, mine.entries, mine.account, BundleNotOpened),
        (mine.bundle.by_password, theirs.entries, mine.account, LogError),
        (mine.bundle.by_password, mine.entries, theirs.account, BundleNotOpened),
        (theirs.bundle.by_password, theirs.entries, theirs.account, BundleNotOpened),
        (mine.bundle.by_password, (), mine.account, LogError),
        (mine.bundle.by_password, (*mine.entries, theirs.entries[-1]), mine.account, LogError),
    ]
    for copy, entries, account, error in swaps:
        with pytest.raises(error):
            flows.unlock(copy, entries, keys, account=account)
    record = mine.recovery
    assert record is not None
    with pytest.raises(BundleNotAnchored):
        flows.recover(
            mine.bundle.by_recovery, mine.entries, created.recovery_key, account=mine.account, anchor=bytes(32)
        )
    with pytest.raises(LogError):
        flows.recover(
            mine.bundle.by_recovery, theirs.entries, created.recovery_key, account=mine.account, anchor=record.anchor
        )


def test_a_broker_that_makes_up_a_whole_account_for_the_recovery_key_is_refused(
    broker: Broker, created: flows.Created
) -> None:
    """It knows RPK, so everything it seals opens; it does not know the recovery key, so nothing vouches for it."""
    bundle = dataclasses.replace(
        created.after.bundle,
        signing_seed=SigningSeed(b"broker's own key for signing 32B"),
        workspace=WorkspaceKeys((WorkspaceKey(b"broker's own workspace key, 32 B"),)),
    )
    keys = created.after.keys
    assert keys is not None
    forged = seal_bundle(bundle, keys, account=broker.account)
    with pytest.raises(BundleNotAnchored):
        flows.recover(
            forged.by_recovery, broker.log, created.recovery_key, account=broker.account, anchor=broker.anchor
        )


def test_a_broker_that_names_another_recovery_key_gets_nothing_sealed_to_it(
    broker: Broker, created: flows.Created
) -> None:
    """A device seals to the key in the bundle; what the broker says about it is never asked."""
    phone = join(broker, "Téléphone")
    broker.recovery_verifier = broker.anchor = b"x" * 32
    changed = flows.revoke_devices(sign_in(broker, EMAIL, PASSWORD), [phone.device.id])
    opened = flows.recover(
        changed.update.bundle.by_recovery,
        [*broker.log, *changed.update.entries],
        created.recovery_key,
        account=broker.account,
        anchor=created.recovery_key.anchor(broker.account, created.after.log.signing_key),
    )
    assert opened.workspace == changed.after.workspace


def test_a_broker_that_shows_an_older_state_is_refused_by_who_has_seen_more(
    broker: Broker, created: flows.Created
) -> None:
    old_bundle, old_log = broker.bundle, list(broker.log)
    phone = join(broker, "Téléphone")
    known = phone.after.known
    keys = phone.after.keys
    assert keys is not None
    with pytest.raises(LogRolledBack):
        flows.follow(
            old_log, account=broker.account, device=created.device, workspace=created.after.workspace, known=known
        )
    with pytest.raises(BundleRolledBack):
        flows.unlock(old_bundle.by_password, old_log, keys, account=broker.account, known=known)
    with pytest.raises(BundleRolledBack):
        flows.unlock(old_bundle.by_password, broker.log, keys, account=broker.account, known=known)
    with pytest.raises(LogRolledBack):
        flows.unlock(broker.bundle.by_password, old_log, keys, account=broker.account, known=known)


def test_a_broker_that_brings_an_old_password_back_is_refused_by_who_has_seen_more(broker: Broker) -> None:
    """The log did not change, so only the bundle's revision tells."""
    old = broker.bundle
    opened = sign_in(broker, EMAIL, PASSWORD)
    changed = flows.change_password(opened, EMAIL, Secret(NEW))
    assert opened.keys is not None
    with pytest.raises(BundleRolledBack):
        flows.unlock(
            old.by_password, broker.log, opened.keys, account=broker.account, known=changed.after.known
        )


def test_a_broker_that_withholds_the_last_entries_from_a_new_device_is_refused(broker: Broker) -> None:
    before = list(broker.log)
    join(broker, "Téléphone")
    broker.log = before
    with pytest.raises(LogIncomplete):
        sign_in(broker, EMAIL, PASSWORD)


def test_a_bundle_that_is_older_than_the_log_is_refused(broker: Broker) -> None:
    before = broker.bundle
    join(broker, "Téléphone")
    broker.bundle = before
    with pytest.raises(BundleOutdated):
        sign_in(broker, EMAIL, PASSWORD)


def test_a_broker_that_shows_two_devices_two_histories_is_found_out(broker: Broker, created: flows.Created) -> None:
    """One has seen the phone join, the other the tablet; whoever is shown the other history refuses it."""
    fork = Broker()
    fork.take(created.update)
    phone, tablet = join(broker, "Téléphone"), join(fork, "Tablett")
    with pytest.raises(LogForked):
        follow(fork, phone)
    with pytest.raises(LogForked):
        follow(broker, tablet)
    with pytest.raises(LogForked):
        sign_in(fork, EMAIL, PASSWORD, known=phone.after.known)


def test_a_broker_that_mixes_a_bundle_with_a_log_of_another_history_is_refused(
    broker: Broker, created: flows.Created
) -> None:
    fork = Broker()
    fork.take(created.update)
    join(broker, "Téléphone")
    join(fork, "Tablett")
    broker.log = fork.log
    with pytest.raises(LogForked):
        sign_in(broker, EMAIL, PASSWORD)


def test_a_thief_of_the_old_signing_key_cannot_answer_for_the_account(
    broker: Broker, created: flows.Created
) -> None:
    """After a rekey, with the broker's help: entries signed by the old key, or a rekey of their own."""
    before = sign_in(broker, EMAIL, PASSWORD)
    rekeyed = flows.rekey(before, EMAIL, Secret(NEW), [created.device.id])
    theirs = flows.rekey(before, EMAIL, Secret("the thief’s own password"), [created.device.id])
    broker.take(rekeyed.update)
    known = rekeyed.after.known
    forged = [*created.update.entries, *theirs.update.entries]
    with pytest.raises(LogForged):
        flows.follow(
            forged, account=broker.account, device=created.device, workspace=rekeyed.after.workspace, known=known
        )
    # Who has not seen the rekey yet is asked, and the digits are not those that Ada's Mac shows.
    with pytest.raises(SigningKeyChanged) as raised:
        follow_entries(forged, created)
    assert raised.value.digits != rekeyed.digits
    extra = flows.add_device(before, "Thief", Role.REMOTE).update.entries
    with pytest.raises(LogError):
        follow_entries([*broker.log, *extra], created)


def test_the_passwords_copy_of_another_epoch_is_refused(broker: Broker) -> None:
    phone = join(broker, "Téléphone")
    older = broker.bundle.by_password
    changed = flows.revoke_devices(sign_in(broker, EMAIL, PASSWORD), [phone.device.id])
    broker.take(changed.update)
    assert changed.after.keys is not None
    newer = broker.bundle.by_password
    with pytest.raises(BundleError):
        open_by_password(newer[:30] + older[30:], changed.after.keys, account=broker.account)
    with pytest.raises(BundleError):
        open_by_password(older[:30] + newer[30:], changed.after.keys, account=broker.account)


def test_a_bundle_with_other_workspace_keys_than_the_log_announced_is_refused(
    broker: Broker, created: flows.Created
) -> None:
    keys = created.after.keys
    assert keys is not None
    other = dataclasses.replace(created.after.bundle, workspace=WorkspaceKeys((WorkspaceKey(bytes(32)),)))
    copy = seal_bundle(other, keys, account=broker.account).by_password
    with pytest.raises(BundleNotOpened):
        flows.unlock(copy, broker.log, keys, account=broker.account)

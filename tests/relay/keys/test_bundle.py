"""The root bundle: what opens it, and that nothing else does."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.account.keys.bundle import (
    MAX_BUNDLE,
    Header,
    RootBundle,
    SealedBundle,
    open_by_password,
    open_by_recovery,
    read_header,
    seal_bundle,
)
from relay.account.keys.errors import (
    AnswerMalformed,
    BundleError,
    BundleMalformed,
    BundleNotAnchored,
    BundleNotOpened,
)
from relay.account.keys.holders import SigningSeed, WorkspaceKey, WrapKey
from relay.account.keys.password import PasswordKeys
from relay.account.keys.primitives import seal, unseal
from relay.account.keys.recovery import RecoveryKey
from relay.account.keys.workspace import WorkspaceKeys
from tests.relay.keys.fixed import FixedRandomness
from tests.relay.keys.flips import flips
from tests.relay.keys.story import Story

HEADER = 30


def parts(ada: Story) -> tuple[SealedBundle, PasswordKeys, RecoveryKey, bytes]:
    keys = ada.created.after.keys
    assert keys is not None
    recovery = ada.created.update.recovery
    assert recovery is not None
    return ada.created.update.bundle, keys, ada.created.recovery_key, recovery.anchor


def holding(ada: Story, **changed: Any) -> RootBundle:
    return dataclasses.replace(ada.created.after.bundle, **changed)


def with_plain(ada: Story, change: Any) -> bytes:
    """The password's copy, its plaintext changed by somebody who has the key."""
    sealed, keys, _, _ = parts(ada)
    copy = sealed.by_password
    header = read_header(copy)
    nonce, bound = copy[HEADER : HEADER + 12], header.bound(ada.account)
    plain = unseal(keys.wrap.reveal(), nonce, copy[HEADER + 12 :], bound)
    assert plain is not None
    return copy[: HEADER + 12] + seal(keys.wrap.reveal(), nonce, change(plain), bound)


def test_both_copies_hold_the_same(ada: Story) -> None:
    sealed, keys, recovery_key, anchor = parts(ada)
    opened = open_by_password(sealed.by_password, keys, account=ada.account)
    assert opened == open_by_recovery(sealed.by_recovery, recovery_key, account=ada.account, anchor=anchor)
    assert opened == ada.created.after.bundle
    assert sealed.header == Header(keys.suite, 0, 1, keys.salt)


def test_each_byte_of_the_passwords_copy_matters(ada: Story) -> None:
    sealed, keys, _, _ = parts(ada)
    for _, changed in flips(sealed.by_password):
        with pytest.raises(BundleError):
            open_by_password(changed, keys, account=ada.account)


def test_each_byte_of_the_recovery_keys_copy_matters(ada: Story) -> None:
    sealed, _, recovery_key, anchor = parts(ada)
    for _, changed in flips(sealed.by_recovery, bits=(0x01,)):
        with pytest.raises(BundleError):
            open_by_recovery(changed, recovery_key, account=ada.account, anchor=anchor)


def test_a_copy_that_was_cut_or_grew_is_refused(ada: Story) -> None:
    sealed, keys, recovery_key, anchor = parts(ada)
    for cut in [*range(120), 2000, len(sealed.by_password) - 1]:
        with pytest.raises(BundleError):
            open_by_password(sealed.by_password[:cut], keys, account=ada.account)
        with pytest.raises(BundleError):
            open_by_recovery(sealed.by_recovery[:cut], recovery_key, account=ada.account, anchor=anchor)
    for more in (b"\0", b"\0" * 4096):
        with pytest.raises(BundleError):
            open_by_password(sealed.by_password + more, keys, account=ada.account)
    with pytest.raises(BundleMalformed):
        read_header(bytes(MAX_BUNDLE + 1))


@given(st.binary(max_size=200))
def test_anything_else_is_refused(data: bytes) -> None:
    for copy in (data, b"\1" + data):
        keys = PasswordKeys(auth=None, wrap=WrapKey(bytes(32)), suite=1, salt=bytes(16))  # type: ignore[arg-type]
        with pytest.raises(BundleError):
            open_by_password(copy, keys, account=bytes(16))
        with pytest.raises(BundleError):
            open_by_recovery(copy, RecoveryKey(bytes(20)), account=bytes(16), anchor=bytes(32))


def test_another_account_password_or_recovery_key_does_not_open_it(ada: Story, bob: Story) -> None:
    sealed, keys, recovery_key, anchor = parts(ada)
    bobs, bobs_keys, bobs_recovery_key, bobs_anchor = parts(bob)
    for copy, with_keys, account in (
        (sealed.by_password, keys, bob.account),
        (sealed.by_password, bobs_keys, ada.account),
        (bobs.by_password, keys, ada.account),
        (bobs.by_password, keys, bob.account),
        (sealed.by_password, dataclasses.replace(keys, wrap=bobs_keys.wrap), ada.account),
    ):
        with pytest.raises(BundleNotOpened):
            open_by_password(copy, with_keys, account=account)
    for copy, with_key, account in (
        (sealed.by_recovery, recovery_key, bob.account),
        (sealed.by_recovery, bobs_recovery_key, ada.account),
        (bobs.by_recovery, recovery_key, ada.account),
    ):
        with pytest.raises(BundleNotOpened):
            open_by_recovery(copy, with_key, account=account, anchor=anchor)
    with pytest.raises(BundleNotAnchored):
        open_by_recovery(sealed.by_recovery, recovery_key, account=ada.account, anchor=bobs_anchor)


@pytest.mark.parametrize("field", [("suite", 2), ("epoch", 1), ("revision", 2), ("salt", b"another salt 16B")])
def test_another_suite_epoch_revision_or_salt_does_not_open_it(ada: Story, field: tuple[str, Any]) -> None:
    sealed, keys, recovery_key, anchor = parts(ada)
    header = dataclasses.replace(sealed.header, **{field[0]: field[1]}).encode()
    by_password, by_recovery = header + sealed.by_password[HEADER:], header + sealed.by_recovery[HEADER:]
    with pytest.raises(BundleNotOpened):
        open_by_password(by_password, keys, account=ada.account)
    if field[0] in ("suite", "salt"):  # also for a device that was told the same lie at prelogin
        told = dataclasses.replace(keys, **{field[0]: field[1]})
        with pytest.raises(BundleNotOpened):
            open_by_password(by_password, told, account=ada.account)
    with pytest.raises(BundleNotOpened):
        open_by_recovery(by_recovery, recovery_key, account=ada.account, anchor=anchor)
    with pytest.raises(BundleMalformed):
        _ = SealedBundle(by_password, sealed.by_recovery).header


def test_the_copies_are_no_substitute_for_each_other(ada: Story) -> None:
    sealed, keys, recovery_key, anchor = parts(ada)
    with pytest.raises(BundleNotOpened):
        open_by_password(sealed.by_recovery, keys, account=ada.account)
    with pytest.raises(BundleNotOpened):
        open_by_recovery(sealed.by_password, recovery_key, account=ada.account, anchor=anchor)


def test_an_account_id_of_another_length_is_refused(ada: Story) -> None:
    sealed, keys, recovery_key, anchor = parts(ada)
    with pytest.raises(AnswerMalformed):
        open_by_password(sealed.by_password, keys, account=ada.account + b"\0")
    with pytest.raises(AnswerMalformed):
        open_by_recovery(sealed.by_recovery, recovery_key, account=ada.account, anchor=anchor[:-1])


def test_the_size_tells_nothing_about_the_number_of_epochs(ada: Story) -> None:
    _, keys, _, _ = parts(ada)
    sizes = {}
    for epochs in (1, 2, 60, 124, 125, 1024):
        workspace = WorkspaceKeys(tuple(WorkspaceKey(bytes([1] * 32)) for _ in range(epochs)))
        sealed = seal_bundle(holding(ada, workspace=workspace), keys, account=ada.account)
        sizes[epochs] = (len(sealed.by_password), len(sealed.by_recovery))
        assert open_by_password(sealed.by_password, keys, account=ada.account).workspace == workspace
    assert len({sizes[epochs] for epochs in (1, 2, 60, 124)}) == 1
    assert sizes[125] != sizes[124]
    assert max(sizes[1024]) <= MAX_BUNDLE


def test_a_broker_that_seals_to_the_recovery_key_is_not_believed(ada: Story) -> None:
    """RPK is public: the broker can seal keys of its own to it, and they open. Only the anchor tells."""
    _, keys, recovery_key, anchor = parts(ada)
    theirs = holding(ada, signing_seed=SigningSeed(b"m" * 32), workspace=WorkspaceKeys((WorkspaceKey(b"m" * 32),)))
    forged = seal_bundle(theirs, keys, account=ada.account).by_recovery
    with pytest.raises(BundleNotAnchored):
        open_by_recovery(forged, recovery_key, account=ada.account, anchor=anchor)
    made_up = RecoveryKey.new().anchor(ada.account, theirs.signing_key)
    with pytest.raises(BundleNotAnchored):
        open_by_recovery(forged, recovery_key, account=ada.account, anchor=made_up)


def test_a_recovery_copy_that_names_another_recovery_key_is_refused(ada: Story) -> None:
    """Else the next change of the account would be sealed to somebody else's."""
    _, _, recovery_key, anchor = parts(ada)
    header = ada.created.update.bundle.header
    plain = holding(ada, recovery_public=RecoveryKey.new().public())._encode()
    info = b"lerix/root-recovery/1" + header.bound(ada.account)
    copy = header.encode() + FixedRandomness("x").seal(recovery_key.public(), info, plain)
    with pytest.raises(BundleNotAnchored):
        open_by_recovery(copy, recovery_key, account=ada.account, anchor=anchor)


def test_a_content_of_another_form_is_refused(ada: Story) -> None:
    _, keys, _, _ = parts(ada)
    changes: dict[str, Any] = {
        "another form": lambda plain: b"\2" + plain[1:],
        "no key at all": lambda plain: plain[:113] + bytes(4) + plain[117:],
        "more keys than fit": lambda plain: plain[:113] + b"\0\0\4\0" + plain[117:],
        "more keys than there may be": lambda plain: plain[:113] + b"\0\0\4\1" + bytes(40 * 1024),
        "padding that is none": lambda plain: plain[:-1] + b"\1",
        "padding for two": lambda plain: plain + bytes(4096),
        "padding cut": lambda plain: plain[:-1],
        "a recovery key of small order": lambda plain: plain[:41] + bytes(32) + plain[73:],
        "nothing": lambda plain: b"",
    }
    for name, change in changes.items():
        with pytest.raises(BundleError):
            print(name, open_by_password(with_plain(ada, change), keys, account=ada.account))
    assert open_by_password(with_plain(ada, bytes), keys, account=ada.account) == ada.created.after.bundle

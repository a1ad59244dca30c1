"""An answer is lost, and whatever is asked after that is refused: what was sent may hold, and is not called undone."""

from __future__ import annotations

import pytest

from relay.account.errors import Unsettled
from relay.account.refusals import TicketEnded
from relay.api import Problem
from tests.relay.account.far_broker import CODE, Asked, FarBroker, No
from tests.relay.account.macs import EMAIL, Mac, create, typed
from tests.relay.account.test_interrupted import (
    FRESH,
    OLD,
    REFUSED,
    Act,
    account_elsewhere,
    do_change,
    do_delete,
    do_everywhere,
    do_rename,
    do_revoke,
    state_of,
    two,
)


def refusing_after(far: FarBroker, name: str, problem: Problem) -> None:
    """The broker carries out that request without an answer, and from then on refuses everything."""
    done: list[Asked] = []

    def lose(asked: Asked) -> str | None:
        if asked.name == name and not done:
            done.append(asked)
            return "lost after"
        return None

    def refuse(asked: Asked) -> No | None:
        return No(REFUSED[problem], problem) if done and asked is not done[0] else None

    far.fail, far.refuse = lose, refuse


def answering(far: FarBroker) -> None:
    far.fail, far.refuse = lambda asked: None, lambda asked: None


@pytest.mark.parametrize("problem", REFUSED)
async def test_a_creation_that_was_taken_unheard_keeps_its_keys_however_often_it_is_refused(
    mac: Mac, far: FarBroker, problem: Problem
) -> None:
    pending = await mac.account.start_creation(EMAIL, OLD, mac.name)
    pending = await mac.account.enter_code(pending.id, CODE)
    refusing_after(far, "POST accounts", problem)
    for _ in range(3):
        with pytest.raises(Unsettled):
            await mac.account.finish_creation(pending.id, typed(pending))
        assert mac.account.view.unsettled
    answering(far)
    await mac.account.refresh()
    assert (mac.account.view.signed_in, mac.account.view.unsettled) == (True, False)
    await mac.account.finish_creation(pending.id, typed(pending))
    assert len(far.accounts[EMAIL].devices) == 1


@pytest.mark.parametrize("problem", REFUSED)
async def test_a_sign_in_that_was_taken_unheard_keeps_its_keys(
    mac: Mac, other: Mac, far: FarBroker, problem: Problem
) -> None:
    await account_elsewhere(mac, other)
    refusing_after(far, "POST update", problem)
    with pytest.raises(Unsettled):
        await mac.account.sign_in(EMAIL, OLD, mac.name)
    assert mac.account.view.unsettled
    answering(far)
    await mac.account.sign_in(EMAIL, OLD, mac.name)
    assert mac.account.view.signed_in
    assert len(far.accounts[EMAIL].devices) == 2


@pytest.mark.parametrize("problem", REFUSED)
@pytest.mark.parametrize("act", [do_change, do_delete, do_revoke, do_everywhere, do_rename])
async def test_a_change_that_was_taken_unheard_is_not_called_undone(
    mac: Mac, other: Mac, far: FarBroker, act: Act, problem: Problem
) -> None:
    await two(mac, other)
    await mac.account.refresh()
    before = state_of(far)
    names: dict[Act, str] = {do_delete: "DELETE account", do_rename: "PUT devices"}
    name = names.get(act, "POST update")
    refusing_after(far, name, problem)
    with pytest.raises(Unsettled):
        await act(mac)
    assert state_of(far) != before


@pytest.mark.parametrize("problem", REFUSED)
@pytest.mark.parametrize("rekeying", [False, True])
async def test_a_recovery_key_that_counts_unheard_is_not_called_void(
    mac: Mac, far: FarBroker, rekeying: bool, problem: Problem
) -> None:
    await create(mac)
    account = mac.account
    here = [device.id for device in account.view.devices]
    pending = await (account.rekey(OLD, FRESH, here) if rekeying else account.start_recovery_key(OLD))
    finish = account.finish_rekey if rekeying else account.finish_recovery_key
    refusing_after(far, "POST update", problem)
    for _ in range(2):
        with pytest.raises(Unsettled):
            await finish(pending.id, typed(pending))
    answering(far)
    # The next click learns that it was taken; it must not say that the key just copied is to be thrown away.
    await finish(pending.id, typed(pending))
    await account.refresh()
    assert account.view.problem is None
    await account.sign_out()
    assert pending.recovery_key is not None
    recovery = await account.start_recovery(EMAIL)
    await account.enter_code(recovery.id, CODE)
    await account.open_recovery(recovery.id, pending.recovery_key)


@pytest.mark.parametrize("problem", REFUSED)
async def test_an_erasure_that_was_done_unheard_is_not_called_undone(
    mac: Mac, other: Mac, far: FarBroker, problem: Problem
) -> None:
    await account_elsewhere(mac, other)
    pending = await mac.account.start_erasure(EMAIL)
    pending = await mac.account.enter_code(pending.id, CODE)
    refusing_after(far, "POST erase", problem)
    for _ in range(2):
        with pytest.raises(Unsettled):
            await mac.account.finish_erasure(pending.id)
    assert EMAIL not in far.accounts
    answering(far)
    await mac.account.finish_erasure(pending.id)
    assert mac.account.pending(pending.id) is None


async def test_an_unsent_try_after_a_lost_answer_says_nothing_of_what_was_done(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    lost: list[Asked] = []

    def fail(asked: Asked) -> str | None:
        if lost:
            return "unsent"
        if asked.name == "DELETE account":
            lost.append(asked)
            return "lost after"
        return None

    far.fail = fail
    with pytest.raises(Unsettled):
        await mac.account.delete(OLD)
    assert not far.accounts


async def test_a_token_that_ended_by_itself_is_no_proof_of_a_deletion(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    lost: list[Asked] = []

    def fail(asked: Asked) -> str | None:
        if asked.name == "DELETE account" and not lost:
            lost.append(asked)
            far.tokens.clear()
            return "lost before"
        return None

    far.fail = fail
    await mac.account.delete(OLD)
    assert not far.accounts
    assert not mac.account.view.signed_in


async def test_a_password_that_another_device_changed_meanwhile_proves_nothing_of_a_join(
    mac: Mac, other: Mac, far: FarBroker
) -> None:
    await account_elsewhere(mac, other)
    lost: list[Asked] = []

    def fail(asked: Asked) -> str | None:
        if asked.name != "POST update":
            return None
        if not lost:
            lost.append(asked)
            return "lost after"
        far.accounts[EMAIL].auth = bytes(32)
        far.tokens.clear()
        return None

    far.fail = fail
    with pytest.raises(Unsettled):
        await mac.account.sign_in(EMAIL, OLD, mac.name)
    await mac.account.refresh()
    assert mac.account.view.signed_in


async def test_a_creation_that_was_never_taken_is_told_once_that_is_proved(mac: Mac, far: FarBroker) -> None:
    pending = await mac.account.start_creation(EMAIL, OLD, mac.name)
    pending = await mac.account.enter_code(pending.id, CODE)
    far.fail = lambda asked: "lost before" if asked.name == "POST accounts" else None
    with pytest.raises(Unsettled):
        await mac.account.finish_creation(pending.id, typed(pending))
    answering(far)
    far.tickets.clear()
    with pytest.raises(Unsettled):
        await mac.account.finish_creation(pending.id, typed(pending))
    await mac.account.refresh()
    assert not mac.account.view.unsettled
    with pytest.raises(TicketEnded):
        await mac.account.finish_creation(pending.id, typed(pending))
    assert not mac.account.view.unsettled
    assert not list(mac.folder.glob("sealing-*"))

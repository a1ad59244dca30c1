"""New signing keys, compared by their digits: only the key whose digits a person has compared is ever trusted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connections.secrets import Secret
from relay.account.errors import CodesChanged, CodesDiffer, KeysRefused
from relay.account.keys.errors import SigningKeyChanged
from tests.relay.account.far_broker import FarBroker
from tests.relay.account.macs import EMAIL, NEW, PASSWORD, Mac, both, typed

OLD, FRESH = Secret(PASSWORD), Secret(NEW)


async def honest_and_forked(mac: Mac, other: Mac, far: FarBroker) -> tuple[str, str]:
    """One renews all keys, and `other` is shown that; then the broker serves what a thief made of the old account.

    Returns the digits of both.
    """
    await both(mac, other)
    kept = far.accounts[EMAIL]
    stolen = replace(
        kept, log=[*kept.log], devices={**kept.devices}, keys={**kept.keys}, revoked={*kept.revoked}
    )
    honest = await renewed(mac, [device.id for device in mac.account.view.devices])
    await mac.leave()
    await other.come()
    await other.account.refresh()
    assert other.account.view.digits == honest
    await other.leave()
    far.accounts[EMAIL] = stolen
    thief = Mac(mac.folder.parent / "thief", far, name="Thief")
    await thief.account.sign_in(EMAIL, OLD, thief.name)
    forked = await renewed(thief, [device.id for device in thief.account.view.devices])
    await thief.leave()
    await other.come()
    assert forked != honest
    return honest, forked


async def renewed(mac: Mac, keep: list[bytes]) -> str:
    pending = await mac.account.rekey(OLD, FRESH, keep)
    await mac.account.finish_rekey(pending.id, typed(pending))
    assert pending.digits is not None
    return pending.digits


@pytest.mark.parametrize("equal", [True, False])
async def test_a_key_that_came_after_the_digits_were_shown_is_not_trusted(
    mac: Mac, other: Mac, far: FarBroker, equal: bool
) -> None:
    honest, forked = await honest_and_forked(mac, other, far)
    await other.account.refresh()
    assert other.account.view.digits == forked
    keys = (await other.account._desk.member()).keys
    with pytest.raises(CodesChanged):
        await other.account.trust(equal, honest)
    await still_asked(other, forked)
    assert (await other.account._desk.member()).keys == keys
    # The code shown now can be refused, and then nothing of it is used.
    await other.account.trust(False, forked)
    assert isinstance(other.account.view.problem, CodesDiffer)


async def still_asked(mac: Mac, digits: str) -> None:
    """Its page shows these digits, also after a restart, and nothing is trusted."""
    for _ in range(2):
        view = mac.account.view
        assert (view.digits, view.signed_in) == (digits, True)
        assert isinstance(view.problem, KeysRefused)
        assert isinstance(view.problem.cause, SigningKeyChanged)
        await mac.restart()
        await mac.account.refresh()


async def test_a_key_that_nobody_has_compared_is_not_trusted_in_place_of_one_that_was(
    mac: Mac, other: Mac, far: FarBroker
) -> None:
    honest, forked = await honest_and_forked(mac, other, far)
    # The broker brings the other log only when the answer is given.
    with pytest.raises(KeysRefused) as refused:
        await other.account.trust(True, honest)
    assert refused.value.code == "log-forged"
    await other.account.refresh()
    await still_asked(other, forked)


async def test_a_second_renewal_under_the_first_ones_digits_is_asked_about_anew(mac: Mac, other: Mac) -> None:
    await both(mac, other)
    first = await renewed(mac, [device.id for device in mac.account.view.devices])
    await mac.leave()
    await other.come()
    await other.account.refresh()
    assert other.account.view.digits == first
    await other.leave()
    await mac.come()
    pending = await mac.account.rekey(FRESH, OLD, [device.id for device in mac.account.view.devices])
    await mac.account.finish_rekey(pending.id, typed(pending))
    await mac.leave()
    await other.come()
    with pytest.raises(CodesChanged):
        await other.account.trust(True, first)
    assert pending.digits is not None
    await still_asked(other, pending.digits)
    await other.account.trust(True, pending.digits)
    await other.account.refresh()
    after = other.account.view
    assert (after.digits, after.problem) == (None, None)


@pytest.mark.parametrize("digits", ["", "0", "12345 " * 6])
async def test_nothing_is_trusted_without_its_digits(mac: Mac, other: Mac, digits: str) -> None:
    await both(mac, other)
    await renewed(mac, [device.id for device in mac.account.view.devices])
    await mac.leave()
    await other.come()
    await other.account.refresh()
    shown = other.account.view.digits
    with pytest.raises(CodesChanged):
        await other.account.trust(True, digits)
    assert other.account.view.digits == shown
    assert shown is not None
    await other.account.trust(True, shown)
    assert (other.account.view.digits, other.account.view.problem) == (None, None)

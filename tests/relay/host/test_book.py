"""What a host knows of its account comes from the log that it verified, and from nothing else."""

from dataclasses import replace

import pytest

from relay.account.keys import flows
from relay.account.keys.device import DeviceKeys, Role
from relay.account.keys.errors import DeviceRevoked, KeyNotOpened, LogRuleBroken
from relay.account.keys.flows import Unlocked
from relay.account.vault import Keys
from relay.host.book import MemberBook
from relay.member import Member
from relay.protocol.route import Log
from tests.relay.keys.conftest import ada as _ada
from tests.relay.keys.story import Story

ada = _ada


def member(device: DeviceKeys, after: Unlocked) -> Member:
    return Member("https://broker.example", after.account, Keys(device, after.workspace, after.known), after.log)


def test_devices_that_may_be_remotes_have_a_key_and_others_none(ada: Story) -> None:
    mac, phone, tablet = ada.created.device, ada.phone.device, ada.tablet.device
    book = MemberBook(member(mac, ada.tablet.after))
    assert book.key_of(phone.id) == phone.public.agreement
    assert book.key_of(tablet.id) == tablet.public.agreement
    assert book.key_of(mac.id) is None
    assert book.key_of(bytes(16)) is None
    book.take(member(mac, ada.revoked.after))
    assert book.key_of(tablet.id) is None
    assert book.unwelcome == {mac.id, tablet.id}
    assert book.epoch == 1


def test_a_host_only_is_no_remote(ada: Story) -> None:
    host = flows.add_device(ada.phone.after, "Mini", Role.HOST)
    assert MemberBook(member(ada.created.device, host.after)).key_of(host.device.id) is None


def test_both_ends_of_an_epoch_have_the_same_secret_and_another_epoch_another_one(ada: Story) -> None:
    before = MemberBook(member(ada.created.device, ada.tablet.after))
    after = MemberBook(member(ada.created.device, ada.revoked.after))
    assert before.psk == member(ada.tablet.device, ada.tablet.after).psk
    assert after.psk == member(ada.phone.device, ada.revoked.after).psk
    assert before.psk != after.psk


def test_logs_agree_where_the_one_is_the_beginning_of_the_other(ada: Story) -> None:
    book = MemberBook(member(ada.created.device, ada.tablet.after))
    log = ada.tablet.after.log
    for n, head in enumerate(log.heads):
        assert book.agrees(Log(n, head)) is True
        assert book.agrees(Log(n, bytes(32))) is False
    assert book.agrees(Log(log.n + 1, bytes(32))) is None
    assert book.log == Log(log.n, log.head)


def test_somebody_who_is_no_member_has_no_book(ada: Story) -> None:
    mac, after = ada.created.device, ada.revoked.after
    with pytest.raises(DeviceRevoked):
        MemberBook(member(ada.tablet.device, after))
    with pytest.raises(LogRuleBroken):
        MemberBook(member(ada.phone.device, after))  # a remote only
    with pytest.raises(LogRuleBroken):
        MemberBook(member(replace(ada.phone.device, id=mac.id), after))
    with pytest.raises(LogRuleBroken):
        MemberBook(replace(member(mac, after), account=bytes(16)))
    old = ada.tablet.after
    with pytest.raises(KeyNotOpened):
        MemberBook(replace(member(mac, after), keys=Keys(mac, old.workspace, old.known)))


def test_a_book_is_not_given_to_somebody_else(ada: Story) -> None:
    book = MemberBook(member(ada.created.device, ada.phone.after))
    host = flows.add_device(ada.phone.after, "Mini", Role.HOST)
    with pytest.raises(ValueError, match="one device"):
        book.take(member(host.device, host.after))


def test_it_asks_for_the_newer_log_where_it_is_told_to(ada: Story) -> None:
    rung: list[bool] = []
    MemberBook(member(ada.created.device, ada.phone.after), lambda: rung.append(True)).look_again()
    assert rung == [True]


def test_no_key_is_shown(ada: Story) -> None:
    made = member(ada.created.device, ada.phone.after)
    for text in (repr(made), repr(MemberBook(made))):
        assert made.psk.hex() not in text
        assert "agreement" not in text

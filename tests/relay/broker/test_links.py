"""The meeting place at a real broker: who is let in over a real socket, and who has to leave."""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from relay.account.keys import flows
from relay.account.keys.device import DeviceKeys, Role
from relay.broker.rendezvous import AUTH_SECONDS
from relay.protocol import link as wire
from relay.protocol.link import PATH, Code, Message, Type
from tests.relay.broker.desk import Desk, Person, new_network, until
from tests.serving import PUBLIC, SLACK
from tests.web.websocket import CLOSE, Client


def proved(
    person: Person,
    keys: DeviceKeys,
    role: Role = Role.HOST,
    host: str = "localhost",
    headers: Mapping[str, str] | None = None,
) -> Client:
    """A socket whose device has proved itself; what the broker says next is up to the broker."""
    client = Client(person.desk.broker.port, PATH, headers)
    assert client.status == 101
    nonce = wire.decode(client.receive()).payload
    proof = keys.prove(nonce=nonce, account=person.account, role=role, host=host)
    client.send(Message(Type.AUTH, 0, person.account + keys.id + bytes((int(role),)) + proof).encode())
    return client


def joined(person: Person, keys: DeviceKeys, role: Role = Role.HOST) -> Client:
    client = proved(person, keys, role)
    assert wire.decode(client.receive()).type is Type.READY
    return client


def heard(client: Client) -> Message:
    """What comes next, but for who is on line."""
    while (message := wire.decode(client.receive())).type is Type.EVENT:
        pass
    return message


def pro(desk: Desk) -> Person:
    person = desk.create()
    desk.broker.sql("UPDATE broker_account SET plan_id = 'pro' WHERE id = ?", person.account.hex())
    return person


def test_two_devices_of_an_account_reach_each_other(desk: Desk) -> None:
    person = pro(desk)
    phone = person.join().device
    with joined(person, person.device) as host, joined(person, phone, Role.REMOTE) as remote:
        remote.send(Message(Type.OPEN, 1, person.device.id + bytes(4)).encode())
        assert wire.decode(host.receive()) == Message(Type.INCOMING, 1, phone.id + bytes(4))
        assert heard(remote).type is Type.OPENED
        remote.send(Message(Type.DATA, 1, b"sealed by the devices" * 1000).encode())
        assert wire.decode(host.receive()) == Message(Type.DATA, 1, b"sealed by the devices" * 1000)


def test_another_accounts_host_is_not_there(desk: Desk) -> None:
    mine, theirs = pro(desk), pro(desk)
    with joined(theirs, theirs.device), joined(mine, mine.device, Role.REMOTE) as remote:
        remote.send(Message(Type.OPEN, 1, theirs.device.id + bytes(4)).encode())
        assert wire.read_close(heard(remote).payload)[0] == Code.NO_HOST


@pytest.mark.parametrize(
    ("who", "host", "code"),
    [("stranger", "localhost", Code.REFUSED), ("device", "elsewhere.example", Code.REFUSED)],
)
def test_who_cannot_prove_to_belong_to_the_account_is_refused(desk: Desk, who: str, host: str, code: Code) -> None:
    person = pro(desk)
    keys = person.device if who == "device" else DeviceKeys.new()
    with proved(person, keys, host=host) as client:
        assert client.close_code() == code


def test_a_free_account_has_no_relay(desk: Desk) -> None:
    person = desk.create()
    with proved(person, person.device) as client:
        assert client.close_code() == Code.NO_PLAN


def removed(desk: Desk, person: Person, phone: DeviceKeys) -> None:
    token, before = person.unlock()
    assert desk.update(flows.revoke_devices(before, [phone.id]).update, token).status_code == 200


def signed_out(desk: Desk, person: Person, phone: DeviceKeys) -> None:
    assert desk.post("sign-out", token=desk.session(person.account, phone)).status_code == 204


def plan_ended(desk: Desk, person: Person, phone: DeviceKeys) -> None:
    desk.broker.sql("UPDATE broker_account SET plan_until = '2020-01-01' WHERE id = ?", person.account.hex())


def deleted(desk: Desk, person: Person, phone: DeviceKeys) -> None:
    token, _ = person.unlock()
    assert desk.ask("DELETE", "account", token=token).status_code == 204


@pytest.mark.parametrize(
    ("happens", "code"),
    [
        (removed, Code.REVOKED),
        (signed_out, Code.REFUSED),
        (plan_ended, Code.NO_PLAN),
        (deleted, Code.REVOKED),
    ],
)
def test_a_device_that_may_not_be_there_any_more_is_shown_out_within_two_seconds(
    desk: Desk, happens: Callable[[Desk, Person, DeviceKeys], None], code: Code
) -> None:
    person = pro(desk)
    phone = person.join().device
    with joined(person, phone, Role.REMOTE) as client:
        happens(desk, person, phone)
        begun = time.monotonic()
        assert client.close_code() == code
        assert time.monotonic() - begun < 2 + SLACK
    with proved(person, phone, Role.REMOTE) as again:
        assert again.close_code() in {Code.REVOKED, Code.REFUSED, Code.NO_PLAN}


def test_a_message_of_32_769_bytes_gets_its_own_code(desk: Desk) -> None:
    person = pro(desk)
    with joined(person, person.device) as client:
        client.send(b"\x20\0\0\0\0\1" + bytes(32_763))
        assert client.close_code() == Code.MALFORMED


def test_a_page_of_another_site_gets_no_socket(desk: Desk) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
        with Client(desk.broker.port, PATH, headers) as client:
            assert client.status != 101
    with Client(desk.broker.port, PATH, {"Origin": f"http://localhost:{desk.broker.port}"}) as client:
        assert client.status == 101


def test_what_became_of_a_device_is_told_to_itself_only(desk: Desk) -> None:
    person = pro(desk)
    phone = person.join().device
    removed(desk, person, phone)
    with proved(person, replace(DeviceKeys.new(), id=phone.id)) as forged:
        assert forged.close_code() == Code.REFUSED
    with proved(person, phone) as itself:
        assert itself.close_code() == Code.REVOKED


def test_a_dot_at_the_end_of_the_name_that_was_dialled_changes_nothing(desk: Desk) -> None:
    person = pro(desk)
    with proved(person, person.device, headers={"Host": f"LOCALHOST.:{desk.broker.port}"}) as client:
        assert wire.decode(client.receive()).type is Type.READY


def test_one_network_cannot_take_all_places_of_those_who_have_not_proved_themselves(desk: Desk) -> None:
    def stranger(network: str) -> Client:
        return Client(
            desk.broker.port,
            PATH,
            {"Host": PUBLIC, "X-Forwarded-Proto": "https", "X-Forwarded-For": network},
        )

    with contextlib.ExitStack() as silent:
        mine: list[tuple[float, int]] = []  # when it knocked, and what it was told
        while len(mine) < 200 and 403 not in {status for _, status in mine}:
            knocked = time.monotonic()
            status = silent.enter_context(stranger(desk.network)).status
            # On a slow machine the first are shown out before the last have come.
            here = sum(time.monotonic() - since < AUTH_SECONDS for since, _ in mine)
            assert status == 101 or len(mine) >= 32
            assert status == 403 or here < 32
            mine.append((knocked, status))
        assert mine[-1][1] == 403
        assert silent.enter_context(stranger(new_network())).status == 101

    def is_let_in() -> bool:
        with stranger(desk.network) as again:
            return again.status == 101

    until(is_let_in)


def test_presence_is_written_when_a_device_comes(desk: Desk) -> None:
    person = pro(desk)
    (before,) = desk.broker.sql("SELECT seen FROM broker_device WHERE device = ?", person.device.id.hex())
    with joined(person, person.device):
        (after,) = desk.broker.sql("SELECT seen FROM broker_device WHERE device = ?", person.device.id.hex())
    assert before != after


def test_a_device_that_comes_again_and_again_is_slowed_down_and_others_are_not(desk: Desk) -> None:
    person = pro(desk)
    phone = person.join().device
    codes: list[int | None] = []
    while len(codes) < 200 and Code.TOO_MANY not in codes:  # on a slow machine it may come more often
        with proved(person, phone, Role.REMOTE) as client:
            opcode, content = client._frame()
            codes.append(int.from_bytes(content[:2], "big") if opcode == CLOSE else None)
    assert codes[:15] == [None] * 15
    assert codes[-1] == Code.TOO_MANY
    with joined(person, person.device):
        pass

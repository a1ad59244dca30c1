"""Devices prove their keys, are named, and sign out."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from relay.account.keys.device import DeviceKeys, Role
from relay.account.keys.names import SEALED_NAME
from relay.api import Problem
from relay.api.fields import encode
from relay.api.messages import Session
from tests.relay.broker.desk import Desk, Person, is_refused


def test_a_session_lasts_twelve_hours(desk: Desk) -> None:
    person = desk.create()
    session = Session.from_json(desk.prove(person.account, person.device).json())
    left = session.expires - datetime.now(UTC)
    assert timedelta(hours=11, minutes=59) < left <= timedelta(hours=12)
    desk.broker.sql(
        "UPDATE broker_token SET expires = datetime(expires, '-12 hours') WHERE account_id = ?", person.account.hex()
    )
    assert is_refused(desk.ask("GET", "account", token=session.token), Problem.TOKEN_ENDED, 401)


def test_a_proof_is_taken_once(desk: Desk) -> None:
    person = desk.create()
    nonce = desk.nonce(person.account, person.device)
    assert desk.prove(person.account, person.device, nonce=nonce).status_code == 201
    assert is_refused(
        desk.prove(person.account, person.device, nonce=nonce), Problem.PROOF_REFUSED, 401
    )


def test_a_proof_for_another_broker_role_or_nonce_is_refused(desk: Desk) -> None:
    person, other = desk.create(), desk.create()
    account, device = person.account, person.device
    for answer in (
        desk.prove(account, device, host="broker.example.com"),
        desk.prove(account, device, host="127.0.0.1"),
        desk.prove(account, device, nonce=bytes(32)),
        # Made for somebody else's device.
        desk.prove(account, device, nonce=desk.nonce(other.account, other.device)),
        desk.prove(account, device, nonce=old(desk.nonce(account, device))),
        desk.prove(account, replace(DeviceKeys.new(), id=device.id)),
    ):
        # Not "device-refused", at which a device destroys its keys: a proxy or a clock can bring this about.
        assert is_refused(answer, Problem.PROOF_REFUSED, 401)
    for unknown in (desk.prove(account, replace(device, id=bytes(16))), desk.prove(bytes(16), device)):
        assert is_refused(unknown, Problem.DEVICE_REFUSED, 401)
    assert desk.prove(account, device, role=Role.REMOTE).status_code == 201


def old(nonce: bytes) -> bytes:
    """The same nonce, said to be made two minutes before: its mark does not hold any more."""
    return (int.from_bytes(nonce[:8], "big") - 120).to_bytes(8, "big") + nonce[8:]


def test_the_name_that_a_proof_holds_is_the_one_that_was_dialled(desk: Desk) -> None:
    person = desk.create()
    for dialled, host in (("127.0.0.1", "127.0.0.1"), ("[::1]", "::1"), ("localhost", "localhost")):
        nonce = desk.nonce(person.account, person.device)
        proof = person.device.prove(nonce=nonce, account=person.account, role=Role.HOST, host=host)
        body = {
            "account": encode(person.account),
            "device": encode(person.device.id),
            "nonce": encode(nonce),
            "role": 1,
            "proof": encode(proof),
        }
        headers = {"host": f"{dialled}:{desk.broker.port}"}
        assert desk.ask("POST", "sessions", body, headers=headers).status_code == 201


def test_a_nonce_is_given_for_any_device_and_says_nothing(desk: Desk) -> None:
    person = desk.create()
    known, unknown = (
        desk.post("nonces", {"account": encode(account), "device": encode(person.device.id)})
        for account in (person.account, bytes(16))
    )
    assert known.status_code == unknown.status_code == 200
    assert known.json().keys() == unknown.json().keys()


def test_a_device_that_signed_out_is_listed_so_and_cannot_come_back(desk: Desk) -> None:
    person = desk.create()
    joined = person.join()
    first, second = (desk.session(person.account, joined.device) for _ in range(2))
    assert desk.post("sign-out", token=first).status_code == 204
    for ended in (first, second):
        assert is_refused(desk.ask("GET", "account", token=ended), Problem.TOKEN_ENDED, 401)
        assert is_refused(desk.post("sign-out", token=ended), Problem.TOKEN_ENDED, 401)
    assert is_refused(desk.prove(person.account, joined.device), Problem.DEVICE_REFUSED, 401)
    # Told to the device itself only.
    forged = desk.prove(person.account, replace(DeviceKeys.new(), id=joined.device.id))
    assert is_refused(forged, Problem.PROOF_REFUSED, 401)
    mine, gone = desk.account(person.session()).devices
    assert mine.signed_out is None
    assert gone.signed_out is not None


def rename(desk: Desk, device: bytes, name: bytes, token: str) -> tuple[int, str]:
    answer = desk.ask("PUT", f"devices/{device.hex()}/name", {"name": encode(name)}, token)
    return answer.status_code, answer.json()["error"] if answer.content else ""


def test_a_device_is_renamed_by_any_device_of_its_account(desk: Desk) -> None:
    person = desk.create()
    joined = person.join()
    session = person.session()
    name = b"n" * SEALED_NAME
    assert rename(desk, joined.device.id, name, session) == (204, "")
    assert [device.name for device in desk.account(session).devices] == [None, name]


def test_other_devices_and_other_names_are_refused(desk: Desk) -> None:
    person, other = desk.create(), desk.create()
    session, (unlocked, _) = person.session(), person.unlock()
    name = b"n" * SEALED_NAME
    assert rename(desk, other.device.id, name, session) == (404, Problem.NOT_FOUND)
    assert rename(desk, bytes(16), name, session) == (404, Problem.NOT_FOUND)
    assert rename(desk, person.device.id, name[:-1], session) == (400, Problem.MALFORMED)
    assert rename(desk, person.device.id, name, unlocked) == (401, Problem.TOKEN_ENDED)
    answer = desk.ask("PUT", "devices/nothing/name", {"name": encode(name)}, session)
    assert is_refused(answer, Problem.NOT_FOUND, 404)


def seen(desk: Desk, person: Person) -> str:
    [(text,)] = desk.broker.sql("SELECT seen FROM broker_device WHERE account_id = ?", person.account.hex())
    return str(text)


def test_when_a_device_was_seen_is_written_at_most_once_a_minute(desk: Desk) -> None:
    person = desk.create()
    session = person.session()
    first = seen(desk, person)
    time.sleep(0.01)
    desk.account(session)
    assert seen(desk, person) == first
    desk.broker.sql(
        "UPDATE broker_device SET seen = datetime(seen, '-61 seconds') WHERE account_id = ?", person.account.hex()
    )
    state = desk.account(session)
    assert seen(desk, person) > first
    assert state.devices[0].seen is not None
    assert datetime.now(UTC) - state.devices[0].seen < timedelta(seconds=30)


def test_a_device_has_a_handful_of_sessions_and_the_oldest_makes_room(desk: Desk) -> None:
    person = desk.create()
    sessions = [person.session() for _ in range(6)]
    assert is_refused(desk.ask("GET", "account", token=sessions[0]), Problem.TOKEN_ENDED, 401)
    assert desk.account(sessions[1]).account == desk.account(sessions[5]).account == person.account

"""What is tried too often has to wait, ever longer; but nobody is ever locked out by others."""

import httpx

from relay.api import Problem, Purpose
from relay.api.fields import encode
from tests.relay.broker.desk import Desk, is_refused, new_address


def waits(answer: httpx.Response) -> int:
    """How long an answer says to wait, in its body and its header alike."""
    assert is_refused(answer, Problem.SLOW_DOWN, 429), answer.text
    seconds = answer.json()["retry_after"]
    assert answer.headers["retry-after"] == str(seconds)
    return int(seconds)


def counted(desk: Desk, kind: str, subject: str) -> int:
    [(count,)] = desk.broker.sql("SELECT count FROM broker_counter WHERE kind = ? AND subject = ?", kind, subject)
    return int(count)


def network(desk: Desk) -> str:
    return desk.network.rpartition(".")[0] + ".0/24"


def shift(desk: Desk, email: str, seconds: int) -> None:
    """Let time pass for the counters of an address."""
    desk.broker.sql(
        "UPDATE broker_counter SET since = datetime(since, ?), ends = datetime(ends, ?) WHERE subject LIKE ?",
        f"-{seconds} seconds",
        f"-{seconds} seconds",
        f"{email}%",
    )


def test_after_ten_failures_each_further_one_doubles_the_wait(desk: Desk) -> None:
    person = desk.create()
    for _ in range(10):
        assert is_refused(desk.log_in_wrongly(person.email), Problem.WRONG_LOGIN, 401)
    expected = 1
    for _ in range(11):
        # Not looked at and not counted: the right key has to wait as well.
        assert waits(desk.log_in(person.email)) == expected
        shift(desk, person.email, expected)
        assert is_refused(desk.log_in_wrongly(person.email), Problem.WRONG_LOGIN, 401)
        expected = min(2 * expected, 900)
    assert expected == 900
    assert waits(desk.log_in_wrongly(person.email)) == 900
    shift(desk, person.email, 900)
    assert desk.log_in(person.email).status_code == 200
    # Who came in begins anew.
    assert is_refused(desk.log_in_wrongly(person.email), Problem.WRONG_LOGIN, 401)
    assert counted(desk, "login", f"{person.email} {network(desk)}") == 1


def test_failures_are_forgotten_after_an_hour(desk: Desk) -> None:
    email = new_address()
    for _ in range(10):
        desk.log_in_wrongly(email)
    assert waits(desk.log_in_wrongly(email)) == 1
    shift(desk, email, 3600)
    assert is_refused(desk.log_in_wrongly(email), Problem.WRONG_LOGIN, 401)
    assert counted(desk, "login", f"{email} {network(desk)}") == 1


def test_strangers_make_a_person_wait_half_a_minute_at_most_and_never_take_their_turn(desk: Desk) -> None:
    person = desk.create()
    strangers = [Desk(desk.broker) for _ in range(9)]
    for stranger in strangers:
        for _ in range(5):
            stranger.log_in_wrongly(person.email)
    # From a network of their own, with the right password.
    assert waits(desk.log_in(person.email)) <= 30
    shift_own = f"{person.email} {network(desk)}"
    for stranger in strangers:
        stranger.log_in_wrongly(person.email)  # goes on meanwhile
    desk.broker.sql("UPDATE broker_counter SET since = datetime(since, '-30 seconds') WHERE subject = ?", shift_own)
    assert desk.log_in(person.email).status_code == 200


def test_a_network_fails_a_hundred_times_an_hour_at_whatever_addresses(desk: Desk) -> None:
    desk.broker.sql(
        "INSERT INTO broker_counter (kind, subject, count, since, ends) "
        "VALUES ('login-network', ?, 99, datetime('now'), datetime('now', '+30 minutes'))",
        network(desk),
    )
    assert is_refused(desk.log_in_wrongly(new_address()), Problem.WRONG_LOGIN, 401)
    assert 1700 < waits(desk.log_in_wrongly(new_address())) <= 1800
    neighbour = Desk(desk.broker, desk.network.rpartition(".")[0] + ".250")
    assert waits(neighbour.log_in_wrongly(new_address())) > 1700
    assert is_refused(Desk(desk.broker).log_in_wrongly(new_address()), Problem.WRONG_LOGIN, 401)


def test_a_network_of_ipv6_is_the_first_half_of_an_address(desk: Desk) -> None:
    email = new_address()
    Desk(desk.broker, "2001:db8:1:2:3:4:5:6").log_in_wrongly(email)
    Desk(desk.broker, "2001:db8:1:2:ffff::1").log_in_wrongly(email)
    Desk(desk.broker, "2001:db8:1:3::1").log_in_wrongly(email)
    assert counted(desk, "login", f"{email} 2001:db8:1:2::/64") == 2
    assert counted(desk, "login", f"{email} 2001:db8:1:3::/64") == 1


def test_only_the_last_hop_that_a_proxy_wrote_counts(desk: Desk) -> None:
    email = new_address()
    Desk(desk.broker, f"192.0.2.9, 198.51.100.1, {desk.network}").log_in_wrongly(email)
    assert counted(desk, "login", f"{email} {network(desk)}") == 1
    Desk(desk.broker, "not an address").log_in_wrongly(email)
    assert counted(desk, "login", f"{email} unknown") == 1


def test_one_network_gets_five_codes_an_hour_for_an_address_and_another_still_gets_one(desk: Desk) -> None:
    email = new_address()
    for _ in range(5):
        desk.ticket(email, Purpose.CREATE)
    assert 3500 < waits(desk.post("tickets", {"email": email, "purpose": "recover"})) <= 3600
    assert desk.ticket(new_address(), Purpose.CREATE)
    assert Desk(desk.broker).ticket(email, Purpose.CREATE)


def test_an_address_gets_twenty_mails_an_hour_and_a_network_asks_for_twenty(desk: Desk) -> None:
    email = new_address()
    for number in range(20):
        each = desk if number < 5 else Desk(desk.broker)
        each.ticket(email, Purpose.CREATE)
    assert waits(Desk(desk.broker).post("tickets", {"email": email, "purpose": "create"})) > 3500
    for _ in range(15):
        desk.ticket(new_address(), Purpose.CREATE)
    assert waits(desk.post("tickets", {"email": new_address(), "purpose": "create"})) > 3500


def test_a_device_asks_for_thirty_nonces_a_minute_and_others_are_unaffected(desk: Desk) -> None:
    person, other = desk.create(), desk.create()
    body = {"account": encode(person.account), "device": encode(person.device.id)}
    answers = [desk.post("nonces", body) for _ in range(31)]
    assert [answer.status_code for answer in answers] == [200] * 30 + [429]
    assert waits(answers[-1]) <= 60
    assert desk.prove(other.account, other.device).status_code == 201


def test_unknown_devices_count_for_the_network_that_names_them(desk: Desk) -> None:
    for number in range(30):
        desk.post("nonces", {"account": encode(bytes(16)), "device": encode(bytes([number] * 16))})
    assert waits(desk.post("nonces", {"account": encode(bytes(16)), "device": encode(bytes(16))})) <= 60
    assert counted(desk, "nonces", network(desk)) == 30


def test_recovery_keys_are_guessed_under_the_same_delays(desk: Desk) -> None:
    person = desk.create()
    ticket = desk.confirmed(person.email, Purpose.RECOVER)
    wrong = {"ticket": ticket, "auth": encode(bytes(32))}
    for _ in range(10):
        assert is_refused(desk.post("recover", wrong), Problem.WRONG_RECOVERY, 401)
    assert waits(desk.post("recover", wrong)) == 1
    # The other way in is counted for itself.
    assert desk.log_in(person.email).status_code == 200

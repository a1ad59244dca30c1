"""What is tried too often has to wait, ever longer; but nobody is ever locked out by others."""

from dataclasses import replace

import httpx

from relay.account.keys import flows
from relay.account.keys.device import DeviceKeys
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


def just_failed(desk: Desk, subject: str) -> None:
    """As if the last failure were of this moment: a slow machine may need the first second for the next try alone."""
    own = f"{subject} {network(desk)}"
    desk.broker.sql("UPDATE broker_counter SET since = datetime('now', '+30 seconds') WHERE subject = ?", own)


def left(answer: httpx.Response, wait: int) -> bool:
    """Whether an answer right after `just_failed` says to wait so long."""
    return wait + 10 <= waits(answer) <= wait + 30


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
        just_failed(desk, person.email)
        assert left(desk.log_in(person.email), expected)
        shift(desk, person.email, expected + 30)
        assert is_refused(desk.log_in_wrongly(person.email), Problem.WRONG_LOGIN, 401)
        expected = min(2 * expected, 900)
    assert expected == 900
    assert 880 < waits(desk.log_in_wrongly(person.email)) <= 900
    shift(desk, person.email, 900)
    assert desk.log_in(person.email).status_code == 200
    # Who came in begins anew.
    assert is_refused(desk.log_in_wrongly(person.email), Problem.WRONG_LOGIN, 401)
    assert counted(desk, "login", f"{person.email} {network(desk)}") == 1


def test_failures_are_forgotten_after_an_hour(desk: Desk) -> None:
    email = new_address()
    for _ in range(10):
        desk.log_in_wrongly(email)
    just_failed(desk, email)
    assert left(desk.log_in_wrongly(email), 1)
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
    assert 3500 < waits(desk.post("tickets", {"email": email, "purpose": "create"})) <= 3600
    # Each purpose counts for itself.
    assert desk.ticket(email, Purpose.RECOVER)
    assert desk.ticket(new_address(), Purpose.CREATE)
    assert Desk(desk.broker).ticket(email, Purpose.CREATE)


def test_a_network_asks_for_twenty_codes_an_hour(desk: Desk) -> None:
    for _ in range(20):
        desk.ticket(new_address(), Purpose.CREATE)
    assert waits(desk.post("tickets", {"email": new_address(), "purpose": "create"})) > 3500


def test_strangers_cannot_use_up_the_codes_of_an_address(desk: Desk) -> None:
    email = new_address()
    strangers = [Desk(desk.broker) for _ in range(4)]
    for stranger in strangers:
        for _ in range(5):
            stranger.ticket(email, Purpose.RECOVER)
    # The address has had its twenty mails. Whoever asks for the first time, or the second, gets one all the same.
    for _ in range(2):
        assert desk.ticket(email, Purpose.RECOVER)
    assert waits(desk.post("tickets", {"email": email, "purpose": "recover"})) > 3500
    for _ in range(5):
        assert desk.ticket(email, Purpose.CREATE)


def preset(desk: Desk, kind: str, subject: str, count: int) -> None:
    """As if so much had been counted in the last minute."""
    desk.broker.sql(
        "INSERT INTO broker_counter (kind, subject, count, since, ends) "
        "VALUES (?, ?, ?, datetime('now', '-1 minute'), datetime('now', '+30 minutes'))",
        kind,
        subject,
        count,
    )


def test_wrong_codes_make_a_network_wait_whatever_the_ticket(desk: Desk) -> None:
    email = new_address()
    wrong = 0
    for _ in range(2):
        ticket = desk.ticket(email, Purpose.CREATE)
        for _ in range(5):
            assert is_refused(enter(desk, ticket), Problem.WRONG_CODE, 401)
            wrong += 1
    assert wrong == counted(desk, "code-create", f"{email} {network(desk)}") == 10
    ticket = desk.ticket(email, Purpose.CREATE)
    just_failed(desk, email)
    assert left(enter(desk, ticket), 1)
    # Others, and other purposes, have turns of their own.
    assert is_refused(enter(desk, desk.ticket(email, Purpose.RECOVER)), Problem.WRONG_CODE, 401)
    other = Desk(desk.broker)
    right = other.broker.code_to(email, 3)
    assert other.post("confirm", {"ticket": ticket, "code": right}).status_code == 204


def enter(desk: Desk, ticket: str, code: str = "00000000") -> httpx.Response:
    return desk.post("confirm", {"ticket": ticket, "code": code})


def test_an_address_takes_three_hundred_wrong_codes_an_hour_from_anywhere(desk: Desk) -> None:
    email = new_address()
    ticket = desk.ticket(email, Purpose.ERASE)
    preset(desk, "code-erase-address", email, 299)
    # A turn of one's own, as with log-ins, until there were too many: eight digits are few.
    assert waits(enter(desk, ticket)) <= 30
    own = f"{email} {network(desk)}"
    desk.broker.sql("UPDATE broker_counter SET since = datetime(since, '-30 seconds') WHERE subject = ?", own)
    assert is_refused(enter(desk, ticket), Problem.WRONG_CODE, 401)
    assert waits(enter(Desk(desk.broker), ticket)) > 3500


def test_codes_for_tickets_that_are_none_are_counted(desk: Desk) -> None:
    for _ in range(30):
        assert is_refused(enter(desk, "A" * 43), Problem.WRONG_CODE, 401)
    assert waits(enter(desk, "A" * 43)) > 3500


def test_a_network_that_has_to_wait_leaves_no_rows_behind(desk: Desk) -> None:
    preset(desk, "login-network", network(desk), 100)
    emails = [new_address() for _ in range(5)]
    for email in emails:
        assert waits(desk.log_in_wrongly(email)) > 1700
        assert desk.broker.sql("SELECT * FROM broker_counter WHERE subject LIKE ?", f"{email}%") == []


def test_right_log_ins_are_limited_too_since_each_is_written_down(desk: Desk) -> None:
    person = desk.create()
    preset(desk, "opened", f"{person.email} {network(desk)}", 59)
    assert desk.log_in(person.email).status_code == 200
    assert waits(desk.log_in(person.email)) > 1700
    logged = desk.broker.sql(
        "SELECT count(*) FROM broker_auditentry WHERE kind = 'login' AND account = ?", person.account.hex()
    )
    assert logged == [(1,)]
    # It was the right one, and from elsewhere it still is.
    assert Desk(desk.broker).log_in(person.email).status_code == 200


def test_updates_are_limited_by_the_hour_since_each_is_written_down(desk: Desk) -> None:
    person = desk.create()
    token, before = person.unlock()
    preset(desk, "updates-hour", person.email, 200)
    assert waits(desk.update(flows.renew_recovery_key(before).update, token)) > 1700


def test_a_network_asks_for_sixty_salts_a_minute(desk: Desk) -> None:
    preset(desk, "prelogins", network(desk), 59)
    assert desk.post("prelogin", {"email": new_address()}).status_code == 200
    assert waits(desk.post("prelogin", {"email": new_address()})) > 1700
    assert Desk(desk.broker).post("prelogin", {"email": new_address()}).status_code == 200


def test_who_knows_a_devices_id_cannot_use_up_what_it_gets(desk: Desk) -> None:
    person = desk.create()
    stranger = Desk(desk.broker)
    for _ in range(31):
        stranger.post("nonces", {"account": encode(person.account), "device": encode(person.device.id)})
    forged = replace(DeviceKeys.new(), id=person.device.id)
    nonce = desk.nonce(person.account, person.device)
    for _ in range(31):
        junk = stranger.prove(person.account, forged, nonce=nonce)
        assert is_refused(junk, Problem.PROOF_REFUSED, 401)
    assert desk.prove(person.account, person.device, nonce=nonce).status_code == 201


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
    just_failed(desk, person.email)
    assert left(desk.post("recover", wrong), 1)
    # The other way in is counted for itself.
    assert desk.log_in(person.email).status_code == 200

"""Prelogin, log-in and recovery: who has the key comes in, and nobody learns who has an account."""

import httpx
import pytest

from connections.secrets import Secret
from relay.account.keys import flows, suites
from relay.account.keys.recovery import RecoveryKey
from relay.api import Problem, Purpose
from relay.api.fields import encode
from relay.api.messages import Prelogin
from relay.api.states import Opened
from tests.relay.broker.desk import NEW_PASSWORD, Desk, is_refused, new_address


def shape(answer: httpx.Response) -> object:
    """All that a stranger sees of an answer but its values: status, headers, names and lengths."""
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    body = answer.json() if answer.content else None
    values = {name: (type(value), len(str(value))) for name, value in body.items()} if body else body
    return answer.status_code, headers, values


def test_prelogin_answers_an_unknown_address_like_a_known_one_and_always_the_same(desk: Desk) -> None:
    unknown = new_address()
    first, second, other = (
        Prelogin.from_json(desk.post("prelogin", {"email": email}).json())
        for email in (unknown, unknown, new_address())
    )
    assert first == second
    assert first.salt != other.salt
    assert len(first.salt) == 16
    # What the broker gives is what every Lerix stretches new passwords with; tests have a cheaper suite.
    assert first.suite == next(number for number in suites.SUITES if number < 250)


def test_the_salt_of_an_unknown_address_says_nothing_about_the_account_that_comes(desk: Desk) -> None:
    email = new_address()
    before = Prelogin.from_json(desk.post("prelogin", {"email": email}).json())
    desk.create(email)
    after = Prelogin.from_json(desk.post("prelogin", {"email": email}).json())
    assert before.salt != after.salt


def test_a_wrong_password_and_an_unknown_address_look_alike(desk: Desk) -> None:
    person = desk.create()
    known, unknown = desk.log_in_wrongly(person.email), desk.log_in_wrongly(new_address())
    assert is_refused(known, Problem.WRONG_LOGIN, 401)
    assert shape(known) == shape(unknown)


def test_asking_for_a_code_looks_alike_for_every_address(desk: Desk) -> None:
    person = desk.create()
    for purpose in Purpose:
        known, unknown = (
            desk.post("tickets", {"email": email, "purpose": purpose.value}) for email in (person.email, new_address())
        )
        assert known.status_code == 202
        assert shape(known) == shape(unknown)
        wrong = [desk.post("confirm", {**answer.json(), "code": "00000000"}) for answer in (known, unknown)]
        assert is_refused(wrong[0], Problem.WRONG_CODE, 401)
        assert shape(wrong[0]) == shape(wrong[1])


def test_what_is_left_behind_by_a_stranger_is_alike_for_every_address(desk: Desk) -> None:
    """The same rows are written, so nothing takes longer for one of them."""
    person = desk.create()
    written = []
    for email in (person.email, new_address()):
        mine = Desk(desk.broker)
        desk.broker.forget_limits()
        tables = ("counter", "auditentry", "ticket", "token", "device", "logentry", "account")
        before = [mine.broker.sql(f"SELECT count(*) FROM broker_{table}") for table in tables]
        mine.log_in_wrongly(email)
        mine.ticket(email, Purpose.RECOVER)
        mine.ticket(email, Purpose.CREATE)
        after = [mine.broker.sql(f"SELECT count(*) FROM broker_{table}") for table in tables]
        written.append([now[0][0] - then[0][0] for now, then in zip(after, before, strict=True)])
    # Counters: of the network for log-ins and for codes; of pair and of address for the log-in and each purpose.
    assert written == [[8, 1, 2, 0, 0, 0, 0]] * 2


def test_recovery_needs_the_code_and_the_key(desk: Desk) -> None:
    person = desk.create()
    key = person.created.recovery_key
    assert is_refused(person.recover(desk.ticket(person.email, Purpose.RECOVER), key), Problem.TICKET_ENDED, 401)
    ticket = desk.confirmed(person.email, Purpose.RECOVER)
    assert is_refused(person.recover(ticket, RecoveryKey.new()), Problem.WRONG_RECOVERY, 401)
    answer = person.recover(ticket, key)
    assert answer.status_code == 200, answer.text
    opened = Opened.from_json(answer.json())
    assert opened.anchor is not None
    before = flows.recover(opened.copy, opened.entries, key, account=person.account, anchor=opened.anchor)
    changed = flows.change_password(before, person.email, Secret(NEW_PASSWORD))
    assert desk.update(changed.update, opened.unlock).status_code == 200
    assert person.unlock(NEW_PASSWORD)[1].log.n == 2
    # The way in was used; another mail is needed for the next time.
    assert is_refused(person.recover(ticket, key), Problem.TICKET_ENDED, 401)


def test_a_new_recovery_key_replaces_the_old_one(desk: Desk) -> None:
    person = desk.create()
    token, before = person.unlock()
    renewed = flows.renew_recovery_key(before)
    assert desk.update(renewed.update, token).status_code == 200
    ticket = desk.confirmed(person.email, Purpose.RECOVER)
    assert is_refused(person.recover(ticket, person.created.recovery_key), Problem.WRONG_RECOVERY, 401)
    assert person.recover(ticket, renewed.recovery_key).status_code == 200


def test_the_log_in_answer_holds_the_copy_for_the_password_and_no_anchor(desk: Desk) -> None:
    person = desk.create()
    opened = Opened.from_json(desk.log_in(person.email).json())
    assert opened.copy == person.created.update.bundle.by_password
    assert opened.anchor is None
    assert opened.entries == person.created.update.entries


@pytest.mark.parametrize(
    "email",
    [
        *("Ada@example.com", " ada@example.com", "ada", "ada@exämple.com", "", "a" * 300),
        # What mail programs read as a list, a comment, a quotation or another address.
        *("a,@example.com", "a;@example.com", "a(b)@example.com", 'a"b@example.com', "<a@example.com"),
    ],
)
def test_an_address_in_another_spelling_is_malformed(desk: Desk, email: str) -> None:
    bodies = {
        "prelogin": {"email": email},
        "login": {"email": email, "auth": encode(bytes(32))},
        "tickets": {"email": email, "purpose": "create"},
    }
    for path, body in bodies.items():
        assert is_refused(desk.post(path, body), Problem.MALFORMED, 400)

"""Codes by e-mail: five tries, a quarter of an hour, and no account found out by them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.api import Problem, Purpose
from tests.relay.broker.desk import Desk, is_refused, new_address, until
from tests.serving import BrokerProcess


@pytest.mark.parametrize(
    ("purpose", "known", "words"),
    [
        (Purpose.CREATE, False, "is your code to create a Lerix account"),
        (Purpose.CREATE, True, "There already is one"),
        (Purpose.RECOVER, True, "is your code to recover your Lerix account"),
        (Purpose.RECOVER, False, "There is none"),
        (Purpose.ERASE, True, "is your code to erase your Lerix account"),
        (Purpose.ERASE, False, "There is none"),
    ],
)
def test_the_mail_alone_says_whether_there_is_an_account(
    desk: Desk, purpose: Purpose, known: bool, words: str
) -> None:
    email = desk.create().email if known else new_address()
    before = len(desk.broker.mails_to(email))
    desk.ticket(email, purpose)
    mail = desk.broker.mail_to(email, before + 1).replace("\n", " ")
    assert words in mail
    assert ("is your code" in mail) == ("is your code" in words)


def test_where_there_is_nothing_to_do_no_code_works(desk: Desk) -> None:
    email = new_address()
    ticket = desk.ticket(email, Purpose.RECOVER)
    desk.broker.mail_to(email)
    [(digest,)] = desk.broker.sql("SELECT code_digest FROM broker_ticket WHERE email = ?", email)
    assert len(digest) == 32
    for code in ("00000000", "12345678"):
        assert is_refused(desk.post("confirm", {"ticket": ticket, "code": code}), Problem.WRONG_CODE, 401)


def test_five_wrong_codes_end_a_ticket_also_for_the_right_one(desk: Desk) -> None:
    email = new_address()
    ticket = desk.ticket(email, Purpose.CREATE)
    code = desk.broker.code_to(email)
    wrong = "00000000" if code != "00000000" else "00000001"
    for _ in range(5):
        assert is_refused(desk.post("confirm", {"ticket": ticket, "code": wrong}), Problem.WRONG_CODE, 401)
    assert is_refused(desk.post("confirm", {"ticket": ticket, "code": code}), Problem.WRONG_CODE, 401)


def test_an_erasure_rests_on_the_code_alone_so_three_wrong_ones_end_it(desk: Desk) -> None:
    email = desk.create().email
    ticket = desk.ticket(email, Purpose.ERASE)
    code = desk.broker.code_to(email, 2)
    for _ in range(3):
        wrong = {"ticket": ticket, "code": f"{(int(code) + 1) % 10**8:08}"}
        assert is_refused(desk.post("confirm", wrong), Problem.WRONG_CODE, 401)
    assert is_refused(desk.post("confirm", {"ticket": ticket, "code": code}), Problem.WRONG_CODE, 401)


def test_four_wrong_codes_do_not(desk: Desk) -> None:
    email = new_address()
    ticket = desk.ticket(email, Purpose.CREATE)
    code = desk.broker.code_to(email)
    for _ in range(4):
        desk.post("confirm", {"ticket": ticket, "code": f"{(int(code) + 1) % 10**8:08}"})
    assert desk.post("confirm", {"ticket": ticket, "code": code}).status_code == 204
    assert desk.post("confirm", {"ticket": ticket, "code": code}).status_code == 204  # the answer was lost


def test_a_code_is_good_for_a_quarter_of_an_hour_and_for_its_own_ticket(desk: Desk) -> None:
    email = new_address()
    first, second = desk.ticket(email, Purpose.CREATE), desk.ticket(email, Purpose.CREATE)
    code = desk.broker.code_to(email, 1)
    assert is_refused(desk.post("confirm", {"ticket": second, "code": code}), Problem.WRONG_CODE, 401)
    desk.broker.sql("UPDATE broker_ticket SET expires = datetime(expires, '-15 minutes') WHERE email = ?", email)
    assert is_refused(desk.post("confirm", {"ticket": first, "code": code}), Problem.WRONG_CODE, 401)
    assert "15 minutes" in desk.broker.mail_to(email)


def test_a_mail_is_a_file_that_only_its_owner_can_read(desk: Desk) -> None:
    email = new_address()
    desk.ticket(email, Purpose.CREATE)
    desk.broker.mail_to(email)
    assert {path.stat().st_mode & 0o777 for path in desk.broker.mails.iterdir()} == {0o600}


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Desk]:
    """A broker that takes no new accounts."""
    with BrokerProcess(tmp_path / "home", env={"LERIX_SIGN_UP": "no"}) as broker:
        yield Desk(broker)


def test_a_broker_may_take_no_new_accounts(closed: Desk) -> None:
    email = new_address()
    assert closed.ask("GET", "info").json()["sign_up"] is False
    asked = closed.post("tickets", {"email": email, "purpose": "create"})
    assert is_refused(asked, Problem.SIGN_UP_CLOSED, 403)
    assert closed.post("tickets", {"email": email, "purpose": "recover"}).status_code == 202


def test_without_a_mail_server_codes_are_refused_and_the_operator_is_told(tmp_path: Path) -> None:
    with BrokerProcess(tmp_path / "home", env={"LERIX_MAIL_FOLDER": ""}) as broker:
        desk = Desk(broker)
        assert is_refused(
            desk.post("tickets", {"email": new_address(), "purpose": "create"}), Problem.UNAVAILABLE, 503
        )
        until(lambda: "LERIX_SMTP_URL" in broker.stderr)
        assert broker.sql("SELECT count(*) FROM broker_ticket") == [(0,)]

"""Large answers: who asks for many and reads none of them fills nobody's memory."""

import contextlib
import socket
import time

from relay.api import PREFIX, Problem
from tests.relay.broker.desk import Desk, Person, is_refused, new_network
from tests.serving import PUBLIC

#: Bytes of each entry, and how many: an answer of about 3 MB, more than a socket's buffers hold.
ENTRY, ENTRIES = 1000, 2200


def lengthen(person: Person) -> None:
    """Give somebody a long log, past the broker: its entries say nothing."""
    account = person.account.hex()
    person.desk.broker.sql(
        "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
        "INSERT INTO broker_logentry (account_id, n, entry) SELECT ?, i, randomblob(?) FROM n",
        99 + ENTRIES,
        account,
        ENTRY,
    )
    person.desk.broker.sql("UPDATE broker_account SET entries = ? WHERE id = ?", 100 + ENTRIES, account)


def silent(desk: Desk, token: str, network: str) -> socket.socket:
    """Ask for the log; return the connection when the answer has begun."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(30)
    client.connect(("127.0.0.1", desk.broker.port))
    lines = (
        f"GET {PREFIX}log HTTP/1.1",
        f"Host: {PUBLIC}",
        "X-Forwarded-Proto: https",
        f"X-Forwarded-For: {network}",
        f"Authorization: Bearer {token}",
    )
    client.sendall("\r\n".join((*lines, "", "")).encode())
    assert client.recv(12) == b"HTTP/1.1 200"
    return client


def test_large_answers_are_a_few_at_once_for_a_network(desk: Desk) -> None:
    person = desk.create()
    token = person.session()
    lengthen(person)
    with contextlib.ExitStack() as unread:
        for _ in range(4):
            unread.enter_context(contextlib.closing(silent(desk, token, desk.network)))
        answer = desk.ask("GET", "log", token=token)
        assert is_refused(answer, Problem.SLOW_DOWN, 429)
        assert answer.json()["retry_after"] == 10
        # Small ones are answered, and others get theirs.
        assert desk.account(token).account == person.account
        elsewhere = Desk(desk.broker).ask("GET", "log", token=token)
        assert elsewhere.status_code == 200
    entries = elsewhere.json()["entries"]
    assert len(entries) == ENTRIES + len(person.created.update.entries)
    # Whoever hangs up gives the place back.
    for _ in range(400):
        if desk.ask("GET", "log", token=token).status_code == 200:
            break
        time.sleep(0.05)
    else:
        raise AssertionError("the places were not given back")


def test_an_account_reads_its_log_sixty_times_a_minute(desk: Desk) -> None:
    person = desk.create()
    token = person.session()
    desk.broker.sql(
        "INSERT INTO broker_counter (kind, subject, count, since, ends) "
        "VALUES ('logs', ?, 59, datetime('now'), datetime('now', '+1 minute'))",
        person.account.hex(),
    )
    assert desk.ask("GET", "log", token=token).status_code == 200
    assert is_refused(desk.ask("GET", "log", token=token), Problem.SLOW_DOWN, 429)
    assert is_refused(Desk(desk.broker, new_network()).ask("GET", "log", token=token), Problem.SLOW_DOWN, 429)

"""What the broker keeps: nothing that opens anything, and nothing for longer than it is needed."""

import sqlite3
import time
from pathlib import Path

from connections.secrets import Secret
from relay.account.keys import flows
from relay.api import Purpose
from relay.api.fields import encode
from tests import disk
from tests.relay.broker.desk import PASSWORD, Desk, Person
from tests.serving import BrokerProcess


def secrets_of(person: Person, tokens: list[str], codes: list[str]) -> dict[str, bytes]:
    """Everything in somebody's hands that the broker must not keep."""
    after = person.created.after
    assert after.keys is not None
    found: dict[str, bytes] = {
        "password": PASSWORD.encode(),
        "log-in key": after.keys.auth.reveal(),
        "wrapping key": after.keys.wrap.reveal(),
        "recovery key": person.created.recovery_key.reveal(),
        "recovery key in letters": person.created.recovery_key.text().reveal().encode(),
        "recovery log-in key": person.created.recovery_key.auth().reveal(),
        "signing seed": after.bundle.signing_seed.reveal(),
        "workspace key": after.workspace[0].reveal(),
        "device name": "Ada’s Mac".encode(),
        "device key": person.device.signing.reveal(),
        "device key for the relay": person.device.agreement.reveal(),
    }
    found |= {f"token {number}": token.encode() for number, token in enumerate(tokens)}
    found |= {f"code {number}": code.encode() for number, code in enumerate(codes)}
    return found


def test_no_secret_is_in_the_database_a_log_or_an_answer(tmp_path: Path) -> None:
    with BrokerProcess(tmp_path / "home") as broker:
        desk = Desk(broker)
        person = desk.create()
        joined = person.join()
        token, _ = person.unlock()
        session = desk.session(person.account, joined.device)
        ticket = desk.confirmed(person.email, Purpose.RECOVER)
        codes = [broker.code_to(person.email, nth) for nth in (1, 2)]
        answers = [
            person.recover(ticket, person.created.recovery_key).content,
            desk.ask("GET", "account", token=session).content,
            desk.ask("GET", "log", token=session).content,
            desk.log_in_wrongly(person.email).content,
        ]
        # Some of it again, into an interface that refuses it.
        desk.post("login", {"email": person.email, "auth": encode(bytes(32)), "password": PASSWORD})
        desk.post(f"login?password={PASSWORD}", {"email": PASSWORD})
        hidden = secrets_of(person, [token, session, ticket], codes)
        broker.terminate()
        written = list(disk.contents(broker.home).values())
        texts = [*written, broker.stderr.encode(), *answers]
    for name, secret in hidden.items():
        for form in (secret, secret.hex().encode(), encode(secret).encode()):
            if name.startswith("token") and form == secret:
                assert not [text for text in written if form in text], name
            else:
                assert not [text for text in texts if form in text], name


def test_the_key_file_is_what_the_digests_depend_on(tmp_path: Path) -> None:
    """A stolen database without broker.key is no use for trying passwords; and one that lost it is not served."""
    with BrokerProcess(tmp_path / "home") as broker:
        desk = Desk(broker)
        person = desk.create()
        assert desk.log_in(person.email).status_code == 200
        broker.kill()
        key = (broker.home / "broker.key").read_bytes()
        (broker.home / "broker.key").unlink()
        other = broker.run("broker", "--port", "0")
        # Not a broker that knows nobody's password, and takes new ones under a key that nobody keeps.
        assert (other.returncode, other.stdout) == (1, "")
        assert "The secret key is another one" in other.stderr
        assert other.stderr.count("\n") == 1
        (broker.home / "broker.key").write_bytes(key)
        broker.start()
        assert desk.log_in(person.email).status_code == 200


def test_the_key_may_come_from_the_environment(tmp_path: Path) -> None:
    with BrokerProcess(tmp_path / "home", env={"LERIX_SECRET_KEY": "k" * 40}) as broker:
        Desk(broker).create()
        assert not (broker.home / "broker.key").exists()
        assert "k" * 40 not in broker.stderr


def test_what_has_ended_is_taken_away(tmp_path: Path) -> None:
    with BrokerProcess(tmp_path / "home") as broker:
        desk = Desk(broker)
        person = desk.create()
        person.session()
        desk.log_in_wrongly(person.email)
        desk.ticket(person.email, Purpose.ERASE)
        for table, column in (("token", "expires"), ("ticket", "expires"), ("counter", "ends")):
            broker.sql(f"UPDATE broker_{table} SET {column} = datetime({column}, '-2 days')")
        broker.sql("UPDATE broker_auditentry SET time = datetime(time, '-181 days') WHERE kind = 'account-created'")
        # More than one batch: a flood must not outrun it.
        with sqlite3.connect(broker.home / "broker.sqlite3", timeout=30) as database:
            database.executemany(
                "INSERT INTO broker_counter (kind, subject, count, since, ends) VALUES ('flood', ?, 1, ?, ?)",
                ((str(number), "2020-01-01 00:00:00", "2020-01-01 00:00:00") for number in range(11_000)),
            )
        database.close()
        # It is done at the start and each minute.
        broker.restart()
        end = time.monotonic() + 60
        tables = ("token", "ticket", "counter")
        while any(broker.sql(f"SELECT count(*) FROM broker_{table}") != [(0,)] for table in tables):
            assert time.monotonic() < end
            time.sleep(0.05)
        kinds = {kind for (kind,) in broker.sql("SELECT kind FROM broker_auditentry")}
        assert "login-refused" in kinds
        assert "account-created" not in kinds
        assert person.unlock()[1].log.n == 2


def test_the_audit_log_knows_networks_and_no_addresses_of_machines(desk: Desk) -> None:
    person = desk.create()
    token, before = person.unlock()
    desk.update(flows.change_password(before, person.email, Secret("Seekühe schwimmen")).update, token)
    rows = desk.broker.sql(
        "SELECT kind, network, details FROM broker_auditentry WHERE account = ?", person.account.hex()
    )
    assert [kind for kind, _, _ in rows] == ["account-created", "login", "account-updated"]
    assert {network for _, network, _ in rows} == {desk.network.rpartition(".")[0] + ".0/24"}
    assert desk.network not in str(rows)
    assert '"password": true' in rows[-1][2]


def test_a_full_table_of_counters_loses_what_was_tried_least(tmp_path: Path) -> None:
    with BrokerProcess(tmp_path / "home") as broker:
        desk = Desk(broker)
        email = desk.create().email
        for _ in range(3):
            desk.log_in_wrongly(email)
        many = (
            ("flood", str(number), 1, "2099-01-01 00:00:00", "2099-01-01 00:00:00") for number in range(101_000)
        )
        with sqlite3.connect(broker.home / "broker.sqlite3", timeout=30) as database:
            database.executemany(
                "INSERT INTO broker_counter (kind, subject, count, since, ends) VALUES (?, ?, ?, ?, ?)", many
            )
        database.close()
        broker.restart()
        end = time.monotonic() + 60
        while broker.sql("SELECT count(*) FROM broker_counter")[0][0] > 100_000:
            assert time.monotonic() < end
            time.sleep(0.05)
        pair = f"{email} {desk.network.rpartition('.')[0]}.0/24"
        assert broker.sql("SELECT count FROM broker_counter WHERE kind = 'login' AND subject = ?", pair) == [(3,)]

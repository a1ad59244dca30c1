"""What the doctor says of the account broker."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from lerix_web.doctor.broker import broker
from lerix_web.doctor.finding import Finding, Level
from tests.serving import BrokerProcess


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with BrokerProcess(tmp_path_factory.mktemp("broker") / "home") as process:
        yield process


def database(folder: Path, state: str = "", address: str = "", chosen: str = "") -> None:
    """A database with as much as the doctor looks at."""
    with sqlite3.connect(folder / "lerix.sqlite3") as made:
        made.execute("CREATE TABLE account_membership (state TEXT, broker TEXT)")
        made.execute("CREATE TABLE account_brokersetting (address TEXT)")
        if state:
            made.execute("INSERT INTO account_membership VALUES (?, ?)", (state, address))
        if chosen:
            made.execute("INSERT INTO account_brokersetting VALUES (?)", (chosen,))
    made.close()


def own(folder: Path) -> None:
    with sqlite3.connect(folder / "broker.sqlite3") as made:
        made.execute("CREATE TABLE anything (content)")
    made.close()


async def said(folder: Path, fixed: str = "") -> Finding:
    found = await broker(folder, fixed)
    assert found.name == "Broker"
    assert (found.level is Level.OK) is (not found.next_step)
    return found


async def test_a_new_installation_has_none_yet(tmp_path: Path) -> None:
    assert (await said(tmp_path)).finding == (
        "Lerix runs its own on this computer when it is first used; nobody is signed in"
    )
    (tmp_path / "lerix.sqlite3").write_bytes(b"this is no database")
    assert (await said(tmp_path)).level is Level.OK


async def test_our_own_one_is_looked_at_by_its_database(tmp_path: Path) -> None:
    database(tmp_path, "member")
    missing = await said(tmp_path)
    assert missing.level is Level.PROBLEM
    assert "broker.sqlite3 is not there" in missing.finding
    own(tmp_path)
    assert (await said(tmp_path)).finding == "Lerix runs its own on this computer; this device is signed in"
    (tmp_path / "broker.sqlite3").write_bytes(b"damaged" * 1000)
    damaged = await said(tmp_path)
    assert damaged.level is Level.PROBLEM
    assert "broker.sqlite3 is damaged" in damaged.finding


@pytest.mark.parametrize(("state", "words"), [("joining", "interrupted"), ("revoked", "was removed")])
async def test_a_device_that_is_not_really_in_the_account_is_worth_a_word(
    tmp_path: Path, state: str, words: str
) -> None:
    database(tmp_path, state)
    own(tmp_path)
    found = await said(tmp_path)
    assert found.level is Level.WARN
    assert words in found.finding


async def test_another_broker_is_asked_what_it_is(tmp_path: Path, other: BrokerProcess) -> None:
    database(tmp_path, chosen=other.url)
    found = await said(tmp_path)
    assert found.level is Level.OK
    assert f"localhost:{other.port} answers (" in found.finding
    assert "version 0.1.0); nobody is signed in" in found.finding


async def test_a_broker_that_does_not_answer_is_a_problem(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        database(tmp_path, "member", f"http://127.0.0.1:{port}")
        found = await said(tmp_path)
    assert found.level is Level.PROBLEM
    assert found.finding == f"127.0.0.1:{port}: Nothing answers at the broker address."


async def test_the_environment_counts_unless_somebody_is_signed_in_elsewhere(
    tmp_path: Path, other: BrokerProcess
) -> None:
    assert (await said(tmp_path, other.url)).level is Level.OK
    database(tmp_path, "member", other.url)
    found = await said(tmp_path, "https://other.example")
    assert found.level is Level.WARN
    assert "LERIX_BROKER_URL names other.example" in found.finding

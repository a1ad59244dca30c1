"""The broker that Lerix runs as a child: started at first use, restarted when it dies, ended with its parent."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connections.sealing_keys import SealingKeys
from relay.account.account import Account
from relay.account.embedded import EmbeddedBroker
from relay.account.errors import EmbeddedFailed
from relay.api.fields import encode
from tests.relay.account.far_broker import ADDRESS, FarBroker
from tests.relay.account.macs import until
from tests.serving import is_running

FAKE = Path(__file__).parent / "fake_embedded.py"
ROOT = Path(__file__).parents[3]


def broker_of(folder: Path, *words: str, ready_seconds: float = 30.0, pause: float = 0.05) -> EmbeddedBroker:
    command = [sys.executable, str(FAKE), str(folder), *words]
    return EmbeddedBroker(command, dict(os.environ), folder, ready_seconds=ready_seconds, pause=pause)


@contextlib.asynccontextmanager
async def stopped_after(broker: EmbeddedBroker) -> AsyncIterator[EmbeddedBroker]:
    try:
        yield broker
    finally:
        await broker.stop()


def starts(folder: Path) -> int:
    return len(list(folder.glob("start-*")))


async def test_it_starts_when_its_address_is_asked_for(tmp_path: Path) -> None:
    async with stopped_after(broker_of(tmp_path, "noise", "long", "ready")) as broker:
        assert (broker.running, broker.wanted, broker.pid, starts(tmp_path)) == (False, False, None, 0)
        addresses = await asyncio.gather(*(broker.address() for _ in range(3)))
        assert set(addresses) == {"http://localhost:7001"}
        assert (broker.running, starts(tmp_path)) == (True, 1)
        pid = broker.pid
        assert pid is not None
    await until(lambda: not is_running(pid))
    assert not broker.running
    with pytest.raises(EmbeddedFailed):
        await broker.address()
    assert starts(tmp_path) == 1


async def test_it_is_started_again_when_it_dies(tmp_path: Path) -> None:
    rung: list[bool] = []
    async with stopped_after(broker_of(tmp_path, "ready")) as broker:
        broker.on_change = lambda: rung.append(broker.running)
        await broker.address()
        pid = broker.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: False in rung)
        # Whoever asks meanwhile waits for the next one.
        assert await broker.address() == "http://localhost:7002"
        assert rung[0] is True
        assert False in rung
        assert rung[-1] is True


async def test_pauses_between_starts_grow(tmp_path: Path) -> None:
    async with stopped_after(broker_of(tmp_path, "die", pause=0.2)) as broker:
        began = time.monotonic()
        with pytest.raises(EmbeddedFailed):
            await broker.address()
        assert broker.failed
        await until(lambda: starts(tmp_path) >= 3)
        assert time.monotonic() - began > 0.5


@pytest.mark.parametrize("words", [["far"], ["die"], ["noise", "die"]])
async def test_one_that_is_no_broker_is_an_error_with_a_sentence(tmp_path: Path, words: list[str]) -> None:
    async with stopped_after(broker_of(tmp_path, *words)) as broker:
        with pytest.raises(EmbeddedFailed) as failed:
            await broker.address()
        assert "evil" not in failed.value.sentence
        assert not broker.running


async def test_one_that_is_being_ended_when_lerix_stops_is_reaped_all_the_same(tmp_path: Path) -> None:
    # It says nothing more and does not end by itself; the stop comes while it is waited for.
    broker = broker_of(tmp_path, "far", "deaf")
    pids: list[int] = []

    def is_being_ended() -> bool:
        process = broker._process
        if process is None or process.stdin is None or not process.stdin.is_closing():
            return False
        pids.append(process.pid)
        return True

    asking = asyncio.ensure_future(broker.address())
    await until(is_being_ended)
    asking.cancel()
    await broker.stop()
    await until(lambda: not is_running(pids[0]))


async def test_one_that_never_becomes_ready_is_given_up(tmp_path: Path) -> None:
    async with stopped_after(broker_of(tmp_path, ready_seconds=0.5)) as broker:
        began = time.monotonic()
        with pytest.raises(EmbeddedFailed):
            await broker.address()
        assert time.monotonic() - began < 15


async def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    async with stopped_after(EmbeddedBroker(["/nonexistent/lerix"], {}, tmp_path, pause=0.05)) as broker:
        with pytest.raises(EmbeddedFailed):
            await broker.address()


async def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    broker = broker_of(tmp_path, "ready", "deaf")
    await broker.address()
    pid = broker.pid
    assert pid is not None
    began = time.monotonic()
    await broker.stop()
    assert time.monotonic() - began < 10
    await until(lambda: not is_running(pid))


TICKET, OTHER = encode(bytes(32)), encode(b"o" * 32)
DIGEST, OTHER_DIGEST = (hashlib.sha256(raw).hexdigest() for raw in (bytes(32), b"o" * 32))


async def test_codes_come_by_its_stdout_each_for_its_ticket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.account.embedded.MAIL_SECONDS", 30.0)
    # Whoever else asks for a code to the same address, for the same purpose, changes nothing for the owner's ticket.
    words = (f"mail={DIGEST}:12345678", f"mail={DIGEST}:short", "mail=short:11111111", f"mail={OTHER_DIGEST}:87654321")
    async with stopped_after(broker_of(tmp_path, "ready", *words)) as broker:
        await broker.address()
        mails = await broker.mail(OTHER), await broker.mail(TICKET)
        assert [mail and mail.code for mail in mails] == ["87654321", "12345678"]
        assert "12345678" not in repr(mails)


async def test_a_mail_without_a_code_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.account.embedded.MAIL_SECONDS", 30.0)
    async with stopped_after(broker_of(tmp_path, "ready", f"mail={DIGEST}:null")) as broker:
        await broker.address()
        mail = await broker.mail(TICKET)
        assert mail is not None
        assert mail.code is None


async def test_a_code_that_is_too_old_or_for_another_ticket_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.account.embedded.MAIL_SECONDS", 0.1)
    async with stopped_after(broker_of(tmp_path, "ready", f"mail={DIGEST}:12345678")) as broker:
        await broker.address()
        await until(lambda: bool(broker._mails))
        assert await broker.mail(OTHER) is None
        assert await broker.mail(TICKET) is not None
        now = time.monotonic()
        broker._clock = lambda: now + 901
        assert await broker.mail(TICKET) is None


async def test_each_start_gets_a_secret_of_its_own_and_its_stdin_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.account.embedded.STOP_SECONDS", (30.0, 0.4, 0.3))  # it writes before it ends
    async with stopped_after(broker_of(tmp_path, "ready")) as broker:
        tokens = []
        for start in (1, 2):
            await broker.address()
            kept = tmp_path / f"token-{start}"
            await until(kept.exists)
            await until(lambda kept=kept: bool(kept.read_text()))  # type: ignore[misc]
            assert kept.read_text() == f"{broker.token}\n"
            assert not (tmp_path / f"rest-{start}").exists()
            tokens.append(broker.token)
            pid = broker.pid
            assert pid is not None
            if start == 1:
                os.kill(pid, signal.SIGKILL)
                await until(lambda pid=pid: broker.pid != pid or not broker.running)  # type: ignore[misc]
    assert len(set(tokens)) == 2
    assert all(len(token) >= 40 for token in tokens)
    await until((tmp_path / "rest-2").exists)
    assert (tmp_path / "rest-2").read_text() == ""


async def test_only_the_embedded_broker_is_shown_the_secret(db: None, tmp_path: Path, far: FarBroker) -> None:
    embedded = broker_of(tmp_path, "ready")
    account = Account(embedded, "Lerix/test", sealing_keys=SealingKeys(tmp_path), transport=far)
    async with stopped_after(embedded):
        await embedded.address()
        await account.refresh()
        assert f"X-Lerix-Parent: {embedded.token}".encode() in bytes(far.wire)
        pid = embedded.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: embedded.pid != pid or not embedded.running)
        await embedded.address()
        await account.refresh()
        # Not the one that a squatter on the old port may have learned.
        assert f"X-Lerix-Parent: {embedded.token}".encode() in bytes(far.wire)
        far.wire.clear()
        await account.set_broker(ADDRESS)
        await account.refresh()
        assert b"GET" in far.wire
        assert b"lerix-parent" not in bytes(far.wire).lower()
        await account.aclose()


PARENT = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from relay.account.embedded import EmbeddedBroker

async def main():
    broker = EmbeddedBroker([sys.executable, {fake!r}, {folder!r}, "ready"], {{}}, Path({folder!r}))
    await broker.address()
    print(broker.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = PARENT.format(root=str(ROOT), fake=str(FAKE), folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.kill()
    end = time.monotonic() + 30
    while is_running(child):
        assert time.monotonic() < end
        time.sleep(0.02)

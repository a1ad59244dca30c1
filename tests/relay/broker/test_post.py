"""Mails go out by SMTP, one after the other, and a server that fails is asked again."""

import asyncio
import contextlib
import logging
import smtplib
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.api import Purpose
from relay.broker.post import MOST_WAITING, Letter, Post
from tests.relay.broker.desk import Desk, new_address
from tests.serving import BrokerProcess

LETTER = Letter("ada@example.com", Purpose.CREATE, "12345678")


class MailServer(socketserver.ThreadingTCPServer):
    """A mail server that takes whatever comes (RFC 5321), and keeps it."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.lines: list[str] = []
        super().__init__(("127.0.0.1", 0), Talk)


class Talk(socketserver.StreamRequestHandler):
    """One conversation."""

    def handle(self) -> None:
        assert isinstance(self.server, MailServer)
        self.wfile.write(b"220 here\r\n")
        mail: list[str] | None = None
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            if mail is not None:
                if line != ".":
                    mail.append(line)
                    continue
                self.server.mails.append("\n".join(mail))
                mail = None
                self.wfile.write(b"250 taken\r\n")
                continue
            self.server.lines.append(line)
            word = line[:4].upper()
            if word == "DATA":
                mail = []
            answer = {"DATA": b"354 go on", "QUIT": b"221 bye", "EHLO": b"250-here\r\n250 AUTH PLAIN"}
            self.wfile.write(answer.get(word, b"235 ok" if word == "AUTH" else b"250 ok") + b"\r\n")
            if word == "QUIT":
                return


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_code_comes_by_smtp(tmp_path: Path, mail_server: MailServer) -> None:
    port = mail_server.server_address[1]
    env = {
        "LERIX_MAIL_FOLDER": "",
        "LERIX_SMTP_URL": f"smtp://ada:hid%40den@127.0.0.1:{port}",
        "LERIX_MAIL_FROM": "Lerix <lerix@example.com>",
    }
    with BrokerProcess(tmp_path / "home", env=env) as broker:
        desk, email = Desk(broker), new_address()
        # A mail program would decode this one and send the code to somebody whom nobody counted.
        desk.ticket("=?utf-8?q?a?=@example.com", Purpose.CREATE)
        ticket = desk.ticket(email, Purpose.CREATE)
        for _ in range(3000):
            if mail_server.mails:
                break
            threading.Event().wait(0.01)
        [mail] = mail_server.mails
        assert "From: Lerix <lerix@example.com>" in mail
        assert f"To: {email}" in mail
        code = mail.partition(" is your code")[0].rpartition("\n")[2]
        assert desk.post("confirm", {"ticket": ticket, "code": code}).status_code == 204
        assert "mail FROM:<lerix@example.com>" in mail_server.lines
        assert [line for line in mail_server.lines if line.startswith("rcpt")] == [f"rcpt TO:<{email}>"]
        assert broker.terminate() == 0
        assert "Misread" in broker.stderr
        assert "example.com" not in broker.stderr


class Failing:
    """A carrier that fails so many times."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.tries = 0
        self.carried: list[Letter] = []

    def carry(self, letter: Letter) -> None:
        try:
            if self.errors:
                raise self.errors.pop(0)
            self.carried.append(letter)
        finally:
            self.tries += 1


async def deliver(post: Post, carrier: Failing, tries: int) -> None:
    """Let the post work until it has tried so often."""
    [(_, work)] = post.works()
    task = asyncio.create_task(work())
    async with asyncio.timeout(30):
        while carrier.tries < tries:  # noqa: ASYNC110  (what is waited for happens in a thread)
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_mail_is_tried_three_times(caplog: pytest.LogCaptureFixture) -> None:
    carrier = Failing(OSError("ada@example.com"), smtplib.SMTPServerDisconnected("ada@example.com"))
    post = Post(carrier, pauses=(0.01, 0.01))
    post.take(LETTER)
    with caplog.at_level(logging.INFO):
        await deliver(post, carrier, 3)
    assert carrier.carried == [LETTER]
    assert "OSError" in caplog.text
    assert "ada@example.com" not in caplog.text


async def test_a_mail_that_cannot_be_sent_is_given_up_and_the_next_one_goes_out() -> None:
    carrier = Failing(*[OSError()] * 3)
    post = Post(carrier, pauses=(0.01, 0.01))
    post.take(LETTER)
    await deliver(post, carrier, 3)
    second = Letter("bob@example.com", Purpose.ERASE, None)
    post.take(second)
    await deliver(post, carrier, 4)
    assert carrier.carried == [second]


async def test_a_mail_that_fails_holds_up_no_other() -> None:
    carrier = Failing(smtplib.SMTPDataError(451, b"later"))
    post = Post(carrier, pauses=(0.2,))
    second = Letter("bob@example.com", Purpose.ERASE, None)
    post.take(LETTER)
    post.take(second)
    await deliver(post, carrier, 3)
    assert carrier.carried == [second, LETTER]


async def test_whatever_one_mail_brings_about_the_next_one_goes_out(caplog: pytest.LogCaptureFixture) -> None:
    carrier = Failing(ValueError("Invalid address ada@example.com"))
    post = Post(carrier)
    second = Letter("bob@example.com", Purpose.ERASE, None)
    post.take(LETTER)
    post.take(second)
    await deliver(post, carrier, 2)
    assert carrier.carried == [second]
    assert "ValueError" in caplog.text
    assert "ada@example.com" not in caplog.text


async def test_a_code_that_has_ended_is_not_sent_any_more() -> None:
    carrier = Failing()
    post = Post(carrier)
    post.take(Letter("ada@example.com", Purpose.CREATE, "12345678", ends=time.monotonic() - 1))
    second = Letter("bob@example.com", Purpose.ERASE, None)
    post.take(second)
    await deliver(post, carrier, 1)
    assert carrier.carried == [second]


async def test_a_recipient_that_the_server_refuses_is_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    carrier = Failing(smtplib.SMTPRecipientsRefused({"ada@example.com": (550, b"no")}))
    post = Post(carrier, pauses=(0.01, 0.01))
    post.take(LETTER)
    await deliver(post, carrier, 1)
    assert (carrier.tries, carrier.carried) == (1, [])
    assert "ada@example.com" not in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        smtplib.SMTPRecipientsRefused({"ada@example.com": (450, b"greylisted")}),
        smtplib.SMTPSenderRefused(451, b"later", "lerix@example.com"),
        smtplib.SMTPConnectError(421, b"busy"),
    ],
)
async def test_what_the_server_puts_off_is_tried_again(error: Exception) -> None:
    carrier = Failing(error)
    post = Post(carrier, pauses=(0.01,))
    post.take(LETTER)
    await deliver(post, carrier, 2)
    assert carrier.carried == [LETTER]


async def test_a_full_post_is_closed_until_there_is_room() -> None:
    carrier = Failing()
    post = Post(carrier)
    for _ in range(MOST_WAITING):
        assert post.open
        post.take(LETTER)
    assert not post.open
    post.take(LETTER)
    await deliver(post, carrier, MOST_WAITING)
    assert post.open
    assert len(carrier.carried) == MOST_WAITING


def test_a_letter_hides_its_code() -> None:
    assert "12345678" not in repr(LETTER)
    assert not Post(None).open
    assert Post(None).works() == []

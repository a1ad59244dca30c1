"""Mails with codes. They are sent after the answer, by one worker, so that no answer's time tells about an address."""

import asyncio
import contextlib
import heapq
import logging
import os
import secrets
import smtplib
import tempfile
import textwrap
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from django.core.mail import EmailMessage as DjangoMessage
from django.core.mail.backends.smtp import EmailBackend
from django.core.mail.message import sanitize_address

from relay.api import CODE_SECONDS, Purpose

logger = logging.getLogger(__name__)

#: Mails on their way; when there are more, codes are refused for a while.
MOST_WAITING: Final = 1000
#: Seconds before each further try; servers that put mails off ask for some minutes (greylisting, RFC 6647).
PAUSES: Final = (5.0, 30.0, 120.0, 300.0)
SMTP_SECONDS: Final = 20

SUBJECT: Final = "Your code for Lerix"
WITH_CODE: Final = {
    Purpose.CREATE: "to create a Lerix account with this address",
    Purpose.RECOVER: "to recover your Lerix account",
    Purpose.ERASE: "to erase your Lerix account and all that is stored in it",
}
WITHOUT: Final = {
    Purpose.CREATE: "Somebody, probably you, asked to create a Lerix account with this address. There already is one, "
    "so nothing was done. Sign in with your password, or recover the account with your recovery key.",
    Purpose.RECOVER: "Somebody, probably you, asked to recover a Lerix account with this address. There is none, so "
    "nothing was done. Try the address that you created your account with.",
    Purpose.ERASE: "Somebody, probably you, asked to erase a Lerix account with this address. There is none, so "
    "nothing was done. Try the address that you created your account with.",
}


@dataclass(frozen=True)
class Letter:
    """One mail; `code` is None where no code can work.

    `ticket` is the digest of the ticket it belongs to, and `ends` when its code counts no more (time.monotonic).
    """

    to: str
    purpose: Purpose
    code: str | None = field(repr=False)
    ticket: str = ""
    ends: float = field(default_factory=lambda: time.monotonic() + CODE_SECONDS)

    @property
    def minutes(self) -> int:
        """How long the code counts."""
        return CODE_SECONDS // 60

    def text(self) -> str:
        """What a person reads, in short lines."""
        if self.code is None:
            parts = [WITHOUT[self.purpose], "If this was not you, ignore this mail."]
        else:
            parts = [
                f"{self.code} is your code {WITH_CODE[self.purpose]}.",
                f"Type it on the page that asked for it within {self.minutes} minutes. Give it to nobody.",
                "If you asked for nothing, ignore this mail: without the code nothing happens.",
            ]
        return "\n\n".join(textwrap.fill(part, 72) for part in parts) + "\n"


class Misread(Exception):
    """An address that would be read as another one on the way."""


class Carrier(Protocol):
    """Takes mails away."""

    def carry(self, letter: Letter) -> None:
        """Take one; may block. Raises OSError, smtplib.SMTPException for what may be tried again."""
        ...


class Smtp:
    """Hands mails to a server, with a time-out, over TLS from the first byte or by STARTTLS."""

    def __init__(
        self, host: str, port: int, sender: str, *, user: str = "", password: str = "", tls: bool, starttls: bool
    ) -> None:
        self._sender = sender
        self._backend: Callable[[], EmailBackend] = lambda: EmailBackend(
            host=host,
            port=port,
            username=user,
            password=password,
            use_ssl=tls,
            use_tls=starttls,
            timeout=SMTP_SECONDS,
            fail_silently=False,
        )

    def carry(self, letter: Letter) -> None:
        # What Django would make of it: "=?utf-8?q?a?=@x" goes to a@x, which nobody counted.
        if sanitize_address(letter.to, "utf-8") != letter.to:
            raise Misread
        headers = {"Auto-Submitted": "auto-generated"}
        message = DjangoMessage(SUBJECT, letter.text(), self._sender, [letter.to], headers=headers)
        self._backend().send_messages([message])


class Folder:
    """Writes each mail as a file that only its owner can read, for tests and for trying things out."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    def prepare(self) -> None:
        """Make the folder, and try whether a file can be written there. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._folder):
            pass

    def carry(self, letter: Letter) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, letter.to, SUBJECT
        message["X-Lerix-Purpose"] = letter.purpose.value
        message.set_content(letter.text())
        path = self._folder / f"{time.time_ns():020}-{secrets.token_hex(4)}.eml"
        draft = path.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(message.as_bytes())
        draft.replace(path)  # whoever reads along never sees half a mail


class Teller:
    """Tells the process that started the embedded broker, which shows the code on its own page."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        self._tell = tell

    def carry(self, letter: Letter) -> None:
        mail = {
            "to": letter.to,
            "purpose": letter.purpose.value,
            "code": letter.code,
            "minutes": letter.minutes,
            "ticket": letter.ticket,
        }
        self._tell({"mail": mail})


@dataclass(frozen=True, order=True)
class _Due:
    """A letter in line: when it is to be carried next, and how often that failed."""

    time: float
    number: int
    failures: int = field(compare=False)
    letter: Letter = field(compare=False)


class Post:
    """Takes mails at once and has them carried one after the other. Without a carrier no codes can be asked for.

    One that fails goes back into the line with a time before which it is not tried again, so that it holds up no
    other; one whose code has ended is dropped.
    """

    def __init__(self, carrier: Carrier | None, *, pauses: tuple[float, ...] = PAUSES) -> None:
        self._carrier = carrier
        self._pauses = pauses
        self._line: list[_Due] = []
        self._number = 0
        self._more = asyncio.Event()

    @property
    def open(self) -> bool:
        """Whether a mail would be taken now."""
        return self._carrier is not None and len(self._line) < MOST_WAITING

    def take(self, letter: Letter) -> None:
        """Take a mail; from the event loop. One too many is dropped: whoever waits asks for another code."""
        if len(self._line) < MOST_WAITING:
            self._put(letter, 0, 0.0)
        else:
            logger.warning("A mail was dropped, since %d are waiting.", MOST_WAITING)

    def works(self) -> list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """The work that goes on beside the requests."""
        return [] if self._carrier is None else [("mail", partial(self._deliver, self._carrier))]

    def _put(self, letter: Letter, failures: int, pause: float) -> None:
        self._number += 1
        heapq.heappush(self._line, _Due(time.monotonic() + pause, self._number, failures, letter))
        self._more.set()

    async def _deliver(self, carrier: Carrier) -> None:
        while True:
            due = await self._next()
            if time.monotonic() >= due.letter.ends:
                logger.warning("A mail was dropped, since its code ended before it could be sent.")
            else:
                await self._carry(carrier, due)

    async def _next(self) -> _Due:
        """Take the first letter out of the line, when its time has come."""
        while True:
            self._more.clear()
            left = self._line[0].time - time.monotonic() if self._line else None
            if left is not None and left <= 0:
                return heapq.heappop(self._line)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._more.wait()

    async def _carry(self, carrier: Carrier, due: _Due) -> None:
        # Of errors only the kind: their text names addresses.
        try:
            await asyncio.to_thread(carrier.carry, due.letter)
        except (OSError, smtplib.SMTPException) as error:
            kind = type(error).__name__
            if _is_final(error):
                logger.warning("The mail server refused a mail for good (%s). It was dropped.", kind)
            elif due.failures >= len(self._pauses):
                logger.warning("A mail could not be sent (%s). It was given up.", kind)
            else:
                pause = self._pauses[due.failures]
                logger.warning("A mail could not be sent (%s). It is tried again in %.0f s.", kind, pause)
                self._put(due.letter, due.failures + 1, pause)
        except Exception as error:  # whatever one mail brings about, the next one goes out
            logger.error("A mail could not be written (%s). It was dropped.", type(error).__name__)  # noqa: TRY400


def _is_final(error: Exception) -> bool:
    """Whether the server said that it will never take this mail (RFC 5321, section 4.2.1: 5yz)."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return any(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPDataError | smtplib.SMTPSenderRefused) and error.smtp_code >= 500

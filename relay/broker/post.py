"""Mails with codes. They are sent after the answer, by one worker, so that no answer's time tells about an address."""

import asyncio
import logging
import os
import secrets
import smtplib
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

from relay.api import CODE_SECONDS, Purpose

logger = logging.getLogger(__name__)

#: Mails on their way; when there are more, codes are refused for a while.
MOST_WAITING: Final = 1000
#: Seconds before each further try.
PAUSES: Final = (5.0, 30.0)
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
    """One mail; `code` is None where no code can work."""

    to: str
    purpose: Purpose
    code: str | None = field(repr=False)

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


class Carrier(Protocol):
    """Takes mails away."""

    def carry(self, letter: Letter) -> None:
        """Take one; may block. Raises OSError, smtplib.SMTPException."""
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
        headers = {"Auto-Submitted": "auto-generated"}
        message = DjangoMessage(SUBJECT, letter.text(), self._sender, [letter.to], headers=headers)
        self._backend().send_messages([message])


class Folder:
    """Writes each mail as a file that only its owner can read, for tests and for trying things out."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

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
        mail = {"to": letter.to, "purpose": letter.purpose.value, "code": letter.code, "minutes": letter.minutes}
        self._tell({"mail": mail})


class Post:
    """Takes mails at once and has them carried one after the other. Without a carrier no codes can be asked for."""

    def __init__(self, carrier: Carrier | None, *, pauses: tuple[float, ...] = PAUSES) -> None:
        self._carrier = carrier
        self._pauses = pauses
        self._waiting: asyncio.Queue[Letter] = asyncio.Queue(MOST_WAITING)

    @property
    def open(self) -> bool:
        """Whether a mail would be taken now."""
        return self._carrier is not None and not self._waiting.full()

    def take(self, letter: Letter) -> None:
        """Take a mail; from the event loop. One too many is dropped: whoever waits asks for another code."""
        try:
            self._waiting.put_nowait(letter)
        except asyncio.QueueFull:
            logger.warning("A mail was dropped, since %d are waiting.", MOST_WAITING)

    def works(self) -> list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """The work that goes on beside the requests."""
        return [] if self._carrier is None else [("mail", partial(self._deliver, self._carrier))]

    async def _deliver(self, carrier: Carrier) -> None:
        while True:
            await self._carry(carrier, await self._waiting.get())

    async def _carry(self, carrier: Carrier, letter: Letter) -> None:
        for pause in (*self._pauses, None):
            try:
                await asyncio.to_thread(carrier.carry, letter)
            except smtplib.SMTPRecipientsRefused:
                logger.warning("The mail server refused a recipient. Nothing was sent to it.")
            except (OSError, smtplib.SMTPException) as error:
                # Only its kind: the text of an SMTP error names addresses.
                kind = type(error).__name__
                if pause is None:
                    logger.warning("A mail could not be sent (%s). It was given up.", kind)
                    return
                logger.warning("A mail could not be sent (%s). It is tried again in %.0f s.", kind, pause)
                await asyncio.sleep(pause)
                continue
            return

"""``broker``: serve the account broker, make an admin for its pages, or give an account a plan."""

import asyncio
import getpass
import json
import os
import re
import signal
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.utils import timezone

import lerix_web
from lerix_web import asgi_broker, cli, database, instance, paths, server, sockets
from lerix_web.errors import InstanceError, PortError
from lerix_web.management.announce import say
from relay.api import MAX_REQUEST
from relay.broker import audit, house, keycheck, links, plans, purge
from relay.broker.post import Carrier, Folder, Post, Smtp, Teller

PORT: Final = 7718
LOCK: Final = "broker.lock"
#: The one before may still be ending when Lerix is started again at once.
PATIENCE: Final = 8.0
USERNAME: Final = "admin"
#: Seconds: when devices come back after a restart, over how long they spread, and what it takes to tell them.
RESTART_AFTER: Final = 1.0
RESTART_SPREAD: Final = 5.0
LAST_WORDS: Final = 0.2
#: What Lerix writes into the stdin of the broker that it starts.
SECRET: Final = re.compile(rb"[!-~]{16,256}")
KEY_DIFFERS: Final = (
    "The secret key is another one than this database was begun with, so nobody could sign in. Nothing was changed. "
    "Set LERIX_SECRET_KEY as it was, or put the old broker.key back into the data folder."
)


class Command(BaseCommand):
    """Serve until Ctrl-C or SIGTERM. The ready line is the only one on stdout, but for ``--embedded``."""

    help = "Run the account broker."
    requires_system_checks = ()  # ``check`` runs them; a start should take a second

    def add_arguments(self, parser: ArgumentParser) -> None:
        cli.broker_options(parser)

    def handle(self, *args: Any, action: str | None, **options: Any) -> None:
        os.umask(0o077)
        if action is None:
            self.serve(options["port"], embedded=options["embedded"])
            return
        database.prepare(settings.LERIX_HOME)
        if action == "createadmin":
            self.create_admin(options["name"], from_stdin=options["password_stdin"])
        else:
            self.give_plan(options["email"], options["code"], options["until"])

    def serve(self, port: int | None, *, embedded: bool) -> None:
        """Take the lock, listen, bring the database up to date, and serve. Raises LerixError, CommandError."""
        folder: Path = settings.LERIX_HOME
        parent = _secret_of_parent() if embedded else ""
        with instance.Lock(folder, LOCK) as lock:
            deadline = time.monotonic() + PATIENCE
            while not lock.taken and embedded and time.monotonic() < deadline:
                time.sleep(0.1)
                lock.__enter__()
            if not lock.taken:
                raise InstanceError(
                    "An account broker is already running with this data folder. Nothing is lost. "
                    "Use that one, or stop it first."
                )
            listening = self.listen(port, embedded=embedded)
            database.prepare(folder)
            if not keycheck.holds():
                raise CommandError(KEY_DIFFERS)
            self.run(f"http://localhost:{listening[0].getsockname()[1]}", listening, embedded=embedded, parent=parent)

    def listen(self, port: int | None, *, embedded: bool) -> list[Any]:
        """Listen on the port; the embedded broker takes any free one where it is taken. Raises PortError."""
        try:
            return sockets.listen(PORT if port is None else port, "lerix broker", PORT)
        except PortError:
            if not embedded:
                raise
            return sockets.listen(0)

    def run(self, url: str, listening: list[Any], *, embedded: bool, parent: str) -> None:
        """Serve."""
        post = Post(Teller(self.tell) if embedded else self.carrier())
        plan = settings.LERIX_DEFAULT_PLAN or ("pro" if embedded else "free")
        if not plans.exists(plan):
            raise CommandError(f"There is no plan {plan}. Name one of these in LERIX_DEFAULT_PLAN: {plans.codes()}.")
        house.install(
            house.House(
                version=lerix_web.__version__,
                embedded=embedded,
                sign_up=settings.LERIX_SIGN_UP == "yes",
                default_plan=plan,
                post=post,
                parent=parent,
            )
        )
        # What was read so far belongs to no request; the server's threads open connections of their own.
        connections.close_all()
        if embedded:
            threading.Thread(target=_end_with_parent, daemon=True).start()

        async def ready() -> None:
            paths.close_to_others(settings.LERIX_HOME)
            if embedded:
                self.tell({"ready": url})
            else:
                say(self, f"Lerix broker is ready at {url}/")

        async def say_goodbye() -> None:
            await links.rendezvous.close(after=RESTART_AFTER, spread=RESTART_SPREAD)
            await asyncio.sleep(LAST_WORDS)

        tasks = [
            *post.works(),
            ("purge", purge.keep_purging),
            ("links", links.rendezvous.keep),
            ("who is on line", links.watch),
        ]
        server.run(
            asgi_broker.application,
            sockets=listening,
            tasks=tasks,
            on_ready=ready,
            on_halt=say_goodbye,
            body_limit=MAX_REQUEST,
        )

    def tell(self, message: dict[str, Any]) -> None:
        """Print one JSON line for the process that started the embedded broker. Raises OSError."""
        say(self, json.dumps(message))

    def carrier(self) -> Carrier | None:
        """Return what takes mails away, as the environment says; None, and a hint on stderr, where it says nothing.

        Raises CommandError.
        """
        sender = settings.LERIX_MAIL_FROM or "Lerix <lerix@localhost>"
        if settings.LERIX_MAIL_FOLDER is not None:
            folder = Folder(settings.LERIX_MAIL_FOLDER, sender)
            try:
                folder.prepare()
            except OSError as error:
                raise CommandError(
                    f"No mail can be written into {settings.LERIX_MAIL_FOLDER} ({error.strerror}). Set "
                    "LERIX_MAIL_FOLDER to a folder that can be written, or unset it."
                ) from None
            return folder
        smtp = settings.LERIX_SMTP
        if smtp is None:
            print(
                "No mail server is set, so nobody can create or recover an account. Set LERIX_SMTP_URL and "
                "LERIX_MAIL_FROM, then start the broker again.",
                file=sys.stderr,
            )
            return None
        return Smtp(
            smtp.host,
            smtp.port,
            sender,
            user=smtp.user,
            password=smtp.password,
            tls=smtp.tls,
            starttls=smtp.starttls,
        )

    def create_admin(self, name: str, *, from_stdin: bool) -> None:
        """Make somebody who may use the admin pages, or give them a new password. Raises CommandError."""
        known = User.objects.filter(username=name).first()
        user = known or User(username=name)
        password = self.new_password(user, from_stdin=from_stdin)
        user.is_staff = user.is_superuser = user.is_active = True
        user.set_password(password)
        user.save()
        audit.note("staff-changed", staff=name)
        done = "has a new password" if known else "can sign in now"
        self.stdout.write(f"{name} {done}: start the broker and open /admin/ at its address.")

    def new_password(self, user: User, *, from_stdin: bool) -> str:
        """Read a password from the terminal, typed twice, or a line of stdin. Raises CommandError."""
        if from_stdin:
            password = sys.stdin.readline().rstrip("\n")
        elif not sys.stdin.isatty():
            raise CommandError("A password is asked for in a terminal. To pass one on, use --password-stdin.")
        else:
            password = getpass.getpass(f"Password for {user.username}: ")
            if getpass.getpass("The same again: ") != password:
                raise CommandError("The two passwords differ. Nothing was changed. Try again.")
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise CommandError(f"{' '.join(error.messages)} Nothing was changed.") from None
        return password

    def give_plan(self, email: str, code: str, until: date | None) -> None:
        """Give an account a plan, until the end of a day or for good. Raises CommandError."""
        end = None
        if until is not None:
            midnight = datetime.combine(until + timedelta(days=1), time_of_day())
            end = timezone.make_aware(midnight)
        try:
            plans.give(email, code, end)
        except plans.NotGiven as error:
            raise CommandError(str(error)) from None
        kept = f"until {until.isoformat()}" if until else "for good"
        self.stdout.write(f"{email} has the plan {code} {kept}.")


def _secret_of_parent() -> str:
    """Read the one line that Lerix writes, and no byte more. Raises CommandError."""
    # Not sys.stdin, which would read on and keep what follows.
    line = b""
    while len(line) <= 256 and (byte := os.read(0, 1)) not in {b"", b"\n"}:
        line += byte
    if not SECRET.fullmatch(line):
        raise CommandError("lerix broker --embedded is for Lerix itself, which says a secret first. Use lerix broker.")
    return line.decode("ascii")


def _end_with_parent() -> None:
    """Wait until nobody holds the other end of stdin, however that came about, and stop."""
    # Not sys.stdin: a thread that waits in it keeps the interpreter from ending.
    read: Callable[[int, int], bytes] = os.read
    while read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)

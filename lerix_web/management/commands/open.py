"""``open``: open the Lerix that is running, with a fresh launch link."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from lerix_web import cli, instance
from lerix_web.errors import InstanceError
from lerix_web.management.announce import announce

#: Long enough to hand the address to a browser; the opener itself may live as long as the browser.
BROWSER_SECONDS = 5.0


class Command(BaseCommand):
    """Ask the running server for a link, print it and open it."""

    help = "Open the Lerix that is already running."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        cli.open_options(parser)

    def handle(self, *args: Any, no_browser: bool, **options: Any) -> None:
        folder: Path = settings.LERIX_HOME
        link = instance.ask_link(folder)
        if link is None:
            # Only now: a start at this very moment would find the lock held and wait for us.
            with instance.Lock(folder) as lock:
                if lock.taken:
                    start = "lerix" if cli.program() == "lerix" else f"{cli.program()} serve"
                    raise InstanceError(f"Lerix is not running. Start it with: {start}")
            link = instance.link_of_running(folder)
        opening = announce(self, folder, link, no_browser=no_browser)
        if opening is not None:
            opening.join(BROWSER_SECONDS)

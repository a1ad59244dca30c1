"""``service``: start Lerix at log-in and keep it running, or stop doing so."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from lerix_web import cli
from lerix_web.service import actions


class Command(BaseCommand):
    """Install the service, uninstall it, or say how it is.

    Ends with code 0 where it did what was asked; with 1 and a sentence where it could not. ``status`` ends with 0 if
    the service is installed and running and all that it needs is there, else with 1.
    """

    help = "Start Lerix at log-in, and keep it running."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        cli.service_options(parser)

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        here = actions.Here(settings.LERIX_HOME, settings.CODEX_HOME, settings.LERIX_PORT, dict(os.environ.items()))
        manager = actions.manager_of()
        if action == "status":
            lines, well = actions.status(manager, here)
            self.stdout.write("\n".join(lines))
            if not well:
                sys.exit(1)
            return
        steps = (
            actions.install(manager, here, user=os.geteuid())
            if action == "install"
            else actions.uninstall(manager, here)
        )
        for line in steps:
            self.stdout.write(line)
            self.stdout.flush()

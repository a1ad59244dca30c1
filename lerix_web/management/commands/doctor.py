"""``doctor``: say what is right with this installation and what is not."""

import asyncio
import json
import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from lerix_web import cli
from lerix_web.doctor.finding import Level
from lerix_web.doctor.report import Installation, examine, line


class Command(BaseCommand):
    """Print a line for each thing; end with code 1 if one of them is a problem."""

    help = "Say what is right with this installation and what is not."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        cli.doctor_options(parser)

    def handle(self, *args: Any, json: bool, **options: Any) -> None:
        this = Installation(
            settings.LERIX_HOME,
            settings.LERIX_PORT,
            settings.CODEX_HOME,
            (
                ("Codex backend", settings.LERIX_CODEX_BASE_URL),
                ("OpenAI sign-in", settings.LERIX_CODEX_TOKEN_URL),
                ("OpenAI platform", settings.LERIX_OPENAI_BASE_URL),
            ),
            settings.LERIX_BROKER_URL,
        )
        found = asyncio.run(examine(this))
        if json:
            self.stdout.write(_json([each.to_json() for each in found]))
        else:
            width = max(len(each.name) for each in found)
            # https://no-color.org: any value that is not empty.
            colour = self.stdout.isatty() and not os.environ.get("NO_COLOR")
            for each in found:
                self.stdout.write(line(each, width=width, colour=colour))
        if any(each.level is Level.PROBLEM for each in found):
            sys.exit(1)


def _json(objects: list[dict[str, str | None]]) -> str:
    return json.dumps(objects, indent=2, ensure_ascii=False)

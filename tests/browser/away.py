"""Runs Lerix with one more access path, which is away while a file exists and keeps messages meanwhile.

``python -m tests.browser.away FILE serve …``; the path repeats what it is asked.
"""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import django

from connections.catalogue import Catalogue, Model
from connections.codex.usage import Usage
from connections.paths import paths
from connections.responses import AnswerEvent, Ask, Completed, TextDelta
from connections.status import NextStep, Status
from lerix_web import cli

READY = Status(True, "ready", "Ready", "Anna's Mac is on line.", None)
AWAY = Status(False, "relay-asleep", "Asleep", "Anna's Mac is asleep.", NextStep.WAIT)
LOOK_SECONDS = 0.05


class Switched:
    """The access path."""

    key, provider, label, runs = "mac", "ChatGPT", "Codex Relay · Anna's Mac", "In the test."
    keeps_messages = True
    usage: Usage | None = None
    models_etag: str | None = None

    def __init__(self, file: Path) -> None:
        self._file = file

    def status(self) -> Status:
        return AWAY if self._file.exists() else READY

    async def changes(self) -> AsyncGenerator[Status, None]:
        said = self.status()
        yield said
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self.status() != said:
                said = self.status()
                yield said

    async def models(self) -> Catalogue:
        return Catalogue((Model("gpt-relayed", "GPT Relayed"),), "etag", chosen=True)

    async def answer(self, ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
        yield TextDelta(f"You said: {ask.turns[-1].text}")
        yield Completed("resp_1")

    def replay_key(self, model: Model) -> str:
        return self.key

    async def aclose(self) -> None:
        pass


def main(file: str, *arguments: str) -> int:
    """Run a command of Lerix."""
    os.environ["DJANGO_SETTINGS_MODULE"] = cli.LOCAL_SETTINGS
    django.setup()
    wiring: ModuleType = import_module("lerix_web.wiring")
    connect = wiring.connect

    def connect_all() -> None:
        connect()
        paths.add(Switched(Path(file)))

    with patch.object(wiring, "connect", connect_all):
        return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""The whole examination, and its lines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from connections.codex.path import CodexPath
from lerix_web import paths
from lerix_web.doctor import broker, database, machine, service, services
from lerix_web.doctor.finding import Finding, Level

# The words' colours on a terminal, by the codes of ECMA-48.
COLOURS: Final = {Level.OK: "32", Level.WARN: "33", Level.PROBLEM: "31"}


@dataclass(frozen=True)
class Installation:
    """What is examined; `hosts` are addresses by the name of what is there, `broker` is what the environment names."""

    folder: Path
    port: int
    codex_home: Path
    hosts: Sequence[tuple[str, str]]
    broker: str = ""


async def examine(this: Installation) -> list[Finding]:
    """Look at everything at once, and return the findings in the order of the report."""
    file = paths.database_path(this.folder)
    now = datetime.now(UTC)
    known = await asyncio.to_thread(database.kept, file, CodexPath.key)
    found = await asyncio.gather(
        _blocking("Python", machine.python),
        _blocking("Data folder", lambda: machine.data_folder(this.folder)),
        _blocking("Database", lambda: database.database(file)),
        _sure("Keyring", services.keyring(this.folder, known)),
        _sure("Codex CLI", services.codex_cli()),
        _blocking("Codex session", lambda: services.session(this.codex_home, known, now)),
        _blocking("Models", lambda: database.catalogue(known, now)),
        *(_sure(name, services.host(name, address)) for name, address in this.hosts),
        _blocking("Port", lambda: machine.port(this.folder, this.port)),
        _blocking(service.NAME, lambda: service.service(this.folder, this.codex_home, this.port)),
        _sure(broker.NAME, broker.broker(this.folder, this.broker)),
    )
    return list(found)


async def _blocking(name: str, look: Callable[[], Finding]) -> Finding:
    return await _sure(name, asyncio.to_thread(look))


async def _sure(name: str, looking: Awaitable[Finding]) -> Finding:
    """The finding, also where looking itself fails: the other lines are then needed most."""
    try:
        return await looking
    except Exception as error:
        said = f"This could not be looked at ({type(error).__name__})."
        return Finding(name, Level.PROBLEM, said, "Update Lerix, or report it.")


def line(found: Finding, *, width: int, colour: bool) -> str:
    """Return the finding as a line; `width` is the longest name's."""
    word = f"{found.level.value:<7}"
    if colour:
        word = f"\x1b[{COLOURS[found.level]}m{word}\x1b[0m"
    return f"{word}  {found.name:<{width}}  {found.finding} {found.next_step}".rstrip()

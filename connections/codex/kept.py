"""A sign-in that no file holds, because the Codex CLI keeps it in the system's keyring: asked of the CLI."""

import asyncio
import contextvars
from collections.abc import Callable
from pathlib import Path

from connections.codex.cli_process import AppServerError
from connections.codex.cli_session import CliSession
from connections.codex.session import FileState, InKeyring, Session

# Stores out of which the CLI gives the session to a child of ours. An "ephemeral" one is in the memory of the
# program that signed in.
_STORES = frozenset({"keyring", "auto"})


class KeptSession:
    """What the CLI told of the sign-in it keeps. To be used on one event loop.

    `on_change` is called when it has told something.
    """

    def __init__(self, cli: CliSession, find_cli: Callable[[], Path | None], on_change: Callable[[], None]) -> None:
        self._cli = cli
        self._find_cli = find_cli
        self._on_change = on_change
        self._told: FileState | None = None
        self._asking: asyncio.Task[None] | None = None

    def applies(self, content: FileState) -> bool:
        """Whether the CLI can be asked, given what the files say."""
        return isinstance(content, InKeyring) and content.store in _STORES and self._find_cli() is not None

    def over(self, content: FileState) -> FileState:
        """What is known: `content` of the files, or what the CLI told where they say that it keeps the session."""
        return self._told if self._told is not None and isinstance(content, InKeyring) else content

    def follow(self, content: FileState) -> None:
        """Ask the first time that it applies; forget what was told when it does no longer."""
        if not self.applies(content):
            self._told = None
        elif self._told is None and self._asking is None:
            self.ask()

    def replace(self, session: Session | None) -> None:
        """The CLI renewed the session; None when it has to be asked again."""
        self._told = session

    def ask(self) -> asyncio.Task[None]:
        """Ask, one question at a time; it outlives the request that asks."""
        if self._asking is None or self._asking.done():
            loop = asyncio.get_running_loop()
            self._asking = loop.create_task(self._ask(), name="Codex keyring", context=contextvars.Context())
        return self._asking

    async def aclose(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    async def _ask(self) -> None:
        try:
            if self._told is not None:  # a child never notices that somebody has signed in since
                await self._cli.restart()
            self._told = await self._cli.state()
        except AppServerError:  # the files' own state then says that the sign-in is out of reach
            self._told = None
        self._on_change()

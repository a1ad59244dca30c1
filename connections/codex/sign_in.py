"""Signing in to Codex from the page: the CLI's own login, driven through its app-server.

The CLI makes the address, serves the callback on this machine, and writes auth.json; Lerix only opens the address and
hears the end. Observed with Codex CLI 0.169.0: `account/login/start` answers `{type, loginId, authUrl}`, a new start
cancels the one before, and `account/login/completed` reports `{loginId, success, error}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from connections.changes import connections_changed
from connections.codex.app_server import AppServer
from connections.codex.cli_process import AppServerError

_LONGEST_ADDRESS = 4_000


def origin_of(address: str) -> str:
    """Return "scheme://host:port" of an address."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


class SignInImpossible(Exception):
    """The CLI could not begin its login; `str()` is ready to show."""

    def __init__(self) -> None:
        super().__init__(
            "The Codex CLI could not begin its sign-in. Nothing was changed. Run codex login in a terminal instead."
        )


class SignIn:
    """One login at a time. `issuer` is the sign-in host's origin, the only one whose page is opened."""

    def __init__(self, app_server: AppServer, issuer: str) -> None:
        self._app_server = app_server
        self._issuer = issuer
        self._login_id: str | None = None
        app_server.listen(self._heard)
        #: Where the person signs in, while that is under way.
        self.address: str | None = None
        #: Whether the last one ended without a sign-in.
        self.failed = False

    async def begin(self) -> str:
        """Have the CLI begin a login; return the address to open. Raises SignInImpossible."""
        self._over()
        try:
            told = await self._app_server.call("account/login/start", {"type": "chatgpt"})
        except AppServerError:
            raise SignInImpossible from None
        address, login_id = told.get("authUrl"), told.get("loginId")
        if not isinstance(address, str) or not isinstance(login_id, str) or not self._trusted(address):
            raise SignInImpossible
        self.address, self._login_id = address, login_id
        connections_changed.set()
        return address

    async def cancel(self) -> None:
        """End the login that is under way, if one is."""
        login_id = self._login_id
        self._over()
        if login_id is None:
            return
        try:
            await self._app_server.call("account/login/cancel", {"loginId": login_id})
        except AppServerError:
            return  # it has ended by itself, or its program has

    def _trusted(self, address: str) -> bool:
        return len(address) <= _LONGEST_ADDRESS and origin_of(address) == self._issuer

    def _heard(self, method: str, params: Mapping[str, Any]) -> None:
        if method == "account/login/completed" and params.get("loginId") == self._login_id is not None:
            self._over()
            self.failed = params.get("success") is not True
            connections_changed.set()

    def _over(self) -> None:
        self.address = self._login_id = None
        self.failed = False
        connections_changed.set()

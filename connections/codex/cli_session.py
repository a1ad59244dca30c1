"""The session as the Codex CLI itself holds and renews it, asked through its app-server.

It is asked by `getAuthStatus` (Codex CLI 0.169.0, observed): `{authMethod, authToken}`. The child keeps what it
read when it was started. With `refreshToken` it reads its store again; where that holds other tokens of the same
account it takes them over and does no more, else it renews them. After a refusal it gives no token, until the
store changes. A child which was started when nobody, or somebody else, was signed in never looks again.
"""

from dataclasses import dataclass
from typing import Any

from connections.codex.app_server import AppServer
from connections.codex.cli_process import AppServerError
from connections.codex.session import (
    ApiKeyMode,
    FileState,
    OtherAuthMode,
    SignedOut,
    session_of_token,
)
from connections.secrets import Secret


@dataclass(frozen=True)
class Told:
    """One answer. `fresh`: the child was started for it. `moved`: the same child gave another token before."""

    method: str
    token: Secret | None
    fresh: bool
    moved: bool


class CliSession:
    """Asks the CLI of one CODEX_HOME for its session. To be used on one event loop."""

    def __init__(self, app_server: AppServer) -> None:
        self._app_server = app_server
        self._last: tuple[int, Secret | None] | None = None  # which child gave which token

    async def ask(self, *, renew: bool) -> Told:
        """What the CLI holds; with `renew` after it renewed, or took over what another program stored.

        Raises AppServerError.
        """
        before = self._app_server.generation
        result = await self._app_server.call("getAuthStatus", {"includeToken": True, "refreshToken": renew})
        method, token = result.get("authMethod"), result.get("authToken")
        secret = Secret(token) if isinstance(token, str) and token else None
        child = self._app_server.generation
        moved = self._last is not None and self._last[0] == child and self._last[1] != secret
        self._last = child, secret
        name = method.lower().replace("_", "") if isinstance(method, str) else ""
        return Told(name, secret, fresh=child != before, moved=moved)

    async def state(self) -> FileState:
        """The sign-in that the CLI keeps, wherever it keeps it. Raises AppServerError."""
        return await self.described(await self.ask(renew=False))

    async def described(self, told: Told) -> FileState:
        """`told` as a state, with what the CLI knows of the account."""
        match told.method:
            case "":
                return SignedOut()
            case "apikey":
                return ApiKeyMode()
            case "chatgpt":
                if told.token is None:  # it was refused, and waits for another sign-in
                    return SignedOut()
                return session_of_token(told.token.reveal(), *await self._facts())
            case _:
                return OtherAuthMode()

    async def restart(self) -> None:
        """Have the next question answered by a child that reads its store anew."""
        await self._app_server.restart()

    async def aclose(self) -> None:
        """End the child."""
        await self._app_server.aclose()

    async def _facts(self) -> tuple[str | None, str | None]:
        """The account's e-mail address and plan; None for what the CLI does not say."""
        try:
            result = await self._app_server.call("account/read", {"refreshToken": False})
        except AppServerError:  # it asks the service, which may be away; the token's claims will do
            return None, None
        account: Any = result.get("account")
        if not isinstance(account, dict):
            return None, None
        email, plan = account.get("email"), account.get("planType")
        return email if isinstance(email, str) else None, plan if isinstance(plan, str) else None

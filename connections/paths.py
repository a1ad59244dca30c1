"""Access paths: what chat and the pages know of a way to a model, and the register of those there are.

An access path is a base URL, an `httpx.Auth` and a transport. Those three make an `httpx.AsyncClient`
(`connections.client`); with it come a list of models, a streamed answer, and a status with its changes.
"""

from collections.abc import AsyncGenerator
from typing import Protocol

from connections.catalogue import Catalogue, Model
from connections.changes import Signal
from connections.codex.usage import Usage
from connections.responses import AnswerEvent, Ask
from connections.status import Status

#: What the keys of the paths to other computers begin with.
RELAYED = "relay-"


class AccessPath(Protocol):
    """One way to ask models. `key` is stable and unique, `provider` and `label` are what the model menu
    shows, `runs` says in one sentence where its requests run."""

    @property
    def key(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def runs(self) -> str: ...

    @property
    def keeps_messages(self) -> bool:
        """Whether a message that is sent while this path is not ready is kept, and sent once when it is ready again."""

    @property
    def usage(self) -> Usage | None:
        """How much of the plan's limits is used, as the last answer told; None where nothing tells."""

    @property
    def models_etag(self) -> str | None:
        """The ETag that the list of models has by now, as the last answer told; None where nothing tells."""

    def status(self) -> Status:
        """The state at this moment, without I/O to the service; from any thread."""

    def changes(self) -> AsyncGenerator[Status, None]:
        """The present status, then each newer one; a slow reader gets the newest only."""

    async def models(self) -> Catalogue:
        """The live list of models. Raises AccessError."""

    def answer(self, ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
        """The answer as it comes, ending with Completed; anything else is raised as an AccessError.

        It decides itself whether asking is possible now, so that callers need not look at the status.
        Close the generator (`contextlib.aclosing`) or cancel its task to stop: the connection closes.
        """

    def replay_key(self, model: Model) -> str:
        """Names whose reasoning items they are: keep it beside an answer's items, and pass them in a
        later Turn only where it is still the same."""

    async def aclose(self) -> None:
        """Close the connections."""


class AccessPaths:
    """The paths of this process, in the order they were added. `changed` tells when one comes or goes."""

    def __init__(self) -> None:
        self._paths: dict[str, AccessPath] = {}
        self.changed = Signal()

    def add(self, path: AccessPath) -> None:
        """Register `path`. Raises ValueError when its key is taken."""
        if path.key in self._paths:
            raise ValueError(f"there is an access path {path.key!r} already")
        self._paths[path.key] = path
        self.changed.set()

    def remove(self, key: str) -> None:
        """Forget the path with this key, if there is one."""
        if self._paths.pop(key, None) is not None:
            self.changed.set()

    def get(self, key: str) -> AccessPath | None:
        """The path with this key."""
        return self._paths.get(key)

    def all(self) -> tuple[AccessPath, ...]:
        """Every path."""
        return tuple(self._paths.values())


paths = AccessPaths()

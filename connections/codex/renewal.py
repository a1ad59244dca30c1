"""Use case: renew the Codex session when it is needed, and never leave anybody with a session that is dead.

A refresh token is good once: whoever renews must bring the answer into auth.json, or the CLI and Lerix are both
signed out. So the work is done by the Codex CLI itself wherever it is installed (`app_server`): it owns the file,
its locks and the rotation. Only where no CLI answers does Lerix renew by itself, guarded as follows.

How two programs share one token:
- Lerix holds `auth.lock` from before it reads until after it has written, so two Lerixes never spend one token.
- The CLI sends first and locks for writing only. Then one of the two is told `refresh_token_reused`; Lerix lets go
  of the lock, which the other needs to write, looks at the file again a few times, and takes what is there.
- Right before the write the file is compared with what was read. A login, a logout or another renewal stands.

Where it can crash, in our own renewal (in the CLI's the same points are the CLI's, which ends cleanly also when
Lerix is killed, see `app_server`):
1. Before the request is sent: nothing happened. Everything that writing needs (room on the disk, permission, no
   hard link) is had before that, so that a token is not spent in vain.
2. Between the host's answer and the file: the one moment in which a kill -9 or a power cut loses the session, some
   milliseconds long; the CLI has it too. The work runs in a thread, so that neither a cancelled request, a closed
   tab nor a stopping server gets into it, and the interpreter waits for it at its end.
3. Written, not yet moved over auth.json: the next renewal of the same credentials completes the move.
4. The answer came and could not be written: it is kept in memory, and written before anything else is tried.
5. The host spent the token and its answer was lost on the way: nobody can know. The next try says `reused`.

When: at need only, that is when a request is about to be sent, or the list of models fetched, with an access token
that has less than five minutes left (the CLI's own rule), when the backend answers 401 twice, and when somebody
looks at the card of a session that has run out. All who need it at once share one renewal. A permanent refusal is
remembered for exactly these credentials; after a passing failure the next try is made at need, after a growing pause.
"""

import asyncio
import contextvars
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from connections.codex.app_server import NotStarted
from connections.codex.auth_file import AuthFile, FileTrouble, NewTokens, Obstacle
from connections.codex.cli_process import AppServerError, Refused
from connections.codex.cli_session import CliSession
from connections.codex.session import FileState, Session, Unreadable, session_of_token
from connections.codex.sign_in_host import Failure, Reason, Refusal, SignInHost, Why
from connections.codex.watch import Sleep

logger = logging.getLogger(__name__)

# The CLI's own rule: an access token is renewed when this much of its time is left.
EARLY = timedelta(minutes=5)
# How long a request waits for a renewal: with a token that has run out, and with one that is still good.
PATIENCE = 30.0
PATIENCE_IF_GOOD = 10.0
# After a failure nobody tries again for so long; it doubles up to the second.
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=1)
# Looks at the file after `refresh_token_reused`, in seconds: the other program has its answer by then, and writes.
LOOKS = (0.0, 0.1, 0.3, 0.6, 1.0, 2.0)
_ROUNDS = 4


@dataclass(frozen=True)
class Changed:
    """There are other credentials now: renewed by us, by another program, or gone. Look again."""

    session: Session | None = None  # where no file holds it


@dataclass(frozen=True)
class Impossible:
    """These credentials can never be renewed again."""

    why: Why


@dataclass(frozen=True)
class Postponed:
    """It did not work this time. Nothing is tried before `until`."""

    obstacle: Obstacle
    until: datetime


Outcome = Changed | Impossible | Postponed
_Tried = Changed | Impossible | Failure


class Renewal:
    """Renews the session of one CODEX_HOME. To be used on one event loop.

    `read` gives what the files hold now, `cli` asks the CLI that `find_cli` finds, `host` is for when there is
    none. `on_change` is called when a renewal begins and when it has ended.
    """

    def __init__(
        self,
        home: Path,
        read: Callable[[], FileState],
        cli: CliSession,
        find_cli: Callable[[], Path | None],
        host: SignInHost,
        *,
        now: Callable[[], datetime],
        on_change: Callable[[], None] = lambda: None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._file = AuthFile(home)
        self._read = read
        self._cli = cli
        self._find_cli = find_cli
        self._host = host
        self._now = now
        self._on_change = on_change
        self._sleep = sleep
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="codex-renewal")
        self._running: tuple[str, asyncio.Task[Outcome]] | None = None
        # What is known of exactly one snapshot of the credentials.
        self._impossible: tuple[str, Impossible] | None = None
        self._postponed: tuple[str, Postponed] | None = None
        self._failures = 0
        self._unsaved: tuple[str, NewTokens] | None = None

    @property
    def by(self) -> str:
        """Who renews, to be shown."""
        return "Lerix" if self._find_cli() is None else "the Codex CLI"

    @property
    def running(self) -> bool:
        """Whether a renewal goes on."""
        return self._running is not None

    def due(self, session: Session) -> bool:
        """Whether `session` is to be renewed before it is used."""
        expires_at = session.account.expires_at
        known = self.known(session)
        return (
            session.renewable
            and expires_at is not None
            and expires_at - self._now() <= EARLY
            and not isinstance(known, Impossible)
        )

    def known(self, session: Session) -> Impossible | Postponed | None:
        """What stands in the way of renewing `session`, as far as it is known."""
        if self._impossible is not None and self._impossible[0] == session.snapshot:
            return self._impossible[1]
        if self._postponed is not None and self._postponed[0] == session.snapshot:
            return self._postponed[1] if self._now() < self._postponed[1].until else None
        return None

    def forgive(self) -> None:
        """Try again at the next need, whatever failed a moment ago: somebody asks for it."""
        self._postponed = None

    def begin(self, session: Session, reason: Reason, *, kept_by_cli: bool = False) -> asyncio.Task[Outcome] | None:
        """Have `session` renewed, joining a renewal of it that goes on; None where it is known to be of no use.

        `kept_by_cli` says that there is no file. Whoever cancels the task cancels it for all: see `renew`.
        """
        if self._running is not None and self._running[0] == session.snapshot:
            return self._running[1]
        if not session.renewable or self.known(session) is not None:
            return None
        before = self._running[1] if self._running is not None else None
        work = self._renew(session, reason, kept_by_cli, before)
        # An empty context: nothing of the request that happens to be first may be inherited.
        task = asyncio.get_running_loop().create_task(work, name="Codex renewal", context=contextvars.Context())
        self._running = session.snapshot, task
        task.add_done_callback(self._ended)
        self._on_change()
        return task

    async def renew(self, session: Session, reason: Reason, *, kept_by_cli: bool = False) -> Outcome | None:
        """The same, waiting for it; None when it goes on for too long. Cancelling the waiter stops nothing."""
        task = self.begin(session, reason, kept_by_cli=kept_by_cli)
        if task is None:
            return self.known(session)
        expires_at = session.account.expires_at
        good = reason is Reason.PROACTIVE and expires_at is not None and expires_at > self._now()
        await asyncio.wait({task}, timeout=PATIENCE_IF_GOOD if good else PATIENCE)
        return task.result() if task.done() and not task.cancelled() else None

    async def aclose(self, grace: float = 1.0) -> None:
        """Wait up to `grace` seconds for a renewal that goes on, then end the CLI's child.

        A renewal that takes longer is completed all the same: by the CLI, or by our thread, for which the
        interpreter waits at its end.
        """
        if self._running is not None:
            await asyncio.wait({self._running[1]}, timeout=grace)
        self._thread.shutdown(wait=False)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="codex-renewal")
        await self._cli.aclose()

    def _ended(self, task: asyncio.Task[Outcome]) -> None:
        if self._running is not None and self._running[1] is task:
            self._running = None
        self._on_change()

    async def _renew(
        self, session: Session, reason: Reason, kept_by_cli: bool, before: asyncio.Task[Outcome] | None
    ) -> Outcome:
        if before is not None:  # of credentials that have been replaced meanwhile
            await asyncio.wait({before})
        try:
            tried = await self._try(session, reason, kept_by_cli)
        except Exception:  # whatever it was, the next need shall find a renewal that can be tried
            logger.exception("a renewal of the Codex session failed unexpectedly")
            tried = Failure(Obstacle.UNEXPECTED)
        match tried:
            case Changed():
                self._failures, self._postponed = 0, None
                return tried
            case Impossible():
                self._impossible = session.snapshot, tried
                return tried
            case Failure(obstacle, wait):
                pause = min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE)
                self._failures = min(self._failures + 1, 16)
                postponed = Postponed(obstacle, self._now() + max(pause, wait or pause))
                self._postponed = session.snapshot, postponed
                return postponed

    async def _try(self, session: Session, reason: Reason, kept_by_cli: bool) -> _Tried:
        if self._find_cli() is not None and self._unsaved is None:
            try:
                return await self._by_cli(session, reason, kept_by_cli)
            except AppServerError as error:
                # Nothing was asked, or this version of the CLI does not know the question: then it is safe to
                # do it ourselves. Else the token may be spent, and its answer on the way into the file.
                asked = not isinstance(error, NotStarted) and not (isinstance(error, Refused) and error.unknown)
                if asked:
                    return await self._looked_again(session, kept_by_cli) or Failure(Obstacle.CLI_FAILED)
        if kept_by_cli:
            return Failure(Obstacle.CLI_FAILED)
        loop = asyncio.get_running_loop()
        tried = await loop.run_in_executor(self._thread, self._by_ourselves, session.snapshot, reason)
        if isinstance(tried, Impossible):
            return await self._looked_again(session, kept_by_cli) or tried
        return tried

    async def _by_cli(self, session: Session, reason: Reason, kept_by_cli: bool) -> _Tried:
        """What the CLI makes of it. A few rounds, since it first takes over what it did not know yet, and a
        child that was started under another sign-in has to be started anew. Raises AppServerError."""
        stale = session
        for _ in range(_ROUNDS):
            told = await self._cli.ask(renew=True)
            held: FileState | None
            if kept_by_cli:
                held = session_of_token(told.token.reveal()) if told.token is not None else stale
            else:
                held = self._read()
            if not isinstance(held, Session):
                return Changed()
            if held.snapshot != stale.snapshot:
                over = held.account.expires_at is not None and held.account.expires_at <= self._now()
                if not over or not held.renewable:
                    described = await self._cli.described(told) if kept_by_cli else None
                    return Changed(described if isinstance(described, Session) else None)
                stale = held  # it, too, has run out
            elif told.token is None and told.fresh:
                return await self._looked_again(stale, kept_by_cli) or Impossible(Why.REFUSED)
            elif told.token is None or told.token != stale.access_token:  # it knows another sign-in than this
                await self._cli.restart()
            elif not told.moved:
                break
        return Failure(Obstacle.CLI_FAILED)

    async def _looked_again(self, stale: Session, kept_by_cli: bool) -> Changed | None:
        """Changed when another program brings other credentials into the file within a few seconds."""
        if kept_by_cli:
            return None
        for pause in LOOKS:
            await self._sleep(pause)
            held = self._read()
            if not isinstance(held, Unreadable) and (not isinstance(held, Session) or held.snapshot != stale.snapshot):
                return Changed()
        return None

    def _by_ourselves(self, stale: str, reason: Reason) -> _Tried:
        """Our own guarded renewal of the credentials named `stale`. Blocks; runs in a thread to its end."""
        try:
            with self._file.locked():
                stored = self._file.read()
                if stored is None or stored.snapshot != stale or self._file.finish(stored):
                    self._unsaved = None
                    return Changed()
                with self._file.draft(stored) as draft:
                    kept = self._unsaved
                    if kept is not None and kept[0] == stale:
                        tokens = kept[1]
                    else:
                        self._unsaved = None
                        answer = self._host.renew(stored.refresh_token, reason)
                        if isinstance(answer, Refusal):
                            return Impossible(answer.why)
                        if isinstance(answer, Failure):
                            return answer
                        tokens = answer
                        self._unsaved = stale, tokens
                    draft.commit(tokens)
                    self._unsaved = None
                    return Changed()
        except FileTrouble as trouble:
            if self._unsaved is not None:
                logger.warning("The renewed Codex session could not be written: %s. It is tried again.", trouble)
            return Failure(trouble.obstacle)

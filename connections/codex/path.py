"""The Codex access path: the CLI's session and what the service answered, together one state."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import httpx

from connections.catalogue import Catalogue, Model, decode_catalogue
from connections.client import Limits, ModelAPI
from connections.codex.app_server import AppServer, app_server_for
from connections.codex.auth import CodexAuth, backend_url
from connections.codex.cli import find_codex
from connections.codex.cli_session import CliSession
from connections.codex.kept import KeptSession
from connections.codex.renewal import Changed, Impossible, Postponed, Renewal
from connections.codex.session import Account, FileState, Session, SessionFiles
from connections.codex.sign_in import SignIn, origin_of
from connections.codex.sign_in_host import TOKEN_URL, Reason, SignInHost
from connections.codex.states import (
    LimitReached,
    NeedsRenewal,
    OtherAccount,
    RenewalFailed,
    ServiceChanged,
    ServiceUnreachable,
    SessionState,
    SignInAgain,
    WorkspaceUnsupported,
    sendable,
    state_at,
    status_of,
)
from connections.codex.usage import Usage, usage_from_headers
from connections.codex.watch import INTERVAL, Broadcast, SessionWatch, Sleep, utc_now
from connections.errors import (
    AccessError,
    CatalogueUnreadable,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
    UsageLimitReached,
    WorkspaceRefused,
)
from connections.responses import CLIENT_VERSION, AnswerEvent, Ask, build_request, form_for
from connections.status import Status

logger = logging.getLogger(__name__)

OnAccount = Callable[[str], Awaitable[None]]


class CodexPath:
    """ChatGPT through the Codex CLI's own session.

    `codex_home` is the CLI's folder, `base_url` the backend's address without `/codex`, `token_url` the sign-in
    host's token endpoint. A CLI that is asked to renew is sent to the same two addresses.
    `known_account` is the account id used before, or None; the first one seen is then adopted, and
    told to `on_account` so that it can be kept. A different one waits for `accept_account`. Raises
    ValueError for an address that no token may be sent to. To be used on one event loop.
    """

    key = "codex"
    provider = "ChatGPT"
    label = "Codex auth"
    keeps_messages = False
    runs = "Requests use this computer's own Codex session and go straight from here to OpenAI."

    def __init__(
        self,
        codex_home: Path,
        base_url: str,
        known_account: str | None,
        user_agent: str,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        token_url: str = TOKEN_URL,
        token_transport: httpx.BaseTransport | None = None,
        app_server: AppServer | None = None,
        on_account: OnAccount | None = None,
        limits: Limits | None = None,
        find_cli: Callable[[], Path | None] = find_codex,
        now: Callable[[], datetime] = utc_now,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._known = known_account or None
        self._on_account = on_account
        self._now = now
        self._sleep = sleep
        files = SessionFiles(codex_home, find_cli=find_cli)
        self._files = SessionWatch(files, sleep=sleep)
        url = backend_url(base_url)
        server = app_server or app_server_for(find_cli, codex_home, base_url, token_url, user_agent)
        cli = CliSession(server)
        #: The CLI's own login, begun from the page.
        self.sign_in = SignIn(server, origin_of(token_url))
        host = SignInHost(token_url, user_agent, token_transport)
        self._kept = KeptSession(cli, find_cli, self._publish_change)
        self._renewal = Renewal(
            codex_home, files.read, cli, find_cli, host, now=now, sleep=sleep, on_change=self._publish_change
        )
        self._api = ModelAPI(
            url,
            CodexAuth(url, self),
            user_agent,
            transport=transport,
            limits=limits,
            on_headers=self._read_headers,
            now=now,
            sleep=sleep,
        )
        self.usage: Usage | None = None
        self.models_etag: str | None = None
        # What the service answered. The first two belong to exactly one session and mean nothing for
        # the next; the limit belongs to an account and its plan; the last ends with the next success.
        self._refused: Session | None = None
        self._unsupported: Session | None = None
        self._limited: tuple[tuple[str, str | None], datetime] | None = None
        self._trouble: tuple[type[ServiceChanged | ServiceUnreachable], datetime] | None = None
        self._statuses: Broadcast[Status] | None = None

    @property
    def session_state(self) -> SessionState:
        """The state at this moment, of the files as last read."""
        content = self._content
        if not isinstance(content, Session):
            return content
        if self._known is not None and content.account.id != self._known:
            return OtherAccount(content, self._known)
        now, known = self._now(), self._renewal.known(content)
        if content == self._refused:
            return SignInAgain(content, known.why if isinstance(known, Impossible) else None)
        by_expiry = state_at(content, now, known, renewing=self._renewal.running)
        if sendable(by_expiry) is None:
            return by_expiry
        if content == self._unsupported:
            return WorkspaceUnsupported(content)
        if self._limited is not None and self._limited[0] == _payer(content) and now < self._limited[1]:
            return LimitReached(content, self._limited[1])
        if self._trouble is not None:
            kind, since = self._trouble
            return kind(content, since)
        return by_expiry

    @property
    def account(self) -> Account | None:
        """Whose session the files hold, with a masked e-mail address."""
        content = self._content
        return content.account if isinstance(content, Session) else None

    @property
    def renewed_by(self) -> str | None:
        """Who renews the session, to be shown: "the Codex CLI" or "Lerix"; None where nobody can."""
        content = self._content
        return self._renewal.by if isinstance(content, Session) and content.renewable else None

    @property
    def _content(self) -> FileState:
        """What the files say, or the CLI where it keeps the sign-in itself."""
        return self._kept.over(self._files.content)

    @property
    def _kept_by_cli(self) -> bool:
        return self._kept.applies(self._files.content)

    def status(self) -> Status:
        """The state at this moment, ready to show."""
        newest = status_of(self.session_state, self._now())
        published = self._statuses.value if self._statuses is not None else None
        # The same state is as old as it was; only a change sets `since`.
        return published if published is not None and _same(published, newest) else newest

    def changes(self) -> AsyncGenerator[Status, None]:
        """The present status, then each newer one; a slow reader gets the newest only."""
        return self._publish().changes()

    async def watch(self) -> None:
        """Notice changes of the files and of the clock, for ever: a task of the server's."""
        while True:
            await self.refresh()
            await self._sleep(INTERVAL)

    async def refresh(self, *, force: bool = False) -> Status:
        """Look at the files now, and adopt the first account seen."""
        self._kept.follow(await self._files.refresh(force=force))
        content = self._content
        if self._known is None and isinstance(content, Session):
            await self._use(content.account.id)
        return self._publish().value

    async def look(self) -> Status:
        """Look now, for somebody who looks at the card: a session that has run out begins to be renewed, since
        only that shows whether it can be. Does not wait for it."""
        await self.refresh()
        state = self.session_state
        if isinstance(state, NeedsRenewal | RenewalFailed):
            self._renewal.begin(state.session, Reason.PROACTIVE, kept_by_cli=self._kept_by_cli)
        elif self._kept_by_cli and not isinstance(self._content, Session):
            self._kept.ask()
        return self.status()

    async def check(self) -> Status:
        """Look at everything anew, for somebody who asks for it: what failed a moment ago is tried again."""
        self._renewal.forgive()
        await self.refresh(force=True)
        if self._kept_by_cli:
            await asyncio.wait({self._kept.ask()})
            await self.refresh()
        return self.status()

    async def accept_account(self) -> None:
        """Use the account which the files name now, from here on."""
        account = self.account
        if account is not None:
            await self._use(account.id)
            self._publish()

    async def models(self) -> Catalogue:
        """The live list of models for this account. Raises AccessError."""
        session = await self.current()
        try:
            # The service leaves out models which that version of the CLI would not understand.
            headers, content = await self._api.document("codex/models", {"client_version": CLIENT_VERSION})
            catalogue = decode_catalogue(content, headers.get("etag"))
        except ValueError:
            self._failed(CatalogueUnreadable(), None)
            raise CatalogueUnreadable from None
        except AccessError as error:
            self._failed(error, session)
            raise
        self._succeeded()
        return catalogue

    async def answer(self, ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
        """The answer as it comes, ending with Completed. Raises AccessError.

        While a usage limit is known to last, nothing is sent.
        """
        session = await self.current()
        state = self.session_state
        if isinstance(state, LimitReached):
            raise UsageLimitReached(until=state.until)
        headers, body = build_request(ask, form_for(ask.model))
        events = self._api.answer("codex/responses", headers, body)
        try:
            begun = False
            async for event in events:
                if not begun:
                    begun = True
                    self._succeeded()
                yield event
        except AccessError as error:
            self._failed(error, session)
            raise
        finally:
            await events.aclose()

    def replay_key(self, model: Model) -> str:
        """Reasoning items are sealed for one account, and made by one model."""
        account = self.account
        digest = hashlib.sha256((account.id if account else "").encode()).hexdigest()[:16]
        return f"{self.key}:{digest}:{model.slug}"

    async def aclose(self) -> None:
        """Close the connections, and end the CLI's child once a renewal that goes on is done."""
        await self._kept.aclose()
        await self._renewal.aclose()
        await self._api.aclose()

    # Credentials, for CodexAuth

    async def current(self) -> Session:
        """The session to send with, renewed if it is due. Raises Unavailable when the state forbids it."""
        await self.refresh()
        if self._kept_by_cli and not isinstance(self._content, Session):
            await asyncio.wait({self._kept.ask()})
            await self.refresh()
        for _ in range(2):  # once more if another program brought a session that has run out as well
            state = self.session_state
            if not isinstance(state, NeedsRenewal | RenewalFailed):
                session = self._session()
                if self._renewal.due(session):
                    await self._renew(session, Reason.PROACTIVE)
                break
            await self._renew(state.session, Reason.PROACTIVE)
        return self._session()

    async def again(self) -> Session:
        """The same after a 401. Raises Unavailable also when another account has signed in since."""
        await self.refresh(force=True)
        return self._session()

    async def renewed(self, session: Session) -> Session | None:
        """A newer session than `session`, which was answered 401 twice; None where it cannot be renewed.

        Raises Unavailable when a renewal was tried and failed.
        """
        await self.refresh(force=True)
        present = self._session()
        if present.snapshot != session.snapshot:  # another request, or another program, was faster
            return present
        if not session.renewable:
            return None
        outcome = await self._renew(session, Reason.UNAUTHORIZED)
        match outcome:
            case Impossible():
                self.refused(session)
            case Postponed(obstacle, until):
                raise Unavailable(status_of(RenewalFailed(session, obstacle, until), self._now()))
            case None:
                raise Unavailable(status_of(NeedsRenewal(session, renewing=True), self._now()))
        return self._session()

    async def _renew(self, session: Session, reason: Reason) -> Changed | Impossible | Postponed | None:
        outcome = await self._renewal.renew(session, reason, kept_by_cli=self._kept_by_cli)
        if isinstance(outcome, Changed) and self._kept_by_cli:
            self._kept.replace(outcome.session)
        await self.refresh(force=True)
        return outcome

    def refused(self, session: Session) -> None:
        """The session is not tried again."""
        self._refused = session
        self._publish()

    def _session(self) -> Session:
        state = self.session_state
        if isinstance(state, LimitReached):  # the limit is on answers, not on the list of models
            return state.session
        session = sendable(state)
        if session is None:
            raise Unavailable(self.status())
        return session

    # Outcomes

    def _succeeded(self) -> None:
        self._trouble = self._unsupported = None
        self._publish()

    def _failed(self, error: AccessError, session: Session | None) -> None:
        """Remember what `error` says of the service, or of the session it was asked with."""
        match error:
            case UsageLimitReached() if error.until is not None and session is not None:
                self._limited = _payer(session), error.until
            case WorkspaceRefused():
                self._unsupported = session
            case Unreachable():
                self._trouble_is(ServiceUnreachable)
            case UnexpectedAnswer():
                self._trouble_is(ServiceChanged)
        self._publish()

    def _trouble_is(self, kind: type[ServiceChanged | ServiceUnreachable]) -> None:
        """The service is in this trouble, since now or since it began."""
        if self._trouble is None or self._trouble[0] is not kind:
            self._trouble = kind, self._now()

    def _read_headers(self, headers: httpx.Headers) -> None:
        self.usage = usage_from_headers(headers, self._now()) or self.usage
        self.models_etag = headers.get("x-models-etag") or self.models_etag

    def _publish_change(self) -> None:
        self._publish()

    def _publish(self) -> Broadcast[Status]:
        status = self.status()
        if self._statuses is None:
            self._statuses = Broadcast(status)
        self._statuses.publish(status)
        return self._statuses

    async def _use(self, account: str) -> None:
        self._known = account
        if self._on_account is None:
            return
        try:
            await self._on_account(account)
        except Exception:  # whatever keeping it raises: the session is usable all the same
            logger.exception("the account in use could not be remembered")


def _payer(session: Session) -> tuple[str, str | None]:
    """Whose limit it is. A new plan is a new limit."""
    return session.account.id, session.account.plan


def _same(one: Status, other: Status) -> bool:
    return replace(one, since=None) == replace(other, since=None)

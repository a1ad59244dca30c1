"""Every state of the Codex path as one closed type, and what each says.

`SessionState` is what `auth.json` says (`FileState`) seen at a moment, together with what the service
has answered. `status_of` matches all of it, which mypy checks.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from connections.codex.auth_file import Obstacle
from connections.codex.renewal import Impossible, Postponed
from connections.codex.session import (
    ApiKeyMode,
    CliMissing,
    Fault,
    InKeyring,
    OtherAuthMode,
    Session,
    SignedOut,
    Unreadable,
)
from connections.codex.sign_in_host import Why
from connections.status import NextStep, Status


@dataclass(frozen=True)
class Connected:
    """Requests can be sent."""

    session: Session


@dataclass(frozen=True)
class NeedsRenewal:
    """The access token has run out. Requests can be sent: they have it renewed first, and wait for that.
    `renewing` says whether this goes on now."""

    session: Session
    renewing: bool


@dataclass(frozen=True)
class RenewalFailed:
    """The access token has run out and could not be renewed. It is tried again at the next need, but not
    before `until`."""

    session: Session
    obstacle: Obstacle
    until: datetime


@dataclass(frozen=True)
class ExpiredForGood:
    """The access token has run out, and nothing can renew it; `why` is None where there is nothing to renew
    it with."""

    session: Session
    why: Why | None


@dataclass(frozen=True)
class OtherAccount:
    """The file names another account than `known`, the one in use until now."""

    session: Session
    known: str


@dataclass(frozen=True)
class SignInAgain:
    """The service refused exactly this session; `why` is the reason if its renewal was refused as well."""

    session: Session
    why: Why | None


@dataclass(frozen=True)
class WorkspaceUnsupported:
    """The service does not let this session's workspace use Codex."""

    session: Session


@dataclass(frozen=True)
class ServiceChanged:
    """The last answer was none this version knows. Requests are still tried."""

    session: Session
    since: datetime


@dataclass(frozen=True)
class ServiceUnreachable:
    """The last request found no way to the service. Requests are still tried."""

    session: Session
    since: datetime


@dataclass(frozen=True)
class LimitReached:
    """The account's usage limit is reached; nothing is sent until `until`."""

    session: Session
    until: datetime


SessionState = (
    CliMissing
    | SignedOut
    | ApiKeyMode
    | OtherAuthMode
    | InKeyring
    | Unreadable
    | Connected
    | NeedsRenewal
    | RenewalFailed
    | ExpiredForGood
    | OtherAccount
    | SignInAgain
    | WorkspaceUnsupported
    | ServiceChanged
    | ServiceUnreachable
    | LimitReached
)


def state_at(
    session: Session, now: datetime, known: Impossible | Postponed | None = None, *, renewing: bool = False
) -> Connected | NeedsRenewal | RenewalFailed | ExpiredForGood:
    """The session's state by its expiry, and by what is `known` of renewing it. An expiry that cannot be read
    is left to the service."""
    expires_at = session.account.expires_at
    if expires_at is None or now < expires_at:
        return Connected(session)
    if not session.renewable:
        return ExpiredForGood(session, None)
    match known:
        case Impossible(why):
            return ExpiredForGood(session, why)
        case Postponed(obstacle, until) if not renewing:
            return RenewalFailed(session, obstacle, until)
        case _:
            return NeedsRenewal(session, renewing)


def sendable(state: SessionState) -> Session | None:
    """The session to send with, or None where the state itself forbids to send."""
    match state:
        case Connected() | WorkspaceUnsupported() | ServiceChanged() | ServiceUnreachable():
            return state.session
        case _:
            return None


# Sentences for a session that nobody can renew.
_WHY_NOT: dict[Why | None, str] = {
    Why.EXPIRED: "Codex's sign-in has expired and can no longer be renewed. Run codex login again.",
    Why.REUSED: "Codex's sign-in was renewed by a program that did not save it here, for example with a copy of "
    "auth.json, so that this one is used up. Run codex login again.",
    Why.REVOKED: "Codex's sign-in was ended, for example by signing out elsewhere. Run codex login again.",
    Why.REFUSED: "OpenAI no longer renews Codex's sign-in. Run codex login again.",
}
_AT_THE_FILE = frozenset({Obstacle.HARD_LINKED, Obstacle.NOT_WRITABLE, Obstacle.NO_ROOM, Obstacle.NOT_WRITTEN})


def status_of(state: SessionState, now: datetime) -> Status:
    """What to show for `state`; `now`, an aware UTC datetime, is since when, where nothing older is known."""
    match state:
        case CliMissing():
            return _status(
                "cli-missing",
                "Codex not installed",
                "The Codex CLI was not found on this computer. Install it, then run codex login.",
                NextStep.INSTALL_CLI,
                now,
            )
        case SignedOut():
            return _status(
                "signed-out",
                "Not signed in",
                "Codex is not signed in. Run codex login and sign in with ChatGPT.",
                NextStep.SIGN_IN,
                now,
            )
        case ApiKeyMode():
            return _status(
                "api-key-mode",
                "API key mode",
                "Codex is signed in with an API key, which is not usable for Codex session auth or Codex "
                "Relay. Run codex login again and sign in with ChatGPT.",
                NextStep.SIGN_IN,
                now,
            )
        case OtherAuthMode():
            return _status(
                "other-auth-mode",
                "Not usable",
                "Codex is signed in in a way Lerix cannot use. Run codex login and sign in with ChatGPT.",
                NextStep.SIGN_IN,
                now,
            )
        case InKeyring(store):
            return _status(
                "in-keyring",
                "Kept in the keyring" if store != "ephemeral" else "Not kept in a file",
                f'Codex is set to keep its sign-in outside auth.json ("{store}"), where Lerix cannot read '
                'it. Set cli_auth_credentials_store = "file" in Codex\'s config.toml, then run codex login.',
                NextStep.SIGN_IN,
                now,
            )
        case Unreadable(fault):
            step = (
                "Check the file's permissions."
                if fault in (Fault.NOT_ALLOWED, Fault.NOT_READABLE)
                else "Run codex login to write it anew."
            )
            return _status(
                "unreadable",
                "Sign-in file unreadable",
                f"Codex's auth.json is there, but {fault}. Lerix changed nothing. {step}",
                NextStep.CHECK_FILE,
                now,
            )
        case Connected(session):
            who = f" as {session.account.email}" if session.account.email else ""
            return Status(True, "connected", "Connected", f"Codex is signed in with ChatGPT{who}.", None, now)
        case NeedsRenewal(session, renewing):
            who = f" as {session.account.email}" if session.account.email else ""
            how = "The sign-in is being renewed." if renewing else "The sign-in is renewed with the next request."
            return Status(
                ready=True,
                code="renewing" if renewing else "needs-renewal",
                title="Renewing" if renewing else "Connected",
                sentence=f"Codex is signed in with ChatGPT{who}. {how}",
                next_step=None,
                since=session.account.expires_at or now,
            )
        case RenewalFailed(session, obstacle):
            at_the_file = obstacle in _AT_THE_FILE
            step = "Mend that, then try again." if at_the_file else "Try again in a moment."
            return _status(
                "renewal-failed",
                "Not renewed",
                f"Codex's sign-in has run out and could not be renewed: {obstacle}. {step}",
                NextStep.CHECK_FILE if at_the_file else NextStep.RETRY,
                session.account.expires_at or now,
            )
        case ExpiredForGood(session, why):
            return _status(
                "expired",
                "Needs sign-in",
                _WHY_NOT.get(why, "Codex's sign-in has expired and cannot be renewed. Run codex login again."),
                NextStep.SIGN_IN_AGAIN,
                session.account.expires_at or now,
            )
        case OtherAccount(session):
            who = session.account.email or "another account"
            return _status(
                "other-account",
                "Other account",
                f"Codex is now signed in as {who}, not as the account used here before. Confirm that Lerix may use it.",
                NextStep.USE_ACCOUNT,
                now,
            )
        case SignInAgain(why=why):
            return _status(
                "sign-in-refused",
                "Needs sign-in",
                _WHY_NOT.get(why, "OpenAI no longer accepts Codex's sign-in. Run codex login again."),
                NextStep.SIGN_IN_AGAIN,
                now,
            )
        case WorkspaceUnsupported():
            return _status(
                "workspace-unsupported",
                "Workspace not supported",
                "OpenAI does not let this account's workspace use Codex. "
                "Run codex login and choose another account or workspace.",
                NextStep.SIGN_IN_AGAIN,
                now,
            )
        case ServiceChanged(since=since):
            return _status(
                "service-changed",
                "Service changed",
                "The Codex service answered in a way this version of Lerix does not know. "
                "If trying again does not help, update Lerix.",
                NextStep.RETRY,
                since,
            )
        case ServiceUnreachable(since=since):
            return _status(
                "unreachable",
                "Not reachable",
                "The Codex service could not be reached. Check the network and try again.",
                NextStep.RETRY,
                since,
            )
        case LimitReached(until=until):
            return Status(
                ready=False,
                code="limit",
                title="Usage limit",
                sentence="The usage limit of your ChatGPT plan is reached. Wait for the reset.",
                next_step=NextStep.WAIT,
                since=now,
                until=until,
            )
        case _:
            assert_never(state)


def _status(code: str, title: str, sentence: str, next_step: NextStep, since: datetime) -> Status:
    return Status(ready=False, code=code, title=title, sentence=sentence, next_step=next_step, since=since)

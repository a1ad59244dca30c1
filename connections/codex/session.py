"""Codex's `auth.json` and `config.toml`, read in place. Nothing here writes (`auth_file` does), and nothing
raises for what the files hold: every content is one of `FileState`.

Source of the rules: Codex CLI 0.169.0, observed, and its login/src/auth/{manager,storage}.rs. Lerix is
more tolerant than the CLI where a token can still be used (an unreadable id_token, no refresh token).
"""

import hashlib
import json
import os
import re
import stat
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from connections.codex import tokens
from connections.codex.cli import find_codex
from connections.secrets import Secret

MAX_FILE = 1024 * 1024
# The CLI's own rule for an access token whose `exp` cannot be read.
_TRUSTED_FOR = timedelta(days=8)
_TOKEN = re.compile(r"[\x21-\x7e]+")
# Stores in which there is no auth.json although somebody may be signed in.
_OTHER_STORES = frozenset({"keyring", "auto", "ephemeral"})


class Fault(StrEnum):
    """Why auth.json cannot be used, as the end of a sentence."""

    NOT_ALLOWED = "Lerix may not read it"
    NOT_READABLE = "it cannot be read"
    NOT_A_FILE = "it is not a regular file"
    TOO_LARGE = "it is larger than 1 MB"
    NOT_JSON = "it is not valid JSON"
    WRONG_SHAPE = "it is not written as Codex writes it"
    UNSENDABLE = "its access token cannot be used"
    NO_ACCOUNT = "it names no ChatGPT account"


@dataclass(frozen=True)
class Account:
    """Whose session it is, fit to be shown: `email` is masked, `expires_at` an aware UTC datetime."""

    id: str
    email: str | None
    plan: str | None
    expires_at: datetime | None


@dataclass(frozen=True)
class Session:
    """A ChatGPT sign-in of the Codex CLI. `renewable` says whether there is a refresh token, which is
    itself not kept here: only the file holds it. `snapshot` names exactly these credentials."""

    account: Account
    access_token: Secret
    renewable: bool
    fedramp: bool = False
    snapshot: str = field(default="", repr=False)


@dataclass(frozen=True)
class CliMissing:
    """No session, and no Codex CLI to make one."""


@dataclass(frozen=True)
class SignedOut:
    """The CLI is there; nobody is signed in."""


@dataclass(frozen=True)
class ApiKeyMode:
    """The CLI is signed in with an API key, which is no session."""


@dataclass(frozen=True)
class OtherAuthMode:
    """The CLI is signed in in a way that Lerix cannot use: an agent identity, an access token, Bedrock."""


@dataclass(frozen=True)
class InKeyring:
    """There is no auth.json, and config.toml says that the sign-in is kept elsewhere: in `store`."""

    store: str


@dataclass(frozen=True)
class Unreadable:
    """There is an auth.json, and it cannot be used."""

    fault: Fault


FileState = CliMissing | SignedOut | ApiKeyMode | OtherAuthMode | InKeyring | Unreadable | Session

# What tells that a file may have changed: device, inode, size and time of change, or the error.
Signature = tuple[int | str, ...]


class SessionFiles:
    """The files of one CODEX_HOME. Calls block for some microseconds: they read two small local files."""

    def __init__(self, home: Path, *, find_cli: Callable[[], Path | None] = find_codex) -> None:
        self.home = home
        self._auth = home / "auth.json"
        self._config = home / "config.toml"
        self._find_cli = find_cli

    def look(self) -> Signature:
        """A value which differs when `read` may give something else than before."""
        auth = _signature(self._auth)
        if auth[0] != "FileNotFoundError":
            return auth
        # Only then do the other two matter, and the search for the program is the dearest of the three.
        return (*auth, *_signature(self._config), str(self._find_cli()))

    def read(self) -> FileState:
        """What the files say now."""
        try:
            raw = _read(self._auth)
        except FileNotFoundError:
            return self._without_file()
        except PermissionError:
            return Unreadable(Fault.NOT_ALLOWED)
        except (OSError, ValueError):  # ValueError: a path which no file can have
            return Unreadable(Fault.NOT_READABLE)
        return raw if isinstance(raw, Unreadable) else parse_auth(raw)

    def _without_file(self) -> FileState:
        try:
            raw = _read(self._config)
            config = {} if isinstance(raw, Unreadable) else tomllib.loads(raw.decode("utf-8"))
        except (OSError, ValueError, RecursionError):
            config = {}
        store = config.get("cli_auth_credentials_store")
        if isinstance(store, str) and store in _OTHER_STORES:
            return InKeyring(store)
        return CliMissing() if self._find_cli() is None else SignedOut()


def parse_auth(raw: bytes) -> FileState:
    """What the bytes of an auth.json say. Never raises, never gives CliMissing or InKeyring."""
    try:
        content = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return Unreadable(Fault.NOT_JSON)
    if not isinstance(content, dict):
        return Unreadable(Fault.WRONG_SHAPE)
    mode, key = content.get("auth_mode"), content.get("OPENAI_API_KEY")
    if not isinstance(mode, str | None) or not isinstance(key, str | None):
        return Unreadable(Fault.WRONG_SHAPE)
    if mode is None:
        mode = "chatgpt" if key is None else "apikey"
        others = ("agent_identity", "personal_access_token", "bedrock_api_key", "bedrock_access_keys")
        if mode == "chatgpt" and not content.get("tokens") and any(content.get(name) for name in others):
            return OtherAuthMode()
    match mode.lower().replace("_", ""):
        case "apikey":
            return ApiKeyMode()
        case "chatgpt":
            return _session(content)
        case _:
            return OtherAuthMode()


def _session(content: dict[str, Any]) -> FileState:
    values = content.get("tokens")
    if values is None:  # `{}` counts as signed in for `codex login status`, but no request could be made
        return SignedOut()
    if not isinstance(values, dict):
        return Unreadable(Fault.WRONG_SHAPE)
    access = values.get("access_token")
    if access == "":
        return SignedOut()
    if not isinstance(access, str):
        return Unreadable(Fault.WRONG_SHAPE)
    if not _TOKEN.fullmatch(access):  # it becomes a header
        return Unreadable(Fault.UNSENDABLE)
    access_claims, id_claims = tokens.claims(access), tokens.claims(values.get("id_token"))
    given = values.get("account_id")
    if given is None or given == "":
        account = tokens.account_id(access_claims, id_claims)
    else:
        account = tokens.usable_id(given)
    if account is None:
        return Unreadable(Fault.NO_ACCOUNT)
    refresh = values.get("refresh_token")
    return Session(
        account=Account(
            id=account,
            email=tokens.masked_email(id_claims, access_claims),
            plan=tokens.plan(id_claims, access_claims),
            expires_at=tokens.expires_at(access_claims) or _trusted_until(content.get("last_refresh")),
        ),
        access_token=Secret(access),
        renewable=isinstance(refresh, str) and refresh != "",
        fedramp=tokens.is_fedramp(id_claims, access_claims),
        snapshot=snapshot(access, refresh),
    )


def session_of_token(access_token: str, email: str | None = None, plan: str | None = None) -> FileState:
    """The session of an access token by itself, as the CLI gives it out of the system keyring.

    `email` and `plan` are what the CLI says of the account, where it says something.
    """
    if not _TOKEN.fullmatch(access_token):
        return Unreadable(Fault.UNSENDABLE)
    access_claims = tokens.claims(access_token)
    account = tokens.account_id(access_claims)
    if account is None:
        return Unreadable(Fault.NO_ACCOUNT)
    return Session(
        account=Account(
            id=account,
            email=tokens.masked_email({"email": email}, access_claims),
            plan=tokens.usable_plan(plan) or tokens.plan(access_claims),
            expires_at=tokens.expires_at(access_claims),
        ),
        access_token=Secret(access_token),
        renewable=True,
        fedramp=tokens.is_fedramp(access_claims),
        snapshot=snapshot(access_token, None),
    )


def snapshot(access_token: object, refresh_token: object) -> str:
    """A name for a pair of tokens which gives neither away."""
    pair = f"{access_token}\0{refresh_token}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(pair).hexdigest()


def _trusted_until(last_refresh: object) -> datetime | None:
    if not isinstance(last_refresh, str) or len(last_refresh) > 64:
        return None
    try:
        moment = datetime.fromisoformat(last_refresh)
        # A time without a zone is UTC: the CLI writes no other.
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return moment + _TRUSTED_FOR
    except (ValueError, OverflowError):
        return None


def _signature(path: Path) -> Signature:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        return (type(error).__name__,)
    # ctime too: a change of permissions can make a file readable and leaves the rest as it was.
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _read(path: Path) -> bytes | Unreadable:
    """The bytes of a regular file, following links. O_NONBLOCK, so that a pipe in its place does not
    hang the server; it means nothing for regular files."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Unreadable(Fault.NOT_A_FILE)
        raw = bytearray()
        while len(raw) <= MAX_FILE:
            piece = os.read(descriptor, MAX_FILE + 1 - len(raw))
            if not piece:
                return bytes(raw)
            raw += piece
        return Unreadable(Fault.TOO_LARGE)
    finally:
        os.close(descriptor)

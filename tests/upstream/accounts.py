"""The accounts of the stand-in's sign-in host, their tokens, and what becomes of them.

The claims are those that the Codex CLI reads (openai/codex, login/src/token_data.rs). The signature is noise, as
nothing reads it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from tests.upstream.refusal import Refusal, detail, error, error_body

CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
ISSUER = "https://auth.openai.com"
AUTH_CLAIM = "https://api.openai.com/auth"
PROFILE_CLAIM = "https://api.openai.com/profile"
EPOCH = datetime.fromtimestamp(0, UTC)
#: Seals reasoning items; the same in every run, so that kept chats survive a restart of the stand-in.
SEAL = b"not a secret: the stand-in's own seal"

REFRESH_MESSAGES = {
    "refresh_token_expired": "Your refresh token has expired. Please try signing in again.",
    "refresh_token_reused": "Your refresh token has already been used to generate a new access token. "
    "Please try signing in again.",
    "refresh_token_invalidated": "Your session has ended. Please log in again.",
}


class TokenState(StrEnum):
    """What the sign-in host thinks of a token."""

    GOOD = "good"
    USED = "refresh_token_reused"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(slots=True, eq=False)
class Account:
    """A person's account, and the tokens that it was given last."""

    email: str
    plan: str
    account_id: str
    user_id: str
    fedramp: bool = False
    workspace_origin: str = "NO_CONSTRAINT"
    id_token: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_at: datetime = EPOCH


@dataclass(slots=True, eq=False)
class _Grant:
    account: Account
    expires_at: float
    state: TokenState = TokenState.GOOD


def seal_reasoning(owner: str) -> str:
    """An ``encrypted_content`` that only ``owner`` (an account id or an API key) can send back."""
    nonce = secrets.token_urlsafe(24)
    mark = hmac.new(SEAL, f"{owner}.{nonce}".encode(), hashlib.sha256).digest()
    return f"gAAAA{nonce}.{base64.urlsafe_b64encode(mark).decode()}"


def sealed_for(owner: str, content: str) -> bool:
    """Whether `seal_reasoning` made ``content`` for this owner."""
    nonce, _, mark = content.removeprefix("gAAAA").partition(".")
    expected = hmac.new(SEAL, f"{owner}.{nonce}".encode(), hashlib.sha256).digest()
    return hmac.compare_digest(base64.urlsafe_b64encode(expected).decode(), mark)


def make_jwt(claims: dict[str, object]) -> str:
    """A token of three parts, base64url without padding, with a signature that nobody can check."""
    header = {"alg": "RS256", "kid": "stand-in", "typ": "JWT"}
    parts = [json.dumps(part, separators=(",", ":")).encode() for part in (header, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in [*parts, secrets.token_bytes(64)])


class Accounts:
    """Who may sign in, and which tokens are good. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._accounts: dict[str, Account] = {}
        self._access: dict[str, _Grant] = {}
        self._refresh: dict[str, _Grant] = {}
        self._keys: set[str] = set()
        #: Seconds for which an access token made by a renewal or a login is good.
        self.lifetime = 3600.0

    def all(self) -> list[Account]:
        with self._lock:
            return list(self._accounts.values())

    def get(self, email: str) -> Account:
        """The account with this address; KeyError when there is none."""
        with self._lock:
            return self._accounts[email]

    def account(self, email: str, plan: str | None = None, account_id: str | None = None) -> Account:
        """The account with this address, made at first use; ``plan`` and ``account_id`` change it."""
        with self._lock:
            known = self._accounts.get(email)
            if known is None:
                identity = str(uuid.uuid5(uuid.NAMESPACE_URL, f"mailto:{email}"))
                user_id = f"user-{hashlib.sha256(email.encode()).hexdigest()[:24]}"
                known = self._accounts[email] = Account(email, plan or "plus", account_id or identity, user_id)
            known.plan = plan or known.plan
            known.account_id = account_id or known.account_id
            return known

    def issue(self, account: Account, expires_in: float | None = None) -> Account:
        """Give the account a new set of tokens; the access token is good for ``expires_in`` seconds."""
        now = time.time()
        expires_at = now + (self.lifetime if expires_in is None else expires_in)
        claims = {
            "chatgpt_plan_type": account.plan,
            "chatgpt_user_id": account.user_id,
            "user_id": account.user_id,
            "chatgpt_account_id": account.account_id,
            "chatgpt_account_user_id": f"{account.user_id}__{account.account_id}",
            "chatgpt_account_is_fedramp": account.fedramp,
        }
        common: dict[str, object] = {
            "iss": ISSUER,
            "sub": f"auth0|{account.user_id}",
            "iat": int(now),
            "jti": str(uuid.uuid4()),
            AUTH_CLAIM: claims,
        }
        with self._lock:
            account.expires_at = EPOCH + timedelta(seconds=int(expires_at))
            account.id_token = make_jwt(
                {
                    **common,
                    "aud": [CLIENT_ID],
                    "exp": int(now + 3600),
                    "email": account.email,
                    "email_verified": True,
                    "name": account.email.partition("@")[0].title(),
                }
            )
            account.access_token = make_jwt(
                {
                    **common,
                    "aud": ["https://api.openai.com/v1"],
                    "client_id": CLIENT_ID,
                    "exp": int(expires_at),
                    "nbf": int(min(now, expires_at)),
                    "scp": ["openid", "profile", "email", "offline_access"],
                    "session_id": f"authsess_{secrets.token_urlsafe(18)}",
                    PROFILE_CLAIM: {"email": account.email, "email_verified": True},
                }
            )
            account.refresh_token = f"rt_{secrets.token_urlsafe(48)}.{secrets.token_urlsafe(32)}"
            self._access[account.access_token] = _Grant(account, int(expires_at))
            self._refresh[account.refresh_token] = _Grant(account, float("inf"))
        return account

    def bearer(self, headers: dict[str, str]) -> Account:
        """The account whose access token the request carries; raises `Refusal` 401 as the backend does."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise detail(401, "Unauthorized")
        with self._lock:
            grant = self._access.get(token)
            if grant is None:
                raise _refused("token_invalidated", "Your authentication token has been invalidated.")
            if grant.state is TokenState.REVOKED:
                raise _refused("token_revoked", "Encountered invalidated oauth token for user, failing request.")
            if grant.state is TokenState.EXPIRED or grant.expires_at <= time.time():
                raise _refused("token_expired", "Provided authentication token is expired.")
            return grant.account

    def spend(self, refresh_token: str, *, rotate: bool = True) -> Account:
        """Use a refresh token up; raises `Refusal` 401 with the code that says why it is no good."""
        with self._lock:
            grant = self._refresh.get(refresh_token)
            if grant is None:
                raise Refusal(400, {"error": "invalid_grant", "error_description": "Unknown refresh token."})
            if grant.state is not TokenState.GOOD:
                code = {
                    TokenState.USED: "refresh_token_reused",
                    TokenState.EXPIRED: "refresh_token_expired",
                }.get(grant.state, "refresh_token_invalidated")
                raise error(401, REFRESH_MESSAGES[code], code=code)
            if rotate:
                grant.state = TokenState.USED
            return grant.account

    def revoke_token(self, token: str) -> None:
        """Log the session of a refresh token out, as ``/oauth/revoke`` does; unknown tokens are let pass."""
        with self._lock:
            grant = self._refresh.get(token) or self._access.get(token)
            if grant is not None:
                self.condemn(grant.account, TokenState.REVOKED, refresh=True)

    def condemn(self, account: Account, state: TokenState, *, refresh: bool) -> None:
        """Put every good access token of the account, and its refresh tokens if asked, into ``state``."""
        with self._lock:
            grants = [*self._access.values(), *(self._refresh.values() if refresh else ())]
            for grant in grants:
                if grant.account is account and grant.state is TokenState.GOOD:
                    grant.state = state

    def subject(self, id_token: str) -> Account | None:
        """The account that was last given this id token."""
        with self._lock:
            return next((known for known in self._accounts.values() if known.id_token == id_token), None)

    def add_key(self, key: str | None = None) -> str:
        """Make (or take) an API key of the platform."""
        with self._lock:
            key = key or f"sk-proj-{secrets.token_urlsafe(36)}"
            self._keys.add(key)
            return key

    def drop_key(self, key: str) -> None:
        with self._lock:
            self._keys.discard(key)

    def api_key(self, headers: dict[str, str]) -> str:
        """The API key that the request carries; raises `Refusal` 401 as the platform does."""
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            message = "You didn't provide an API key. You need to provide your API key in an Authorization header."
            raise error(401, message)
        with self._lock:
            if key not in self._keys:
                shown = f"{key[:8]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "*" * len(key)
                message = (
                    f"Incorrect API key provided: {shown}. You can find your API key at "
                    "https://platform.openai.com/account/api-keys."
                )
                raise error(401, message, code="invalid_api_key")
            return key


def _refused(code: str, message: str) -> Refusal:
    body = error_body(f"{message} Please try signing in again.", code=code)
    return Refusal(401, {**body, "status": 401})

"""The sign-in host: renewal, logout, and the two ways to log in, as observed with codex-cli 0.169.0."""

from __future__ import annotations

import base64
import hashlib
import html
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.upstream.accounts import CLIENT_ID, Account
from tests.upstream.checks import json_body
from tests.upstream.refusal import Refusal, detail, error
from tests.upstream.wire import Exchange
from tests.upstream.world import World

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
FORM = "application/x-www-form-urlencoded"
#: Seconds between two polls; a string on the wire (openai/codex, login/src/device_code_auth.rs).
INTERVAL = "1"
NO_STORE = {"cache-control": "no-store"}


@dataclass(frozen=True, slots=True)
class _Code:
    account: Account
    challenge: str
    redirect_uri: str


class Codes:
    """Authorization codes that were given out, each good once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._codes: dict[str, _Code] = {}

    def give(self, account: Account, challenge: str, redirect_uri: str) -> str:
        """A new code, bound to the challenge and to the address that it is sent to."""
        code = f"ac_{secrets.token_urlsafe(32)}"
        with self._lock:
            self._codes[code] = _Code(account, challenge, redirect_uri)
        return code

    def take(self, form: Mapping[str, str]) -> Account:
        """The account of a code, used up; raises `Refusal` 400 when anything about it does not fit."""
        with self._lock:
            known = self._codes.pop(form.get("code", ""), None)
        if known is None:
            raise _grant_refused("Unknown or used authorization code.")
        if form.get("redirect_uri") != known.redirect_uri:
            raise _grant_refused("redirect_uri differs from the one of the authorization request.")
        if challenge_of(form.get("code_verifier", "")) != known.challenge:
            raise _grant_refused("code_verifier does not match the code_challenge.")
        return known.account


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class SignIn:
    """The pages and endpoints of auth.openai.com."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._codes = Codes()

    async def token(self, exchange: Exchange) -> None:
        """``POST /oauth/token``: renewal as JSON, code exchange and token exchange as forms."""
        if exchange.request.headers.get("content-type", "").startswith(FORM):
            form = _form(exchange)
            _check_client(form)
            match form.get("grant_type"):
                case "authorization_code":
                    await self._answer(exchange, self._world.accounts.issue(self._codes.take(form)))
                case kind if kind == TOKEN_EXCHANGE:
                    await self._exchange_token(exchange, form)
                case _:
                    raise _grant_refused("This grant type is not taken as a form.", "unsupported_grant_type")
            return
        body = json_body(exchange)
        _check_client(body)
        if body.get("grant_type") != "refresh_token":
            raise _grant_refused("This grant type is not taken as JSON.", "unsupported_grant_type")
        token = body.get("refresh_token")
        if not isinstance(token, str) or not token:
            raise error(400, "Missing required parameter: 'refresh_token'.", param="refresh_token")
        returned = self._world.rules.refresh_returns
        account = self._world.accounts.spend(token, rotate="refresh_token" in returned)
        self._world.accounts.issue(account)
        await self._answer(exchange, account, returned)

    async def revoke(self, exchange: Exchange) -> None:
        """``POST /oauth/revoke``: always 200 (RFC 7009), the session of the token ends."""
        body = json_body(exchange)
        _check_client(body)
        self._world.accounts.revoke_token(str(body.get("token")))
        await exchange.send_json(200, {})

    async def authorize(self, exchange: Exchange) -> None:
        """``GET /oauth/authorize``: a page with one button; ``POST`` is the button."""
        asked = _form(exchange) if exchange.request.method == "POST" else exchange.request.query
        target = urlsplit(asked.get("redirect_uri", ""))
        problems = {
            "response_type": asked.get("response_type") != "code",
            "client_id": asked.get("client_id") != CLIENT_ID,
            "redirect_uri": target.scheme != "http"
            or target.hostname not in {"127.0.0.1", "localhost"}
            or target.path != "/auth/callback",
            "scope": not {"openid", "offline_access"} <= set(asked.get("scope", "").split()),
            "code_challenge": len(asked.get("code_challenge", "")) != 43,
            "code_challenge_method": asked.get("code_challenge_method") != "S256",
            "state": not asked.get("state"),
        }
        wrong = [name for name, is_wrong in problems.items() if is_wrong]
        if wrong:
            raise error(400, f"Invalid {', '.join(wrong)}.", code="invalid_request", param=wrong[0])
        if exchange.request.method == "POST" or self._world.approve_sign_ins:
            code = self._codes.give(self._person(), asked["code_challenge"], asked["redirect_uri"])
            back = urlencode({"code": code, "state": asked["state"]})
            location = {**NO_STORE, "location": f"{asked['redirect_uri']}?{back}"}
            await exchange.send_html(302, "<p>Going back.</p>", location)
            return
        fields = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in asked.items()
        )
        button = f'<form method="post" action="/oauth/authorize">{fields}<button>Continue</button></form>'
        await exchange.send_html(200, _page("Sign in to Codex", f"<p>As {self._world.person[0]}.</p>{button}"))

    async def user_code(self, exchange: Exchange) -> None:
        """``POST /api/accounts/deviceauth/usercode``: a code to type at another device."""
        _check_client(json_body(exchange))
        letters = "BCDFGHJKLMNPQRSTVWXZ"
        user_code = "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(2))
        device_auth_id = f"deviceauth_{secrets.token_hex(16)}"
        self._world.new_device(device_auth_id, user_code)
        payload = {"device_auth_id": device_auth_id, "user_code": user_code, "interval": INTERVAL}
        await exchange.send_json(200, payload, NO_STORE)

    async def device_token(self, exchange: Exchange) -> None:
        """``POST /api/accounts/deviceauth/token``: 403 while it waits, then the code with its PKCE pair."""
        body = json_body(exchange)
        try:
            approved = self._world.poll_device(body.get("device_auth_id"), body.get("user_code"))
        except KeyError:
            raise error(404, "Device authorization is unknown.", code="deviceauth_not_found") from None
        if not approved:
            message = "Device authorization is pending. Please try again."
            raise error(403, message, code="deviceauth_authorization_pending")
        verifier = secrets.token_urlsafe(64)
        callback = f"{_origin(exchange)}/deviceauth/callback"
        payload = {
            "authorization_code": self._codes.give(self._person(), challenge_of(verifier), callback),
            "code_challenge": challenge_of(verifier),
            "code_verifier": verifier,
        }
        await exchange.send_json(200, payload, NO_STORE)

    async def device_page(self, exchange: Exchange) -> None:
        """``/codex/device``: where a person types the code in; ``POST`` approves it."""
        if exchange.request.method == "POST":
            if not self._world.approve_device(_form(exchange).get("user_code", "").strip().upper()):
                raise detail(404, "Unknown code")
            await exchange.send_html(200, _page("Signed in", "<p>You may close this page.</p>"))
            return
        form = '<form method="post"><label>Code <input name="user_code"></label><button>Continue</button></form>'
        await exchange.send_html(200, _page("Sign in to Codex", form))

    async def device_callback(self, exchange: Exchange) -> None:
        """``GET /deviceauth/callback``: nothing but an address to name in the code exchange."""
        await exchange.send_html(200, _page("Signed in", "<p>You may close this page.</p>"))

    def _person(self) -> Account:
        return self._world.accounts.account(*self._world.person)

    async def _exchange_token(self, exchange: Exchange, form: Mapping[str, str]) -> None:
        subject = self._world.accounts.subject(form.get("subject_token", ""))
        if form.get("requested_token") != "openai-api-key" or subject is None:
            raise error(401, "Invalid ID token.", code="invalid_subject_token")
        if not self._world.rules.token_exchange:
            raise error(401, "Invalid ID token: missing organization_id", code="invalid_subject_token")
        await exchange.send_json(200, {"access_token": self._world.accounts.add_key()}, NO_STORE)

    async def _answer(self, exchange: Exchange, account: Account, returned: frozenset[str] | None = None) -> None:
        tokens = {
            "id_token": account.id_token,
            "access_token": account.access_token,
            "refresh_token": account.refresh_token,
        }
        given = {name: value for name, value in tokens.items() if returned is None or name in returned}
        lifetime = {"token_type": "Bearer", "expires_in": int(self._world.accounts.lifetime)}
        await exchange.send_json(200, {**given, **lifetime}, NO_STORE)


def _check_client(fields: Mapping[str, object]) -> None:
    if fields.get("client_id") != CLIENT_ID:
        raise error(401, "The OAuth client is unknown.", code="invalid_client", param="client_id")


def _form(exchange: Exchange) -> dict[str, str]:
    if not exchange.request.headers.get("content-type", "").startswith(FORM):
        raise detail(415, "Unsupported content type")
    return dict(parse_qsl(exchange.request.body.decode("utf-8", "replace"), keep_blank_values=True))


def _grant_refused(text: str, code: str = "invalid_grant") -> Refusal:
    return Refusal(400, {"error": code, "error_description": text})


def _origin(exchange: Exchange) -> str:
    forwarded = exchange.request.headers.get("x-forwarded-proto")
    return f"{forwarded or exchange.scheme}://{exchange.request.host}"


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title></head><body><main><h1>{title}</h1>{body}</main></body></html>"
    )

"""The Codex backend: models, answers and usage, as codex-cli 0.169.0 asks for them."""

from __future__ import annotations

import secrets
import time

from tests.upstream.accounts import Account, seal_reasoning
from tests.upstream.checks import check_backend
from tests.upstream.events import Frame, answer_events
from tests.upstream.faults import Answer, HangUp, Late, Spoil
from tests.upstream.gates import Point
from tests.upstream.refusal import Refusal, detail
from tests.upstream.replies import Reply
from tests.upstream.streaming import Stage, play
from tests.upstream.wire import Exchange
from tests.upstream.world import World


async def befall(world: World, exchange: Exchange, fault: Answer | HangUp | Late) -> bool:
    """Let a fault happen that comes before the endpoint; True when the request was answered by it."""
    match fault:
        case Answer(status, body, content_type, headers):
            await exchange.send(status, body, content_type, dict(headers))
        case HangUp(reset):
            await (exchange.reset() if reset else exchange.close())
        case Late(seconds):
            await world.wait(seconds)
            return False
    return True


async def stream(
    world: World, exchange: Exchange, frame: Frame, reply: Reply, spoil: Spoil | None, headers: dict[str, str]
) -> None:
    """Send one streamed answer, with the reply's own fault if it brings one."""
    if isinstance(reply.fault, Spoil):
        spoil = reply.fault
    elif reply.fault is not None and await befall(world, exchange, reply.fault):
        return
    spoil = spoil or Spoil()
    stage = Stage(
        gates=lambda: [*world.gates(), *([reply.gate] if reply.gate else [])],
        stalled=world.stalled,
        billed=world.bill,
        delay=world.delay if reply.delay is None else reply.delay,
    )
    await stage.passing(Point.HEADERS)
    opening = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", **headers}
    await exchange.begin(200, opening)
    await play(exchange, answer_events(frame, reply, spoil.last), spoil, stage)


class Backend:
    """The endpoints below ``/backend-api``."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def models(self, exchange: Exchange) -> None:
        """``GET /codex/models?client_version=``."""
        self._account(exchange)
        try:
            payload = self._world.models.payload(exchange.request.query.get("client_version", ""))
        except ValueError:
            raise detail(400, "client_version is required") from None  # reported as needed; the text is ours
        await exchange.send_json(200, payload, {"etag": self._world.models.etag})

    async def responses(self, exchange: Exchange, spoil: Spoil | None) -> None:
        """``POST /codex/responses``."""
        world = self._world
        account = world.accounts.bearer(exchange.request.headers)
        asked = check_backend(exchange, account, world.models, world.rules)
        spent = world.usage.spent
        if spent is not None:
            problem = {
                "type": "usage_limit_reached",
                "message": "The usage limit has been reached",
                "plan_type": account.plan,
                "resets_at": spent.resets_at,
                "resets_in_seconds": max(0, spent.resets_at - int(time.time())),
            }
            raise Refusal(429, {"error": problem}, world.usage.headers(account.plan))
        frame = Frame(
            body=asked.body,
            owner=account.account_id,
            output_listed=False,
            summary=asked.summary,
            sealed=seal_reasoning(account.account_id) if asked.sealed else None,
        )
        headers = {
            **world.usage.headers(account.plan),
            "x-models-etag": world.models.etag,
            "openai-model": asked.model,
            "x-reasoning-included": "true",
            "x-request-id": secrets.token_hex(16),
            "cf-ray": f"{secrets.token_hex(8)}-FRA",
        }
        await stream(world, exchange, frame, world.next_reply(asked.question), spoil, headers)

    async def socket(self, exchange: Exchange) -> None:
        """``GET /codex/responses``: the WebSocket, not offered; the CLI falls back to HTTPS on a 426."""
        if "websocket" in exchange.request.headers.get("upgrade", "").lower():
            raise Refusal(426, {"detail": "WebSocket is not offered here"})
        raise detail(405, "Method Not Allowed")

    async def usage(self, exchange: Exchange) -> None:
        """``GET /wham/usage``."""
        account = self._account(exchange)
        await exchange.send_json(200, self._world.usage.payload(account.plan))

    async def accounts_check(self, exchange: Exchange) -> None:
        """``GET /wham/accounts/check``: which workspaces there are, and where their backends stand."""
        account = self._account(exchange)
        entry = {
            "id": account.account_id,
            "plan_type": account.plan,
            "name": None,
            "structure": "personal",
            "workspace_backend_origin": account.workspace_origin,
            "account_routing_override": "NO_CONSTRAINT",
            "a_field_of_tomorrow": 1,
        }
        order = [account.account_id]
        payload = {"accounts": [entry], "account_ordering": order, "default_account_id": account.account_id}
        await exchange.send_json(200, payload)

    async def no_credits(self, exchange: Exchange) -> None:
        """``GET /wham/rate-limit-reset-credits``: 404, as seen."""
        self._account(exchange)
        raise detail(404, "Not Found")

    def _account(self, exchange: Exchange) -> Account:
        account = self._world.accounts.bearer(exchange.request.headers)
        named = exchange.request.headers.get("chatgpt-account-id")
        if named is not None and named != account.account_id:
            raise detail(401, "Unauthorized")
        return account

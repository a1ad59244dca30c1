"""The control door ``/__stand-in__/...``: the Python verbs over HTTP, for the stand-in that runs by itself.

    GET  /__stand-in__/              what there is: accounts, turns, faults by name
    GET  /__stand-in__/requests      what was asked: method, path, status, outcome, JSON
    POST /__stand-in__/reply         {"text"} or {"chunks": [..]}, "delay"?, "reasoning"?
    POST /__stand-in__/fail          {"path"?, "fault": a name of faults.NAMED, "times"?: n or null}
    POST /__stand-in__/clear         {}
    POST /__stand-in__/release       {}
    POST /__stand-in__/gate          {"at"?}; then gate/step {"times"?} and gate/open {}
    POST /__stand-in__/usage         the arguments of World.set_usage
    POST /__stand-in__/sign-in       {"codex_home", "email"?, "plan"?, "expires_in"?}
    POST /__stand-in__/sign-in-with-api-key, /sign-out   {"codex_home"}
    POST /__stand-in__/revoke        {"email"}
    POST /__stand-in__/expire        {"email", "refresh_token"?}
    POST /__stand-in__/devices       {"approve"?: code, "automatic"?: bool}

Only this machine may call it, and no web page: a request with an Origin is refused, and POST needs JSON.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.upstream.checks import json_body
from tests.upstream.faults import NAMED
from tests.upstream.gates import Gate
from tests.upstream.refusal import detail
from tests.upstream.replies import Reply
from tests.upstream.wire import Exchange
from tests.upstream.world import CONTROL, RESPONSES, World


class Control:
    """Answers the control door of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._gate: Gate | None = None

    async def answer(self, exchange: Exchange) -> None:
        """Do what the request asks; 403 for strangers, 400 for what cannot be done, 404 for unknown verbs."""
        request = exchange.request
        if not exchange.peer_is_loopback or "origin" in request.headers:
            raise detail(403, "The control door is for programs on this machine")
        verb = request.path.removeprefix(CONTROL)
        if request.method == "GET":
            await exchange.send_json(200, self._show(verb))
            return
        arguments: dict[str, Any] = json_body(exchange)
        try:
            await exchange.send_json(200, self._do(verb, arguments))
        except (TypeError, ValueError, KeyError) as problem:
            raise detail(400, f"{type(problem).__name__}: {problem}") from None

    def _show(self, verb: str) -> object:
        world = self._world
        if verb == "":
            return {
                "accounts": [{"email": known.email, "plan": known.plan} for known in world.accounts.all()],
                "turns": world.turns,
                "requests": len(world.requests),
                "stalled": world.stalled.held,
                "faults": list(NAMED),
            }
        if verb == "requests":
            return [
                {
                    "number": request.number,
                    "method": request.method,
                    "path": request.path,
                    "status": request.status,
                    "outcome": request.outcome,
                    "json": request.json,
                }
                for request in world.requests
            ]
        raise detail(404, "Unknown verb")

    def _do(self, verb: str, given: dict[str, Any]) -> object:
        world = self._world
        match verb:
            case "reply":
                world.reply(Reply(**given))
            case "fail":
                world.fail(given.get("path", RESPONSES), NAMED[given["fault"]](), given.get("times", 1))
            case "clear":
                world.clear()
            case "release":
                world.release()
            case "gate":
                self._gate = world.gate(**given)
            case "gate/step":
                self._held().step(**given)
            case "gate/open":
                self._held().open()
            case "usage":
                world.set_usage(**given)
            case "sign-in":
                account = world.sign_in(Path(given.pop("codex_home")), **given)
                return {"email": account.email, "account_id": account.account_id}
            case "sign-in-with-api-key":
                return {"key": world.sign_in_with_api_key(Path(given["codex_home"]))}
            case "sign-out":
                world.sign_out(Path(given["codex_home"]))
            case "revoke":
                world.revoke(world.accounts.get(given["email"]))
            case "expire":
                account = world.accounts.get(given["email"])
                world.expire(account, refresh_token=bool(given.get("refresh_token")))
            case "devices":
                world.approve_devices = bool(given.get("automatic", world.approve_devices))
                if "approve" in given:
                    return {"approved": world.approve_device(given["approve"])}
            case _:
                raise detail(404, "Unknown verb")
        return {"ok": True}

    def _held(self) -> Gate:
        if self._gate is None:
            raise ValueError("there is no gate")
        return self._gate

"""The platform API at api.openai.com/v1, for API keys: it takes more than the Codex backend."""

from __future__ import annotations

import json
from typing import Any

from tests.upstream.accounts import seal_reasoning
from tests.upstream.backend import befall, stream
from tests.upstream.checks import check_input, json_body
from tests.upstream.events import Frame, finished
from tests.upstream.faults import Spoil
from tests.upstream.refusal import error
from tests.upstream.wire import Exchange
from tests.upstream.world import World

CHAT_MODELS = ("gpt-6.1-sol", "gpt-6-sol", "gpt-6-luna", "gpt-5.6-sol", "gpt-5.5", "gpt-4.1", "o4-mini")
#: Listed as well, and useless for chat.
OTHER_MODELS = (
    "text-embedding-3-small",
    "whisper-1",
    "tts-1",
    "gpt-image-1",
    "omni-moderation-latest",
    "gpt-realtime",
    "gpt-4o-transcribe",
    "sora-2",
)
PARAMETERS = frozenset(
    "background context_management conversation include input instructions max_output_tokens max_tool_calls "
    "metadata model parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_retention "
    "reasoning safety_identifier service_tier store stream stream_options temperature text tool_choice tools "
    "top_logprobs top_p truncation user".split()
)
EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh"})


class PublicApi:
    """The endpoints below ``/v1``."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stored: set[tuple[str, str]] = set()

    async def models(self, exchange: Exchange) -> None:
        """``GET /v1/models``."""
        self._world.accounts.api_key(exchange.request.headers)
        data = [
            {"id": name, "object": "model", "created": 1_770_000_000 + place, "owned_by": "system"}
            for place, name in enumerate((*OTHER_MODELS, *CHAT_MODELS))
        ]
        await exchange.send_json(200, {"object": "list", "data": data})

    async def responses(self, exchange: Exchange, spoil: Spoil | None) -> None:
        """``POST /v1/responses``, streamed or whole."""
        key = self._world.accounts.api_key(exchange.request.headers)
        body: dict[str, Any] = json_body(exchange)
        question = self._check(body, key)
        include = body.get("include")
        sealed = isinstance(include, list) and "reasoning.encrypted_content" in include
        reasoning = body.get("reasoning") or {}
        frame = Frame(
            body=body,
            owner=key,
            output_listed=True,
            summary=reasoning.get("summary") is not None,
            sealed=seal_reasoning(key) if sealed else None,
        )
        if body.get("store", True):
            self._stored.add((key, frame.response_id))
        reply = self._world.next_reply(question)
        headers = {"x-request-id": f"req_{frame.response_id[5:37]}", "openai-version": "2020-10-01"}
        if body.get("stream"):
            await stream(self._world, exchange, frame, reply, spoil, headers)
            return
        before = None if isinstance(reply.fault, Spoil) else reply.fault
        if before is not None and await befall(self._world, exchange, before):
            return
        self._world.bill()
        await exchange.send_json(200, finished(frame, reply), headers)

    def _check(self, body: dict[str, Any], key: str) -> str:
        for name in body:
            if name not in PARAMETERS:
                raise error(400, f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
        model = body.get("model")
        if model not in CHAT_MODELS:
            raise error(400, f"The requested model '{model}' does not exist.", code="model_not_found", param="model")
        before = body.get("previous_response_id")
        if before is not None and (key, before) not in self._stored:
            message = f"Previous response with id '{before}' not found."
            raise error(400, message, code="previous_response_not_found", param="previous_response_id")
        reasoning = body.get("reasoning")
        if reasoning is not None:
            self._check_reasoning(reasoning)
        asked = body.get("input")
        if isinstance(asked, str):
            return asked
        if not isinstance(asked, list):
            raise error(400, "Missing required parameter: 'input'.", code="missing_required_parameter", param="input")
        return check_input(asked, key, files_allowed=True, public=True)

    def _check_reasoning(self, reasoning: object) -> None:
        if not isinstance(reasoning, dict):
            raise error(400, "Invalid type for 'reasoning'.", code="invalid_type", param="reasoning")
        for name in reasoning:
            if name not in {"effort", "summary", "generate_summary"}:
                message = f"Unknown parameter: 'reasoning.{name}'."
                raise error(400, message, code="unknown_parameter", param=f"reasoning.{name}")
        effort = reasoning.get("effort")
        if effort is not None and effort not in EFFORTS:
            message = f"Invalid value: {json.dumps(effort)}. Supported values are: {', '.join(sorted(EFFORTS))}."
            raise error(400, message, code="invalid_value", param="reasoning.effort")

"""The events of one streamed answer, in the API's order, and the objects inside them."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.upstream.faults import ErrorEvent, Failed, Incomplete
from tests.upstream.replies import Reply, Tokens

#: The API pads deltas so that their length does not give the text away; clients must not care.
OBFUSCATION = "xY3kQ9"


@dataclass(frozen=True, slots=True)
class Event:
    """One event without its sequence number. ``delta`` marks text deltas, ``billed`` where work begins."""

    kind: str
    fields: Mapping[str, object]
    delta: bool = False
    billed: bool = False
    last: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """What one answer is about: who asked for what. ``output_listed`` is False on the Codex backend."""

    body: Mapping[str, object]
    owner: str
    output_listed: bool
    summary: bool
    sealed: str | None
    response_id: str = field(default_factory=lambda: f"resp_{secrets.token_hex(24)}")
    message_id: str = field(default_factory=lambda: f"msg_{secrets.token_hex(24)}")
    reasoning_id: str = field(default_factory=lambda: f"rs_{secrets.token_hex(24)}")
    created_at: int = field(default_factory=lambda: int(time.time()))

    def response(self, status: str, **changes: object) -> dict[str, object]:
        """The response object at one moment of its life."""
        asked = self.body
        reasoning = asked.get("reasoning")
        return {
            "id": self.response_id,
            "object": "response",
            "created_at": self.created_at,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": asked.get("instructions"),
            "max_output_tokens": asked.get("max_output_tokens"),
            "model": asked.get("model"),
            "output": [],
            "parallel_tool_calls": asked.get("parallel_tool_calls", True),
            "previous_response_id": asked.get("previous_response_id"),
            "prompt_cache_key": asked.get("prompt_cache_key"),
            "reasoning": reasoning if isinstance(reasoning, dict) else {"effort": None, "summary": None},
            "service_tier": "default",
            "store": asked.get("store", True),
            "temperature": 1.0,
            "text": {"format": {"type": "text"}, "verbosity": "medium"},
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": None,
            "user": None,
            "metadata": {},
            **changes,
        }

    def message(self, text: str, *, done: bool) -> dict[str, object]:
        """The assistant's message item."""
        content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}] if done else []
        return {
            "id": self.message_id,
            "type": "message",
            "status": "completed" if done else "in_progress",
            "role": "assistant",
            "phase": "final_answer",
            "content": content,
        }

    def reasoning(self, summary: str | None) -> dict[str, object]:
        """The reasoning item, with its sealed content when that was asked for."""
        parts = [{"type": "summary_text", "text": summary}] if summary else []
        item: dict[str, object] = {"id": self.reasoning_id, "type": "reasoning", "summary": parts}
        if self.sealed is not None:
            item["encrypted_content"] = self.sealed
        return item


FILE = re.compile(r";base64,[A-Za-z0-9+/=]*")


def tokens_of(reply: Reply, body: Mapping[str, object]) -> Tokens:
    """The reply's usage numbers, or plausible ones: four characters a token, and a thousand tokens a file."""
    if reply.tokens is not None:
        return reply.tokens
    asked = sum(len(text) // 4 for text in FILE.split(str(body.get("input", "")))) + 1
    asked += 1000 * len(FILE.findall(str(body.get("input", ""))))
    return Tokens(input=asked, output=len(reply.whole) // 4 + 1, reasoning=64 if reply.reasoning else 0)


def usage_object(tokens: Tokens) -> dict[str, object]:
    """The usage object of a finished response."""
    return {
        "input_tokens": tokens.input,
        "input_tokens_details": {"cached_tokens": tokens.cached},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.input + tokens.output,
    }


def finished(frame: Frame, reply: Reply) -> dict[str, object]:
    """The whole response, as the public API answers without streaming."""
    summary = reply.reasoning if frame.summary else None
    output = [frame.reasoning(summary), frame.message(reply.whole, done=True)] if frame.output_listed else []
    return frame.response("completed", output=output, usage=usage_object(tokens_of(reply, frame.body)))


def answer_events(frame: Frame, reply: Reply, last: Failed | Incomplete | ErrorEvent | None) -> list[Event]:
    """Every event of one answer, unknown ones among them, ending in ``response.completed`` or in ``last``."""
    started = {"response": frame.response("in_progress")}
    events = [
        Event("response.created", started),
        Event(
            "codex.rate_limits",
            {"plan_type": "plus", "rate_limits": {"allowed": True, "limit_reached": False}},
        ),
        Event("response.in_progress", started),
        *_reasoning_events(frame, reply),
        Event("response.metadata", {"response_id": frame.response_id, "headers": {"x-of-tomorrow": "1"}}),
        *_message_events(frame, reply),
        _last_event(frame, reply, last),
    ]
    # Work is billed from the first delta on, and an answer without any when it ends.
    first = next((at for at, event in enumerate(events) if event.kind.endswith(".delta")), len(events) - 1)
    events[first] = replace(events[first], billed=True)
    return events


def _reasoning_events(frame: Frame, reply: Reply) -> list[Event]:
    opening = {**frame.reasoning(None)}
    if frame.sealed is not None:
        # Whole only when the item is done: a client that keeps this one is refused in the next turn.
        opening["encrypted_content"] = frame.sealed[: len(frame.sealed) // 2]
    events = [Event("response.output_item.added", {"output_index": 0, "item": opening})]
    summary = reply.reasoning if frame.summary else None
    if summary:
        place = {"item_id": frame.reasoning_id, "output_index": 0, "summary_index": 0}
        whole = {"type": "summary_text", "text": summary}
        events += [
            Event(
                "response.reasoning_summary_part.added",
                {**place, "part": {"type": "summary_text", "text": ""}},
            ),
            *(
                Event(
                    "response.reasoning_summary_text.delta",
                    {**place, "delta": delta, "obfuscation": OBFUSCATION},
                )
                for delta in Reply(summary).deltas
            ),
            Event("response.reasoning_summary_text.done", {**place, "text": summary}),
            Event("response.reasoning_summary_part.done", {**place, "part": whole}),
        ]
    return [
        *events,
        Event("response.output_item.done", {"output_index": 0, "item": frame.reasoning(summary)}),
    ]


def _message_events(frame: Frame, reply: Reply) -> list[Event]:
    place = {"item_id": frame.message_id, "output_index": 1, "content_index": 0}
    empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    deltas = [
        Event(
            "response.output_text.delta",
            {**place, "delta": delta, "logprobs": [], "obfuscation": OBFUSCATION},
            delta=True,
        )
        for delta in reply.deltas
    ]
    # Something unknown in the middle of the text, where a careless client would lose its place.
    deltas[1:1] = [Event("response.thought_of_tomorrow", {"note": None})]
    return [
        Event("response.output_item.added", {"output_index": 1, "item": frame.message("", done=False)}),
        Event("response.content_part.added", {**place, "part": empty}),
        *deltas,
        Event("response.output_text.done", {**place, "text": reply.whole, "logprobs": []}),
        Event("response.content_part.done", {**place, "part": {**empty, "text": reply.whole}}),
        Event("response.output_item.done", {"output_index": 1, "item": frame.message(reply.whole, done=True)}),
    ]


def _last_event(frame: Frame, reply: Reply, last: Failed | Incomplete | ErrorEvent | None) -> Event:
    usage = usage_object(tokens_of(reply, frame.body))
    match last:
        case None:
            return Event("response.completed", {"response": finished(frame, reply)}, last=True)
        case Failed(code, message):
            problem = {"code": code, "message": message}
            return Event("response.failed", {"response": frame.response("failed", error=problem)}, last=True)
        case Incomplete(reason):
            short = frame.response("incomplete", incomplete_details={"reason": reason}, usage=usage)
            return Event("response.incomplete", {"response": short}, last=True)
        case ErrorEvent(code, message):
            return Event("error", {"code": code, "message": message, "param": None}, last=True)

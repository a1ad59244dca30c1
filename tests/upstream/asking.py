"""Well-formed requests, for tests of the stand-in itself, and a reader for its streams."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.upstream.accounts import Account

LITE_HEADER = "X-OpenAI-Internal-Codex-Responses-Lite"
PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n0000").decode()


def bearer(account: Account) -> dict[str, str]:
    """The two headers that name the session."""
    return {"Authorization": f"Bearer {account.access_token}", "ChatGPT-Account-ID": account.account_id}


def headers(account: Account, *, lite: bool = False) -> dict[str, str]:
    """The headers of a request for an answer."""
    sent = {**bearer(account), "Accept": "text/event-stream", "originator": "lerix"}
    if lite:
        sent |= {LITE_HEADER: "true", "version": "0.169.0", "session-id": "chat-1"}
    return sent


def user(text: str = "Hello") -> dict[str, Any]:
    """A message of the user's."""
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def full(**changes: Any) -> dict[str, Any]:
    """A body of the full form."""
    return {
        "model": "gpt-5.5",
        "stream": True,
        "store": False,
        "instructions": "Be kind.",
        "reasoning": {"effort": "medium", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "input": [user()],
        **changes,
    }


def lite(**changes: Any) -> dict[str, Any]:
    """A body of the Lite form."""
    body = full(model="gpt-6-sol", parallel_tool_calls=False)
    body["reasoning"] = {"effort": "medium", "context": "all_turns"}
    del body["instructions"]
    return {**body, **changes}


def read_events(text: str) -> list[dict[str, Any]]:
    """The data of each event of a whole, well-formed stream; comments are passed over."""
    blocks = text.replace("\r\n", "\n").split("\n\n")
    lines = [line for block in blocks for line in block.split("\n") if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def text_of(events: list[dict[str, Any]]) -> str:
    """The text of an answer, put together from its deltas."""
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")

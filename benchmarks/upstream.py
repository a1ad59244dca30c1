"""A bare, fast Codex backend in a process of its own: what a question says is what it answers.

The stand-in of the tests checks everything and breaks on purpose; this one only keeps time. A question is JSON,

    {"kind": "stamped", "prose", "code", "table", "mixed" or "bulk", "tokens": 1000, "rate": 60, "think": 0.2}

with `rate` in tokens a second (0: as fast as it can) and `think` in seconds before the first. Each token of a stamped
answer is `@µs@`, the system's monotonic clock at the moment it was sent, which all processes read alike. Those of a
bulk answer are 16,000 characters each, so that bytes are what it costs.

    python -m benchmarks.upstream      prints its port and serves until its standard input ends
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from itertools import repeat
from typing import Any, Final

from benchmarks.answers import tokens
from tests.upstream.catalogue import Models

# So many events at most are written in one piece when an answer comes as fast as it can.
_BATCH: Final = 32

BULK: Final = "0123456789abcdef" * 1000

_PLACE: Final = {"item_id": "msg_0123456789abcdef", "output_index": 0, "content_index": 0}


async def main() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(ended), sys.stdin)
    await ended.read()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
            body = await reader.readexactly(int(fields.get("content-length", "0")))
            if not fields.get("authorization", "").startswith("bearer "):
                _document(writer, 401, {"detail": "Unauthorized"})
            elif head.startswith("get /backend-api/codex/models"):
                _document(writer, 200, Models().payload("0.169.0"))
            elif head.startswith("post /backend-api/codex/responses"):
                await _answer(writer, json.loads(body))
            else:
                _document(writer, 404, {"detail": "Not Found"})
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def _document(writer: asyncio.StreamWriter, status: int, payload: object) -> None:
    body = json.dumps(payload).encode()
    head = f"HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)


async def _answer(writer: asyncio.StreamWriter, asked: dict[str, Any]) -> None:
    plan = json.loads(asked["input"][-1]["content"][-1]["text"])
    count, rate = int(plan["tokens"]), float(plan["rate"])
    response = {"id": "resp_0123456789abcdef", "object": "response", "status": "in_progress", "output": []}
    item = {"id": _PLACE["item_id"], "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        + _event("response.created", response=response)
        + _event("response.output_item.added", output_index=0, item=item)
    )
    await asyncio.sleep(float(plan["think"]))
    match plan["kind"]:
        case "stamped":
            source = _stamps()
        case "bulk":
            source = repeat(BULK)
        case kind:
            source = iter(tokens(kind, count))
    said: list[str] = []
    begin = time.monotonic()
    while len(said) < count:
        due = count if rate == 0 else min(count, 1 + int((time.monotonic() - begin) * rate))
        while len(said) < due:
            batch = [next(source) for _ in range(min(_BATCH, due - len(said)))]
            said += batch
            writer.write(b"".join(_event("response.output_text.delta", **_PLACE, delta=token) for token in batch))
            await writer.drain()
        if len(said) < count:
            await asyncio.sleep(max(0.0, begin + len(said) / rate - time.monotonic()))
    text = "".join(said)
    done = {**item, "status": "completed", "content": [{"type": "output_text", "text": text, "annotations": []}]}
    usage = {"input_tokens": 10, "output_tokens": count, "total_tokens": count + 10}
    writer.write(
        _event("response.output_text.done", **_PLACE, text=text)
        + _event("response.output_item.done", output_index=0, item=done)
        + _event("response.completed", response={**response, "status": "completed", "usage": usage})
        + b"0\r\n\r\n"
    )


def _stamps() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        end = "\n\n" if number % 60 == 0 else " "
        yield f"@{time.monotonic_ns() // 1000}@{end}"


def _event(kind: str, **fields: object) -> bytes:
    """One event as one chunk of the chunked answer."""
    data = f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


if __name__ == "__main__":
    asyncio.run(main())

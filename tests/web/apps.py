"""Small ASGI applications, and Lerix's server around one of them in a process of its own.

python -m tests.web.apps        prints "http://127.0.0.1:PORT" once it listens
python -m tests.web.apps blind  does not look once a second whether an application has ended
"""

import asyncio
import json
import signal
import sys
from typing import Any

from lerix_web import server, sockets
from lerix_web.assets import Application, Message, Receive, Scope, Send

CHUNK = b"x" * 65536
CHUNKS = 3000

#: What happened so far; GET /facts tells.
facts: dict[str, Any] = {"produced": 0, "taken": 0, "cancelled": 0, "left": 0, "crashes": 0}
#: GET /wake sets it: what the application at /slow waits for before it reads.
woken = asyncio.Event()


async def text(send: Send, content: str, status: int = 200) -> None:
    """Answer with plain text."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content.encode()})


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Stream CHUNKS chunks as fast as the server takes them; notice when the client leaves."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        produce.cancel()

    async def chunks() -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(CHUNKS):
            await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
            facts["produced"] += 1
        await send({"type": "http.response.body", "body": b""})

    produce = asyncio.create_task(chunks())
    watching = asyncio.create_task(watch())
    try:
        await produce
    except asyncio.CancelledError:
        facts["cancelled"] += 1
        produce.cancel()
    finally:
        watching.cancel()


async def wait_for_ever(scope: Scope, receive: Receive, send: Send) -> None:
    """Send one event and wait, as a page's event stream does."""
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"data: first\n\n", "more_body": True})
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
        facts["left"] += 1
    except asyncio.CancelledError:
        facts["cancelled"] += 1
        raise


async def fail_half_way(scope: Scope, receive: Receive, send: Send) -> None:
    """Fail after the first chunk."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise ValueError("half way")


async def echo_length(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the number of bytes received."""
    total, more = 0, True
    while more:
        message = await receive()
        total += len(message.get("body", b""))
        more = message.get("more_body", False)
    await text(send, str(total))


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    """Route by path."""
    path = scope["path"]
    if path == "/stream":
        await stream(scope, receive, send)
    elif path == "/wait":
        await wait_for_ever(scope, receive, send)
    elif path == "/half":
        await fail_half_way(scope, receive, send)
    elif path == "/length":
        await echo_length(scope, receive, send)
    elif path == "/wake":
        woken.set()
        await text(send, "")
    elif path == "/fail":
        raise ValueError("at once")
    else:
        await text(send, json.dumps(facts))


async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """/send floods the client, /echo answers; /bye, /end and /raise close, return or fail after the first message."""
    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/send":
        for _ in range(CHUNKS):
            await send({"type": "websocket.send", "bytes": CHUNK})
            facts["produced"] += 1
    elif scope["path"] == "/slow":
        await woken.wait()
    while True:
        message: Message = await receive()
        if message["type"] == "websocket.disconnect":
            facts["cancelled"] += 1
            return
        facts["taken"] += 1
        match scope["path"]:
            case "/echo":
                await send({"type": "websocket.send", "text": message["text"]})
            case "/bye":
                await send({"type": "websocket.close", "code": 4001})
            case "/end":
                return
            case "/raise":
                raise ValueError("at once")


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Every small application under one roof, without the guard."""
    await (websocket if scope["type"] == "websocket" else http)(scope, receive, send)


async def crash() -> None:
    """A background task that fails at once."""
    facts["crashes"] += 1
    raise RuntimeError("the task fell over")


async def tick() -> None:
    """A background task that works until it is stopped."""
    try:
        await asyncio.sleep(3600)
    finally:
        print("tick stopped", flush=True)


async def shutdown() -> None:
    """The composition root's last word."""
    print("shut down", flush=True)


def main(app: Application = application) -> None:
    """Serve on a free port."""
    # nohup would have it ignored, and a test sends it.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    listening = sockets.listen(0)
    if "blind" in sys.argv:
        server.Server.application_checker = lambda self: None

    async def ready() -> None:
        print(f"http://127.0.0.1:{listening[0].getsockname()[1]}", flush=True)

    server.run(app, sockets=listening, tasks=[("crash", crash), ("tick", tick)], on_ready=ready, on_stop=shutdown)


if __name__ == "__main__":
    main()

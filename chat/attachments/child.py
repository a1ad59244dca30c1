"""Has one image or PDF read by a program of its own (`chat.attachments.reading`), with limits that hold whatever it is.

Two at a time, so that a heap of pictures leaves this computer usable.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chat.attachments.kinds import MIB, NotTaken

#: Seconds of a clock for one file; a bit more than the processor time that the program may use.
SECONDS: Final = 30.0
#: Bytes of its answer. What is kept of a picture may be larger than what came: a GIF becomes a PNG.
MOST_ANSWERED: Final = 64 * MIB
_AT_ONCE: Final = 2
_ROOT: Final = str(Path(__file__).resolve().parents[2])
# Isolated from the environment and the user's own packages; this tree comes last, so that it hides no library.
_PROGRAM: Final = (
    "import sys; root, what, kind = sys.argv[1:]; sys.path.append(root)\n"
    "from importlib import import_module as load\n"
    "load('chat.attachments.reading.confined').run(load('chat.attachments.reading.' + what).read, kind)"
)
_AGAIN: Final = "Make it smaller, then attach it again."
_SENTENCES: Final = {
    "pixels": (f"This image has more than 64 million pixels, or a side of more than 16,384. {_AGAIN}", 413),
    "damaged": (
        "This file is damaged, so it cannot be read. Save it or download it once more, then attach it again.",
        422,
    ),
    "locked": ("This PDF is locked by a password. Save a copy without one, then attach that.", 422),
    "pages": ("This PDF has more than 5,000 pages. Attach the part that it is about.", 413),
    "memory": (f"Reading this file takes more memory than Lerix gives it. {_AGAIN}", 413),
}
_TOO_LONG: Final = (f"Reading this file takes too long, so it was given up. {_AGAIN}", 422)


@dataclass(frozen=True)
class Read:
    """What the program found: facts, and its parts as bytes."""

    facts: dict[str, Any]
    parts: Sequence[bytes]


_rooms: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


def _room() -> asyncio.Semaphore:
    loop = asyncio.get_running_loop()
    if loop not in _rooms:
        _rooms.clear()  # the loops of tests that are over
        _rooms[loop] = asyncio.Semaphore(_AT_ONCE)
    return _rooms[loop]


async def read(what: str, kind: str, data: bytes, *, seconds: float = SECONDS) -> Read:
    """Read a file as `what`, "image" or "pdf". Raises NotTaken; when cancelled, the program is ended."""
    async with _room():
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-B", "-c", _PROGRAM, _ROOT, what, kind),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd="/",
            env={"PATH": os.defpath},  # nothing of ours
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(seconds):
                answer = await _talk(process, data)
                await process.wait()
        except TimeoutError:
            raise NotTaken(*_TOO_LONG) from None
        finally:
            if process.returncode is None:
                # Not `process.kill`, which may take its end away from whoever waits for it.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
                await process.wait()
    return _understood(answer)


async def _talk(process: asyncio.subprocess.Process, data: bytes) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise ValueError("the program is spoken to through pipes")
    stdin, stdout = process.stdin, process.stdout

    async def give() -> None:
        with contextlib.suppress(ConnectionError):  # it has ended before it had all
            stdin.write(data)
            await stdin.drain()
            stdin.close()

    giving, answer = asyncio.create_task(give()), bytearray()
    try:
        while piece := await stdout.read(256 * 1024):
            answer += piece
            if len(answer) > MOST_ANSWERED:
                raise NotTaken(*_SENTENCES["memory"])
    finally:
        giving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await giving
    return bytes(answer)


def _understood(answer: bytes) -> Read:
    """Take an answer apart. The program may have been turned by what it read, so nothing of it is believed."""
    begin = 4 + int.from_bytes(answer[:4], "big")
    try:
        facts = json.loads(answer[4:begin])
        lengths = facts["parts"]
        problem = facts.get("problem")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        # It was ended by the system, or crashed: of both nothing is left but silence.
        raise NotTaken(*_TOO_LONG if not answer else _SENTENCES["damaged"]) from None
    if problem is not None:
        raise NotTaken(*_SENTENCES.get(str(problem), _SENTENCES["damaged"]))
    if not isinstance(lengths, list) or not all(type(each) is int and each >= 0 for each in lengths):
        raise NotTaken(*_SENTENCES["damaged"])
    parts = []
    for length in lengths[:8]:
        parts.append(answer[begin : begin + length])
        begin += length
    if begin != len(answer):
        raise NotTaken(*_SENTENCES["damaged"])
    return Read(facts, parts)

"""What the reading programs have in common: their limits, and the form of their answers.

On stdout come four bytes with the length of a JSON object, the object, and then the parts whose lengths stand in it as
"parts". {"problem": ...} says why there is none.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from collections.abc import Callable
from typing import Any, Final

MIB: Final = 1024 * 1024
#: Bytes of addresses: an image of the most pixels in four colours, twice, and the libraries.
MEMORY: Final = 1024 * MIB
#: Of the processor.
SECONDS: Final = 25

#: Reads a file of the kind that was found in it, to facts about it and its parts.
Reader = Callable[[bytes, str], tuple[dict[str, Any], list[bytes]]]


class Problem(Exception):
    """The file is not read; the text is the code that the caller knows."""


def limit() -> None:
    """Take from this process what it does not need. Some systems refuse some of it."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))


def run(read: Reader, kind: str) -> None:
    """Read what comes on stdin, and answer on stdout."""
    limit()
    data = sys.stdin.buffer.read()
    try:
        facts, parts = read(data, kind)
    except Problem as problem:
        facts, parts = {"problem": str(problem)}, []
    except MemoryError:
        facts, parts = {"problem": "memory"}, []
    head = json.dumps({**facts, "parts": [len(part) for part in parts]}).encode()
    out = sys.stdout.buffer
    out.write(len(head).to_bytes(4, "big") + head)
    for part in parts:
        out.write(part)
    out.flush()

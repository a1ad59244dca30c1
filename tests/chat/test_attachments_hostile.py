"""Files made to break whoever reads them: read apart, within limits, and refused with a sentence."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
import zlib
from typing import Any

import pytest

from chat.attachments import child
from chat.attachments.kinds import MIB, NotTaken, kind_of
from chat.attachments.reading import confined
from chat.attachments.reading import pdf as pdf_reader
from tests.chat import files
from tests.chat.files import words
from tests.chat.reading import here


async def read(data: bytes, **limits: float) -> child.Read:
    kind = kind_of(data)
    return await child.read("pdf" if kind == "pdf" else "image", kind, data, **limits)


def page(content: bytes) -> bytes:
    """A PDF with one page, its content compressed."""
    return files.pdf(streams=(zlib.compress(content, 9),), filters=b"/Filter /FlateDecode")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (files.bomb(), "64 million pixels"),
        (files.bomb(17_000, 10), "64 million pixels"),
        (files.bomb(7_000, 7_000), "damaged"),
        (files.png()[:-30], "damaged"),
        (files.photo()[:300], "damaged"),
        (b"GIF89a" + bytes(50), "damaged"),
        (b"RIFF\x20\0\0\0WEBPVP8 " + bytes(30), "damaged"),
        (b"\x89PNG\r\n\x1a\n" + files.photo(), "damaged"),
        (b"%PDF-1.7\n" + random.Random(8).randbytes(500), "damaged"),
        (b"%PDF-1.7\ntrailer << /Root 1 0 R >>", "damaged"),
        (files.pdf("x").replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]"), "damaged"),
    ],
    ids=words,
)
async def test_broken_files_are_refused_in_words(data: bytes, word: str) -> None:
    kind = kind_of(data)
    with pytest.raises(NotTaken, match=word):
        await here("pdf" if kind == "pdf" else "image", kind, data)


@pytest.mark.parametrize(
    ("data", "word"),
    [(files.bomb(), "64 million pixels"), (files.text_bomb(), "damaged|memory"), (b"%PDF-1.7\nx", "damaged")],
    ids=words,
)
async def test_the_program_says_what_is_wrong(data: bytes, word: str) -> None:
    with pytest.raises(NotTaken, match=word):
        await read(data)


async def test_the_program_reads_what_is_whole() -> None:
    found = await read(files.pdf("Hello"))
    assert (found.facts["pages"], found.parts) == (1, [b"[Page 1]\nHello"])
    found = await read(files.photo(90, 60))
    assert (found.facts["width"], len(found.parts)) == (60, 3)


async def test_a_locked_pdf_is_said_to_be_locked() -> None:
    locked = files.pdf("x").replace(
        b"/Root 1 0 R",
        b"/Root 1 0 R /Encrypt << /Filter /Standard /V 1 /R 2 /O ("
        + b"o" * 32
        + b") /U ("
        + b"u" * 32
        + b") /P -4 >> /ID [(a) (a)]",
    )
    with pytest.raises(NotTaken, match="password"):
        await here("pdf", "pdf", locked)


async def test_a_pdf_that_unpacks_without_end_costs_nothing() -> None:
    much = zlib.compress(zlib.compress(bytes(100 * MIB), 9), 9)
    data = files.pdf(streams=(much,), filters=b"/Filter [/FlateDecode /FlateDecode]")
    begun = time.monotonic()
    found = await read(data)
    assert found.parts == [b""]
    assert time.monotonic() - begun < child.SECONDS


async def test_a_pdf_with_too_much_text_is_cut_and_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_reader, "MOST_TEXT", 20)
    facts, parts = pdf_reader.read(files.pdf("A" * 15, "B" * 15, "C" * 15), "pdf")
    assert facts == {"pages": 3, "read": 2}
    assert parts == [b"[Page 1]\n" + b"A" * 15 + b"\n\n[Page 2]\nBBBBB"]


async def test_a_program_that_does_not_end_is_ended() -> None:
    slow = page(b"BT " + b"/F1 24 Tf (x) Tj " * 400_000 + b" ET")
    begun = time.monotonic()
    with pytest.raises(NotTaken, match="too long"):
        await read(slow, seconds=0.5)
    # Long before it would have used up its processor time.
    assert time.monotonic() - begun < confined.SECONDS


async def test_a_program_that_is_cancelled_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[asyncio.subprocess.Process] = []
    there, start = asyncio.Event(), asyncio.create_subprocess_exec

    async def noted(*command: Any, **how: Any) -> asyncio.subprocess.Process:
        started.append(await start(*command, **how))
        there.set()
        return started[0]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    slow = page(b"BT " + b"/F1 24 Tf (x) Tj " * 400_000 + b" ET")
    reading = asyncio.create_task(read(slow))
    await asyncio.wait_for(there.wait(), 20)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert [process.returncode for process in started] == [-9]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\0\0\x02{}",
        b"\xff\xff\xff\xff",
        b"\0\0\0\x04null",
        b'\0\0\0\x0e{"parts":[10]}',
        b'\0\0\0\x0e{"parts":[-1]}',
        b'\0\0\0\x10{"parts":[true]}',
        b'\0\0\0\x0d{"parts":[0]}more',
        b"\0\0\x13\x88" + b"[" * 5000,
    ],
)
def test_nothing_that_the_program_answers_is_believed(answer: bytes) -> None:
    with pytest.raises(NotTaken):
        child._understood(answer)


def test_the_limits_are_those_of_the_system() -> None:
    # In a process of its own: they cannot be taken back.
    script = (
        "import resource, json\nfrom chat.attachments.reading.confined import limit\nlimit()\n"
        "names = ('AS', 'CPU', 'FSIZE', 'CORE')\n"
        "print(json.dumps([resource.getrlimit(getattr(resource, 'RLIMIT_' + name))[1] for name in names]))"
    )
    found = json.loads(_run(script))
    assert found == [confined.MEMORY, confined.SECONDS, 0, 0]


def _run(script: str) -> Any:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout


async def test_a_photo_of_48_million_pixels_is_read_within_the_memory() -> None:
    found = await read(files.photo(8000, 6000))
    assert (found.facts["width"], found.facts["height"]) == (6000, 8000)

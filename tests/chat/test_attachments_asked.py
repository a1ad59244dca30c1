"""An image and a PDF on their way to OpenAI: with an API key, with the Codex CLI's session, and over Codex Relay."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from chat.attachments import child
from chat.attachments.taking import take
from chat.attachments.turns import turn_of
from chat.models import Message
from connections.catalogue import Model
from connections.openai import OpenAIPath
from connections.paths import AccessPath
from connections.responses import Ask, TextDelta
from connections.secrets import Secret
from tests.chat import files
from tests.chat.reading import here
from tests.chat.test_attachments_sent import message_with
from tests.relay.host.house import codex, house
from tests.upstream import PUBLIC_RESPONSES, RESPONSES, Upstream

TEXT = "<file-"


@pytest.fixture
def up() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path, transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.LERIX_HOME = tmp_path
    monkeypatch.setattr(child, "read", here)
    return tmp_path


async def question() -> Message:
    image, paper = await take("photo.jpg", files.photo(3000, 2000)), await take("paper.pdf", files.pdf("Findings"))
    return await message_with(image, paper, text="What is it?")


async def asked(path: AccessPath, model: Model) -> str:
    turn = await sync_to_async(turn_of)(await question(), model)
    came = []
    ask = Ask(model, [turn], "", model.default_effort, "01890000-0000-7000-8000-000000000001")
    async with asyncio.timeout(30), aclosing(path.answer(ask)) as events:
        async for event in events:
            came += [event.text] if isinstance(event, TextDelta) else []
    return "".join(came)


def parts(up: Upstream, address: str) -> list[dict[str, Any]]:
    (sent,) = up.to(address)
    asked: Any = sent.data["input"]
    found: list[dict[str, Any]] = asked[-1]["content"]
    return found


def is_photo(part: dict[str, Any]) -> bool:
    head, _, data = part["image_url"].partition(",")
    content = base64.b64decode(data)
    return head == "data:image/jpeg;base64" and content.startswith(b"\xff\xd8\xff") and b"SecretCamera" not in content


async def test_with_an_api_key_a_pdf_goes_as_it_is(up: Upstream) -> None:
    known = up.add_api_key()

    async def key() -> Secret:
        return Secret(known)

    path = OpenAIPath("api-key-1", "Work", f"{up.url}/v1", key, "Lerix/0 (test)")
    try:
        model = next(each for each in (await path.models()).models if each.slug == "gpt-5.5")
        assert await asked(path, model)
    finally:
        await path.aclose()
    photo, paper, words = parts(up, PUBLIC_RESPONSES)
    assert is_photo(photo)
    assert (paper["type"], paper["filename"]) == ("input_file", "paper.pdf")
    assert base64.b64decode(paper["file_data"].partition(",")[2]) == files.pdf("Findings")
    assert words == {"type": "input_text", "text": "What is it?"}


@pytest.mark.parametrize("slug", ["gpt-5.5", "gpt-6.1-sol"])
async def test_with_the_codex_session_its_text_goes(up: Upstream, tmp_path: Path, slug: str) -> None:
    up.sign_in(tmp_path / "codex")
    path = codex(tmp_path / "codex", up)
    try:
        model = next(each for each in (await path.models()).models if each.slug == slug)
        assert await asked(path, model)
    finally:
        await path.aclose()
    photo, paper, words = parts(up, RESPONSES)
    assert is_photo(photo)
    assert paper["text"].startswith(TEXT)
    assert "[Page 1]\nFindings" in paper["text"]
    assert words["text"] == "What is it?"


async def test_over_codex_relay_the_host_asks_the_same(up: Upstream, tmp_path: Path) -> None:
    up.sign_in(tmp_path / "codex")
    path = codex(tmp_path / "codex", up)
    models = (await path.models()).models

    async def offered() -> tuple[Model, ...]:
        return models

    try:
        async with house(path, offered) as home:
            (model,) = [each for each in (await home.path.models()).models if each.slug == "gpt-6.1-sol"]
            assert model.takes("image")
            assert not model.takes("pdf")
            assert await asked(home.path, model)
    finally:
        await path.aclose()
    photo, paper, words = parts(up, RESPONSES)
    assert is_photo(photo)
    assert paper["text"].startswith(TEXT)
    assert words["text"] == "What is it?"

"""Files that a browser on another device uploads: to one address only, within the budget, known by their content."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from chat.attachments import child
from chat.models import Attachment, Message, Role
from lerix_web.urls.remote import PAGES
from relay.host.adapter import MAX_FORM, MAX_UPLOAD
from relay.host.budget import IN_FLIGHT
from relay.host.pages import FILES
from relay.link.remote import Reply
from relay.link.streams import StreamEnded
from relay.protocol.headers import Request
from tests.chat import files
from tests.chat.conftest import fake  # noqa: F401 - a fixture
from tests.chat.fakes import FakePath
from tests.chat.reading import here
from tests.relay.host.house import House, Obedient, house
from tests.relay.host.test_pages import get, new_idem, pages, post, read, until, until_answered

BOUNDARY = "lerix123"
KIND = ("content-type", f"{FILES}; boundary={BOUNDARY}")


@pytest.fixture(autouse=True)
def home_folder(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.LERIX_HOME = tmp_path
    monkeypatch.setattr(child, "read", here)
    return tmp_path


def form(name: str, data: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    return f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


async def upload(
    home: House, name: str, data: bytes, address: str = "/attachments/", idem: str = ""
) -> tuple[int, dict[str, str], str]:
    return await read(await _send(home, form(name, data), address, idem))


async def _send(home: House, body: bytes, address: str, idem: str = "") -> Reply:
    length = ("content-length", str(len(body)))
    return await home.raw(Request("POST", address, (KIND, length, ("hx-request", "true")), idem or new_idem()), body)


async def test_a_photo_from_a_telephone_is_attached_shown_and_sent(fake: FakePath) -> None:  # noqa: F811
    async with house(Obedient(), pages=pages()) as home:
        status, _, chip = await upload(home, "IMG_1.JPG", files.photo())
        assert status == 200
        found = re.search(r'data-file="([^"]+)"', chip)
        assert found is not None
        reply = await home.raw(Request("GET", f"/attachments/{found[1]}/thumb/", ()))
        assert dict(reply.answer.headers)["content-type"] == "image/webp"
        status, _, note = await upload(home, "notes.txt", b"Buy milk")
        names = re.findall(r'data-file="([^"]+)"', note)
        status, headers, _ = await post(home, "/chats/", text="Read", access="fake", attached=names[0], key=new_uuid())
        assert status == 200
        message = await Message.objects.aget(role=Role.USER)
        await until_answered(await _chat(message))
        assert "Buy milk" in getattr(fake.asked[0].turns[0].files[0], "text")  # noqa: B009 - of several kinds
        status, _, page = await get(home, headers["hx-push-url"])
        assert ">notes.txt<" in page


def new_uuid() -> str:
    text = new_idem()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


async def _chat(message: Message) -> Any:
    return (await Message.objects.select_related("chat").aget(pk=message.pk)).chat


async def test_an_upload_that_comes_twice_is_one_file(fake: FakePath) -> None:  # noqa: F811
    async with house(Obedient(), pages=pages()) as home:
        idem = new_idem()
        first = await upload(home, "a.txt", b"Hello", idem=idem)
        assert await upload(home, "a.txt", b"Hello", idem=idem) == first
        assert await Attachment.objects.acount() == 1


async def test_no_other_address_takes_files_and_this_one_nothing_else(fake: FakePath) -> None:  # noqa: F811
    async with house(Obedient(), pages=pages()) as home:
        for method, pattern in PAGES:
            address = pattern.pattern.replace("\\", "")
            if method != "POST" or "[" in address:
                continue
            assert (await upload(home, "a.txt", b"Hello", address))[0] == 404, address
        status, _, _ = await post(home, "/attachments/", file="Hello")
        assert status == 404
        assert (await get(home, "/attachments/"))[0] == 404
        assert not await Attachment.objects.aexists()


async def test_a_file_may_be_as_long_as_it_may_here_and_not_longer(fake: FakePath) -> None:  # noqa: F811
    async with house(Obedient(), pages=pages()) as home:
        # More than any other form, and not a file that is taken.
        status, headers, _ = await upload(home, "movie.mp4", b"\0\0\0\x18ftypisom" + bytes(MAX_FORM))
        assert (status, "x-lerix-sentence" in headers) == (415, True)
        length = ("content-length", str(MAX_UPLOAD + 1))
        with pytest.raises(StreamEnded):
            await home.raw(Request("POST", "/attachments/", (KIND, length), new_idem()), b"x")
        await until(lambda: not home.adapter._going)
        assert home.adapter.budget.held == 0


def test_the_budget_counts_an_upload_as_what_it_is() -> None:
    assert MAX_UPLOAD * 2 <= IN_FLIGHT


@pytest.mark.parametrize("body", [b"", b"nonsense", f"--{BOUNDARY}--".encode(), form("a.txt", b"")])
async def test_a_broken_form_is_refused_in_words(fake: FakePath, body: bytes) -> None:  # noqa: F811
    async with house(Obedient(), pages=pages()) as home:
        status, headers, _ = await read(await _send(home, body, "/attachments/"))
        assert status in {400, 422}
        assert headers["x-lerix-sentence"]

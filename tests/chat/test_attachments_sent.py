"""Files go with their message: to each kind of path, with drafts and queues, and away with their chat."""

from __future__ import annotations

import base64
import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import AsyncClient
from django.utils import timezone

from chat.attachments import store, turns
from chat.attachments.attaching import MOST, measured
from chat.attachments.kinds import NotTaken
from chat.attachments.reading.image import SENT_BYTES
from chat.attachments.taking import take
from chat.attachments.turns import MOST_SENT, Weight, most_sent, turn_of, weights
from chat.models import Attachment, Chat, Draft, File, Message, Queued, Role
from connections.catalogue import Model
from connections.responses import Ask, Document, Excerpt, Picture, RequestForm, build_request
from connections.visitor import Visitor, visiting
from tests.chat import files
from tests.chat.conversing import at_rest
from tests.chat.fakes import MODEL, FakePath, Held, KeepingPath, pleasant
from tests.chat.tab import sentence
from tests.chat.test_views import complete

pytestmark = pytest.mark.usefixtures("home")

BLIND = MODEL
SEEING = replace(MODEL, modalities=("text", "image"))
READING = replace(MODEL, modalities=("text", "image", "pdf"))


async def post(browser: AsyncClient, address: str, text: str, *attached: Attachment, **fields: str) -> Any:
    names = ",".join(str(each.pk) for each in attached)
    return await browser.post(address, {"text": text, "key": str(uuid.uuid4()), "attached": names, **fields})


async def asked_of(fake: FakePath) -> Any:
    await complete()
    return fake.asked[-1].turns[-1]


def on_disk(home: Path) -> list[Path]:
    return [path for path in (home / "attachments").rglob("*") if path.is_file()]


async def message_with(*attached: Attachment, text: str = "Look") -> Message:
    chat = await Chat.objects.acreate(title="x")
    message = await Message.objects.acreate(chat=chat, role=Role.USER, text=text)
    for position, each in enumerate(attached):
        await Attachment.objects.filter(pk=each.pk).aupdate(message=message, position=position)
    return message


async def test_each_model_gets_what_it_takes() -> None:
    photo, paper = files.png(), files.pdf("Findings")
    message = await message_with(
        await take("a.png", photo), await take('the "paper".pdf', paper), await take("b.py", b"x = 1\n")
    )
    image, document, code = (await sync_to_async(turn_of)(message, READING)).files
    assert isinstance(image, Picture)
    assert image.media_type == "image/png"
    assert base64.b64decode(image.data).startswith(b"\x89PNG")
    assert document == Document('the "paper".pdf', base64.b64encode(paper).decode())
    assert isinstance(code, Excerpt)
    assert 'name="b.py">\nx = 1\n' in code.text
    image, document, _ = (await sync_to_async(turn_of)(message, SEEING)).files
    assert isinstance(image, Picture)
    assert isinstance(document, Excerpt)
    assert "[Page 1]\nFindings" in document.text
    assert "name=\"the 'paper'.pdf\"" in document.text
    image, _, _ = (await sync_to_async(turn_of)(message, BLIND)).files
    assert image == Excerpt('[The image "a.png" was attached here. You cannot see it.]')
    weight = (await sync_to_async(weights)([message.pk], READING))[message.pk]
    assert weight.size > len(photo) + len(paper)
    assert weight.tokens > 800


async def test_the_form_of_each_path_is_written() -> None:
    message = await message_with(await take("a.png", files.png()), await take("p.pdf", files.pdf("Hi")), text="")
    turn = await sync_to_async(turn_of)(message, SEEING)
    ask = _ask(turn)
    for form in RequestForm:
        _, body = build_request(ask, form)
        question = body["input"][-1]
        assert [part["type"] for part in question["content"]] == ["input_image", "input_text"]
        assert question["content"][0].keys() == {"type", "image_url"}
    turn = await sync_to_async(turn_of)(message, READING)
    _, body = build_request(_ask(turn), RequestForm.PLATFORM)
    file = body["input"][-1]["content"][1]
    assert (file["type"], file["filename"]) == ("input_file", "p.pdf")
    assert file["file_data"].startswith("data:application/pdf;base64,JVBERi")
    with pytest.raises(ValueError, match="no files"):
        build_request(_ask(turn), RequestForm.LITE)


def _ask(turn: Any) -> Any:
    return Ask(SEEING, [turn], "", None, "c")


async def test_bytes_that_are_gone_are_told_to_the_model(home: Path) -> None:
    message = await message_with(await take("a.png", files.png()))
    for path in on_disk(home):
        path.unlink()
    assert (await sync_to_async(turn_of)(message, SEEING)).files == (
        Excerpt('[The file "a.png" was attached here. It is not there any more.]'),
    )


async def test_a_message_of_files_alone_is_sent_and_names_the_chat(fake: FakePath, browser: AsyncClient) -> None:
    first, second = await take("notes.txt", b"Hello there"), await take("more.txt", b"More")
    response = await post(browser, "/chats/", "", second, first)
    assert response.status_code == 200
    turn = await asked_of(fake)
    assert turn.text == ""
    assert ["More" in turn.files[0].text, "Hello" in turn.files[1].text] == [True, True]
    chat = await Chat.objects.aget()
    assert chat.title == "more.txt"
    html = (await browser.get(f"/chats/{chat.pk}/")).content.decode()
    assert html.index(">more.txt<") < html.index(">notes.txt<")


async def test_what_the_model_cannot_take_is_refused_before_anything_is_stored(
    fake: FakePath, browser: AsyncClient
) -> None:
    image, scan = await take("a.png", files.png()), await take("scan.pdf", files.pdf(streams=(b"q Q",)))
    response = await post(browser, "/chats/", "Look", image)
    assert (response.status_code, sentence(response)[:37]) == (409, "GPT Test takes no images. Choose anot")
    response = await post(browser, "/chats/", "Read", scan)
    assert "no text that can be read" in sentence(response)
    assert not await Message.objects.aexists()
    assert await Attachment.objects.filter(message=None).acount() == 2
    assert turns.refusal([each async for each in measured()], READING) == ""


async def test_another_model_that_cannot_be_given_the_files_is_not_asked_again(
    fake: FakePath, browser: AsyncClient
) -> None:
    image = await take("a.png", files.png())
    message = await message_with(image)
    answer = await Message.objects.acreate(chat=message.chat, parent=message, role=Role.ASSISTANT, text="A square.")
    response = await browser.post(f"/messages/{answer.pk}/retry/", {"access": fake.key})
    assert (response.status_code, sentence(response)[:26]) == (409, "GPT Test takes no images. ")
    assert not fake.asked


async def test_ten_photos_of_whatever_size_go_with_one_message() -> None:
    made = await take("noise.jpg", files.photo(2600, 2000, noise=True))
    assert made.file.size > SENT_BYTES
    assert 0 < store.sent_size(made.file) <= SENT_BYTES
    rows = [each async for each in measured()]
    assert turns.refusal(rows * MOST, SEEING) == ""


async def test_too_much_for_one_message_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    await take("a.pdf", files.pdf("x"))
    monkeypatch.setattr(turns, "_weight", lambda attached, model: Weight(1, MOST_SENT))
    rows = [each async for each in measured()]
    assert turns.refusal(rows, SEEING) == ""
    assert "24 MB go" in turns.refusal(rows * 2, SEEING)
    assert most_sent(READING) > most_sent(SEEING)


async def test_a_form_sent_twice_is_one_message_and_other_files_are_another(
    fake: FakePath, browser: AsyncClient
) -> None:
    one, other = await take("a.txt", b"One"), await take("b.txt", b"Other")
    key = str(uuid.uuid4())
    for _ in range(2):
        response = await post(browser, "/chats/", "Read", one, key=key)
        assert response.status_code == 200
        await complete()
    assert await Chat.objects.acount() == 1
    await post(browser, "/chats/", "Read", other, key=key)
    await complete()
    assert await Chat.objects.acount() == 2
    assert {each.name async for each in Attachment.objects.exclude(message=None)} == {"a.txt", "b.txt"}


async def test_files_that_are_gone_or_of_another_message_stop_it(fake: FakePath, browser: AsyncClient) -> None:
    used = await take("a.txt", b"One")
    await post(browser, "/chats/", "Read", used)
    await complete()
    for names in (str(used.pk), str(uuid.uuid4())):
        response = await browser.post("/chats/", {"text": "Again", "key": str(uuid.uuid4()), "attached": names})
        assert response.status_code == 409
        assert "not there any more" in sentence(response)
    many = ",".join(str(uuid.uuid4()) for _ in range(MOST + 1))
    for names, word in ((many, "10 files"), ("nonsense", "not there any more")):
        response = await browser.post("/chats/", {"text": "Again", "key": str(uuid.uuid4()), "attached": names})
        assert response.status_code == 422
        assert word in sentence(response)
    assert await Chat.objects.acount() == 1


async def test_a_queued_message_keeps_its_files(fake: FakePath, browser: AsyncClient) -> None:
    fake.script = held = Held()
    await post(browser, "/chats/", "First")
    chat = await Chat.objects.aget()
    attached = await take("a.txt", b"Later")
    assert (await post(browser, f"/chats/{chat.pk}/messages/", "", attached)).status_code == 200
    queued = await Queued.objects.aget()
    assert (await Attachment.objects.aget()).queued_id == queued.pk
    assert (await browser.post(f"/attachments/{attached.pk}/remove/")).status_code == 409
    fake.script = pleasant
    held.say("Done")
    held.end()
    await at_rest()
    assert "Later" in str(fake.asked[-1].turns[-1].files)


async def test_an_edited_message_keeps_its_files(fake: FakePath, browser: AsyncClient) -> None:
    attached = await take("a.txt", b"Kept")
    await post(browser, "/chats/", "First", attached)
    await complete()
    question = await Message.objects.aget(role=Role.USER)
    await browser.post(f"/messages/{question.pk}/edit/", {"text": "Second", "key": str(uuid.uuid4())})
    turn = await asked_of(fake)
    assert turn.text == "Second"
    assert "Kept" in turn.files[0].text
    assert await File.objects.acount() == 1


async def test_taking_back_gives_the_files_back(fake: FakePath, mac: KeepingPath, browser: AsyncClient) -> None:
    attached = await take("a.txt", b"Mine")
    await post(browser, "/chats/", "", attached, access=mac.key)
    answer = await Message.objects.aget(role=Role.ASSISTANT)
    assert (await browser.post(f"/messages/{answer.pk}/take-back/")).status_code == 200
    draft = await Draft.objects.aget()
    assert (await Attachment.objects.aget()).draft_id == draft.pk
    html = (await browser.get("/")).content.decode()
    assert f'data-file="{attached.pk}"' in html
    await browser.post(f"/drafts/{draft.pk}/placed/")
    free = await Attachment.objects.aget()
    assert (free.draft_id, free.message_id) == (None, None)
    assert (await post(browser, "/chats/", "", free, access=fake.key)).status_code == 200
    await complete()


async def test_files_of_a_deleted_message_are_not_shown_and_then_gone(
    fake: FakePath, browser: AsyncClient, home: Path
) -> None:
    attached = await take("a.txt", b"Secret")
    await post(browser, "/chats/", "First", attached)
    await complete()
    chat = await Chat.objects.aget()
    await Chat.objects.filter(pk=chat.pk).aupdate(deleted=timezone.now())
    assert (await browser.get(f"/attachments/{attached.pk}/")).status_code == 404
    await chat.adelete()
    await sync_to_async(store.sweep)()
    assert not on_disk(home)


async def test_unsent_files_go_after_a_day_and_leftovers_at_the_start(home: Path) -> None:
    old, new = await take("old.txt", b"Old"), await take("new.txt", b"New")
    await Attachment.objects.filter(pk=old.pk).aupdate(created=timezone.now() - timedelta(hours=25))
    await sync_to_async(store.sweep)()
    assert [path.read_bytes() for path in on_disk(home)] == [b"New"]
    stray = home / "attachments" / new.file_id[:2] / ("0" * 64)
    stray.write_bytes(b"left by a crash")
    await sync_to_async(store.clear_leftovers)()
    assert [path.read_bytes() for path in on_disk(home)] == [b"New"]


async def test_unsent_files_are_bounded_for_other_devices_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_UNSENT", 2)
    await take("a.txt", b"One")
    with visiting(Visitor(b"phone", "codex", "Codex Relay")), pytest.raises(NotTaken, match="wait for a message"):
        await take("b.txt", b"Two")
    await take("b.txt", b"Two")
    with pytest.raises(NotTaken, match="wait for a message"):
        await take("c.txt", b"Three")


async def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch, browser: AsyncClient) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "_write", full)
    response = await browser.post("/attachments/", {"file": SimpleUploadedFile("a.txt", b"Hello")})
    assert (response.status_code, sentence(response)[:22]) == (507, "There is no room left ")
    assert not await Attachment.objects.aexists()


async def test_files_of_a_temporary_chat_are_in_memory_only(browser: AsyncClient, home: Path) -> None:
    made = await browser.post("/attachments/?temporary=1", {"file": SimpleUploadedFile("a.png", files.png(3000, 40))})
    assert made.status_code == 200
    assert not on_disk(home)
    assert not await Attachment.objects.aexists()
    found = await Attachment.objects.using("temporary").select_related("file").aget()
    assert found.pk.version == 8
    small = await browser.get(f"/attachments/{found.pk}/thumb/")
    assert small.content.startswith(b"RIFF")
    assert (await browser.get(f"/attachments/{found.pk}/")).content.startswith(b"\x89PNG")
    assert (await browser.post(f"/attachments/{found.pk}/remove/")).status_code == 204
    assert not await File.objects.using("temporary").aexists()


def test_a_model_says_what_it_takes() -> None:
    assert Model("a", "A").takes("text")
    assert not Model("a", "A").takes("image")

"""A message that was meant for an access that is not there now goes nowhere else."""

import uuid

from django.test import AsyncClient

from chat.models import Chat, Message
from tests.chat.fakes import MODEL, FakePath
from tests.chat.tab import sentence
from tests.chat.test_taking_back import text_of


async def test_a_message_for_a_computer_that_is_not_known_now_goes_to_nobody_else(
    fake: FakePath, browser: AsyncClient
) -> None:
    gone = {"access": "relay-" + "0" * 32, "model": MODEL.slug, "effort": ""}
    chat = await Chat.objects.acreate(title="Mine", choice=gone)
    for address in (f"/chats/{chat.pk}/messages/", "/chats/"):
        answer = await browser.post(address, {"text": "Private", "key": str(uuid.uuid4()), **gone})
        assert answer.status_code == 409
        assert "nothing is sent" in sentence(answer)
    assert not await Message.objects.aexists()
    page = text_of(await browser.get(f"/chats/{chat.pk}/"))
    assert "is not known here now" in page
    assert "Use Fake access" in page
    await chat.arefresh_from_db()
    assert chat.choice == gone
    # And another one can be chosen.
    await browser.post("/choice/", {"access": fake.key, "chat": str(chat.pk)})
    answer = await browser.post(f"/chats/{chat.pk}/messages/", {"text": "Hi", "key": str(uuid.uuid4())})
    assert answer.status_code == 200


async def test_a_page_that_stood_at_access_that_has_gone_sends_nothing(
    fake: FakePath, browser: AsyncClient
) -> None:
    stale = {"access": "api-key-removed", "model": MODEL.slug}
    answer = await browser.post("/chats/", {"text": "Private", "key": str(uuid.uuid4()), **stale})
    assert answer.status_code == 409
    assert "nothing was sent" in sentence(answer)
    assert not await Message.objects.aexists()

"""Whose rights a queued message is sent by: those of the device that wrote or changed it, when its turn comes."""

import pytest
from django.test import AsyncClient

from chat import visits
from chat.conversation.queue import Held
from chat.feed import feeds
from chat.models import Queued
from connections.visitor import Visitor, visiting
from tests.chat.conversing import at_rest, begun, held_texts, later, posted, questions, queue_empty
from tests.chat.fakes import FakePath, KeepingPath
from tests.chat.fakes import Held as HeldBack
from tests.connections.waiting import until


@pytest.mark.parametrize("ended", [None, b"phone", b"tablet"])
async def test_the_rights_of_a_device_are_looked_at_when_its_message_is_sent(
    fake: FakePath, ended: bytes | None
) -> None:
    script = HeldBack()
    chat = await begun(fake, script)
    with visiting(Visitor(b"phone", "fake", "Codex Relay · this Mac")):
        await later(chat, fake, "From the phone")
    visits.stop(ended)
    script.end()
    script.end()
    await at_rest()
    allowed = ended == b"tablet"
    assert await held_texts(chat) == ([] if allowed else [("From the phone", Held.NOT_ALLOWED)])
    assert len(fake.asked) == 1 + allowed


async def test_what_a_device_edits_is_sent_by_its_rights(
    mac: KeepingPath, fake: FakePath, browser: AsyncClient
) -> None:
    script = HeldBack()
    chat = await begun(fake, script)
    await later(chat, mac, "For the Mac, and not for phones")
    await later(chat, fake, "For anybody")
    with visiting(Visitor(b"phone", "fake", "Codex Relay · this Mac")):
        for queued in [each async for each in Queued.objects.all()]:
            await posted(browser, f"/queue/{queued.pk}/edit/", text="Of the phone")
    script.end()
    await at_rest()
    assert await held_texts(chat) == [("Of the phone", Held.NO_ACCESS), ("Of the phone", Held.NO_ACCESS)]
    assert not mac.asked
    # Here it may be sent again.
    script.end()
    script.end()
    await posted(browser, f"/chats/{chat.pk}/queue/send/", access="fake")
    await at_rest()
    assert await questions(chat) == ["One", "Of the phone", "Of the phone"]


async def test_a_device_with_all_its_answers_coming_waits_and_gives_its_place_back(
    fake: FakePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visits, "MOST_OF_DEVICE", 1)
    script = HeldBack()
    with visiting(Visitor(b"desk", "fake", "Codex Relay · this Mac")):
        chat = await begun(fake, script)
        await later(chat, fake, "Two")
    # Its own answer has left its place by then.
    script.end()
    await queue_empty(chat)
    # What was queued is gone a moment before its answer begins.
    await until(lambda: bool(feeds.live))
    assert [answer.device for answer in feeds.live.values()] == [b"desk"]
    with visiting(Visitor(b"desk", "fake", "Codex Relay · this Mac")):
        await later(chat, fake, "Three")
    monkeypatch.setattr(visits, "MOST_OF_DEVICE", 0)
    script.end()
    await at_rest()
    assert await held_texts(chat) == [("Three", Held.MANY)]
    assert not visits._seated

"""The chat pages, asked as a browser asks them."""

import asyncio
import re
import uuid
from datetime import timedelta

import pytest
from django.test import AsyncClient
from django.utils import timezone

from chat.feed import feeds
from chat.models import Chat, Message, Role
from connections.models import CatalogueEntry
from connections.paths import paths
from connections.status import NextStep, Status
from tests.chat.conversing import at_rest, queue_empty
from tests.chat.fakes import MODEL, FakePath, Held
from tests.chat.tab import sentence


async def complete() -> None:
    """Wait for every answer that is coming."""
    tasks = [answer.task for answer in feeds.live.values() if answer.task]
    if tasks:
        await asyncio.wait_for(asyncio.wait(tasks), 60)


async def test_the_first_message_begins_a_chat_and_shows_it(fake: FakePath, browser: AsyncClient) -> None:
    fake.script = held = Held()
    response = await browser.post("/chats/", {"text": "First question", "key": str(uuid.uuid4())})
    chat = await Chat.objects.aget()
    assert response.status_code == 200
    assert response.headers["HX-Push-Url"] == f"/chats/{chat.pk}/"
    html = response.content.decode()
    assert "First question" in html
    assert 'aria-busy="true"' in html
    held.say("Hello **world**")
    held.end()
    await complete()
    html = (await browser.get(f"/chats/{chat.pk}/")).content.decode()
    assert 'aria-busy="false"' in html
    assert "<strong>world</strong>" in html


async def test_a_message_of_blanks_is_refused_with_a_sentence(fake: FakePath, browser: AsyncClient) -> None:
    response = await browser.post("/chats/", {"text": " \n ", "key": str(uuid.uuid4())})
    assert (response.status_code, sentence(response)) == (422, "Write a message first.")
    assert not await Chat.objects.aexists()


async def test_a_message_that_is_too_long_is_refused_with_both_lengths(fake: FakePath, browser: AsyncClient) -> None:
    response = await browser.post("/chats/", {"text": "x" * 400_001, "key": str(uuid.uuid4())})
    assert response.status_code == 422
    assert "400001 characters, at most 400000" in sentence(response)


async def test_without_a_model_nothing_is_sent_and_connections_is_named(fake: FakePath, browser: AsyncClient) -> None:
    await CatalogueEntry.objects.all().aupdate(enabled=False)
    response = await browser.post("/chats/", {"text": "Hi", "key": str(uuid.uuid4())})
    assert response.status_code == 409
    assert "Connections" in sentence(response)
    page = (await browser.get("/")).content.decode()
    assert 'href="/settings/connections/"' in page
    assert "No model is switched on yet" in page


async def test_the_same_form_twice_is_one_message_and_one_answer(fake: FakePath, browser: AsyncClient) -> None:
    form = {"text": "Once", "key": str(uuid.uuid4())}
    await asyncio.gather(*(browser.post("/chats/", form) for _ in range(3)))
    await complete()
    assert await Message.objects.acount() == 2
    assert len(fake.asked) == 1


async def test_a_message_while_an_answer_comes_is_sent_after_it(fake: FakePath, browser: AsyncClient) -> None:
    fake.script = held = Held()
    await browser.post("/chats/", {"text": "One", "key": str(uuid.uuid4())})
    chat = await Chat.objects.aget()
    response = await browser.post(f"/chats/{chat.pk}/messages/", {"text": "Two", "key": str(uuid.uuid4())})
    assert response.status_code == 200
    assert await chat.messages.acount() == 2
    held.end()
    held.end()
    await queue_empty(chat)
    await at_rest()
    assert [turn.text for turn in fake.asked[1].turns] == ["One", "Two"]


async def test_the_choice_is_remembered_for_new_chats_and_for_its_own(fake: FakePath, browser: AsyncClient) -> None:
    await browser.post("/choice/", {"access": "fake", "model": "gpt-test", "effort": "high"})
    page = (await browser.get("/")).content.decode()
    assert re.search(r'name="effort" value="high"', page)
    await browser.post("/chats/", {"text": "Hi", "key": str(uuid.uuid4()), "model": "gpt-other"})
    await complete()
    chat = await Chat.objects.aget()
    await browser.post("/choice/", {"access": "fake", "model": "gpt-test", "effort": "low"})
    assert 'name="model" value="gpt-other"' in (await browser.get(f"/chats/{chat.pk}/")).content.decode()
    assert 'name="model" value="gpt-test"' in (await browser.get("/")).content.decode()
    answer = await Message.objects.aget(role=Role.ASSISTANT)
    assert (answer.model, answer.effort) == ("gpt-other", "")


async def test_a_choice_that_is_not_there_any_more_falls_back(fake: FakePath, browser: AsyncClient) -> None:
    response = await browser.post("/choice/", {"access": "gone", "model": "gone", "effort": "gone"})
    html = response.content.decode()
    assert 'name="model" value="gpt-test"' in html
    assert 'name="effort" value="low"' in html


async def test_an_access_that_is_not_ready_stays_in_the_menu_with_its_reason(
    fake: FakePath, browser: AsyncClient
) -> None:
    fake.state = Status(False, "signed-out", "Not signed in", "Codex is not signed in.", NextStep.SIGN_IN)
    html = (await browser.get("/")).content.decode()
    assert "Not signed in: Codex is not signed in." in html
    assert 'role="menuitemradio"' in html


async def test_at_a_limit_the_composer_says_until_when_and_offers_what_would_work(
    fake: FakePath, browser: AsyncClient
) -> None:
    until = timezone.now() + timedelta(hours=3)
    fake.state = Status(False, "limit", "Usage limit", "The limit is reached.", NextStep.WAIT, until=until)
    await browser.post("/choice/", {"access": "fake"})
    spare = FakePath(key="spare", label="Spare access")
    paths.add(spare)
    try:
        html = (await browser.get("/")).content.decode()
        assert "The limit is reached. It resets" in html
        assert "Use Spare access" not in html
        await CatalogueEntry.objects.acreate(
            path="spare", slug=MODEL.slug, position=0, facts=MODEL.to_json(), enabled=True
        )
        assert "Use Spare access" in (await browser.get("/")).content.decode()
        html = (await browser.post("/choice/", {"access": "spare"})).content.decode()
        assert "The limit is reached. It resets" not in html
        assert 'name="access" value="spare"' in html
    finally:
        paths.remove("spare")


async def test_text_of_the_user_is_never_markup(fake: FakePath, browser: AsyncClient) -> None:
    evil = '<img src=x onerror=alert(1)><script>x</script>"\'&'
    await browser.post("/chats/", {"text": evil, "key": str(uuid.uuid4())})
    await complete()
    chat = await Chat.objects.aget()
    html = (await browser.get(f"/chats/{chat.pk}/")).content.decode()
    assert "<img" not in html
    assert "<script>x" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


async def test_the_source_of_a_message_is_its_markdown(fake: FakePath, browser: AsyncClient) -> None:
    await browser.post("/chats/", {"text": "Hi", "key": str(uuid.uuid4())})
    await complete()
    answer = await Message.objects.aget(role=Role.ASSISTANT)
    response = await browser.get(f"/messages/{answer.pk}/source/")
    assert response.content.decode() == "Hello, **world**"
    assert response.headers["Content-Type"].startswith("text/plain")


async def test_a_chat_that_does_not_exist_says_so(fake: FakePath, browser: AsyncClient) -> None:
    response = await browser.get(f"/chats/{uuid.uuid4()}/")
    assert response.status_code == 404
    assert "This chat is not here" in response.content.decode()


@pytest.mark.parametrize("method", ["get", "put", "delete"])
@pytest.mark.parametrize("address", ["/chats/", "/choice/"])
async def test_what_changes_something_takes_only_a_post(
    fake: FakePath, browser: AsyncClient, method: str, address: str
) -> None:
    assert (await getattr(browser, method)(address)).status_code == 405

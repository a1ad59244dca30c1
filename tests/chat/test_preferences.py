"""What is set in Settings > General: what is taken, what is held, and what the model is told of it."""

import uuid
from collections.abc import Iterator

import pytest
from asgiref.sync import sync_to_async

from chat import generate, preferences
from chat.feed import feeds
from chat.instructions import INSTRUCTIONS
from chat.models import Preference
from chat.preferences import Preferences, SendKey, Theme, Unusable
from tests.chat.fakes import FakePath


@pytest.fixture(autouse=True)
def _nothing_set() -> Iterator[None]:
    preferences._held = Preferences()
    yield
    preferences._held = Preferences()


async def load() -> Preferences:
    return await sync_to_async(preferences.load)()


async def test_what_is_kept_counts_at_once_and_after_a_restart(db: None) -> None:
    await preferences.keep("theme", "dark")
    await preferences.keep("send_key", "modified")
    await preferences.keep("instructions", "Be brief.\r\nIn German.\r")
    wanted = Preferences(Theme.DARK, SendKey.MODIFIED, "Be brief.\nIn German.\n")
    assert preferences.current() == wanted
    preferences._held = Preferences()
    assert await load() == wanted == preferences.current()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("theme", "pink"),
        ("theme", None),
        ("theme", 1),
        ("theme", ["dark"]),
        ("send_key", ""),
        ("send_key", "dark"),
        ("instructions", None),
        ("instructions", {"a": 1}),
        ("instructions", "x" * 8001),
        ("choice", "gpt-test"),
        ("", ""),
        ("__class__", "x"),
    ],
)
async def test_what_means_nothing_is_refused_and_changes_nothing(db: None, name: str, value: object) -> None:
    await preferences.keep("theme", "light")
    with pytest.raises(Unusable) as refusal:
        await preferences.keep(name, value)
    assert str(refusal.value).endswith(".")
    assert preferences.current() == Preferences(theme=Theme.LIGHT)
    assert [row.name async for row in Preference.objects.all()] == ["theme"]


async def test_the_longest_instructions_are_taken_and_line_ends_count_once(db: None) -> None:
    await preferences.keep("instructions", "\r\n" * 8000)
    assert preferences.current().instructions == "\n" * 8000
    await preferences.keep("instructions", "😀" * 8000)
    assert len((await load()).instructions) == 8000


async def test_rows_that_mean_nothing_count_as_not_set(db: None) -> None:
    await Preference.objects.acreate(name="theme", value={"of": "another version"})
    await Preference.objects.acreate(name="choice", value={"model": "gpt-test"})
    await Preference.objects.acreate(name="instructions", value="Kept.")
    assert await load() == Preferences(instructions="Kept.")


async def _ask(path: FakePath) -> str:
    await generate.send(None, "Hi", uuid.uuid4(), path.choice())
    for answer in list(feeds.live.values()):
        assert answer.task is not None
        await answer.task
    return path.asked[-1].instructions


async def test_the_users_instructions_reach_the_model_after_our_own(fake: FakePath) -> None:
    assert await _ask(fake) == INSTRUCTIONS
    await preferences.keep("instructions", "  Answer in verse.\n")
    told = await _ask(fake)
    assert told.startswith(INSTRUCTIONS)
    assert told.endswith("\nAnswer in verse.")
    await preferences.keep("instructions", " \n ")
    assert await _ask(fake) == INSTRUCTIONS

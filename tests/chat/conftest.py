"""What the chat's tests share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import AsyncClient

from chat import generate, waiting
from chat.attachments import child
from chat.feed import feeds
from chat.history.listing import sidebar
from chat.temporary.tabs import tabs
from connections.models import CatalogueEntry
from connections.paths import paths
from tests.chat.fakes import MODEL, OTHER, FakePath, KeepingPath
from tests.chat.reading import here
from tests.chat.temporary import Clock


def offer(path: FakePath) -> None:
    """Register a path, with two models switched on."""
    paths.add(path)
    for number, model in enumerate((MODEL, OTHER)):
        CatalogueEntry.objects.create(
            path=path.key, slug=model.slug, position=number, facts=model.to_json(), enabled=True
        )


@pytest.fixture
def browser() -> AsyncClient:
    """A browser that has been let in."""
    return AsyncClient(headers={"host": "localhost"})


@pytest.fixture
def no_tabs() -> Iterator[None]:
    """No page of a temporary chat is open, before and after."""
    tabs._tabs.clear()
    yield
    tabs._tabs.clear()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the pages of temporary chats."""
    made = Clock()
    monkeypatch.setattr(tabs, "_clock", made)
    return made


@pytest.fixture
def home(settings: Any, tmp_path: Path, transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for files, which are read in this process."""
    settings.LERIX_HOME = tmp_path
    monkeypatch.setattr(child, "read", here)
    return tmp_path


@pytest.fixture
def mac(fake: FakePath) -> Iterator[KeepingPath]:
    """A path beside the other, which is away and keeps messages."""
    path = KeepingPath()
    offer(path)
    yield path
    paths.remove(path.key)


@pytest.fixture
def fake(transactional_db: None) -> Iterator[FakePath]:
    """An access path with two models switched on. Answers are stored from a thread of their own, so for real."""
    for each in paths.all():
        paths.remove(each.key)
    path = FakePath()
    offer(path)
    yield path
    paths.remove(path.key)
    feeds.live.clear()
    waiting.ending = False


@pytest.fixture(autouse=True)
def _nothing_of_the_test_before() -> None:
    """The list of chats is held as HTML, and told of changes a moment later, by a loop that may have ended before."""
    feeds._history_due = False
    sidebar.forget()
    # Tasks that were done in the last moment of a loop are still in these.
    generate._storing.clear()
    generate._asides.clear()

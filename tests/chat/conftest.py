"""What the chat's tests share."""

from collections.abc import Iterator

import pytest

from chat import generate, waiting
from chat.feed import feeds
from chat.history.listing import sidebar
from connections.models import CatalogueEntry
from connections.paths import paths
from tests.chat.fakes import MODEL, OTHER, FakePath, KeepingPath


def offer(path: FakePath) -> None:
    """Register a path, with two models switched on."""
    paths.add(path)
    for number, model in enumerate((MODEL, OTHER)):
        CatalogueEntry.objects.create(
            path=path.key, slug=model.slug, position=number, facts=model.to_json(), enabled=True
        )


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

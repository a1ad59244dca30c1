"""One household and one browser that is signed in, for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.remote.whole.way import Way, shown
from tests.relay.proof.computers import Household, household
from tests.relay.proof.lines import Line


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    with household(tmp_path_factory.mktemp("house")) as made:
        yield made


@pytest.fixture(scope="session")
def road(chromium: Browser, house: Household) -> Iterator[Way]:
    with Line(house.broker.port) as line:
        made = Way(house, line, chromium)
        made.browser("Tablet", viewport={"width": 1280, "height": 860})
        # From here on this Mac is the one that was used last.
        page = made.page()
        shown(page)
        page.close()
        yield made
        for context in made.contexts:
            context.close()


@pytest.fixture
def way(road: Way) -> Iterator[Way]:
    """The same, healed of what the test before did to it."""
    road.heal()
    road.problems.clear()
    yield road
    road.house.up.clear()
    for context in road.contexts[1:]:
        context.close()
    del road.contexts[1:]
    for page in road.context.pages:
        page.close()
    assert not road.problems


@pytest.fixture
def page(way: Way) -> Page:
    return way.page()

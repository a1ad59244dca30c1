"""Settings > Connections, asked as a browser asks it."""

from collections.abc import AsyncGenerator, Iterator

import pytest
from django.test import AsyncClient

from chat.choices import picker
from connections import catalogues
from connections.catalogue import Catalogue, Model
from connections.errors import AccessError, ModelRefused, Unreachable
from connections.models import CatalogueEntry, PathMemory
from connections.paths import paths
from connections.status import NextStep, Status
from tests.chat.fakes import MODEL, OTHER, READY, FakePath


@pytest.fixture
def fake(db: None) -> Iterator[FakePath]:
    for each in paths.all():
        paths.remove(each.key)
    path = FakePath()
    paths.add(path)
    yield path
    paths.remove(path.key)


@pytest.fixture
def browser() -> AsyncClient:
    return AsyncClient(headers={"host": "localhost"})


class Unreachables(FakePath):
    async def models(self) -> Catalogue:
        raise Unreachable


async def test_the_dialog_lists_the_models_of_the_path_and_switches_them(
    fake: FakePath, browser: AsyncClient
) -> None:
    html = (await browser.get("/settings/connections/fake/models/")).content.decode()
    assert 'role="switch"' in html
    assert 'aria-label="GPT Test"' in html
    switched = await browser.post("/settings/connections/fake/models/switch/", {"model": "gpt-test", "enabled": "on"})
    assert switched.status_code == 204
    assert [entry.slug async for entry in CatalogueEntry.objects.filter(enabled=True)] == ["gpt-test"]
    await browser.post("/settings/connections/fake/models/switch/", {"model": "gpt-test"})
    assert not await CatalogueEntry.objects.filter(enabled=True).aexists()


async def offer_only(path: FakePath, *models: Model) -> None:
    """Let the path's service list these models from now on, and fetch the list."""

    async def listed() -> Catalogue:
        return Catalogue(models, None)

    path.models = listed  # type: ignore[method-assign]
    await catalogues.refresh(path, force=True)


async def test_a_refresh_keeps_the_switches_and_drops_what_is_gone(fake: FakePath) -> None:
    await catalogues.refresh(fake)
    await catalogues.switch(fake, OTHER.slug, enabled=True)
    await offer_only(fake, OTHER)
    assert [(entry.slug, entry.enabled) for entry in await catalogues.entries(fake)] == [(OTHER.slug, True)]


async def test_a_model_that_is_gone_but_switched_on_is_marked_retired_and_leaves_the_composer(
    fake: FakePath, browser: AsyncClient
) -> None:
    await catalogues.refresh(fake)
    await catalogues.switch(fake, OTHER.slug, enabled=True)
    await offer_only(fake, MODEL)
    html = (await browser.get("/settings/connections/fake/models/")).content.decode()
    assert "retired" in html
    assert (await catalogues.offers())[0].models == []
    await offer_only(fake, MODEL, OTHER)
    assert (await catalogues.offers())[0].models == [OTHER]


async def test_a_model_that_came_later_is_marked_new(fake: FakePath, browser: AsyncClient) -> None:
    await offer_only(fake, MODEL)
    await offer_only(fake, MODEL, OTHER)
    assert [(entry.slug, entry.is_new) for entry in await catalogues.entries(fake)] == [
        (MODEL.slug, False),
        (OTHER.slug, True),
    ]
    assert ">new</span>" in (await browser.get("/settings/connections/fake/models/")).content.decode()


async def test_a_refused_model_is_marked_with_its_reason_and_is_not_the_default(
    fake: FakePath, browser: AsyncClient
) -> None:
    await catalogues.refresh(fake)
    for model in (MODEL, OTHER):
        await catalogues.switch(fake, model.slug, enabled=True)
    await catalogues.note_answer(fake, MODEL, ModelRefused())
    html = (await browser.get("/settings/connections/fake/models/")).content.decode()
    assert "This account cannot use the chosen model. Choose another model." in html
    choice = (await picker()).choice
    assert choice is not None
    assert choice.model == OTHER
    await catalogues.note_answer(fake, MODEL, None)
    choice = (await picker()).choice
    assert choice is not None
    assert choice.model == MODEL


async def test_a_fresh_catalogue_is_not_fetched_again(fake: FakePath) -> None:
    asked = 0

    async def counted() -> Catalogue:
        nonlocal asked
        asked += 1
        return Catalogue((MODEL,), None)

    fake.models = counted  # type: ignore[method-assign]
    for _ in range(3):
        await catalogues.refresh(fake)
    assert asked == 1
    await catalogues.refresh(fake, force=True)
    assert asked == 2


async def test_a_list_that_cannot_be_fetched_keeps_the_old_one_and_says_why(db: None, browser: AsyncClient) -> None:
    for each in paths.all():
        paths.remove(each.key)
    path = FakePath()
    paths.add(path)
    try:
        await catalogues.refresh(path)
        paths.remove(path.key)
        paths.add(Unreachables())
        error: AccessError | None = await catalogues.refresh(Unreachables(), force=True)
        assert isinstance(error, Unreachable)
        html = (await browser.post("/settings/connections/fake/models/refresh/")).content.decode()
        assert Unreachable.sentence in html
        assert "GPT Test" in html
    finally:
        paths.remove("fake")


async def test_a_model_or_a_path_that_does_not_exist_is_not_found(fake: FakePath, browser: AsyncClient) -> None:
    assert (await browser.post("/settings/connections/fake/models/switch/", {"model": "x"})).status_code == 404
    assert (await browser.get("/settings/connections/nope/models/")).status_code == 404


async def test_settings_leads_to_connections(fake: FakePath, browser: AsyncClient) -> None:
    response = await browser.get("/settings/")
    assert response.status_code == 302
    settings = (await browser.get(response.headers["Location"])).content.decode()
    assert 'href="/settings/connections/"' in settings
    page = (await browser.get("/settings/connections/")).content.decode()
    assert "Connections" in page
    assert fake.runs in page


async def test_a_list_that_changed_is_fetched_again_when_an_answer_tells(fake: FakePath) -> None:
    await offer_only(fake, MODEL)
    await PathMemory.objects.filter(path=fake.key).aupdate(etag="old")
    fake.models_etag = "old"

    async def newer() -> Catalogue:
        return Catalogue((MODEL, OTHER), "new")

    fake.models = newer  # type: ignore[method-assign]
    await catalogues.note_answer(fake, MODEL, None)
    assert len(await catalogues.entries(fake)) == 1
    fake.models_etag = "new"
    await catalogues.note_answer(fake, MODEL, None)
    assert len(await catalogues.entries(fake)) == 2


SIGNED_OUT = Status(False, "signed-out", "Needs sign-in", "Nobody is signed in.", NextStep.SIGN_IN)
TROUBLE = Status(False, "unreachable", "Not reachable", "It could not be reached.", NextStep.RETRY)


@pytest.mark.parametrize(
    ("states", "asked"),
    [
        ([READY], 1),
        # Whoever signs in while the service is known not to answer need not wait until it is asked by itself.
        ([SIGNED_OUT, TROUBLE], 1),
        # The service fails, or comes back: that was seen because it had been asked.
        ([READY, TROUBLE, READY], 1),
        ([SIGNED_OUT], 0),
    ],
)
async def test_a_service_is_asked_for_its_models_when_it_can_be_asked_anew(
    fake: FakePath, states: list[Status], asked: int
) -> None:
    count = 0

    async def changes() -> AsyncGenerator[Status, None]:
        for fake.state in states:
            yield fake.state

    async def counted() -> Catalogue:
        nonlocal count
        count += 1
        return Catalogue((MODEL,), None)

    fake.changes = changes  # type: ignore[method-assign]
    fake.models = counted  # type: ignore[method-assign]
    await catalogues.follow(fake)
    assert count == asked

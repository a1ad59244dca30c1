"""A stand-in with somebody signed in, and the API keys of one process."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from connections import keys
from connections.keys import ApiKeys
from connections.paths import paths
from tests.connections.key_desk import BASE, HOME, NEW, WORK, Platform
from tests.upstream import Account, Upstream


@pytest.fixture
def platform() -> Platform:
    return Platform(WORK, HOME, NEW)


@pytest.fixture
def api_keys(db: None, platform: Platform, tmp_path: Path) -> Iterator[ApiKeys]:
    """The API keys of a process that has none yet, and no other access path."""
    for each in paths.all():
        paths.remove(each.key)
    made = ApiKeys(tmp_path, BASE, "Lerix/0.1 (test)", transport=platform)
    keys.install(made)
    yield made
    for each in paths.all():
        paths.remove(each.key)


@pytest.fixture
def up() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def ada(up: Upstream, tmp_path: Path) -> Account:
    return up.sign_in(tmp_path / "codex")


@pytest.fixture
def client(up: Upstream) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=up.url, trust_env=False, verify=False, timeout=30) as http:
        yield http

"""A broker in memory, a Mac in front of it, and passwords that take no time to stretch."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.account import opening
from tests.relay.account.far_broker import FarBroker
from tests.relay.account.macs import Mac
from tests.relay.keys.conftest import cheap_suites


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(opening, "_PAUSE", 0.0)
    with cheap_suites():
        yield


@pytest.fixture
def far() -> FarBroker:
    return FarBroker()


@pytest.fixture
def mac(db: None, far: FarBroker, tmp_path: Path) -> Mac:
    return Mac(tmp_path / "mac", far)


@pytest.fixture
def other(db: None, far: FarBroker, tmp_path: Path) -> Mac:
    return Mac(tmp_path / "other", far, name="Ada’s other Mac")

"""An account whose pages can be asked, without keys and without a broker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest
from django.test import AsyncClient

from relay.account import account
from relay.account.account import Account
from tests.relay.account_fake import FakeAccount


@pytest.fixture
def fake() -> Iterator[FakeAccount]:
    made, before = FakeAccount(), account._installed
    account.install(cast(Account, made))
    yield made
    account._installed = before


@pytest.fixture
def browser(fake: FakeAccount) -> AsyncClient:
    return AsyncClient(headers={"host": "localhost"})

"""A remote's body stays in memory, as the bytes that the budget counts."""

import tempfile

import pytest

from connections.responses import Turn
from tests.relay.host.house import SOL, Obedient, ask, house


async def test_a_long_body_is_never_written_to_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    rolled: list[object] = []
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", rolled.append)
    path = Obedient()
    question = ask("Go on", SOL, Turn("user", "ab" * 3_000_000), Turn("assistant", "Well."))
    async with house(path) as home:
        assert await home.text(question) == "Well."
        assert home.adapter.budget.held == 0
    assert path.asked == [question]
    assert rolled == []

"""What answers is no account broker, or not one of this version: a sentence of ours, whatever it says itself."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from connections.secrets import Secret
from relay.account.errors import AccountError
from relay.account.models import Membership
from relay.api import Problem
from tests.relay.account.far_broker import FarBroker, No
from tests.relay.account.macs import EMAIL, PASSWORD, Mac

OLD = Secret(PASSWORD)


async def rows() -> list[dict[str, Any]]:
    return [dict(row) async for row in Membership.objects.values()]


# What is no answer of a broker at all.


def _page(status: int) -> httpx.Response:
    return httpx.Response(status, html="<h1>planted words of the broker</h1>")


RAW: dict[str, tuple[Callable[[], httpx.Response], str]] = {
    "a web page": (lambda: _page(200), "broker-unexpected"),
    "a page that is missing": (lambda: _page(404), "broker-unexpected"),
    "a failure": (lambda: _page(500), "broker-answer-lost"),
    "a gateway's failure": (lambda: _page(502), "broker-answer-lost"),
    "a redirect": (lambda: httpx.Response(302, headers={"location": "https://evil.example/"}), "broker-unexpected"),
    "no JSON": (lambda: httpx.Response(200, content=b"{"), "broker-unexpected"),
    "nothing": (lambda: httpx.Response(200), "broker-unexpected"),
    "a list": (lambda: httpx.Response(200, content=b"[]"), "broker-unexpected"),
    "deep JSON": (lambda: httpx.Response(200, content=b"[" * 200_000), "broker-unexpected"),
    "a long number": (lambda: httpx.Response(200, content=b"1" * 10_000), "broker-unexpected"),
    "no UTF-8": (lambda: httpx.Response(200, content=b"\xff"), "broker-unexpected"),
    "too much": (lambda: httpx.Response(200, content=b" " * (12 * 1024 * 1024 + 1)), "broker-unexpected"),
    "a long refusal": (lambda: httpx.Response(401, content=b" " * 5000), "broker-unexpected"),
    "something compressed": (
        lambda: httpx.Response(
            200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(gzip.compress(bytes(10**7)))
        ),
        "broker-unexpected",
    ),
    "an unknown problem": (lambda: httpx.Response(400, json={"error": "planted"}), "broker-unexpected"),
    "a wait of years": (
        lambda: httpx.Response(429, json={"error": "slow-down", "retry_after": 10**9}),
        "slow-down",
    ),
    "a wait that is none": (lambda: httpx.Response(429, json={"error": "slow-down", "retry_after": -1}), "slow-down"),
}


@pytest.mark.parametrize("name", RAW)
async def test_what_is_no_brokers_answer_gets_a_sentence_of_ours(mac: Mac, far: FarBroker, name: str) -> None:
    response, code = RAW[name]
    far.raw = lambda asked: response()
    with pytest.raises(AccountError) as refused:
        await mac.account.sign_in(EMAIL, OLD, mac.name)
    assert refused.value.code == code
    assert "planted" not in refused.value.sentence
    assert refused.value.retry_after in {None, 1, 86_400}
    assert await rows() == []


@pytest.mark.parametrize("problem", Problem)
async def test_every_problem_has_a_sentence_without_the_brokers_words(
    mac: Mac, far: FarBroker, problem: Problem
) -> None:
    far.refuse = lambda asked: No(400, problem)
    with pytest.raises(AccountError) as refused:
        await mac.account.sign_in(EMAIL, OLD, mac.name)
    assert refused.value.code not in {"broker-unexpected", "account-failed"}
    assert "planted" not in refused.value.sentence


@pytest.mark.parametrize("change", [{"api": 2}, {"broker": "Other"}, {"plans": "none"}])
async def test_another_kind_of_server_is_not_taken_for_a_broker(
    mac: Mac, far: FarBroker, change: dict[str, object]
) -> None:
    chosen = Mac(mac.folder.parent / "chosen", far, fixed="")
    far.twist = lambda asked, answer: answer | change
    with pytest.raises(AccountError) as refused:
        await chosen.account.set_broker("https://other.example")
    assert refused.value.code == "broker-unexpected"
    assert chosen.account.view.broker.address == ""

"""The tests' own guard: nothing in a test reaches another machine."""

import socket

import httpx
import pytest

from tests import conftest


@pytest.mark.parametrize("address", ["203.0.113.9", "8.8.8.8", "2001:db8::1"])
def test_another_machine_is_not_this_one(address: str) -> None:
    assert not conftest.is_local(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1", "localhost", b"localhost", None, ""])
def test_loopback_is_this_machine(address: object) -> None:
    assert conftest.is_local(address)


def test_a_look_up_and_a_connection_are_refused_and_remembered() -> None:
    with pytest.raises(RuntimeError, match=r"tried to reach lerix\.example"):
        socket.getaddrinfo("lerix.example", 443)
    with socket.socket() as client, pytest.raises(RuntimeError, match=r"tried to reach 198\.51\.100\.7"):
        client.connect(("198.51.100.7", 443))
    assert conftest.refused == ["lerix.example", "198.51.100.7"]
    conftest.refused.clear()


async def test_an_http_client_is_refused_too() -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises((RuntimeError, ExceptionGroup)):  # a group where httpx connects through anyio
            await client.get("http://198.51.100.7/")
    assert conftest.refused == ["198.51.100.7"]
    conftest.refused.clear()

"""Binding: both loopback addresses, or a sentence."""

import errno
import socket

import pytest

from lerix_web import sockets
from lerix_web.errors import PortError


def close(opened: list[socket.socket]) -> None:
    for one in opened:
        one.close()


def test_a_free_port_is_the_same_on_both_addresses() -> None:
    opened = sockets.listen(0)
    try:
        assert [one.getsockname()[0] for one in opened] == ["127.0.0.1", "::1"]
        assert len({one.getsockname()[1] for one in opened}) == 1
    finally:
        close(opened)


@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")],
)
def test_a_port_somebody_listens_on_is_refused(family: socket.AddressFamily, address: str) -> None:
    with socket.socket(family) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        taken.bind((address, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortError, match=f"Port {port} is in use by another program"):
            sockets.listen(port)


def test_nobody_can_take_our_port_while_we_listen() -> None:
    opened = sockets.listen(0)
    try:
        for one in opened:
            with socket.socket(one.family) as thief:
                thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with pytest.raises(OSError, match="in use"):
                    thief.bind(one.getsockname()[:2])
    finally:
        close(opened)


def test_a_machine_without_ipv6_listens_on_ipv4_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # TEST-NET addresses belong to no machine: binding fails as ::1 does where it is absent.
    monkeypatch.setattr(sockets, "ADDRESSES", ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "2001:db8::1")))
    opened = sockets.listen(0)
    close(opened)
    assert len(opened) == 1
    monkeypatch.setattr(sockets, "ADDRESSES", ((socket.AF_INET, "192.0.2.1"),))
    with pytest.raises(PortError, match="no loopback address"):
        sockets.listen(0)


def test_other_faults_are_sentences() -> None:
    assert "reserved for the system" in sockets._sentence(OSError(errno.EACCES, "Permission denied"), 80)
    assert "cannot listen on port 80: no buffer" in sockets._sentence(OSError(errno.ENOBUFS, "No buffer"), 80)
    assert "--port 7717" in sockets._sentence(OSError(errno.EADDRINUSE, ""), 65535)

"""Whose request it is: limits and the audit log know networks, not people's addresses."""

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from django.http import HttpRequest

#: What a household or a company usually has to itself.
IPV4_PREFIX, IPV6_PREFIX = 24, 64
UNKNOWN: Final = "unknown"


def of(request: HttpRequest) -> str:
    """Return the network of whoever asks, for example "203.0.113.0/24".

    Behind a proxy on this machine it is the last hop of X-Forwarded-For, the one that the proxy wrote itself.
    """
    return _seen_from(request.META.get("REMOTE_ADDR") or "", request.headers.get("x-forwarded-for", ""))


def of_scope(scope: Mapping[str, Any]) -> str:
    """The same of an ASGI scope."""
    forwarded = b",".join(value for name, value in scope.get("headers", ()) if name == b"x-forwarded-for")
    return _seen_from((scope.get("client") or ("",))[0], forwarded.decode("latin-1"))


def _seen_from(peer: str, hops: str) -> str:
    forwarded = hops.rpartition(",")[2].strip()
    return _network(forwarded if forwarded and _is_loopback(peer) else peer)


def _network(text: str) -> str:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    prefix = IPV4_PREFIX if address.version == 4 else IPV6_PREFIX
    return str(ipaddress.ip_network((address, prefix), strict=False))


def _is_loopback(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False

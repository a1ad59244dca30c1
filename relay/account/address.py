"""Addresses of account brokers: which ones Lerix speaks to, and their one spelling."""

import re
from typing import Final

import httpx

from relay.account.errors import AddressUnusable

#: Plain http is for a broker on this computer only: everywhere else the key for the log-in would travel in the clear.
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_LONGEST: Final = 300
_HOST: Final = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}")


def normalise(text: str) -> str:
    """Return `scheme://host[:port]` for what somebody typed; https where no scheme is named. Raises AddressUnusable."""
    typed = text.strip()
    if "://" not in typed:
        typed = f"https://{typed}"
    try:
        url = httpx.URL(typed) if len(typed) <= _LONGEST and typed.isprintable() else httpx.URL()
        # With and without the dot of the root it is the same name; brokers and their certificates have it without.
        host = url.raw_host.decode("ascii").removesuffix(".")
        port = url.port
    except (httpx.InvalidURL, UnicodeError):
        raise AddressUnusable from None
    secure = url.scheme == "https" or (url.scheme == "http" and host in LOOPBACK)
    # The end of the text shows a bare "?" or "#" too, which the URL's parts do not.
    bare = url.raw_path == b"/" and not url.userinfo and not url.fragment and typed[-1] not in "?#"
    named = _HOST.fullmatch(host) and not host.endswith(".")
    if not secure or not bare or not named or not 0 < (443 if port is None else port) <= 65535:
        raise AddressUnusable
    bracketed = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{bracketed}" + (f":{port}" if port is not None else "")


def host_of(address: str) -> str:
    """The name that a device's proof is bound to: in lower case, without brackets, port and the dot of the root."""
    return httpx.URL(address).raw_host.decode("ascii").strip("[]").removesuffix(".").lower()

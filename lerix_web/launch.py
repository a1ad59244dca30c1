"""Launch links and browser cookies: who may come in, decided without the network.

A launch link carries a token of 256 random bits that works once. It is exchanged for a cookie,

    <issued, seconds since 1970>.<16 random hex digits>.<HMAC-SHA256 over both, hex>

whose key is a file of mode 0600, so that a restart keeps browsers signed in.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

#: A link asked for later is used at once; one that waits in a terminal's history should not work for ever.
LINK_SECONDS = 600
COOKIE_SECONDS = 365 * 24 * 3600
#: Links nobody used. More than a person asks for in ten minutes, and few enough to compare with each.
MAX_LINKS = 32


class Doorkeeper:
    """Mints and redeems launch tokens, issues and knows browser cookies.

    ``key`` is the secret of this installation, ``role`` the program ("local"); ``clock`` gives seconds since
    1970.
    """

    def __init__(self, key: bytes, *, role: str, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock
        self._links: dict[bytes, float] = {}
        #: Called with each token that was used, once.
        self.on_used: Callable[[str], None] | None = None
        # Cookies ignore ports: the instance keeps two Lerix on one machine out of each other's way.
        self.cookie_name = f"lerix_session_{role}_{self._seal(b'instance')[:8]}"

    def __repr__(self) -> str:
        return f"<Doorkeeper {self.cookie_name}>"

    def mint(self, *, seconds: float | None = LINK_SECONDS) -> str:
        """Return a new token that works once, for so many seconds, or until it is used if None."""
        now = self._clock()
        self._links = {digest: end for digest, end in self._links.items() if end > now}
        if len(self._links) >= MAX_LINKS:
            # The soonest to expire goes; the one printed at the start never expires and so stays.
            del self._links[min(self._links, key=lambda digest: self._links[digest])]
        token = secrets.token_urlsafe(32)
        self._links[_digest(token)] = float("inf") if seconds is None else now + seconds
        return token

    def redeem(self, token: str) -> bool:
        """Return True if the token is good, and make it worthless. Takes the same time for any wrong one."""
        offered, found = _digest(token), None
        for digest in self._links:
            if secrets.compare_digest(digest, offered):
                found = digest
        if found is None or self._links.pop(found) <= self._clock():
            return False
        if self.on_used is not None:
            self.on_used(token)
        return True

    def issue_cookie(self) -> str:
        """Return a new cookie value."""
        body = f"{int(self._clock())}.{secrets.token_hex(8)}"
        return f"{body}.{self._seal(b'cookie:' + body.encode())}"

    def knows(self, cookie: str) -> bool:
        """Return True if the cookie value was issued with our key, in the last year."""
        body, _, seal = cookie.rpartition(".")
        expected = self._seal(b"cookie:" + body.encode("utf-8", "replace"))
        if not secrets.compare_digest(seal.encode("utf-8", "replace"), expected.encode()):
            return False
        return 0 <= self._clock() - int(body.partition(".")[0]) + 60 <= COOKIE_SECONDS

    def _seal(self, message: bytes) -> str:
        return hmac.digest(self._key, b"lerix:" + message, "sha256").hex()


def _digest(token: str) -> bytes:
    # Digests have one length, so a comparison says nothing about a token's length either.
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()

"""What stands in the tables in place of keys, codes and tokens.

The pepper is derived from SECRET_KEY, which is LERIX_SECRET_KEY or the file `broker.key` in the data folder. It must
be kept with, and apart from, the database: a database without it lets nobody log in any more, and whoever steals the
database alone cannot even try passwords.

    digest of a key        HMAC-SHA256(pepper for its kind, key)
    salt of an unknown     HMAC-SHA256(pepper "salt", e-mail)[:16]
    nonce 32 bytes         u64 seconds ‖ random 8 ‖ HMAC-SHA256(pepper "nonce", those ‖ account ‖ device)[:16]
    digest of a token      SHA-256: it is random already
"""

import hashlib
import hmac
import secrets
from functools import cache
from typing import Final

from django.conf import settings

from relay.account.keys.bundle import SALT
from relay.account.keys.holders import AuthKey, RecoveryAuth
from relay.api import CODE_DIGITS, NONCE_SECONDS, TOKEN
from relay.api.fields import decode, encode

#: The two ends may differ by so much within one broker that runs on several machines.
CLOCK_SECONDS: Final = 5


@cache
def pepper(use: str) -> bytes:
    """Return the secret for one use."""
    return hmac.digest(settings.SECRET_KEY.encode(), b"lerix/broker/1/" + use.encode(), "sha256")


def of_auth(key: AuthKey) -> bytes:
    """What is kept of the key made from the password."""
    return hmac.digest(pepper("auth"), key.reveal(), "sha256")


def of_recovery(key: RecoveryAuth) -> bytes:
    """What is kept of the key made from the recovery key."""
    return hmac.digest(pepper("recovery"), key.reveal(), "sha256")


def salt_for(email: str) -> bytes:
    """The salt of an address that has no account: always the same one, as a real salt is."""
    return hmac.digest(pepper("salt"), email.encode(), "sha256")[:SALT]


def same(one: bytes | memoryview, other: bytes | memoryview) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(bytes(one), bytes(other))


def new_token() -> tuple[str, str]:
    """Return a token or ticket, and its digest in hexadecimal digits."""
    token = secrets.token_bytes(TOKEN)
    return encode(token), hashlib.sha256(token).hexdigest()


def of_token(token: str) -> str:
    """The digest of a token or ticket that was given out. Raises MessageMalformed."""
    return hashlib.sha256(decode(token, exactly=TOKEN)).hexdigest()


def new_code() -> str:
    """Return eight random digits."""
    return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"


def of_code(ticket_digest: str, code: str) -> bytes:
    """What is kept of a code; it is worth something with its ticket only."""
    return hmac.digest(pepper("code"), f"{ticket_digest}/{code}".encode(), "sha256")


def nonce(account: bytes, device: bytes, seconds: int) -> bytes:
    """Make the nonce that this device may sign in the next minute; `seconds` since 1970."""
    head = seconds.to_bytes(8, "big") + secrets.token_bytes(8)
    return head + _nonce_mark(head, account, device)


def nonce_holds(given: bytes, account: bytes, device: bytes, seconds: int) -> bool:
    """Say whether this is a nonce of ours for this device, made in the last minute."""
    age = seconds - int.from_bytes(given[:8], "big")
    fresh = -CLOCK_SECONDS <= age <= NONCE_SECONDS
    return same(given[16:], _nonce_mark(given[:16], account, device)) and fresh


def _nonce_mark(head: bytes, account: bytes, device: bytes) -> bytes:
    return hmac.digest(pepper("nonce"), head + account + device, "sha256")[:16]

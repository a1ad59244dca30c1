"""A strict stand-in for OpenAI's servers: sign-in host, Codex backend and platform API on one loopback port.

It refuses what the real ones have been seen or reported to refuse, and it can fail in every way they can.
Tests use `Upstream`; ``python -m tests.upstream`` starts it alone, to try Lerix without an account.
"""

from tests.upstream import faults
from tests.upstream.accounts import Account
from tests.upstream.catalogue import Entry
from tests.upstream.gates import Gate, Point
from tests.upstream.records import Outcome, Recorded
from tests.upstream.refusal import Refusal
from tests.upstream.replies import Reply, Tokens
from tests.upstream.server import Upstream
from tests.upstream.world import (
    ACCOUNTS_CHECK,
    MODELS,
    PUBLIC_MODELS,
    PUBLIC_RESPONSES,
    RESPONSES,
    REVOKE,
    TOKEN,
    USAGE,
)

__all__ = [
    "ACCOUNTS_CHECK",
    "MODELS",
    "PUBLIC_MODELS",
    "PUBLIC_RESPONSES",
    "RESPONSES",
    "REVOKE",
    "TOKEN",
    "USAGE",
    "Account",
    "Entry",
    "Gate",
    "Outcome",
    "Point",
    "Recorded",
    "Refusal",
    "Reply",
    "Tokens",
    "Upstream",
    "faults",
]

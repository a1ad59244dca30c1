"""The ways in which a password is stretched, by number.

A suite is a number with constants in this file. The broker keeps and sends the number only, so a broker that lies
can make a device stop, but cannot make it hash a password cheaply. There is no parameter by which a caller could
hand in another one. A new suite gets a new number; a number's constants never change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from relay.account.keys.errors import SaltMalformed, SuiteUnknown


@dataclass(frozen=True)
class Suite:
    """Argon2id version 0x13 with an output of 32 bytes (RFC 9106); memory in KiB."""

    salt_length: int
    iterations: int
    memory_kib: int
    lanes: int


# Suite 1: RFC 9106 section 4, the second recommended option (t=3, p=4, 64 MiB): it also runs in a phone's browser.
SUITES: Mapping[int, Suite] = MappingProxyType({1: Suite(salt_length=16, iterations=3, memory_kib=64 * 1024, lanes=4)})

# The suite of new passwords.
NEWEST = 1


def find(number: int, salt: bytes) -> Suite:
    """Return the suite for a salt of its length. Raises SuiteUnknown, SaltMalformed."""
    suite = SUITES.get(number)
    if suite is None:
        raise SuiteUnknown
    if len(salt) != suite.salt_length:
        raise SaltMalformed
    return suite

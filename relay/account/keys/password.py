"""From e-mail and password to the key for the broker and the key for the root bundle.

    MK      = Argon2id(NFKC(password) in UTF-8, salt, suite)          32 bytes, nobody keeps it
    authKey = HKDF(MK, "lerix/auth/1" ‖ e-mail)                        sent at log-in
    wrapKey = HKDF(MK, "lerix/wrap/1")                                 never leaves this function's caller

The e-mail address is the one of `normalise_email`; another spelling of it gives the same authKey.
"""

import re
import unicodedata
from dataclasses import dataclass

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from connections.secrets import Secret
from relay.account.keys import suites
from relay.account.keys.errors import EmailUnusable, PasswordTooShort, PasswordUnusable
from relay.account.keys.holders import AuthKey, WrapKey
from relay.account.keys.primitives import KEY, SYSTEM, Randomness, hkdf

# Characters after NFKC that a new password has at least; old passwords are taken as they are.
MIN_PASSWORD = 12
# Bytes of UTF-8: more is a slip of the clipboard, and hashing it first would be work for nothing.
MAX_PASSWORD = 1024
# RFC 5321, sections 4.5.3.1.1 and 4.5.3.1.3 with the angle brackets taken off.
MAX_LOCAL, MAX_EMAIL = 64, 254

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# RFC 5322, section 3.2.3, dot-atom: no quotes, comments or lists, which mail programs read in ways of their own.
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_EMAIL = re.compile(rf"(?=[^@]{{1,{MAX_LOCAL}}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True)
class PasswordKeys:
    """What a password gives under one suite and salt. Both keys are secret; `auth` alone may be sent."""

    auth: AuthKey
    wrap: WrapKey
    suite: int
    salt: bytes


def normalise_email(text: str) -> str:
    """Return the one spelling of an address: NFKC, without blanks around it, in lower case, then ASCII only.

    The browser must come to the same bytes, and lower case beyond ASCII differs between Unicode versions: a domain
    with other letters is written in its `xn--` form. Raises EmailUnusable.
    """
    address = unicodedata.normalize("NFKC", text).strip(" \t\r\n")
    if not address.isascii() or len(address) > MAX_EMAIL or not _EMAIL.fullmatch(address := address.lower()):
        raise EmailUnusable
    return address


def password_bytes(password: Secret) -> bytes:
    """Return what is hashed, so that composed and decomposed letters are the same password. Raises PasswordUnusable.

    Unicode promises that NFKC of an assigned character never changes; one that is too new for this Python's tables
    stays as it is, which is also what nearly every new character's NFKC is.
    """
    try:
        data = unicodedata.normalize("NFKC", password.reveal()).encode()
    except UnicodeEncodeError:
        data = b""  # half a surrogate pair; the error raised below must not carry the text along
    if not 0 < len(data) <= MAX_PASSWORD:
        raise PasswordUnusable
    return data


def check_new(password: Secret) -> None:
    """Refuse a new password that is unusable or too short; how guessable it is, is judged elsewhere.

    Raises PasswordUnusable, PasswordTooShort.
    """
    if len(password_bytes(password).decode()) < MIN_PASSWORD:
        raise PasswordTooShort


def stretch(password: Secret, email: str, *, suite: int, salt: bytes) -> PasswordKeys:
    """Derive both keys under what the broker answered to prelogin. Takes 64 MiB and about 0.2 s of a core or more.

    Everything is refused before any hashing: raises SuiteUnknown, SaltMalformed, EmailUnusable, PasswordUnusable.
    """
    found = suites.find(suite, salt)
    address = normalise_email(email)
    data = password_bytes(password)
    argon2 = Argon2id(
        salt=salt, length=KEY, iterations=found.iterations, lanes=found.lanes, memory_cost=found.memory_kib
    )
    master = argon2.derive(data)
    return PasswordKeys(
        auth=AuthKey(hkdf(master, b"lerix/auth/1" + address.encode())),
        wrap=WrapKey(hkdf(master, b"lerix/wrap/1")),
        suite=suite,
        salt=bytes(salt),
    )


def stretch_new(password: Secret, email: str, random: Randomness = SYSTEM) -> PasswordKeys:
    """Derive both keys of a new password, with a new salt and the newest suite; as costly as `stretch`.

    Raises EmailUnusable, PasswordUnusable, PasswordTooShort.
    """
    check_new(password)
    salt = random.take(suites.SUITES[suites.NEWEST].salt_length)
    return stretch(password, email, suite=suites.NEWEST, salt=salt)

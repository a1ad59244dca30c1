"""How easily a new password is guessed, judged on this device by zxcvbn; https://github.com/dropbox/zxcvbn.

zxcvbn looks for words, names, dates, keyboard rows and repeats, and counts the guesses that such patterns need: a rule
about capitals and digits would call "Password1234" good. Its sentences are replaced by our own.
"""

import re
import threading
from dataclasses import dataclass
from typing import Final

from zxcvbn import zxcvbn
from zxcvbn.matching import RANKED_DICTIONARIES

from connections.secrets import Secret
from relay.account.errors import KeysRefused, PasswordWeak
from relay.account.keys.errors import KeysError
from relay.account.keys.password import MIN_PASSWORD, check_new, password_bytes

#: From here on a password is taken: 10^8 guesses or more, each of which costs 64 MiB and about 0.2 s.
ENOUGH: Final = 3
# zxcvbn refuses longer ones, since it takes long for them; what follows can only make a password better.
_LONGEST: Final = 72
_SCORES: Final = (
    "Very easy to guess.",
    "Easy to guess.",
    "Could be guessed.",
    "Hard to guess.",
    "Very hard to guess.",
)
_REASONS: Final = {
    "dictionary": "It is made of common words, names or passwords.",
    "spatial": "It follows the rows of a keyboard.",
    "repeat": "It repeats itself.",
    "sequence": "It is a simple sequence, such as abc or 6543.",
    "regex": "It holds a year that is easy to guess.",
    "date": "It holds a date that is easy to guess.",
}
_OWN: Final = "It holds a part of your e-mail address."
_ADVICE: Final = "Add a few uncommon words."
# zxcvbn puts the person's own words into a table that all its calls share.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Strength:
    """`score` from 0, guessed at once, to 4; `sentence` says it to a person, with a reason and advice where weak."""

    score: int
    sentence: str

    @property
    def enough(self) -> bool:
        """Whether the password is taken."""
        return self.score >= ENOUGH


def judge(password: Secret, email: str) -> Strength:
    """Judge a password while it is typed. Takes up to 0.1 s; raises nothing."""
    try:
        text = password_bytes(password).decode()
    except KeysError as error:
        return Strength(0, error.sentence)
    if len(text) < MIN_PASSWORD:
        return Strength(0, f"{MIN_PASSWORD} characters or more are needed.")
    return _judge(text, email)


def check(password: Secret, email: str) -> None:
    """Refuse a new password that is too short or guessed too easily. Raises KeysRefused, PasswordWeak."""
    try:
        check_new(password)
    except KeysError as error:
        raise KeysRefused(error) from None
    found = judge(password, email)
    if not found.enough:
        raise PasswordWeak(f"{found.sentence} Nothing was changed.")


def _judge(text: str, email: str) -> Strength:
    if text.casefold() in email.casefold():
        return Strength(0, f"{_SCORES[0]} {_OWN} {_ADVICE}")
    name, _, domain = email.partition("@")
    own = [part for part in (email, name, domain, *re.split(r"[^a-z0-9]+", email.lower())) if len(part) > 2]
    with _one_at_a_time:
        try:
            found = zxcvbn(text[:_LONGEST], own)
        finally:
            RANKED_DICTIONARIES.pop("user_inputs", None)
    score = int(found["score"])
    if score >= ENOUGH:
        return Strength(score, _SCORES[score])
    longest = max(found["sequence"], key=lambda match: len(match["token"]))
    reason = _REASONS.get(longest["pattern"], "")
    if longest.get("dictionary_name") == "user_inputs":
        reason = _OWN
    return Strength(score, " ".join(part for part in (_SCORES[score], reason, _ADVICE) if part))

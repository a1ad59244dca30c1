"""What is looked at before an API key is kept: its form, and what OpenAI says of it."""

from __future__ import annotations

from typing import Final

import httpx

from connections.errors import (
    AccessError,
    LimitError,
    RegionRefused,
    ServiceFailed,
    Unreachable,
    WebPageAnswered,
)
from connections.key_errors import KeyNotAllowed, KeyNotKept, KeyRefused
from connections.secrets import Secret

LONGEST_LABEL: Final = 40
_SHORTEST, _LONGEST = 20, 400


def key_from(text: str, base_url: str) -> Secret:
    """The API key in what somebody entered. Raises KeyNotKept for what cannot be one."""
    key = text.strip()
    if not key:
        raise KeyNotKept("key", "Enter the API key.")
    if key.startswith("sk-admin-"):
        raise KeyNotKept("key", "This is an admin key, which cannot ask models. Create an API key of a project.")
    if not all("!" <= char <= "~" for char in key):
        raise KeyNotKept("key", "An API key is one word without blanks. Copy the key again, and nothing else.")
    at_openai = httpx.URL(base_url).host == "api.openai.com"
    if (at_openai and not key.startswith("sk-")) or not _SHORTEST <= len(key) <= _LONGEST:
        raise KeyNotKept("key", "This does not look like an OpenAI API key, which begins with sk-. Copy it whole.")
    return Secret(key)


def label_from(text: str) -> str:
    """The label in what somebody entered: on one line, without blanks around. Raises KeyNotKept."""
    label = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if not label:
        raise KeyNotKept("label", "Give the key a label, for example Personal.")
    if len(label) > LONGEST_LABEL:
        raise KeyNotKept("label", f"The label is too long. Use at most {LONGEST_LABEL} characters.")
    return label


def why_not(error: AccessError) -> str:
    """Say why a key that could not be checked was not kept, and what to do."""
    match error:
        case KeyRefused():
            return "OpenAI does not accept this API key, so it was not kept. Copy the key whole and try again."
        case KeyNotAllowed():
            return (
                "This API key may not list models, so it was not kept. "
                "Allow it to read models at platform.openai.com, or use another key."
            )
        case RegionRefused():
            return "OpenAI does not serve the country this connection comes from, so the key was not kept."
        case LimitError():
            return "OpenAI wants no more requests with this key now, so it was not kept. Try again later."
        case WebPageAnswered():
            return (
                "A web page came instead of OpenAI's answer, so the key was not kept. "
                "Check whether this network wants a sign-in, then try again."
            )
        case Unreachable():
            return (
                "OpenAI's API could not be reached, so the key could not be checked and was not kept. "
                "Check the network, then try again."
            )
        case ServiceFailed():
            return (
                "OpenAI's service had a fault of its own, so the key could not be checked and was not kept. Try again."
            )
    return (
        "OpenAI's API answered in a way this version of Lerix does not know, so the key was not kept. "
        "Try again; if that does not help, update Lerix."
    )

"""Typed reading of environment variables; every error names the variable, the fault and a good example."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

#: Plain http is for stand-ins on this machine only: everywhere else a token would travel in the clear.
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def _raw(name: str) -> str | None:
    value = os.environ.get(name, "").strip()
    return value or None


def env_str(name: str, default: str) -> str:
    """Return the variable's text without outer blanks; an empty variable counts as unset.

    Raises ImproperlyConfigured for control characters, which no value of ours contains.
    """
    value = _raw(name)
    if value is None:
        return default
    if not value.isprintable():
        raise ImproperlyConfigured(f"{name} contains a control character. Use plain text.")
    return value


def env_int(name: str, default: int, *, low: int, high: int) -> int:
    """Return the variable as a whole number between low and high, both included.

    Raises ImproperlyConfigured for anything else.
    """
    value = _raw(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit()) or not low <= int(value[:20]) <= high:
        raise ImproperlyConfigured(f"{name} must be a whole number from {low} to {high}. For example: {name}={default}")
    return int(value)


def env_choice(name: str, default: str, *, choices: Sequence[str]) -> str:
    """Return the variable, which is one of `choices`. Raises ImproperlyConfigured for anything else."""
    value = _raw(name)
    if value is None:
        return default
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be {' or '.join(choices)}. For example: {name}={default}")
    return value


def env_url(name: str, default: str, *, example: str = "", bare: bool = False) -> str:
    """Return the variable as a base address without a trailing slash: https, or http on this machine.

    `example` stands in the errors where the default is none, and `bare` refuses an address with a path. Raises
    ImproperlyConfigured; the sentence leaves the value out, since an address may carry a password.
    """
    value = _raw(name)
    if value is None:
        return default
    example = f"For example: {name}={example or default}"
    try:
        parts = urlsplit(value)
        host = parts.hostname
        valid = bool(host) and parts.port != 0 and value.isprintable() and " " not in value
    except ValueError:
        raise ImproperlyConfigured(f"{name} is not a web address. {example}") from None
    if not valid or parts.scheme not in {"http", "https"}:
        raise ImproperlyConfigured(f"{name} is not a web address. {example}")
    if parts.scheme == "http" and host not in LOOPBACK_NAMES:
        raise ImproperlyConfigured(f"{name} must start with https:// unless it names this machine. {example}")
    if parts.username is not None or parts.query or parts.fragment:
        raise ImproperlyConfigured(f"{name} must not contain a user name, a query or a fragment. {example}")
    if bare and parts.path.strip("/"):
        raise ImproperlyConfigured(f"{name} must end after the name and the port. {example}")
    return value.rstrip("/")


def env_path(name: str, default: Path) -> Path:
    """Return the variable as an absolute path; ``~`` is the home folder.

    Raises ImproperlyConfigured for a relative path: it would mean another folder in each terminal.
    """
    value = os.environ.get(name, "")  # as it is: a folder's name may begin or end with a blank
    if not value.strip():
        return default.expanduser()
    path = Path(value).expanduser()
    if not path.is_absolute():
        raise ImproperlyConfigured(f"{name} must be an absolute path. For example: {name}={default}")
    return path

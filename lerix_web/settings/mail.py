"""How the broker's mails go out, from the environment."""

import os
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from lerix_web.settings.env import LOOPBACK_NAMES, env_path, env_str

PORTS = {"smtp": 587, "smtps": 465}
EXAMPLE_FOLDER = Path("~/lerix-mail")
EXAMPLE = "For example: LERIX_SMTP_URL=smtps://user:password@mail.example.com:465"


@dataclass(frozen=True)
class Smtp:
    """A mail server. `tls` from the first byte, or `starttls`; a server on this machine may have neither."""

    host: str
    port: int
    tls: bool
    starttls: bool
    user: str = ""
    password: str = field(default="", repr=False)


def smtp_from_environment() -> Smtp | None:
    """Read LERIX_SMTP_URL: smtps://user:password@host:465, or smtp:// with STARTTLS.

    Raises ImproperlyConfigured; the sentence leaves the value out, since it holds a password.
    """
    value = os.environ.get("LERIX_SMTP_URL", "").strip()
    if not value:
        return None
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if parts.scheme not in PORTS or not host or port == 0 or not value.isprintable() or parts.query or parts.fragment:
        raise ImproperlyConfigured(f"LERIX_SMTP_URL is not the address of a mail server. {EXAMPLE}")
    tls = parts.scheme == "smtps"
    return Smtp(
        host=host,
        port=port or PORTS[parts.scheme],
        tls=tls,
        starttls=not tls and host not in LOOPBACK_NAMES,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def sender_from_environment() -> str:
    """Read LERIX_MAIL_FROM, for example "Lerix <lerix@example.com>"; "" where it is not set.

    Raises ImproperlyConfigured.
    """
    value = env_str("LERIX_MAIL_FROM", "")
    if value and "@" not in parseaddr(value)[1]:
        raise ImproperlyConfigured("LERIX_MAIL_FROM is not an e-mail address. For example: lerix@example.com")
    return value


def folder_from_environment() -> Path | None:
    """Read LERIX_MAIL_FOLDER: where each mail is written instead of being sent. Raises ImproperlyConfigured."""
    given = os.environ.get("LERIX_MAIL_FOLDER", "").strip()
    return env_path("LERIX_MAIL_FOLDER", EXAMPLE_FOLDER) if given else None

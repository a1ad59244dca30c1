"""System checks for what must never be otherwise: loopback only, and a data folder closed to others."""

import ipaddress
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from lerix_web import sockets
from lerix_web.guard import LOOPBACK


@register("lerix")
def loopback_only(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Lerix listens on, and answers to, loopback names only."""
    problems: list[CheckMessage] = []
    for _, address in sockets.ADDRESSES:
        if not ipaddress.ip_address(address).is_loopback:
            hint = "Remove it from lerix_web.sockets.ADDRESSES."
            problems.append(Error(f"{address} is not a loopback address.", hint=hint, id="lerix.E001"))
    # A broker has names by which its operator's proxy is reached; it listens on loopback as well.
    named = getattr(settings, "LERIX_ALLOWED_HOSTS", [])
    for name in settings.ALLOWED_HOSTS:
        if name not in LOOPBACK and name not in named:
            hint = f"Allow only {', '.join(LOOPBACK)}."
            problems.append(Error(f"ALLOWED_HOSTS allows {name}.", hint=hint, id="lerix.E002"))
    return problems


@register("lerix")
def data_folder_closed(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Nobody but the owner can read the data folder or a file in it."""
    folder: Path = settings.LERIX_HOME
    return [
        Error(
            f"{path} can be read by other users of this machine.",
            hint="Start Lerix once, which closes it, or run chmod go-rwx on it.",
            id="lerix.E003",
        )
        for path in (folder, *sorted(folder.iterdir()))
        if _open_to_others(path)
    ]


def _open_to_others(path: Path) -> bool:
    try:
        facts = os.lstat(path)
    except FileNotFoundError:
        return False
    return not stat.S_ISLNK(facts.st_mode) and (bool(facts.st_mode & 0o077) or facts.st_uid != os.geteuid())

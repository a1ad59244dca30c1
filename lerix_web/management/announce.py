"""What ``serve`` and ``open`` tell the terminal and the browser."""

import sys
import threading
from pathlib import Path

from django.core.management.base import BaseCommand

from lerix_web import browser


def say(command: BaseCommand, line: str) -> None:
    """Print one line on stdout now, also into a pipe."""
    command.stdout.write(line)
    command.stdout.flush()


def announce(command: BaseCommand, folder: Path, link: str, *, no_browser: bool) -> threading.Thread | None:
    """Print the ready line and open the browser; return the thread that does, if there is one."""
    say(command, f"Lerix is ready at {link}")
    if no_browser:
        return None
    # Some systems' openers return only when the browser does.
    opening = threading.Thread(target=_open, args=(folder, link), daemon=True)
    opening.start()
    return opening


def _open(folder: Path, link: str) -> None:
    if not browser.open_link(folder, link):
        print("No browser could be opened. Follow the link above.", file=sys.stderr)

"""Runs Lerix with little patience for tabs that were left, and notes each file that it opens to write.

``python -m tests.browser.fleeting NOTES serve …``; SQLite's own files are not opened by Python, and not noted.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

import django

from lerix_web import cli

#: Seconds after which a temporary chat is gone that was left.
LEFT = 16.0
WRITES = os.O_WRONLY | os.O_RDWR


def note_writes(notes: Path) -> None:
    """From now on add the path of each file that is opened to write to `notes`; a nameless one is its folder's."""
    descriptor = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES:
            os.write(descriptor, f"{arguments[0]}\n".encode())

    sys.addaudithook(hook)


def main(notes: str, *arguments: str) -> int:
    """Run a command of Lerix."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "lerix_web.settings.local"
    django.setup()
    # Its own imports ask Django, which must be set up by then.
    vars(import_module("chat.temporary.tabs"))["LEFT"] = LEFT
    note_writes(Path(notes))
    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

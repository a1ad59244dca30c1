"""Opening the launch link without showing it to other users of the machine.

An address on a command line can be read by everybody (``ps``), and a browser keeps it there as long as it
runs. So the browser is given a file of mode 0600 that leads on to the link, and goes once the link is used.
"""

import contextlib
import hashlib
import html
import os
import sys
import webbrowser
from pathlib import Path

from lerix_web.paths import write_private

PATTERN = "launch-*.html"


def open_link(folder: Path, link: str) -> bool:
    """Open the launch link in the user's browser; return False if there is none to open."""
    if not _has_screen():
        return False
    path = _file(folder, link.partition("token=")[2])
    try:
        write_private(path, _page(link))
        return webbrowser.open(path.as_uri())
    except (OSError, webbrowser.Error):
        return False


def forget(folder: Path, token: str) -> None:
    """Remove the file that led to this token, if there is one."""
    with contextlib.suppress(OSError):
        _file(folder, token).unlink(missing_ok=True)


def forget_all(folder: Path) -> None:
    """Remove every such file: their links ended with the server that made them."""
    for path in folder.glob(PATTERN):
        with contextlib.suppress(OSError):
            path.unlink()


def _file(folder: Path, token: str) -> Path:
    # The name is visible in ps, so it must not help to guess the token.
    return folder / f"launch-{hashlib.sha256(b'file:' + token.encode()).hexdigest()[:16]}.html"


def _has_screen() -> bool:
    # Without a display Python would start a browser inside the terminal, on top of our own lines.
    return sys.platform == "darwin" or any(os.environ.get(n) for n in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))


def _page(link: str) -> bytes:
    target = html.escape(link, quote=True)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Lerix</title>'
        '<meta name="referrer" content="no-referrer">'
        f'<meta http-equiv="refresh" content="0;url={target}"></head>'
        f'<body><p><a href="{target}">Open Lerix</a></p></body></html>'
    ).encode()

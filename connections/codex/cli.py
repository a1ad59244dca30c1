"""Where the Codex CLI is installed."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

# An app started by launchd or a desktop gets a short PATH, without the places where package managers
# put programs. These are Homebrew's, npm's with and without a prefix of its own, and other installers'.
_PLACES = (
    "/opt/homebrew/bin",
    "/usr/local/bin",
    "/home/linuxbrew/.linuxbrew/bin",
    "~/.local/bin",
    "~/.npm-global/bin",
    "~/.volta/bin",
    "~/.bun/bin",
    "~/.cargo/bin",
    "~/Library/pnpm",
    "~/.local/share/pnpm",
)
# nvm keeps one folder of global programs for each version of Node.
_VERSIONED = "~/.nvm/versions/node"


def find_codex(*, path: str | None = None, home: Path | None = None) -> Path | None:
    """The `codex` program: on `path` (default: PATH), else in the usual places under `home`."""
    found = shutil.which("codex", path=path)
    if found is None:
        found = shutil.which("codex", path=os.pathsep.join(map(str, _usual_places(home or Path.home()))))
    return None if found is None else Path(found)


def _usual_places(home: Path) -> Iterable[Path]:
    for place in _PLACES:
        yield home / place[2:] if place.startswith("~/") else Path(place)
    prefix = os.environ.get("NPM_CONFIG_PREFIX")
    if prefix:
        yield Path(prefix) / "bin"
    try:
        versions = sorted((home / _VERSIONED[2:]).iterdir(), reverse=True)
    except OSError:
        return
    yield from (version / "bin" for version in versions)

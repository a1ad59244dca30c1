"""What a service starts: the command and the environment, as they are when it is installed.

A service has neither the shell's PATH nor its variables, so that what Lerix needs of them is written down. Secrets
never are: the file is no place for them, and Lerix needs none of them from its environment.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from connections.codex.cli import find_codex
from lerix_web import cli
from lerix_web.errors import ServiceError
from lerix_web.paths import ROOT

#: Settings that are recorded where they are set. CODEX_HOME and LERIX_HOME are recorded always.
SETTINGS: Final = (
    "LERIX_PORT",
    "LERIX_BROKER_URL",
    "LERIX_CODEX_BASE_URL",
    "LERIX_CODEX_TOKEN_URL",
    "LERIX_OPENAI_BASE_URL",
    "LERIX_TITLES",
    # The embedded broker's.
    "LERIX_ALLOWED_HOSTS",
    "LERIX_DEFAULT_PLAN",
    "LERIX_SIGN_UP",
    # The way to the network, and the clock on the pages.
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "TZ",
)
#: Addresses that are recorded unless they hold a password.
PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
#: Settings of Lerix's that are, or may hold, a secret.
SECRETS: Final = ("LERIX_SECRET_KEY", "LERIX_SMTP_URL")

#: Where the programs were found; for `status` and `doctor`, which say later whether they are still there.
CODEX: Final = "LERIX_SERVICE_CODEX"
NODE: Final = "LERIX_SERVICE_NODE"
#: What both systems give a service anyway.
SYSTEM_PATH: Final = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")
#: uv's and pipx's throw-away environments: uv's cache names its parts with their version.
_PASSING = re.compile(r"/(?:archive|environments|builds)-v\d+/|/pipx/\.cache/|/\.cache/pipx/")


@dataclass(frozen=True)
class Record:
    """The command with its arguments, and the whole environment beyond what the system gives."""

    command: tuple[str, ...]
    environment: Mapping[str, str]

    def paths(self) -> dict[str, Path]:
        """What must be there for the service to be of use, by the name that people know it under."""
        found = {"python": Path(self.command[0])}
        if self.command[1].endswith(".py"):
            found["lerix"] = Path(self.command[1]).parent
        elif "PYTHONPATH" in self.environment:
            found["lerix"] = Path(self.environment["PYTHONPATH"])
        names = {"codex": CODEX, "node": NODE, "CODEX_HOME": "CODEX_HOME", "LERIX_HOME": "LERIX_HOME"}
        return found | {name: Path(self.environment[key]) for name, key in names.items() if key in self.environment}

    def settings(self) -> list[str]:
        """The names of what else is set."""
        return sorted({*SETTINGS, *PROXIES} & set(self.environment))


def present(folder: Path, codex_home: Path, environment: Mapping[str, str]) -> Record:
    """Return the record of this Lerix as it was started now, in this environment.

    Raises ServiceError where no service could be given it.
    """
    python = sys.executable
    recorded = {"CODEX_HOME": str(codex_home), "LERIX_HOME": str(folder)}
    if cli.program() == "lerix":
        # -P: else a folder named chat in the home folder would be taken for ours.
        command = [python, "-P", "-m", "lerix_web"]
        if (ROOT / "manage.py").is_file():
            recorded["PYTHONPATH"] = str(ROOT)
    else:
        command = [python, str(ROOT / "manage.py")]
    recorded |= {name: environment[name].strip() for name in SETTINGS if environment.get(name, "").strip()}
    recorded |= {name: environment[name] for name in PROXIES if _harmless(environment.get(name, ""))}
    search = environment.get("PATH", "")
    codex, node = find_codex(path=search), shutil.which("node", path=search)
    if codex is not None and node is None:
        # Version managers keep both in one folder, of which the shell may know nothing.
        node = shutil.which("node", path=str(codex.absolute().parent))
    if codex is not None:
        recorded[CODEX] = str(codex.absolute())
    if node is not None:
        recorded[NODE] = os.path.abspath(node)  # noqa: PTH100  (a link stays a link: its target has the version in it)
    recorded["PATH"] = _search_path(recorded)
    record = Record((*command, "serve", "--no-browser"), recorded)
    for text in (*record.command, *recorded.values()):
        if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in text):
            raise ServiceError(f"{text!r} holds a character that no service can be given. Nothing was installed.")
    return record


def lasting(record: Record) -> None:
    """Raise ServiceError where this Lerix may be gone at the next log-in."""
    if _PASSING.search(record.command[0]):
        raise ServiceError(
            f"This Lerix runs from a cache that may be cleared at any time ({record.command[0]}). Nothing was "
            "installed. Install it first, for example with uv tool install, and run the installed one."
        )


def left_out(environment: Mapping[str, str]) -> list[str]:
    """Return the names of what is set here and is not recorded, since it is or holds a secret."""
    secret = [name for name in SECRETS if environment.get(name, "").strip()]
    return secret + [name for name in PROXIES if environment.get(name, "") and not _harmless(environment[name])]


def needs_node(codex: Path) -> bool:
    """Say whether this `codex` is the script that npm installs, rather than a program of its own."""
    try:
        with codex.open("rb") as file:
            return b"node" in file.read(128).split(b"\n")[0]
    except OSError:
        return False


def _search_path(recorded: Mapping[str, str]) -> str:
    """A PATH that finds exactly the recorded programs, and the system's own."""
    programs = {"codex": recorded.get(CODEX), "node": recorded.get(NODE)}
    folders = [str(Path(program).parent) for program in programs.values() if program]
    for folder in folders:
        if os.pathsep in folder:
            raise ServiceError(f"{folder} holds a colon, so that it cannot be on a PATH. Nothing was installed.")
    # With two versions of node around, codex's folder may hold the other one.
    choices = [os.pathsep.join(dict.fromkeys([*order, *SYSTEM_PATH])) for order in (folders, folders[::-1])]
    for choice in choices:
        if all(shutil.which(name, path=choice) == program for name, program in programs.items() if program):
            return choice
    return choices[0]


def _harmless(address: str) -> bool:
    # Anywhere: a password may hold what ends the host for whoever reads addresses by the rules.
    return bool(address) and "@" not in address

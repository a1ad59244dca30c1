"""Stand-ins for the programs that start services: they read what Lerix wrote, and start it as the systems would.

`install_fakes` puts `systemctl` and `launchctl` into a folder. Both are this file. What they know lies in the folder
FAKE_SERVICES: `pid` while the service runs, `enabled`, `loaded`, `calls` (a line for each call), and what a test puts
there: `broken` (the sentence to refuse everything with), `refuse` (the word of the command to refuse), `stuck`.

`split` and `expand` are a second reading of systemd.syntax(7) and systemd.service(5), character by character, that
shares nothing with Lerix's own.
"""

import contextlib
import os
import plistlib
import re
import signal
import subprocess
import sys
from pathlib import Path

ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}
BROKEN_BUS = "Failed to connect to bus: No medium found"


def split(value: str) -> list[str]:
    """Split a unit's value into words, as systemd does with quotes and C-style escapes."""
    found: list[str] = []
    letters = iter(value)
    word: str | None = None
    quote = ""
    for letter in letters:
        if letter == "\\":
            following = next(letters)
            word = (word or "") + ESCAPES.get(following, following)
        elif quote:
            if letter == quote:
                quote = ""
            else:
                word = (word or "") + letter
        elif letter in "\"'" and word is None:
            quote, word = letter, ""
        elif letter in " \t\n\r":
            if word is not None:
                found.append(word)
            word = None
        else:
            word = (word or "") + letter
    assert not quote, "a quote that is not closed"
    return found if word is None else [*found, word]


def expand(word: str, *, variables: bool) -> str:
    """Resolve specifiers, of which only %% means the same everywhere, and variables, of which only $$ does."""

    def specifier(found: re.Match[str]) -> str:
        assert found[1] == "%", f"a specifier: %{found[1]}"
        return "%"

    word = re.sub(r"%(.?)", specifier, word)
    if variables:
        assert not re.search(r"\$(?!\$)", word.replace("$$", "")), f"a variable in {word}"
        word = word.replace("$$", "$")
    return word


def unit(text: str) -> tuple[list[str], dict[str, str], dict[str, str]]:
    """Return a unit's command, its environment, and its other settings."""
    command: list[str] = []
    environment: dict[str, str] = {}
    others: dict[str, str] = {}
    for line in text.split("\n"):
        if line.startswith(("#", ";", "[")) or not line.strip():
            continue
        key, found, value = line.partition("=")
        assert found, line
        if key == "ExecStart":
            command = [expand(word, variables=place > 0) for place, word in enumerate(split(value))]
        elif key == "Environment":
            assignments = [expand(word, variables=False) for word in split(value)]
            environment |= {name: rest for name, _, rest in (each.partition("=") for each in assignments)}
        else:
            others[key] = value
    return command, environment, others


def install_fakes(folder: Path) -> Path:
    """Put both programs into `folder`, and return the folder of what they know."""
    folder.mkdir()
    known = folder / "known"
    known.mkdir()
    for name in ("systemctl", "launchctl"):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{Path(__file__)}" {name} "$@"\n')
        program.chmod(0o755)
    return known


def main(program: str, arguments: list[str]) -> int:
    """Answer as the program would."""
    known = Path(os.environ["FAKE_SERVICES"])
    with (known / "calls").open("a") as calls:
        calls.write(f"{program} {' '.join(arguments)}\n")
    if (known / "broken").exists():
        print((known / "broken").read_text(), file=sys.stderr)
        return 1 if program == "systemctl" else 125
    if (known / "refuse").exists() and (known / "refuse").read_text() in arguments:
        print("Refused: it is not wanted.", file=sys.stderr)
        return 5
    return systemctl(known, arguments[1:]) if program == "systemctl" else launchctl(known, arguments)


def systemctl(known: Path, arguments: list[str]) -> int:
    """`systemctl --user`."""
    file = Path(os.environ["XDG_CONFIG_HOME"]) / "systemd" / "user" / "lerix.service"
    match arguments:
        case ["show", "--property=Version"]:
            print("Version=252")
        case ["show", "lerix.service", _]:
            pid = running(known)
            print(f"MainPID={pid}\nActiveState={'active' if pid else 'inactive'}\nSubState=x")
            print(f"UnitFileState={'enabled' if (known / 'enabled').exists() else 'disabled'}")
        case ["enable", "lerix.service"]:
            assert file.exists()
            (known / "enabled").touch()
        case ["restart", "lerix.service"]:
            stop(known)
            command, environment, _ = unit(file.read_text("utf-8"))
            start(known, command, environment)
        case ["disable", "--now", "lerix.service"]:
            assert file.exists()
            (known / "enabled").unlink(missing_ok=True)
            stop(known)
        case ["daemon-reload"] | ["reset-failed", "lerix.service"]:
            pass
        case _:
            return 2
    return 0


def launchctl(known: Path, arguments: list[str]) -> int:
    """`launchctl`, of the user 501."""
    match arguments:
        case ["print", "gui/501"]:
            print("gui/501 = {\n}")
        case ["print", "gui/501/local.lerix"]:
            if not (known / "loaded").exists():
                print("Could not find service", file=sys.stderr)
                return 113
            pid = running(known)
            print(f"gui/501/local.lerix = {{\n\tstate = running\n\tpid = {pid}\n}}" if pid else "{\n}")
        case ["bootout", "gui/501/local.lerix"]:
            if not (known / "loaded").exists():
                return 3
            if not (known / "stuck").exists():
                (known / "loaded").unlink()
                stop(known)
        case ["enable", "gui/501/local.lerix"]:
            pass
        case ["bootstrap", "gui/501", path]:
            if (known / "loaded").exists():
                print("Bootstrap failed: 5: Input/output error", file=sys.stderr)
                return 5
            facts = plistlib.loads(Path(path).read_bytes())
            (known / "loaded").touch()
            start(known, facts["ProgramArguments"], facts["EnvironmentVariables"], facts["StandardErrorPath"])
        case _:
            return 2
    return 0


def start(known: Path, command: list[str], environment: dict[str, str], log: str = os.devnull) -> None:
    """Start a command with nothing of our environment but HOME; or only pretend to, where `pretend` is."""
    if (known / "pretend").exists():
        (known / "pid").write_text((known / "pretend").read_text())
        return
    with Path(log).open("ab") as written:
        process = subprocess.Popen(
            command,
            env={"HOME": os.environ["HOME"], **environment},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=written,
            start_new_session=True,
        )
    (known / "pid").write_text(str(process.pid))


def stop(known: Path) -> None:
    """End what `start` has started."""
    if (known / "pid").exists() and not (known / "pretend").exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((known / "pid").read_text()), signal.SIGTERM)
    (known / "pid").unlink(missing_ok=True)


def running(known: Path) -> int:
    """Return its process, or 0."""
    return int((known / "pid").read_text()) if (known / "pid").exists() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))

"""A fresh machine without a network: the checkout's skeleton, with lock files that name made-up packages."""

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# Not the interpreter of the environment that the tests run in, but the one below it, as on a fresh machine.
PYTHON = str(getattr(sys, "_base_executable", sys.executable))

CLI = """\
import sys
import numbers_of_lerix

def main(argv):
    print("cli", numbers_of_lerix.VERSION, argv)
    return 7
"""
FAKE_PYTEST = """\
import os
import sys

print("pytest", sys.argv[1:], os.getcwd())
sys.exit(5)
"""
# Runs manage.py under an interpreter that claims another version, and other Python below it.
PRETEND = """\
import runpy
import signal
import sys

# As at a terminal: whoever starts the tests in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
version, sys._base_executable, sys.argv = sys.argv[1], sys.argv[2], sys.argv[3:]
import fcntl, hashlib, pathlib, re, shutil, subprocess, importlib.util
if version != "own":
    sys.version_info = tuple(map(int, version.split(".")))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def make_wheel(folder: Path, name: str, version: str, module: str, source: str) -> str:
    """Write a wheel with one module, and return its line for a lock file."""
    info = f"{name}-{version}.dist-info"
    contents = {
        module: source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        record += f"{path},sha256={digest},{len(text.encode())}\n"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**contents, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def script(path: Path, text: str) -> str:
    """Write a shell script, and return its path."""
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


@dataclass
class Checkout:
    """A copy of the skeleton, and the wheels that its lock files name. Nothing here needs a network."""

    folder: Path
    wheels: Path
    programs: Path  # the only folder on PATH
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def venv(self) -> Path:
        """The environment that manage.py makes."""
        return self.folder / ".venv"

    def stamp(self) -> str:
        """What the environment says that it holds."""
        return (self.venv / "lerix-stamp").read_text()

    def start(
        self, *arguments: str, base: str = PYTHON, version: str = "own", plain: bool = False
    ) -> subprocess.Popen[str]:
        """Start manage.py: plainly, or made to believe in a version and in a Python below it."""
        manage = str(self.folder / "manage.py")
        pretend = [] if plain else ["-c", PRETEND, version, base]
        return subprocess.Popen(
            [PYTHON, *pretend, manage, *arguments],
            cwd=self.folder.parent,
            env={
                "HOME": str(self.folder.parent),
                "PATH": str(self.programs),
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_FIND_LINKS": self.wheels.as_uri(),
                "PIP_NO_INDEX": "1",
                **self.environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, *arguments: str, base: str = PYTHON, version: str = "own", plain: bool = False
    ) -> tuple[int, str, str]:
        """Run manage.py as ``start`` does, and return the exit code, the output and the errors."""
        process = self.start(*arguments, base=base, version=version, plain=plain)
        output, errors = process.communicate(timeout=150)
        return process.returncode, output, errors


@dataclass(frozen=True)
class FirstRun:
    """What the first run on a fresh machine gave."""

    checkout: Checkout
    code: int
    output: str
    errors: str


#: Gives a checkout of one's own: as the first run left it (True), or as it was before (False).
Copy = Callable[[bool], Checkout]

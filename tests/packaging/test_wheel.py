"""The wheel: what it holds, and that it runs where there is no checkout."""

import configparser
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("lerix_web", "connections", "chat", "relay")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as a release is, but with the build backend that is installed here: no network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def names(wheel: Path) -> set[str]:
    """The names of the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def read(wheel: Path, ending: str) -> str:
    """Return the text of the one file in the wheel whose name ends so."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(ending)]
        return archive.read(name).decode()


def ours(folder: str) -> Iterator[str]:
    """Go through the files of a folder of the checkout, by their names from the top."""
    for path in (ROOT / folder).rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and path.name != ".DS_Store":
            yield path.relative_to(ROOT).as_posix()


def test_the_wheel_holds_every_module_template_and_asset(names: set[str]) -> None:
    wanted = {name for package in PACKAGES for name in ours(package)}
    wanted |= {f"lerix_web/{name}" for folder in ("templates", "static") for name in ours(folder)}
    assert wanted - names == set()
    for some in (
        "lerix_web/templates/lerix_web/locked.html",
        "lerix_web/static/lerix/vendor/htmx/htmx.min.js",
        "lerix_web/static/lerix/vendor/htmx/LICENSE",
        "lerix_web/static/lerix/vendor/lucide/plus.svg",
        "chat/migrations/0001_initial.py",
    ):
        assert some in names


def test_the_wheel_holds_nothing_else(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert tops - set(PACKAGES) == {top for top in tops if top.endswith(".dist-info")}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".sqlite3"))]


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    metadata: Message = Parser().parsestr(read(wheel, ".dist-info/METADATA"))
    assert metadata["Name"] == "lerix"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "MIT License" in read(wheel, ".dist-info/licenses/LICENSE")
    scripts = configparser.ConfigParser()
    scripts.read_string(read(wheel, ".dist-info/entry_points.txt"))
    assert dict(scripts["console_scripts"]) == {"lerix": "lerix_web.cli:main"}


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel in it, and the packages it needs from the environment of the tests."""
    top = tmp_path_factory.mktemp("installed")
    environment = top / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel],
        env={**os.environ, "PIP_CONFIG_FILE": os.devnull},
        check=True,
    )
    (site_packages,) = environment.glob("lib/python*/site-packages")
    (site_packages / "packages_of_the_tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment


@pytest.fixture
def lerix(installed: Path, tmp_path: Path) -> list[str]:
    """What the installed command needs in front: an environment without a trace of the checkout."""
    return [
        "env",
        "-i",
        f"PATH={os.environ['PATH']}",
        f"HOME={tmp_path}",
        f"LERIX_HOME={tmp_path / 'data'}",
        str(installed / "bin" / "lerix"),
    ]


def run(command: list[str], folder: Path) -> str:
    """Run a command that must succeed, and return its output."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_installed_command_prints_its_version(lerix: list[str], wheel: Path, tmp_path: Path) -> None:
    version: str = Parser().parsestr(read(wheel, ".dist-info/METADATA"))["Version"]
    assert version in run([*lerix, "--version"], tmp_path)


def test_the_installed_command_passes_its_own_checks(lerix: list[str], tmp_path: Path) -> None:
    run([*lerix, "check"], tmp_path)


def test_the_installed_command_makes_its_database(lerix: list[str], tmp_path: Path) -> None:
    run([*lerix, "migrate"], tmp_path)
    run([*lerix, "migrate", "--check"], tmp_path)
    assert (tmp_path / "data" / "lerix.sqlite3").exists()


def test_the_installed_command_finds_its_assets(lerix: list[str], installed: Path, tmp_path: Path) -> None:
    output = run([*lerix, "findstatic", "lerix/vendor/htmx/htmx.min.js"], tmp_path)
    assert f"{installed.resolve()}/lib" in output

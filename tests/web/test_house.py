"""Tests of the house: what holds for every file of the project."""

import ast
import dataclasses
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ["requirements.lock", "requirements-dev.lock"]
LONGEST_MODULE = 400  # lines; more is two modules
# Made by tools or by the person whose checkout it is; .git is a file in a worktree.
NOT_OURS = {".git", ".venv", ".idea", ".vscode", "build", "dist", "node_modules"}
# Homebrew's folder on Linux is the same on every machine.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|root|Users/\w+|home/(?!linuxbrew/)\w+)/")


@cache
def own_files() -> list[Path]:
    """The project's own files: no vendored ones, no caches, nothing a tool made. Folders of others are not entered."""
    found = []
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [
            name
            for name in inner
            if name not in NOT_OURS | {"vendor", ".hypothesis"} and not name.endswith(("_cache", "__pycache__"))
        ]
        found += [path for name in names if name not in NOT_OURS and (path := Path(folder, name)).is_file()]
    return sorted(found)


def files(*suffixes: str) -> Iterator[Path]:
    """Go through the project's own files, or those of them that end so."""
    return (path for path in own_files() if not suffixes or path.suffix in suffixes)


@cache
def tree(path: Path) -> ast.Module:
    """A module's code."""
    return ast.parse(path.read_bytes())


def run(*command: str) -> None:
    """Run a tool in the checkout, and fail with what it said."""
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"\n{done.stdout}{done.stderr}"


def pins(lock: str) -> dict[str, str]:
    """Return the pinned versions of a lock file by package and marker."""
    pin = re.compile(r"^([\w.-]+)==(\S+)(?: ; (.+))? \\$", re.MULTILINE)
    found = pin.findall((ROOT / lock).read_text("utf-8"))
    return {f"{name} {marker}".strip(): version for name, version, marker in found}


def test_ruff_finds_nothing() -> None:
    run("-m", "ruff", "check", ".", ".ci/vendor.py", ".ci/icons.py")


def test_mypy_finds_nothing() -> None:
    run("-m", "mypy")


def test_packages_import_only_what_their_place_allows() -> None:
    run("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache")


def test_no_module_is_too_long_to_read() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines())
        for path in files(".py", ".js", ".css")
        if "migrations" not in path.parts
    }
    assert {path: length for path, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_imports_stand_at_the_top_of_their_module() -> None:
    """But for AppConfig.ready: it runs when all applications are loaded, which is what Django has it for."""
    found = []
    for path in files(".py"):
        for function in ast.walk(tree(path)):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if path.name == "apps.py" and function.name == "ready":
                continue
            found += [
                f"{path.relative_to(ROOT)}:{node.lineno}"
                for node in ast.walk(function)
                if isinstance(node, ast.Import | ast.ImportFrom)
            ]
    assert found == []


def test_no_file_names_a_folder_of_one_machine() -> None:
    found = []
    for path in files():
        try:
            lines = path.read_text("utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # an image or the like
        found += [
            f"{path.relative_to(ROOT)}:{number}" for number, line in enumerate(lines, 1) if MACHINE_PATH.search(line)
        ]
    assert found == []


def test_manage_parses_under_the_oldest_python_it_speaks_to() -> None:
    ast.parse((ROOT / "manage.py").read_bytes(), feature_version=(3, 8))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_is_hashed_pins_without_addresses(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    assert "://" not in text
    assert "file:" not in text
    pin = r"\S+==\S+( ; [^\\]+)? \\"
    digests = r"(\n    --hash=sha256:[0-9a-f]{64}( \\)?)+"
    origin = r"(\n    #.*)*\n"
    requirement = re.compile(pin + digests + origin)
    assert requirement.sub("", text) == ""


def test_the_tests_run_on_the_versions_that_people_run() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()


def test_the_lock_files_fit_the_ranges_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    runtime = project["project"]["dependencies"]
    for lock, texts in zip(LOCKS, (runtime, project["dependency-groups"]["dev"]), strict=True):
        locked = pins(lock)
        for requirement in map(Requirement, texts):
            assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)])


def imported(path: Path) -> set[str]:
    """Return the top names of the modules that a file imports."""
    nodes = list(ast.walk(tree(path)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0}
    return {name.split(".")[0] for name in names}


def test_every_imported_package_is_locked() -> None:
    """Else it works here, where somebody installed it by hand, and nowhere else."""
    own = {"lerix_web", "connections", "chat", "relay", "tests", "benchmarks", "manage"}
    providers = packages_distributions()
    missing = []
    for path in files(".py"):
        runtime = path.relative_to(ROOT).parts[0] in {"lerix_web", "connections", "chat", "relay"}
        locked = {pin.split()[0] for pin in pins(LOCKS[0] if runtime else LOCKS[1])}
        missing += [
            f"{path.relative_to(ROOT)}: {name}"
            for name in imported(path) - own - sys.stdlib_module_names
            if locked.isdisjoint(map(canonicalize_name, providers.get(name, [])))
        ]
    assert missing == []


@pytest.fixture(scope="module")
def vendor() -> ModuleType:
    """The script that fetches vendored files, as a module."""
    spec = importlib.util.spec_from_file_location("vendor", ROOT / ".ci" / "vendor.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["vendor"] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def test_vendored_files_are_those_of_their_pins(vendor: ModuleType) -> None:
    for library in vendor.LIBRARIES:
        vendor.verify(library)


def test_a_changed_vendored_file_is_noticed(vendor: ModuleType, tmp_path: Path) -> None:
    library = vendor.LIBRARIES[0]
    copy = dataclasses.replace(library, folder=tmp_path / "htmx")
    shutil.copytree(library.folder, copy.folder)
    vendor.verify(copy)
    script = copy.folder / "htmx.min.js"
    script.write_bytes(script.read_bytes() + b"\n")
    with pytest.raises(vendor.Mismatch, match=r"htmx\.min\.js was changed"):
        vendor.verify(copy)


def test_an_extra_vendored_file_is_noticed(vendor: ModuleType, tmp_path: Path) -> None:
    library = vendor.LIBRARIES[0]
    copy = dataclasses.replace(library, folder=tmp_path / "htmx")
    shutil.copytree(library.folder, copy.folder)
    (copy.folder / "more.js").write_text("")
    with pytest.raises(vendor.Mismatch, match="a file too many"):
        vendor.verify(copy)

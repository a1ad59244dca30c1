"""Fixtures of the packaging tests."""

import shlex
import shutil
from pathlib import Path

import pytest

from tests.packaging.checkout import CLI, FAKE_PYTEST, PYTHON, Checkout, Copy, FirstRun, make_wheel, script

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def skeleton(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout without .venv, in a folder whose name has a space."""
    top = tmp_path_factory.mktemp("fresh machine")
    checkout = Checkout(top / "a checkout", top / "wheels", top / "programs")
    for folder in (checkout.folder / "lerix_web", checkout.wheels, checkout.programs):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "manage.py", checkout.folder)
    (checkout.folder / "lerix_web" / "__init__.py").touch()
    (checkout.folder / "lerix_web" / "cli.py").write_text(CLI)
    numbers = make_wheel(checkout.wheels, "numbers_of_lerix", "1.0", "numbers_of_lerix.py", "VERSION = 1\n")
    tests = make_wheel(checkout.wheels, "pytest", "9.0", "pytest.py", FAKE_PYTEST)
    (checkout.folder / "requirements.lock").write_text(numbers)
    (checkout.folder / "requirements-dev.lock").write_text(numbers + tests)
    return checkout


@pytest.fixture(scope="module")
def first_run(skeleton: Checkout) -> FirstRun:
    """The first run of all, with the real Python, nothing pretended."""
    return FirstRun(skeleton, *skeleton.run("serve", "--port", "0", plain=True))


@pytest.fixture
def copy(first_run: FirstRun, tmp_path: Path) -> Copy:
    """Copies the checkout of the first run, with its environment or as it was before."""

    def make(with_venv: bool) -> Checkout:
        source = first_run.checkout
        ignore = None if with_venv else shutil.ignore_patterns(".venv")
        shutil.copytree(source.folder, tmp_path / "a checkout", symlinks=True, ignore=ignore)
        programs = tmp_path / "programs"
        programs.mkdir()
        return Checkout(tmp_path / "a checkout", source.wheels, programs)

    return make


@pytest.fixture(scope="module")
def quick_base(first_run: FirstRun, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python whose venv module takes no time: it copies what the first run's made, without the packages."""
    top = tmp_path_factory.mktemp("quick")
    template = top / "template"
    shutil.copytree(first_run.checkout.venv, template, symlinks=True)
    (template / "lerix-stamp").unlink()
    for path in template.glob("lib/python*/site-packages/numbers_of_lerix*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    # With its times (-p), else Python takes what was compiled of pip for old, and compiles it again in every run.
    copying = f'/bin/cp -Rp {shlex.quote(str(template))}/. "$3"'
    otherwise = f'exec {shlex.quote(PYTHON)} "$@"'
    return script(top / "python", f'if [ "$2" = venv ]; then {copying}; else {otherwise}; fi\n')


@pytest.fixture
def slow_base(quick_base: str, tmp_path: Path) -> str:
    """A Python whose venv module writes a file "started" beside the checkout, and waits for a file "go" there."""
    started, go = (shlex.quote(str(tmp_path / name)) for name in ("started", "go"))
    waiting = f"echo >{started}; n=0; while [ ! -e {go} ] && [ $n -lt 600 ]; do /bin/sleep 0.1; n=$((n + 1)); done"
    slow = f'if [ "$2" = venv ]; then {waiting}; fi\n'
    return script(tmp_path / "slow-python", f'{slow}exec {shlex.quote(quick_base)} "$@"\n')

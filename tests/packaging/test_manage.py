"""manage.py on a fresh machine."""

import re
import shlex
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.packaging.checkout import PYTHON, Copy, FirstRun, make_wheel, script

pytestmark = pytest.mark.skipif(find_spec("ensurepip") is None, reason="this Python has no venv module")


def test_the_first_run_makes_the_environment_and_hands_over(first_run: FirstRun) -> None:
    assert first_run.output == "cli 1 ['serve', '--port', '0']\n", first_run.errors
    assert first_run.code == 7
    assert "Making .venv ..." in first_run.errors
    assert "Installing 1 packages from requirements.lock." in first_run.errors


def test_the_second_run_says_nothing_and_installs_nothing(copy: Copy) -> None:
    checkout = copy(True)
    before = checkout.stamp(), (checkout.venv / "lerix-stamp").stat().st_mtime_ns
    for path in checkout.venv.glob("lib/python*/site-packages/pip"):
        shutil.rmtree(path)  # whoever calls it now fails
    assert checkout.run("doctor", plain=True) == (7, "cli 1 ['doctor']\n", "")
    assert (checkout.stamp(), (checkout.venv / "lerix-stamp").stat().st_mtime_ns) == before


def test_it_runs_inside_another_virtual_environment(copy: Copy, tmp_path: Path) -> None:
    checkout = copy(True)
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", tmp_path / "other"], check=True)
    command = [str(tmp_path / "other/bin/python"), str(checkout.folder / "manage.py"), "open"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, "cli 1 ['open']\n"), done.stderr


def test_its_own_environment_needs_no_handing_over(copy: Copy) -> None:
    checkout = copy(True)
    command = [str(checkout.venv / "bin/python"), str(checkout.folder / "manage.py"), "open"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (7, "cli 1 ['open']\n", "")


def test_the_tests_get_what_they_need_and_their_arguments(copy: Copy) -> None:
    checkout = copy(True)
    code, output, errors = checkout.run("test", "tests/web", "-k", "guard")
    assert output == f"pytest ['tests/web', '-k', 'guard'] {checkout.folder}\n", errors
    assert code == 5
    assert "requirements-dev.lock" in errors
    assert checkout.run("serve")[1:] == ("cli 1 ['serve']\n", "")


def test_a_changed_lock_file_is_installed(copy: Copy) -> None:
    checkout = copy(True)
    line = make_wheel(checkout.wheels, "numbers_of_lerix", "2.0", "numbers_of_lerix.py", "VERSION = 2\n")
    (checkout.folder / "requirements.lock").write_text(line)
    code, output, errors = checkout.run("serve")
    assert (code, output) == (7, "cli 2 ['serve']\n"), errors
    assert "Making .venv" not in errors
    assert checkout.run("serve") == (7, "cli 2 ['serve']\n", "")


def test_a_wrong_hash_is_refused_and_the_environment_stays_as_it_was(copy: Copy) -> None:
    checkout = copy(True)
    before = checkout.stamp()
    lock = checkout.folder / "requirements.lock"
    good = lock.read_text()
    lock.write_text(re.sub("sha256:.*", "sha256:" + "0" * 64, good).replace("1.0", "3.0"))
    make_wheel(checkout.wheels, "numbers_of_lerix", "3.0", "numbers_of_lerix.py", "VERSION = 3\n")
    code, output, errors = checkout.run("serve")
    assert (code, output) == (1, "")
    assert "The packages could not be installed. Check the network connection" in errors
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in errors
    assert checkout.stamp() == before
    lock.write_text(good)
    assert checkout.run("serve") == (7, "cli 1 ['serve']\n", "")


def test_without_a_network_the_first_run_leaves_nothing_behind(copy: Copy, quick_base: str) -> None:
    checkout = copy(False)
    checkout.environment["PIP_FIND_LINKS"] = ""
    code, output, errors = checkout.run("serve", base=quick_base)
    assert (code, output) == (1, "")
    assert "    ERROR: No matching distribution found for numbers_of_lerix==1.0" in errors
    assert not checkout.venv.exists()


def test_an_interrupted_installation_is_made_again(copy: Copy, quick_base: str) -> None:
    checkout = copy(True)
    (checkout.venv / "lerix-stamp").write_text("state unfinished\n")
    for path in checkout.venv.glob("lib/python*/site-packages/numbers_of_lerix.py"):
        path.unlink()
    code, output, errors = checkout.run("serve", base=quick_base)
    assert (code, output) == (7, "cli 1 ['serve']\n"), errors
    assert "The last installation did not finish. Starting again ..." in errors
    assert checkout.run("serve") == (7, "cli 1 ['serve']\n", "")


def wait_for(path: Path) -> None:
    """Wait until a file is there, for two minutes at most."""
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.01)


def test_a_killed_installation_is_waited_for_and_made_again(
    copy: Copy, quick_base: str, slow_base: str, tmp_path: Path
) -> None:
    checkout = copy(False)
    killed = checkout.start("serve", base=slow_base)
    wait_for(tmp_path / "started")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    second = checkout.start("serve", base=quick_base)
    assert second.stderr is not None
    # What the killed one has started still runs.
    assert second.stderr.readline() == "Another command is installing Lerix's packages. Waiting for it ...\n"
    (tmp_path / "go").touch()
    output, errors = second.communicate(timeout=150)
    killed.communicate()
    assert (second.returncode, output) == (7, "cli 1 ['serve']\n"), errors
    assert errors.splitlines()[0] == "The last installation did not finish. Starting again ..."


def test_control_c_during_the_installation_is_a_sentence(copy: Copy, slow_base: str, tmp_path: Path) -> None:
    checkout = copy(False)
    process = checkout.start("serve", base=slow_base)
    wait_for(tmp_path / "started")
    process.send_signal(signal.SIGINT)
    errors = process.communicate()[1]
    assert errors == "Making .venv ...\n\nStopped. Run the same command again to finish.\n"
    assert process.returncode == 130


def test_two_first_runs_at_once_make_one_environment(copy: Copy, quick_base: str) -> None:
    checkout = copy(False)
    runs = [checkout.start("serve", base=quick_base) for _ in range(2)]
    results = [run.communicate(timeout=150) for run in runs]
    assert [run.returncode for run in runs] == [7, 7], results
    assert {output for output, _ in results} == {"cli 1 ['serve']\n"}
    assert sum(errors.count("Making .venv ...") for _, errors in results) == 1


def test_another_python_makes_the_environment_again(copy: Copy, quick_base: str) -> None:
    checkout = copy(True)
    stamp = re.sub("^python .*", "python /usr/bin/python3.99", checkout.stamp(), flags=re.MULTILINE)
    (checkout.venv / "lerix-stamp").write_text(stamp)
    code, output, errors = checkout.run("serve", base=quick_base)
    assert (code, output) == (7, "cli 1 ['serve']\n"), errors
    assert "Python has changed since .venv was made. Making it again ..." in errors


def test_an_environment_of_somebody_else_is_left_alone(copy: Copy) -> None:
    checkout = copy(False)
    checkout.venv.mkdir()
    (checkout.venv / "notes.txt").write_text("mine")
    code, output, errors = checkout.run("serve")
    assert (code, output) == (1, "")
    assert errors == (
        f"{checkout.venv} was not made by Lerix and holds no Python 3.11 or newer. "
        "Move that folder away, then run the same command again.\n"
    )
    assert [path.name for path in checkout.venv.iterdir()] == ["notes.txt"]


def test_a_damaged_environment_is_a_sentence_and_no_loop(copy: Copy) -> None:
    checkout = copy(True)
    (checkout.venv / "pyvenv.cfg").unlink()
    code, output, errors = checkout.run("serve")
    assert (code, output) == (1, "")
    assert errors == f"{checkout.venv} is damaged. Remove that folder, then run the same command again.\n"


def old_pythons() -> list[str]:
    """Return the interpreters of 3.8 to 3.10 on this machine: as many as it has, often none."""
    found = [shutil.which(f"python3.{minor}") for minor in (8, 9, 10)]
    working = [path for path in found if path and subprocess.run([path, "-c", "pass"]).returncode == 0]
    return working + [str(path) for path in Path.home().glob(".pyenv/versions/3.[89].*/bin/python")]


TOO_OLD = (
    "Lerix needs Python 3.11 or newer, and this is Python 3.8. Install a newer one from "
    "https://www.python.org/downloads/, or install uv from https://docs.astral.sh/uv/, "
    "then run the same command again.\n"
)


def test_a_python_that_is_too_old_names_the_remedy(copy: Copy) -> None:
    checkout = copy(False)
    assert checkout.run("serve", version="3.8.18") == (1, "", TOO_OLD)
    assert not checkout.venv.exists()


def test_old_pythons_of_this_machine_name_the_remedy(copy: Copy) -> None:
    checkout = copy(False)
    for python in old_pythons():
        command = [python, str(checkout.folder / "manage.py"), "serve"]
        done = subprocess.run(command, env={"PATH": str(checkout.programs)}, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (1, "")
        assert re.sub(r"is Python 3\.\d+", "is Python 3.8", done.stderr) == TOO_OLD


def test_a_newer_python_on_the_path_is_used(copy: Copy, quick_base: str) -> None:
    checkout = copy(False)
    shutil.copy(quick_base, checkout.programs / "python3.12")
    code, output, errors = checkout.run("serve", version="3.9.6")
    assert (code, output) == (7, "cli 1 ['serve']\n"), errors
    assert errors.startswith("Python 3.9 is too old for Lerix. Using python3.12 instead.\nMaking .venv")


def test_a_python_without_its_venv_module_names_the_remedy(copy: Copy, tmp_path: Path) -> None:
    checkout = copy(False)
    crippled = script(tmp_path / "crippled", 'case "$2" in *ensurepip*) exit 1;; *) exit 2;; esac\n')
    code, output, errors = checkout.run("serve", base=crippled)
    assert (code, output) == (1, "")
    assert errors == (
        "This Python cannot make the folder for Lerix's packages: its venv module is not installed. "
        "On Debian and Ubuntu run: sudo apt install python3-venv\n"
        "Elsewhere, install uv from https://docs.astral.sh/uv/. Then run the same command again.\n"
    )
    assert not checkout.venv.exists()


def test_uv_is_used_where_there_is_one(copy: Copy, quick_base: str, tmp_path: Path) -> None:
    checkout = copy(False)
    # A uv that notes how it was called, and lets venv and pip do the work.
    calls = tmp_path / "calls"
    script(
        checkout.programs / "uv",
        f'echo "$*" >>{shlex.quote(str(calls))}\n'
        f'if [ "$1" = venv ]; then exec {shlex.quote(quick_base)} -m venv "$6"; fi\n'
        'shift 3; python="$1"; shift; exec "$python" -m pip install "$@"\n',
    )
    code, output, errors = checkout.run("serve")
    assert (code, output) == (7, "cli 1 ['serve']\n"), errors
    made, installed = calls.read_text().splitlines()
    assert made == f"venv --no-project --allow-existing --python {PYTHON} {checkout.venv}"
    lock = checkout.folder / "requirements.lock"
    assert installed == f"pip install --python {checkout.venv}/bin/python --require-hashes -r {lock}"


def test_pip_helps_where_uv_fails(copy: Copy, quick_base: str) -> None:
    checkout = copy(False)
    copying = f'exec {shlex.quote(quick_base)} -m venv "$6"'
    script(checkout.programs / "uv", f'if [ "$1" = venv ]; then {copying}; fi\necho no index; exit 2\n')
    code, output, errors = checkout.run("serve", base=quick_base)
    assert (code, output) == (7, "cli 1 ['serve']\n"), errors
    assert "uv could not install the packages. Trying pip ..." in errors

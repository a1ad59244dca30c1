"""The ``lerix`` command: its pages, its errors and its exit codes."""

import sys
from pathlib import Path

import pytest

import lerix_web
from lerix_web.cli import main, program
from tests.serving import LerixProcess


@pytest.fixture
def lerix(tmp_path: Path) -> LerixProcess:
    """A Lerix that is not started; its commands run in a folder of their own."""
    return LerixProcess(home=tmp_path / "data")


def test_version_and_help_need_no_data_folder(lerix: LerixProcess) -> None:
    version, usage = lerix.run("--version"), lerix.run("--help")
    assert (version.returncode, version.stdout) == (0, f"Lerix {lerix_web.__version__}\n")
    assert usage.returncode == 0
    for word in ("lerix serve", "lerix open", "--port N", "--no-browser"):
        assert word in usage.stdout
    assert max(map(len, usage.stdout.splitlines())) <= 100
    assert not lerix.home.exists()


def test_help_names_the_command_it_was_started_with(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/manage.py", "serve"])
    assert program() == "python3 manage.py"
    assert main(["serve", "--help"]) == 0
    assert "python3 manage.py open" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/lerix"])
    assert program() == "lerix"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "x"], "whole number from 0 to 65535"),
        (["serve", "--port", "70000"], "whole number from 0 to 65535"),
        (["serve", "--port", "-1"], "--port"),
        (["serve", "--port"], "--port"),
        (["serve", "--nonsense"], "--nonsense"),
        (["serve", "7717"], "7717"),
        (["open", "--port", "1"], "--port"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_a_wrong_option_is_one_sentence(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    assert main(arguments) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert words in written.err
    assert written.err.count("\n") == 1


def test_djangos_commands_pass_through(lerix: LerixProcess) -> None:
    assert lerix.run("check").returncode == 0
    assert lerix.run("migrate", "--verbosity", "0").returncode == 0
    modes = {path.name: path.stat().st_mode & 0o777 for path in lerix.home.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    shell = lerix.run("shell", "--no-imports", "--command", "raise SystemExit(3)")
    assert shell.returncode == 3
    assert lerix.run("no-such-command").returncode == 1


def test_another_projects_settings_do_not_matter(tmp_path: Path) -> None:
    lerix = LerixProcess(home=tmp_path / "data", env={"DJANGO_SETTINGS_MODULE": "elsewhere.settings"})
    assert lerix.run("check").returncode == 0


def test_a_data_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    answer = LerixProcess(home=tmp_path / "file" / "data").run("serve", "--no-browser")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "LERIX_HOME" in answer.stderr
    assert answer.stderr.count("\n") == 1

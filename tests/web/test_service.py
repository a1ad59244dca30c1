"""`lerix service`: installing, uninstalling, and what it says when something is in the way."""

import contextlib
import io
import os
import socket
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lerix_web import cli, instance
from lerix_web.errors import ServiceError
from lerix_web.service import actions, programs
from lerix_web.service.launchd import Launchd, log_file
from lerix_web.service.manager import Manager, State
from lerix_web.service.systemd import Systemd
from tests.serving import LerixProcess
from tests.web import services

PID = 4711
TRY = actions._try
ASK = programs.ask
BOTH = pytest.mark.parametrize("system", ["systemd", "launchd"], indirect=True)
ON_LINUX = pytest.mark.parametrize("system", ["systemd"], indirect=True)
ON_MACOS = pytest.mark.parametrize("system", ["launchd"], indirect=True)


@dataclass
class System:
    """A machine whose services are played by tests/web/services.py; `known` is the folder of what it knows."""

    manager: Manager
    here: actions.Here
    known: Path

    def install(self, *, user: int = 501, patience: float = 10.0) -> list[str]:
        return list(actions.install(self.manager, self.here, user=user, patience=patience))

    def uninstall(self) -> list[str]:
        return list(actions.uninstall(self.manager, self.here))

    def status(self) -> tuple[str, bool]:
        lines, well = actions.status(self.manager, self.here)
        return "\n".join(lines), well

    def calls(self) -> list[str]:
        return (self.known / "calls").read_text().splitlines() if (self.known / "calls").exists() else []


def in_process(*command: str) -> programs.Answer:
    """Ask the stand-in without starting it."""
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        code = services.main(command[0], list(command[1:]))
    return programs.Answer(code, out.getvalue(), said.getvalue())


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[System]:
    """A user without a service; the service only pretends to run, with the process PID."""
    known = services.install_fakes(tmp_path / "bin")
    (known / "pretend").write_text(str(PID))
    for name in ("codex", "node"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / name).chmod(0o755)
    home = tmp_path / "home"
    (home / "codex").mkdir(parents=True)
    (home / "data").mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("FAKE_SERVICES", str(known))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    environment = {"PATH": os.environ["PATH"], "LERIX_PORT": "0"}
    here = actions.Here(home / "data", home / "codex", 0, environment)
    manager = (
        Systemd(home / ".config" / "systemd" / "user")
        if request.param == "systemd"
        else Launchd(home, 501, patience=0.5)
    )

    def ask(folder: Path, word: str) -> dict[str, object] | None:
        assert (folder, word) == (here.folder, "ping")
        pid = services.running(known)
        return {"pid": pid, "port": 7717, "version": "0.1.0"} if pid else None

    monkeypatch.setattr(instance, "ask", ask)
    # Both start processes, which takes most of a second; the tests about them, and those for real, put them back.
    monkeypatch.setattr(actions, "_try", lambda record: None)
    monkeypatch.setattr(programs, "ask", in_process)
    yield System(manager, here, known)
    services.stop(known)


# As it should be.


@BOTH
def test_installing_starts_lerix_and_says_how_to_open_it(system: System) -> None:
    said = "\n".join(system.install())
    assert f"Lerix is running on port 7717 (process {PID})." in said
    assert str(system.manager.file) in said
    assert "lerix open" in said
    assert system.manager.logs in said
    assert "codex, node, CODEX_HOME, LERIX_HOME, PATH, LERIX_PORT" in said
    assert stat.S_IMODE(system.manager.file.stat().st_mode) == 0o600
    assert [path.name for path in system.manager.file.parent.iterdir()] == [system.manager.file.name]


@BOTH
def test_installing_twice_replaces_the_first_and_says_so(system: System) -> None:
    system.install()
    first = system.manager.file.read_bytes()
    (system.here.folder.parent / "elsewhere").mkdir()
    system.here = actions.Here(
        system.here.folder, system.here.folder.parent / "elsewhere", 0, {"PATH": "", "LERIX_SIGN_UP": "no"}
    )
    assert "anew, in place of the old one" in system.install()[0]
    assert system.manager.file.read_bytes() != first
    assert "elsewhere" in system.status()[0]
    assert "LERIX_SIGN_UP" in system.status()[0]


@BOTH
def test_uninstalling_leaves_nothing_but_the_data(system: System) -> None:
    system.install()
    said = system.uninstall()
    assert said[0] == "The service was uninstalled, and Lerix was stopped."
    assert str(system.here.folder) in said[1]
    assert list(system.manager.file.parent.iterdir()) == []
    assert services.running(system.known) == 0
    assert system.uninstall() == ["The service is not installed. Nothing was changed."]


@BOTH
def test_what_is_not_installed_is_not_asked_about(system: System) -> None:
    assert system.uninstall() == ["The service is not installed. Nothing was changed."]
    said, well = system.status()
    assert (said, well) == ("The service is not installed. lerix service install installs it.", False)
    assert system.calls() == []


@BOTH
def test_status_shows_what_was_recorded_and_that_it_runs(system: System) -> None:
    system.install()
    said, well = system.status()
    assert well
    assert f"It is running (process {PID})." in said
    for path in (sys.executable, system.here.folder, system.here.codex_home, system.known.parent / "codex"):
        assert str(path) in said
    assert "not there" not in said
    services.stop(system.known)
    said, well = system.status()
    assert not well
    assert "It is not running." in said


@BOTH
def test_status_names_what_is_gone(system: System) -> None:
    system.install()
    (system.known.parent / "codex").unlink()
    said, well = system.status()
    assert not well
    assert f"{system.known.parent / 'codex'}  (not there any more)" in said
    assert "lerix service install records where things are now." in said


@ON_MACOS
def test_the_log_of_macos_is_closed_to_others_before_anything_is_in_it(system: System) -> None:
    system.install()
    log = log_file(system.here.folder.parent)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700
    system.uninstall()
    assert log.exists()


@ON_LINUX
def test_a_service_that_another_hand_has_disabled_is_not_well(system: System) -> None:
    system.install()
    (system.known / "enabled").unlink()
    said, well = system.status()
    assert (well, "It does not start at log-in." in said) == (False, True)


# What is in the way. Each is a sentence, and nothing is left behind.


def refused(system: System, words: str, *, user: int = 501, patience: float = 0.0) -> str:
    """Install, which must fail with these words; return the sentence."""
    with pytest.raises(ServiceError) as error:
        system.install(user=user, patience=patience)
    said = str(error.value)
    assert words in said
    assert said.endswith((".", system.manager.logs))
    return said


@BOTH
def test_root_is_told_to_be_somebody_else(system: System) -> None:
    assert "Nothing was installed" in refused(system, "not to root", user=0)
    assert system.calls() == []


@BOTH
def test_a_lerix_that_was_started_by_hand_is_to_be_stopped_first(system: System) -> None:
    (system.known / "pid").write_text("99")
    system.here = actions.Here(system.here.folder, system.here.codex_home, 0, {"PATH": ""})
    # As the systems see it nothing runs; the data folder's door answers.
    system.manager.state = lambda: State(None, at_log_in=False)  # type: ignore[method-assign]
    said = refused(system, "Lerix is already running, started by hand (process 99)")
    assert "Nothing was installed" in said
    assert not system.manager.file.exists()
    assert "started by hand (process 99)" in system.status()[0]


@BOTH
def test_a_port_that_another_program_has_is_named(system: System) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        system.here = actions.Here(system.here.folder, system.here.codex_home, port, {"PATH": ""})
        said = refused(system, str(port))
    assert "LERIX_PORT" in said
    assert not system.manager.file.exists()


@ON_LINUX
@pytest.mark.parametrize(
    "complaint",
    [
        services.BROKEN_BUS,
        "Failed to connect to bus: $DBUS_SESSION_BUS_ADDRESS and $XDG_RUNTIME_DIR not defined (consider --machine)",
        "System has not been booted with systemd as init system (PID 1). Can't operate.",
    ],
)
def test_without_a_systemd_session_nothing_is_installed_but_all_can_be_removed(system: System, complaint: str) -> None:
    (system.known / "broken").write_text(complaint)
    assert complaint.rstrip(".") in refused(system, "No systemd runs for this user here")
    assert not system.manager.file.exists()
    (system.known / "broken").unlink()
    system.install()
    (link := system.manager.leftovers()[0]).parent.mkdir()
    link.symlink_to(system.manager.file)
    (system.known / "broken").write_text(complaint)
    said, well = system.status()
    assert (well, "No systemd runs" in said) == (False, True)
    assert system.uninstall()[0] == "The service was uninstalled."
    assert not system.manager.file.exists()
    assert not link.is_symlink()


@ON_MACOS
def test_without_a_session_at_the_screen_nothing_is_installed(system: System) -> None:
    (system.known / "broken").write_text("Could not find domain for user gui: 501")
    refused(system, "signed in at the screen (Could not find domain for user gui: 501)")
    assert not system.manager.file.exists()


@BOTH
def test_without_the_systems_program_nothing_is_installed(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "ask", ASK)
    monkeypatch.setenv("PATH", str(system.known))
    assert "was not found" in refused(system, "Nothing was installed")
    assert not system.manager.file.exists()


@pytest.mark.parametrize(
    ("system", "word"),
    [("systemd", "restart"), ("systemd", "enable"), ("launchd", "bootstrap")],
    indirect=["system"],
)
def test_a_system_that_refuses_leaves_nothing_behind(system: System, word: str) -> None:
    (system.known / "refuse").write_text(word)
    said = refused(system, "(Refused: it is not wanted)")
    assert said.startswith("Nothing was installed.")
    assert not system.manager.file.exists()
    assert services.running(system.known) == 0


@BOTH
def test_a_second_installation_that_fails_leaves_the_first(system: System) -> None:
    system.install()
    first = system.manager.file.read_bytes()
    (system.known / "refuse").write_text("restart" if isinstance(system.manager, Systemd) else "bootstrap")
    system.here = actions.Here(system.here.folder, system.here.codex_home, 0, {"PATH": ""})
    assert refused(system, "Refused").startswith("The service is as it was before.")
    assert system.manager.file.read_bytes() == first


@ON_MACOS
def test_an_agent_that_does_not_stop_is_not_waited_for_for_ever(system: System) -> None:
    system.install()
    (system.known / "stuck").touch()
    with pytest.raises(ServiceError, match="does not let go"):
        system.uninstall()
    assert system.manager.file.exists()


@BOTH
def test_a_lerix_that_could_not_start_as_a_service_is_none(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "_try", TRY)
    monkeypatch.setattr(sys, "executable", "/usr/bin/false")
    refused(system, "does not start as a service would start it")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    refused(system, "does not start as a service would start it")
    assert not system.manager.file.exists()


@BOTH
def test_a_lerix_that_does_not_answer_is_said_with_where_to_look(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance, "ask", lambda folder, word: None)
    refused(system, "does not answer yet")
    assert system.manager.file.exists()


@BOTH
def test_a_folder_that_cannot_be_written_is_a_sentence(system: System) -> None:
    system.manager.file.parent.parent.mkdir(parents=True, exist_ok=True)
    system.manager.file.parent.touch()
    refused(system, "cannot be ")


@BOTH
def test_a_file_that_was_changed_by_hand_is_a_sentence(system: System) -> None:
    system.install()
    system.manager.file.write_text("[Service]\nExecStart=/usr/bin/lerix serve\n")
    with pytest.raises(ServiceError, match="changed by hand"):
        system.status()


def test_another_system_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="macOS and on Linux"):
        actions.manager_of("freebsd14")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert actions.manager_of("linux").file == tmp_path / ".config/systemd/user/lerix.service"
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/other")
    assert actions.manager_of("linux").file == Path("/etc/other/systemd/user/lerix.service")
    assert actions.manager_of("darwin").file == tmp_path / "Library/LaunchAgents/local.lerix.plist"


# For real.


def test_a_program_that_hangs_or_is_missing_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="did not answer within 0 seconds"):
        programs.ask("sleep", "60", seconds=0.05)
    with pytest.raises(programs.NotThere):
        programs.ask(str(tmp_path / "nothing"))
    answer = programs.ask("sh", "-c", "echo out; echo 'Line one.\nLine two.' >&2; exit 7")
    assert (answer.code, answer.out, answer.reason) == (7, "out\n", "Line two")


@BOTH
def test_the_recorded_command_starts_lerix_in_an_empty_environment(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    home, programs = system.here.folder.parent, system.known.parent
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("FAKE_SERVICES", str(system.known))
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(instance, "SECONDS", 30.0)
    (system.known / "pretend").unlink()
    # A folder in the home folder that must not be taken for a part of Lerix.
    (home / "chat").mkdir()
    (home / "chat" / "__init__.py").write_text("raise SystemExit")
    system.install(patience=60)
    pid = services.running(system.known)
    assert (instance.ask(system.here.folder, "ping") or {})["pid"] == pid
    assert system.status()[1]
    assert (instance.ask_link(system.here.folder) or "").startswith("http://localhost:")
    log = log_file(home)
    assert "token" not in (log.read_text() if log.exists() else "")
    assert system.uninstall()[0] == "The service was uninstalled, and Lerix was stopped."


@pytest.mark.skipif(sys.platform != "linux", reason="its file lies in XDG_CONFIG_HOME on Linux only")
def test_the_command_ends_with_0_or_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lerix = LerixProcess(home=tmp_path / "data", env={"XDG_CONFIG_HOME": str(tmp_path)})
    status = lerix.run("service", "status")
    assert (status.returncode, status.stderr) == (1, "")
    assert "is not installed" in status.stdout
    gone = lerix.run("service", "uninstall")
    assert (gone.returncode, gone.stdout) == (0, "The service is not installed. Nothing was changed.\n")
    assert cli.main(["service", "restart"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    if os.geteuid() == 0:
        root = lerix.run("service", "install")
        assert (root.returncode, root.stdout, root.stderr.count("\n")) == (1, "", 1)
    assert not lerix.home.exists()

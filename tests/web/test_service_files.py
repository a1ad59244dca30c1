"""What a service records, and how it is written down for systemd and for launchd."""

import os
import plistlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lerix_web.errors import ServiceError
from lerix_web.paths import ROOT
from lerix_web.service import record as records
from lerix_web.service.launchd import Launchd
from lerix_web.service.record import PROXIES, SECRETS, SETTINGS, Record, lasting, left_out, present
from lerix_web.service.systemd import Systemd, quote, words
from tests.web import services

#: Whatever may stand in a record: everything but control characters and halves of characters.
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]))
#: The same without what XML has no place for, and no file name either.
XML_TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]))
NASTY = "a \"b\" 'c' \\ \\n %h %% $HOME ${HOME} $$ ; # é\u2028\u00a0 "


def record_of(*command: str, **environment: str) -> Record:
    return Record((*(command or ("/usr/bin/python3", "-m", "lerix_web")), "serve", "--no-browser"), environment)


# systemd.


@given(TEXT)
@example(NASTY)
def test_what_is_quoted_is_read_by_systemds_rules_as_it_was(text: str) -> None:
    assert [services.expand(word, variables=True) for word in services.split(quote(text, argument=True))] == [text]
    assert [services.expand(word, variables=False) for word in services.split(quote(text))] == [text]
    assert words(f"{quote(text)} {quote('x')}") == [text, "x"]


@given(
    st.lists(TEXT, min_size=1, max_size=4),
    st.dictionaries(st.from_regex(r"[A-Z_]{1,9}", fullmatch=True), TEXT, max_size=4),
)
def test_a_unit_holds_the_record_for_systemd_and_for_us(arguments: list[str], environment: dict[str, str]) -> None:
    record = Record(("/opt/a % b/python", *arguments), environment)
    content = Systemd(Path("/nowhere")).render(record)
    command, found, _ = services.unit(content.decode())
    assert (tuple(command), found) == (record.command, environment)
    assert Systemd(Path("/nowhere")).parse(content) == record


@given(TEXT)
@example("a$b")
@example(NASTY)
def test_a_program_that_systemd_refuses_is_started_by_a_shell(name: str) -> None:
    record = record_of(f"/opt/{name}'/python", "-m", name)
    content = Systemd(Path("/nowhere")).render(record)
    command, _, _ = services.unit(content.decode())
    assert command == ["/bin/sh", "-c", 'exec "$0" "$@"', *record.command]
    assert Systemd(Path("/nowhere")).parse(content) == record


def test_a_unit_starts_at_log_in_and_again_after_a_failure_but_not_for_ever() -> None:
    _, _, others = services.unit(Systemd(Path("/nowhere")).render(record_of()).decode())
    assert others["WantedBy"] == "default.target"
    assert others["Restart"] == "on-failure"
    assert int(others["RestartSec"]) * int(others["StartLimitBurst"]) <= int(others["StartLimitIntervalSec"])


@pytest.mark.parametrize("content", [b"", b"ExecStart=python", b'ExecStart="python', b"\xff", b'Environment="A=1"'])
def test_a_unit_that_was_changed_by_hand_is_not_guessed_at(content: bytes) -> None:
    with pytest.raises(ValueError):
        Systemd(Path("/nowhere")).parse(content)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here to ask")
@pytest.mark.parametrize("name", ["plain", "a %h é;  b", NASTY.replace("/", "")])
def test_the_real_systemd_accepts_the_unit(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "python").symlink_to(sys.executable)
    answer = verify(tmp_path, record_of(str(tmp_path / name / "python"), "-m", NASTY, NASTY=NASTY))
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here to ask")
def test_the_real_systemd_reads_the_same_program(tmp_path: Path) -> None:
    program = tmp_path / "a %h é;  b" / "python"
    answer = verify(tmp_path, record_of(str(program), "-m", "lerix_web"))
    assert f"Command {program} is not executable" in answer.stderr


def verify(folder: Path, record: Record) -> subprocess.CompletedProcess[str]:
    file = folder / "lerix.service"
    file.write_bytes(Systemd(folder).render(record))
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "XDG_RUNTIME_DIR": str(folder), "SYSTEMD_LOG_LEVEL": "warning"}
    command = ["systemd-analyze", "--user", "verify", "--man=no", "--recursive-errors=no", str(file)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_the_shell_passes_everything_on_as_it_is(tmp_path: Path) -> None:
    program_ = program(tmp_path / NASTY / "python", '#!/bin/sh\nprintf "%s\\n" "$0" "$@"\n')
    content = Systemd(Path("/nowhere")).render(record_of(str(program_), "-m", NASTY))
    command, _, _ = services.unit(content.decode())
    answer = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert answer.stdout == f"{program_}\n-m\n{NASTY}\nserve\n--no-browser\n"


# launchd.


@given(XML_TEXT)
@example(NASTY)
def test_a_property_list_holds_the_record(text: str) -> None:
    agent = Launchd(Path("/nowhere"), 501)
    record = record_of("/opt/a b/python", "-m", text, LERIX_HOME=text)
    content = agent.render(record)
    facts = plistlib.loads(content)
    assert (tuple(facts["ProgramArguments"]), facts["EnvironmentVariables"]) == (record.command, record.environment)
    assert agent.parse(content) == record


def test_an_agent_starts_at_log_in_and_again_after_a_failure_with_pauses() -> None:
    facts = plistlib.loads(Launchd(Path("/nowhere"), 501).render(record_of()))
    assert facts["RunAtLoad"] is True
    assert facts["KeepAlive"] == {"SuccessfulExit": False}
    assert facts["ThrottleInterval"] >= 10
    assert re.fullmatch(r"[a-z]+(\.[a-z]+)+", facts["Label"])
    assert facts["Umask"] == 0o077


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"<plist", plistlib.dumps([]), plistlib.dumps({"ProgramArguments": 1})]
)
def test_a_property_list_that_was_changed_by_hand_is_not_guessed_at(content: bytes) -> None:
    with pytest.raises(ValueError):
        Launchd(Path("/nowhere"), 501).parse(content)


def test_the_launch_link_on_stdout_reaches_no_log() -> None:
    _, _, others = services.unit(Systemd(Path("/nowhere")).render(record_of()).decode())
    assert (others["StandardOutput"], others["StandardError"]) == ("null", "journal")
    facts = plistlib.loads(Launchd(Path("/nowhere"), 501).render(record_of()))
    assert facts["StandardOutPath"] == os.devnull
    assert facts["StandardErrorPath"].endswith("/Library/Logs/Lerix/lerix.log")


# What is recorded.


def program(path: Path, content: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(0o755)
    return path


def test_codex_and_node_are_found_again_on_the_recorded_path(tmp_path: Path) -> None:
    other = program(tmp_path / "old" / "node")
    codex = program(tmp_path / "old" / "codex", "#!/usr/bin/env node\n")
    node = program(tmp_path / "new" / "node")
    record = present(tmp_path, tmp_path / "c", {"PATH": f"{node.parent}:{codex.parent}"})
    assert shutil.which("codex", path=record.environment["PATH"]) == str(codex)
    assert shutil.which("node", path=record.environment["PATH"]) == str(node) != str(other)
    assert record.paths()["codex"] == codex
    assert record.paths()["node"] == node
    assert records.needs_node(codex)
    assert not records.needs_node(node)
    for folder in ("/usr/bin", "/bin"):
        assert folder in record.environment["PATH"].split(":")


def test_the_settings_are_recorded_and_secrets_are_not(tmp_path: Path) -> None:
    environment = {
        "PATH": "",
        "LERIX_PORT": " 7000 ",
        "LERIX_OPENAI_BASE_URL": "",
        "HTTPS_PROXY": "http://proxy.example.com:3128",
        "HTTP_PROXY": "http://user:hunter2@proxy.example.com:3128",
        "all_proxy": "user:hunter2@proxy.example.com",
        "LERIX_SECRET_KEY": "hunter2" * 9,
        "LERIX_SMTP_URL": "smtps://user:hunter2@mail.example.com",
        "OPENAI_API_KEY": "sk-hunter2",
        "HOME": "/nowhere",
    }
    record = present(tmp_path / "data", tmp_path / "codex", environment)
    assert record.settings() == ["HTTPS_PROXY", "LERIX_PORT"]
    assert record.environment["LERIX_PORT"] == "7000"
    assert record.environment["LERIX_HOME"] == str(tmp_path / "data")
    assert record.environment["CODEX_HOME"] == str(tmp_path / "codex")
    assert "hunter2" not in repr(record)
    assert left_out(environment) == ["LERIX_SECRET_KEY", "LERIX_SMTP_URL", "HTTP_PROXY", "all_proxy"]


def test_every_setting_of_the_app_is_recorded_or_known_to_be_a_secret() -> None:
    read = {
        name
        for file in (ROOT / "lerix_web" / "settings").glob("*.py")
        for name in re.findall(r'"(LERIX_[A-Z_]+)"', file.read_text("utf-8"))
    }
    # Mail is the business of a broker for others.
    assert read == {name for name in SETTINGS if name.startswith("LERIX_")} | set(SECRETS) | {
        "LERIX_HOME",
        "LERIX_MAIL_FROM",
        "LERIX_MAIL_FOLDER",
    }
    assert not set(SECRETS) & {*SETTINGS, *PROXIES}


@pytest.mark.parametrize("text", ["line\nbreak", "tab\tulator", "\udcff"])
def test_a_character_that_no_service_can_be_given_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ServiceError, match="Nothing was installed"):
        present(tmp_path / text, tmp_path, {"PATH": ""})


def test_a_colon_in_the_folder_of_codex_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codex = program(tmp_path / "a:b" / "codex")
    monkeypatch.setattr(records, "find_codex", lambda path: codex)
    with pytest.raises(ServiceError, match="colon"):
        present(tmp_path, tmp_path, {"PATH": ""})


@pytest.mark.parametrize("folder", ["/cache/uv/archive-v0/x", "/cache/uv/environments-v2/lerix-1"])
def test_a_lerix_in_a_cache_is_no_service(folder: str) -> None:
    with pytest.raises(ServiceError, match="cleared"):
        lasting(record_of(f"{folder}/bin/python", "-m", "lerix_web"))


def test_from_a_checkout_the_same_manage_py_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["manage.py", "service", "install"])
    record = present(tmp_path, tmp_path, {"PATH": ""})
    assert record.command == (sys.executable, str(ROOT / "manage.py"), "serve", "--no-browser")
    assert record.paths()["lerix"] == ROOT
    monkeypatch.setattr(sys, "argv", ["/bin/lerix"])
    assert present(tmp_path, tmp_path, {"PATH": ""}).paths()["lerix"] == ROOT

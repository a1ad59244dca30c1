"""The lock and the control socket, without a server around them."""

import asyncio
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from lerix_web import instance
from lerix_web.errors import InstanceError
from lerix_web.instance import Door, Lock, ask, ask_link, link_of_running

T = TypeVar("T")
LINK = "http://localhost:7717/?token=made-up"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance, "SECONDS", 60.0)


def with_door(folder: Path, question: Callable[[], T]) -> T:
    """Ask from a thread while the door is open in a loop."""

    async def run() -> T:
        door = Door(folder, {"version": "1", "port": 7717, "pid": 1}, lambda: LINK)
        await door.open()
        try:
            return await asyncio.to_thread(question)
        finally:
            # Who left without waiting for the answer may not even have been let in yet, and asyncio before Python 3.12
            # loses the socket of whom it lets in while it closes.
            for _ in range(2):
                await asyncio.sleep(0)
            while answering := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(answering)
            await door.close()

    return asyncio.run(run())


def send(path: Path, data: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(os.fspath(path))
        try:
            client.sendall(data)
            return client.recv(4096)
        except (BrokenPipeError, ConnectionResetError):
            return b""  # closed with our bytes unread


def test_one_process_at_a_time_has_the_lock(tmp_path: Path) -> None:
    other = "import sys; from pathlib import Path; from lerix_web.instance import Lock\n"
    other += "with Lock(Path(sys.argv[1])) as lock: print(lock.taken)"

    def other_takes_it() -> str:
        return subprocess.run(
            [sys.executable, "-c", other, str(tmp_path)], capture_output=True, text=True, timeout=30
        ).stdout

    with Lock(tmp_path) as lock:
        assert lock.taken
        assert other_takes_it() == "False\n"
    assert other_takes_it() == "True\n"
    assert stat.S_IMODE((tmp_path / instance.LOCK).stat().st_mode) == 0o600


def test_the_door_answers_ping_and_link(tmp_path: Path) -> None:
    assert with_door(tmp_path, lambda: ask(tmp_path, "ping")) == {"version": "1", "port": 7717, "pid": 1}
    assert with_door(tmp_path, lambda: ask_link(tmp_path)) == LINK
    assert with_door(tmp_path, lambda: ask(tmp_path, "shell")) == {"error": "unknown"}
    assert not (tmp_path / instance.SOCKET).exists()


def test_the_door_is_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / instance.SOCKET
    assert stat.S_IMODE(with_door(tmp_path, path.stat).st_mode) == 0o600


def test_a_line_that_never_ends_is_cut(tmp_path: Path) -> None:
    assert with_door(tmp_path, lambda: send(tmp_path / instance.SOCKET, b"x" * 100_000)) == b""


def test_a_client_of_another_user_gets_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance, "_same_user", lambda connected: False)
    assert with_door(tmp_path, lambda: send(tmp_path / instance.SOCKET, b"link\n")) == b""
    assert with_door(tmp_path, lambda: ask_link(tmp_path)) is None


def test_nobody_there_is_none_and_after_the_wait_a_sentence(tmp_path: Path) -> None:
    assert ask(tmp_path, "ping") is None
    (tmp_path / instance.SOCKET).touch()
    assert ask(tmp_path, "ping") is None
    with pytest.raises(InstanceError, match="does not answer"):
        link_of_running(tmp_path, patience=0.2)


def test_a_socket_left_by_a_crash_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(os.fspath(tmp_path / instance.SOCKET))
    assert with_door(tmp_path, lambda: ask_link(tmp_path)) == LINK


def test_a_folder_with_a_long_name_has_its_socket_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 60) / ("y" * 60)
    folder.mkdir(parents=True)

    def question() -> tuple[Path, str | None]:
        return Path((folder / instance.SOCKET_PATH).read_text()), ask_link(folder)

    path, link = with_door(folder, question)
    assert link == LINK
    assert not path.parent.exists()
    assert not (folder / instance.SOCKET_PATH).exists()


def test_a_recorded_path_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (folder := tmp_path / "home").mkdir()
    (folder / instance.SOCKET_PATH).write_text(str(victim / "lerix.sock"))
    instance.clear(folder)
    assert victim.exists()

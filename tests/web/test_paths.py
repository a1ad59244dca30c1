"""The data folder: closed to others, or refused with a sentence."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lerix_web import paths
from lerix_web.checks import data_folder_closed, loopback_only
from lerix_web.errors import DataFolderError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_folder_is_made_with_its_parents_and_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LERIX_HOME", str(tmp_path / "a" / "b c"))
    assert paths.data_folder() == tmp_path / "a" / "b c"
    assert mode(tmp_path / "a" / "b c") == 0o700


def test_an_open_folder_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    paths.private_folder(tmp_path)
    assert mode(tmp_path) == 0o700


def test_without_a_name_it_is_the_systems_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LERIX_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    assert paths.data_folder().name.lower() == "lerix"
    assert tmp_path in paths.data_folder().parents


def test_a_file_in_its_place_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for wrong in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataFolderError, match="LERIX_HOME"):
            paths.private_folder(wrong)


def test_somebody_elses_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(DataFolderError, match="belongs to another user"):
        paths.private_folder(tmp_path)


def test_a_secret_is_made_once_and_closed(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        values = set(pool.map(lambda _: paths.secret(tmp_path, "a.key"), range(32)))
    [value] = values
    assert len(value) == 43
    assert mode(tmp_path / "a.key") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a.key"]
    (tmp_path / "a.key").chmod(0o644)
    assert paths.secret(tmp_path, "a.key") == value
    assert mode(tmp_path / "a.key") == 0o600


def test_a_damaged_or_linked_secret_is_refused_without_showing_it(tmp_path: Path) -> None:
    (tmp_path / "short.key").write_text("short-secret")
    with pytest.raises(DataFolderError, match="damaged") as caught:
        paths.secret(tmp_path, "short.key")
    assert "short-secret" not in str(caught.value)
    (tmp_path / "real").write_text("x" * 43)
    (tmp_path / "link.key").symlink_to(tmp_path / "real")
    with pytest.raises(DataFolderError):
        paths.secret(tmp_path, "link.key")


def test_files_left_open_are_closed(tmp_path: Path) -> None:
    names = ["lerix.sqlite3", "lerix.sqlite3-wal", "lerix.sqlite3-shm"]
    for name in names:
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o644)
    paths.close_to_others(tmp_path)
    assert [mode(tmp_path / name) for name in names] == [0o600] * 3


def test_the_checks_hold_and_notice_an_open_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings_home: Path
) -> None:
    monkeypatch.setattr("django.conf.settings.ALLOWED_HOSTS", ["localhost", "lerix.example"])
    assert [problem.id for problem in loopback_only(None)] == ["lerix.E002"]
    assert data_folder_closed(None) == []
    (settings_home / "leak.txt").touch()
    (settings_home / "leak.txt").chmod(0o644)
    assert [problem.id for problem in data_folder_closed(None)] == ["lerix.E003"]


@pytest.fixture
def settings_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of its own, as the settings name it."""
    home = paths.private_folder(tmp_path / "home")
    monkeypatch.setattr("django.conf.settings.LERIX_HOME", home)
    return home

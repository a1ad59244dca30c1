"""Static files: their addresses, types and limits."""

from pathlib import Path

import pytest

from lerix_web.assets import StaticFiles, content_hash
from tests.web.requests import Recorder, call, scope

PREFIX = "/static/0123456789abcdef/"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lerix" / "js").mkdir(parents=True)
    (tmp_path / "lerix" / "js" / "lerix.js").write_text("let a;")
    (tmp_path / "a.css").write_text("a {}")
    return tmp_path


def test_the_address_changes_with_a_name_a_byte_and_a_file(folder: Path) -> None:
    seen = [content_hash(folder)]
    (folder / "a.css").write_text("b {}")
    seen.append(content_hash(folder))
    (folder / "a.css").rename(folder / "b.css")
    seen.append(content_hash(folder))
    (folder / "empty").touch()
    seen.append(content_hash(folder))
    (folder / ".hidden").write_text("x")
    seen.append(content_hash(folder))
    assert len(set(seen)) == len(seen)
    assert content_hash(folder) == seen[-1]


def test_the_border_between_names_and_bytes_counts(tmp_path: Path) -> None:
    for name, content in (("one/ab", "c"), ("two/a", "bc")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(content)
    assert content_hash(tmp_path / "one") != content_hash(tmp_path / "two")


def test_no_folder_is_no_files(tmp_path: Path) -> None:
    assert len(content_hash(tmp_path / "absent")) == 16


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.svg", "image/svg+xml"),
        ("a.wasm", "application/wasm"),
        ("a.webmanifest", "application/manifest+json"),
        ("A.PNG", "image/png"),
        ("a.unknown", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
def test_each_kind_of_file_has_its_type(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    answer = call(StaticFiles(Recorder(), [tmp_path], PREFIX), scope("http", "GET", PREFIX + name, {}, None))
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"x", kind)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_an_address_keeps_its_content_while_the_server_runs(folder: Path) -> None:
    files = StaticFiles(Recorder(), [folder], PREFIX)
    (folder / "a.css").write_text("changed by an upgrade")
    assert call(files, scope("http", "GET", f"{PREFIX}a.css", {}, None)).body == b"a {}"


def test_head_gives_the_length_alone(folder: Path) -> None:
    answer = call(StaticFiles(Recorder(), [folder], PREFIX), scope("http", "HEAD", f"{PREFIX}a.css", {}, None))
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "4")


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/a.css",
        "/static/0000000000000000/a.css",
        PREFIX,
        f"{PREFIX}lerix",
        f"{PREFIX}lerix/",
        f"{PREFIX}lerix/js/",
        f"{PREFIX}../a.css",
        f"{PREFIX}lerix/../a.css",
        f"{PREFIX}/a.css",
        f"{PREFIX}./a.css",
        f"{PREFIX}../../../../../../etc/passwd",
        f"{PREFIX}a.css/",
        f"{PREFIX}A.CSS",
        f"{PREFIX}a.css\x00",
    ],
)
def test_anything_else_below_static_is_not_there(folder: Path, path: str) -> None:
    behind = Recorder()
    answer = call(StaticFiles(behind, [folder], PREFIX), scope("http", "GET", path, {}, None))
    assert answer.status == 404
    assert "cache-control" not in answer.headers
    assert behind.asked == []


def test_static_files_cannot_be_written_and_other_paths_go_on(folder: Path) -> None:
    behind = Recorder()
    files = StaticFiles(behind, [folder], PREFIX)
    assert call(files, scope("http", "POST", f"{PREFIX}a.css", {}, None)).status == 405
    for path in ("/", "/static", "/chat/static/"):
        assert call(files, scope("http", "GET", path, {}, None)).status == 200
    assert behind.asked == ["/", "/static", "/chat/static/"]

"""Writing auth.json: everything else in it stays, and nothing is ever half written."""

import copy
import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.codex import auth_file
from connections.codex.auth_file import AuthFile, FileTrouble, NewTokens, Obstacle, Stored, renewed, timestamp
from connections.codex.session import Session, parse_auth
from connections.secrets import Secret
from tests.connections.far import access_token, sign_in, write

NEW = NewTokens(Secret(access_token(generation=2)), Secret("rt-2"), Secret("id.2.x"))
NOTHING = NewTokens(None, None, None)


def stored(home: Path) -> Stored:
    found = AuthFile(home).read()
    assert found is not None
    return found


def commit(home: Path, tokens: NewTokens = NEW) -> None:
    file = AuthFile(home)
    with file.locked(), file.draft(stored(home)) as draft:
        draft.commit(tokens)


def tokens_in(path: Path) -> dict[str, Any]:
    tokens: dict[str, Any] = json.loads(path.read_text())["tokens"]
    return tokens


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=8), JSON), st.dictionaries(st.text(max_size=8), JSON))
def test_what_others_put_into_the_file_stays_as_it_is(top: dict[str, Any], within: dict[str, Any]) -> None:
    content = {**top, **sign_in()}
    content["tokens"] = {**within, **content["tokens"]}
    before = copy.deepcopy(content)
    after = json.loads(renewed(content, NEW, 0))
    assert content == before
    assert list(after) == list(before)
    assert list(after["tokens"]) == list(before["tokens"])
    changed = {"last_refresh": "1970-01-01T00:00:00.000000000Z"}
    new = {"access_token": access_token(generation=2), "refresh_token": "rt-2", "id_token": "id.2.x"}
    assert after == {**before, **changed, "tokens": {**before["tokens"], **new}}


def test_it_is_written_as_the_cli_writes_it(tmp_path: Path) -> None:
    path = write(tmp_path, {**sign_in(), "ünknown": 1})
    path.chmod(0o644)
    commit(tmp_path)
    raw = path.read_text("utf-8")
    assert raw == json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
    assert not raw.endswith("\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(raw)["last_refresh"].endswith("Z")
    assert len(json.loads(raw)["last_refresh"]) == len("2026-11-22T06:47:23.884445187Z")
    assert {each.name for each in tmp_path.iterdir()} == {"auth.json", "auth.lock", "auth.json.lock"}
    assert timestamp(1_795_329_643_884_445_187) == "2026-11-22T06:40:43.884445187Z"


def test_tokens_that_were_not_given_stay_the_old_ones(tmp_path: Path) -> None:
    before = tokens_in(write(tmp_path, sign_in()))
    commit(tmp_path, NewTokens(Secret("a.b.c"), None, None))
    assert tokens_in(tmp_path / "auth.json") == {**before, "access_token": "a.b.c"}


def test_a_symlink_stays_one_and_its_target_is_written(tmp_path: Path) -> None:
    target = write(tmp_path / "elsewhere", sign_in())
    home = tmp_path / "home"
    home.mkdir()
    (home / "auth.json").symlink_to(target)
    commit(home)
    assert (home / "auth.json").is_symlink()
    assert tokens_in(target)["refresh_token"] == "rt-2"
    assert [each.name for each in target.parent.iterdir()] == ["auth.json"]


def test_a_hard_link_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    path = write(tmp_path, sign_in())
    os.link(path, tmp_path / "second")
    with pytest.raises(FileTrouble) as caught:
        commit(tmp_path)
    assert caught.value.obstacle is Obstacle.HARD_LINKED
    assert path.stat().st_nlink == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(FileTrouble) as caught:
            commit(tmp_path)
    finally:
        tmp_path.chmod(0o700)
    assert caught.value.obstacle is Obstacle.NOT_WRITABLE


def test_numbers_that_json_has_not_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    write(tmp_path, {**sign_in(), "strange": float("nan")})
    file, found = AuthFile(tmp_path), stored(tmp_path)
    with pytest.raises(FileTrouble), file.draft(found):
        pass


def test_a_login_or_a_logout_in_between_stands(tmp_path: Path) -> None:
    path = write(tmp_path, sign_in())
    file = AuthFile(tmp_path)
    with file.draft(stored(tmp_path)) as draft:
        write(tmp_path, sign_in(refresh_token="rt-login"))
        draft.commit(NEW)
    assert tokens_in(path)["refresh_token"] == "rt-login"
    with file.draft(stored(tmp_path)) as draft:
        path.unlink()
        draft.commit(NEW)
    assert not path.exists()
    assert not list(tmp_path.glob(".auth-*"))


def test_a_lock_that_is_held_is_waited_for_and_then_given_up(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    with (tmp_path / "auth.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        begun = time.monotonic()
        with pytest.raises(FileTrouble) as caught, AuthFile(tmp_path).locked(0.2):
            pass
        assert time.monotonic() - begun >= 0.2
    assert caught.value.obstacle is Obstacle.LOCKED
    with AuthFile(tmp_path).locked(0):
        pass


def test_the_new_tokens_are_written_even_if_the_moment_of_writing_is_locked_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, sign_in())
    monkeypatch.setattr(auth_file, "COMMIT_WAIT", 0.1)
    with (tmp_path / "auth.json.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        commit(tmp_path)
    assert tokens_in(path)["refresh_token"] == "rt-2"


@pytest.mark.parametrize("padded", [True, False])
def test_an_answer_that_was_written_and_not_moved_is_completed_by_the_next_renewal(
    tmp_path: Path, padded: bool
) -> None:
    path = write(tmp_path, sign_in())
    found = stored(tmp_path)
    raw = renewed(found.content, NEW, 0)
    (tmp_path / f".auth-lerix-{found.snapshot[:16]}").write_bytes(raw + b" " * 99 if padded else raw)
    assert AuthFile(tmp_path).finish(found)
    assert path.read_bytes() == raw
    assert not AuthFile(tmp_path).finish(stored(tmp_path))


@pytest.mark.parametrize("left", [b"", b" " * 500, b'{"auth_mode": "chatgpt", "tok' + b" " * 500])
def test_a_draft_that_holds_no_answer_is_thrown_away(tmp_path: Path, left: bytes) -> None:
    write(tmp_path, sign_in())
    found = stored(tmp_path)
    (tmp_path / f".auth-lerix-{found.snapshot[:16]}").write_bytes(left)
    (tmp_path / ".auth-lerix-0123456789abcdef").write_bytes(left)
    assert not AuthFile(tmp_path).finish(found)
    commit(tmp_path)
    assert not list(tmp_path.glob(".auth-*"))
    assert isinstance(parse_auth((tmp_path / "auth.json").read_bytes()), Session)


@pytest.mark.parametrize("content", [{}, sign_in(refresh_token=None), {"OPENAI_API_KEY": "sk-1"}, b"{"])
def test_what_holds_no_session_to_renew_is_left_alone(tmp_path: Path, content: Any) -> None:
    write(tmp_path, content)
    assert AuthFile(tmp_path).read() is None
    assert AuthFile(tmp_path / "nowhere").read() is None


def test_tokens_do_not_show_in_a_repr(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    assert "planted" not in repr(stored(tmp_path)) + repr(NEW)
    assert json.loads(renewed(stored(tmp_path).content, NOTHING, 0))["tokens"] == tokens_in(tmp_path / "auth.json")

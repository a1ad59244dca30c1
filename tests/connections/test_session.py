"""What Codex's files say: every content is a state, nothing raises and nothing is written."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.codex.cli import find_codex
from connections.codex.session import (
    MAX_FILE,
    ApiKeyMode,
    CliMissing,
    Fault,
    FileState,
    InKeyring,
    OtherAuthMode,
    Session,
    SessionFiles,
    SignedOut,
    Unreadable,
    parse_auth,
)
from connections.secrets import Secret
from tests.connections.far import ALICE, AUTH, BOB, NOW, access_token, jwt, sign_in, write

CODEX = Path("/usr/bin/codex")


def read(home: Path, cli: Path | None = CODEX) -> FileState:
    return SessionFiles(home, find_cli=lambda: cli).read()


def parsed(content: Any) -> FileState:
    return parse_auth(json.dumps(content).encode())


def session(content: Any) -> Session:
    state = parsed(content)
    assert isinstance(state, Session), state
    return state


def test_a_login_is_a_session_with_a_masked_address(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    state = read(tmp_path)
    assert isinstance(state, Session)
    assert (state.account.id, state.account.email, state.account.plan) == (ALICE, "a•••@example.com", "plus")
    assert state.account.expires_at == NOW + timedelta(hours=1)
    assert state.access_token.reveal() == access_token()
    assert state.renewable
    assert not state.fedramp


def test_an_older_login_without_auth_mode_is_a_session() -> None:
    content = sign_in()
    del content["auth_mode"]
    assert session(content).account.id == ALICE


def test_a_key_without_auth_mode_is_api_key_mode_also_beside_tokens() -> None:
    assert parsed({"auth_mode": "apikey", "OPENAI_API_KEY": "sk-1"}) == ApiKeyMode()
    assert parsed({"OPENAI_API_KEY": "sk-1"}) == ApiKeyMode()
    assert parsed({**sign_in(), "auth_mode": None, "OPENAI_API_KEY": "sk-1"}) == ApiKeyMode()


def test_a_chatgpt_login_that_also_made_a_key_is_a_session() -> None:
    session({**sign_in(), "OPENAI_API_KEY": "sk-1"})


@pytest.mark.parametrize(
    "content",
    [{}, {"tokens": None}, {"auth_mode": "chatgpt"}, {"tokens": {"access_token": ""}}],
)
def test_a_file_without_tokens_is_signed_out_whatever_login_status_says(content: Any) -> None:
    assert parsed(content) == SignedOut()


@pytest.mark.parametrize(
    "content",
    [
        {"auth_mode": "agentIdentity", "agent_identity": "x"},
        {"auth_mode": "personalAccessToken"},
        {"auth_mode": "chatgptAuthTokens"},
        {"auth_mode": "something of tomorrow"},
        {"personal_access_token": "at-1"},
        {"bedrock_api_key": "x"},
    ],
)
def test_other_ways_to_sign_in_are_not_usable(content: Any) -> None:
    assert parsed(content) == OtherAuthMode()


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"", Fault.NOT_JSON),
        (b"{", Fault.NOT_JSON),
        (b"\xff\xfe{}", Fault.NOT_JSON),
        (b"[" * 200_000, Fault.NOT_JSON),
        (b'{"a": ' + b"9" * 5000 + b"}", Fault.NOT_JSON),
        (b"[]", Fault.WRONG_SHAPE),
        (b'{"auth_mode": 3}', Fault.WRONG_SHAPE),
        (b'{"OPENAI_API_KEY": 3}', Fault.WRONG_SHAPE),
        (b'{"tokens": []}', Fault.WRONG_SHAPE),
        (b'{"tokens": {}}', Fault.WRONG_SHAPE),
        (b'{"tokens": {"access_token": 3}}', Fault.WRONG_SHAPE),
        (b'{"tokens": {"access_token": "a\\r\\nb", "account_id": "x"}}', Fault.UNSENDABLE),
        (b'{"tokens": {"access_token": "\\ud800", "account_id": "x"}}', Fault.UNSENDABLE),
        (b'{"tokens": {"access_token": "opaque"}}', Fault.NO_ACCOUNT),
        (b'{"tokens": {"access_token": "opaque", "account_id": "a b"}}', Fault.NO_ACCOUNT),
        (b'{"tokens": {"access_token": "opaque", "account_id": 3}}', Fault.NO_ACCOUNT),
    ],
)
def test_a_malformed_file_is_told_by_its_fault(raw: bytes, fault: Fault) -> None:
    assert parse_auth(raw) == Unreadable(fault)


def test_a_missing_account_id_is_taken_from_the_access_token_then_from_the_id_token() -> None:
    assert session(sign_in(account_id=...)).account.id == ALICE
    only_id_token = sign_in(account_id=None, access_token="opaque", id_token=jwt(**{AUTH: {"chatgpt_account_id": BOB}}))
    assert session(only_id_token).account.id == BOB


def test_what_the_cli_itself_would_not_load_is_usable_as_long_as_the_access_token_is() -> None:
    state = session(sign_in(id_token="broken", refresh_token=None))
    assert (state.account.email, state.renewable) == (None, False)
    assert not session(sign_in(refresh_token=...)).renewable


def test_the_address_may_stand_in_the_profile_claim() -> None:
    profile = jwt(**{"https://api.openai.com/profile": {"email": "bob@example.org"}})
    assert session(sign_in(id_token=profile)).account.email == "b•••@example.org"


@pytest.mark.parametrize("email", ["", "nobody", "@", "a@", "\ud800@x", "a\n@x.org", 3, None, "x" * 300 + "@y"])
def test_an_address_that_is_none_is_not_shown(email: Any) -> None:
    assert session(sign_in(id_token=jwt(email=email))).account.email is None


@pytest.mark.parametrize("exp", ["soon", True, -1, 0, 1e300, 10**30, float("nan"), [], 1732276043000])
def test_without_a_sensible_expiry_the_last_refresh_counts_eight_days(exp: Any) -> None:
    state = session(sign_in(access_token=access_token(exp=exp)))
    assert state.account.expires_at is not None
    assert state.account.expires_at.replace(microsecond=0) == datetime(2026, 11, 30, 6, 47, 23, tzinfo=UTC)


@pytest.mark.parametrize("last", [None, 3, "", "yesterday", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"])
def test_without_any_sensible_time_the_expiry_is_unknown(last: Any) -> None:
    content = {**sign_in(access_token=access_token(exp="?")), "last_refresh": last}
    assert session(content).account.expires_at is None


def test_an_account_of_the_government_cloud_is_known_by_its_claim() -> None:
    claim = jwt(**{AUTH: {"chatgpt_account_is_fedramp": True}})
    assert session(sign_in(id_token=claim)).fedramp


def test_without_a_file_it_matters_whether_the_cli_is_there(tmp_path: Path) -> None:
    assert read(tmp_path) == SignedOut()
    assert read(tmp_path, None) == CliMissing()
    assert read(tmp_path / "nowhere", None) == CliMissing()


@pytest.mark.parametrize("store", ["keyring", "auto", "ephemeral"])
def test_a_sign_in_kept_elsewhere_is_told_by_the_cli_s_settings(tmp_path: Path, store: str) -> None:
    (tmp_path / "config.toml").write_text(f'model = "x"\ncli_auth_credentials_store = "{store}"\n')
    assert read(tmp_path) == InKeyring(store)
    write(tmp_path, sign_in())
    assert isinstance(read(tmp_path), Session)


@pytest.mark.parametrize(
    "text",
    [b'cli_auth_credentials_store = "file"', b"cli_auth_credentials_store = 3", b"= broken", b"\xff", b""],
)
def test_settings_that_say_nothing_of_the_kind_leave_it_at_signed_out(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "config.toml").write_bytes(text)
    assert read(tmp_path) == SignedOut()


def test_a_link_to_the_file_is_followed(tmp_path: Path) -> None:
    elsewhere = write(tmp_path / "elsewhere", sign_in())
    (tmp_path / "auth.json").symlink_to(elsewhere)
    assert isinstance(read(tmp_path), Session)


def test_a_folder_a_pipe_or_a_large_file_in_its_place_is_told_and_does_not_hang(tmp_path: Path) -> None:
    auth = tmp_path / "auth.json"
    auth.mkdir()
    assert read(tmp_path) == Unreadable(Fault.NOT_A_FILE)
    auth.rmdir()
    os.mkfifo(auth)
    assert read(tmp_path) == Unreadable(Fault.NOT_A_FILE)
    auth.unlink()
    auth.write_bytes(b" " * (MAX_FILE + 1))
    assert read(tmp_path) == Unreadable(Fault.TOO_LARGE)
    auth.write_bytes(json.dumps(sign_in()).encode().ljust(MAX_FILE))
    assert isinstance(read(tmp_path), Session)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_lerix_may_not_read_is_told(tmp_path: Path) -> None:
    write(tmp_path, sign_in()).chmod(0)
    assert read(tmp_path) == Unreadable(Fault.NOT_ALLOWED)


def test_a_home_that_cannot_exist_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert read(tmp_path / "file") == Unreadable(Fault.NOT_READABLE)
    assert read(tmp_path / "nul\0") == Unreadable(Fault.NOT_READABLE)
    assert SessionFiles(tmp_path / "nul\0").look() == ("ValueError",)


def test_descriptors_are_closed_whatever_is_found(tmp_path: Path) -> None:
    (tmp_path / "auth.json").mkdir()
    spare = os.open(tmp_path, os.O_RDONLY)
    os.close(spare)
    for _ in range(20):
        read(tmp_path)
    # The lowest free number is given first, so it would have grown.
    again = os.open(tmp_path, os.O_RDONLY)
    os.close(again)
    assert again == spare


def test_reading_leaves_every_file_as_it_was(tmp_path: Path) -> None:
    auth = write(tmp_path, sign_in())
    auth.chmod(0o400)
    before = auth.stat(), auth.read_bytes(), sorted(tmp_path.iterdir())
    files = SessionFiles(tmp_path)
    files.look()
    files.read()
    after = auth.stat(), auth.read_bytes(), sorted(tmp_path.iterdir())
    assert (after[0].st_ino, after[0].st_mtime_ns, after[0].st_mode) == (
        before[0].st_ino,
        before[0].st_mtime_ns,
        before[0].st_mode,
    )
    assert after[1:] == before[1:]


def test_a_look_tells_when_file_settings_or_program_change(tmp_path: Path) -> None:
    found: list[Path] = []
    files = SessionFiles(tmp_path, find_cli=lambda: found[0] if found else None)
    looks = [files.look()]
    found.append(CODEX)
    looks.append(files.look())
    (tmp_path / "config.toml").write_text("")
    looks.append(files.look())
    auth = write(tmp_path, sign_in())
    looks.append(files.look())
    auth.chmod(0o400)
    looks.append(files.look())
    assert files.look() == looks[-1]
    assert len(set(looks)) == len(looks)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
TOKENS = st.dictionaries(
    st.sampled_from(["id_token", "access_token", "refresh_token", "account_id"]),
    JSON | st.sampled_from([access_token(), "opaque", "a.b.c", "..", "é.é.é"]),
)
CLAIMS = st.dictionaries(st.sampled_from(["exp", "email", AUTH, "https://api.openai.com/profile"]), JSON)


@given(st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_raise(raw: bytes) -> None:
    assert isinstance(parse_auth(raw), FileState)


@given(
    st.dictionaries(st.sampled_from(["auth_mode", "OPENAI_API_KEY", "last_refresh"]), JSON | st.just("chatgpt")),
    TOKENS | JSON,
)
def test_no_tokens_raise(content: dict[str, Any], tokens: Any) -> None:
    assert isinstance(parsed({**content, "tokens": tokens}), FileState)


@given(CLAIMS, CLAIMS)
def test_no_claims_raise(access: dict[str, Any], identity: dict[str, Any]) -> None:
    assert isinstance(parsed(sign_in(access_token=jwt(**access), id_token=jwt(**identity))), FileState)


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret("planted")
    state = session(sign_in())
    for text in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{[secret]}",
        repr(state),
        str(state),
        repr(vars(state)),
    ):
        assert "planted" not in text
    assert (secret == Secret("planted"), secret == Secret("other"), secret == "planted") == (
        True,
        False,
        False,
    )
    assert hash(secret) == hash(Secret("planted"))
    with pytest.raises(TypeError):
        secret.__reduce__()


def test_the_program_is_found_on_the_path_and_in_the_usual_places(tmp_path: Path) -> None:
    assert find_codex(path="", home=tmp_path) in (
        None,
        *map(Path, ("/opt/homebrew/bin/codex", "/usr/local/bin/codex")),
    )
    for place in ("bin", ".local/bin", ".nvm/versions/node/v24.0.0/bin"):
        program = tmp_path / place / "codex"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    assert find_codex(path=str(tmp_path / "bin"), home=tmp_path) == tmp_path / "bin" / "codex"
    assert find_codex(path="/nowhere", home=tmp_path) == tmp_path / ".local/bin/codex"
    (tmp_path / ".local/bin/codex").unlink()
    assert find_codex(path="/nowhere", home=tmp_path) == tmp_path / ".nvm/versions/node/v24.0.0/bin/codex"

"""Environment variables: what is taken, and what is refused with a sentence."""

import os
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from lerix_web.settings.base import local_zone
from lerix_web.settings.env import env_choice, env_int, env_path, env_str, env_url
from tests.serving import LerixProcess

NAME = "LERIX_TRY"


def test_an_unset_or_blank_variable_gives_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, "", "  "):
        monkeypatch.delenv(NAME, raising=False)
        if value is not None:
            monkeypatch.setenv(NAME, value)
        assert env_str(NAME, "a") == "a"
        assert env_int(NAME, 7, low=0, high=9) == 7
        assert env_url(NAME, "https://a.example/v1") == "https://a.example/v1"
        assert env_path(NAME, Path("~/x")) == Path("~/x").expanduser()


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "70000", "٣", "0x10", "9" * 5000])
def test_a_wrong_number_is_named_with_a_good_example(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    with pytest.raises(ImproperlyConfigured) as caught:
        env_int(NAME, 7717, low=0, high=65535)
    assert str(caught.value) == f"{NAME} must be a whole number from 0 to 65535. For example: {NAME}=7717"


def test_a_choice_is_one_of_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    choices = ("model", "words")
    for value, taken in (("", "model"), ("words", "words")):
        monkeypatch.setenv(NAME, value)
        assert env_choice(NAME, "model", choices=choices) == taken
    monkeypatch.setenv(NAME, "Words")
    with pytest.raises(ImproperlyConfigured) as caught:
        env_choice(NAME, "model", choices=choices)
    assert str(caught.value) == f"{NAME} must be model or words. For example: {NAME}=model"


@pytest.mark.parametrize("value", ["http://127.0.0.1:9/v1/", "http://localhost:9/v1", "https://a.example/v1///"])
def test_a_good_address_loses_its_last_slash(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    assert env_url(NAME, "") == value.rstrip("/")


@pytest.mark.parametrize(
    "value",
    [
        "a.example",
        "ftp://a.example",
        "http://a.example",
        "http://localhost.a.example",
        "https://",
        "https://a.example:x",
        "https://a.example:99999",
        "https://[::1",
        "https://u:hidden@a.example",
        "https://a.example/?key=hidden",
        "https://a.example/#hidden",
        "https://a b.example",
    ],
)
def test_a_wrong_address_is_refused_without_repeating_it(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    with pytest.raises(ImproperlyConfigured, match=NAME) as caught:
        env_url(NAME, "https://good.example/v1")
    assert "hidden" not in str(caught.value)
    assert "https://good.example/v1" in str(caught.value)


def test_a_relative_path_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "codex")
    with pytest.raises(ImproperlyConfigured, match="absolute path"):
        env_path(NAME, Path("~/.codex"))


def test_the_time_zone_comes_from_tz_then_from_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    zone = tmp_path / "zoneinfo" / "Europe" / "Zurich"
    zone.parent.mkdir(parents=True)
    zone.touch()
    localtime = tmp_path / "localtime"
    localtime.symlink_to(zone)
    monkeypatch.delenv("TZ", raising=False)
    assert local_zone(localtime) == "Europe/Zurich"
    monkeypatch.setenv("TZ", ":America/New_York")
    assert local_zone(localtime) == "America/New_York"
    for odd in ("CET-1CEST,M3.5.0,M10.5.0/3", "/etc/passwd", "../../etc/passwd", "No/Such", "Europe"):
        monkeypatch.setenv("TZ", odd)
        assert local_zone(localtime) == "Europe/Zurich"
    assert local_zone(tmp_path / "absent") == "UTC"


@pytest.mark.parametrize(
    ("name", "value"),
    [("LERIX_PORT", "x"), ("LERIX_CODEX_BASE_URL", "x"), ("CODEX_HOME", "x"), ("LERIX_HOME", "x")],
)
def test_a_wrong_variable_ends_every_command_with_one_sentence(tmp_path: Path, name: str, value: str) -> None:
    lerix = LerixProcess(home=tmp_path / "data", env={name: value})
    for command in (["serve", "--no-browser"], ["check"], ["open"]):
        answer = lerix.run(*command)
        assert (answer.returncode, answer.stdout) == (1, "")
        assert answer.stderr.startswith(name)
        assert answer.stderr.count("\n") == 1


def test_what_the_settings_promise() -> None:
    assert settings.DEBUG is False
    assert settings.USE_TZ is True
    assert settings.ALLOWED_HOSTS == ["localhost", "127.0.0.1", "[::1]"] or "testserver" in settings.ALLOWED_HOSTS
    assert settings.STATIC_URL.startswith("/static/")
    assert len(settings.STATIC_URL) == len("/static//") + 16
    names = " ".join([*settings.MIDDLEWARE, *settings.INSTALLED_APPS])
    assert "sessions" not in names
    assert "messages" not in names
    assert os.fspath(settings.LERIX_HOME).startswith(os.environ["LERIX_HOME"])
    assert connection.settings_dict["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


@pytest.mark.parametrize("value", ["https://b.example.com/path", "http://broker.example.com", "broker.example.com"])
def test_the_broker_is_named_by_a_bare_secure_address(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    with pytest.raises(ImproperlyConfigured, match=f"For example: {NAME}=https://b.example") as refused:
        env_url(NAME, "", example="https://b.example", bare=True)
    assert value not in str(refused.value)
    monkeypatch.setenv(NAME, "https://broker.example.com:8443/")
    assert env_url(NAME, "", example="https://b.example", bare=True) == "https://broker.example.com:8443"

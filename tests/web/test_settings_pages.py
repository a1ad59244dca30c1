"""Settings > General and About, asked as a browser asks them."""

import os
import re
import stat
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pytest
from django.conf import settings
from django.test import AsyncClient
from packaging.requirements import Requirement

import lerix_web
from chat import preferences
from chat.preferences import Preferences, SendKey, Theme
from lerix_web import facts, licences, paths
from lerix_web.pages import about

ROOT = Path(__file__).resolve().parents[2]
GENERAL = "/settings/general/"
#: Pages of each kind: chat, a chat that is not there, and settings.
PAGES = ("/", "/chats/00000000-0000-0000-0000-000000000000/", GENERAL, "/settings/connections/", "/settings/about/")


@pytest.fixture
def browser(db: None) -> AsyncClient:
    return AsyncClient(headers={"host": "localhost"})


@pytest.fixture(autouse=True)
def _nothing_set() -> Iterator[None]:
    preferences._held = Preferences()
    yield
    preferences._held = Preferences()


async def text(browser: AsyncClient, address: str) -> str:
    answer = await browser.get(address)
    return str(answer.content.decode())


async def test_settings_shows_general_with_the_way_to_the_others(browser: AsyncClient) -> None:
    answer = await browser.get("/settings/", follow=True)
    page = answer.content.decode()
    assert '<a class="settings-link" href="/settings/general/" aria-current="page">' in page
    for address in ("/settings/connections/", "/settings/about/"):
        assert f'<a class="settings-link" href="{address}">' in page


@pytest.mark.parametrize("theme", Theme)
async def test_every_page_is_rendered_in_the_theme(browser: AsyncClient, theme: Theme) -> None:
    answer = await browser.post(GENERAL, {"theme": theme.value})
    assert (answer.status_code, "Saved" in answer.content.decode()) == (200, True)
    for address in PAGES:
        page = await text(browser, address)
        html = re.search(r"<html[^>]*>", page)
        assert html is not None
        wanted = '<html lang="en">' if theme is Theme.SYSTEM else f'<html lang="en" data-theme="{theme}">'
        assert html[0] == wanted, address
        scheme = "light dark" if theme is Theme.SYSTEM else theme
        assert f'<meta name="color-scheme" content="{scheme}">' in page


async def test_the_send_key_is_told_to_the_composer(browser: AsyncClient) -> None:
    assert "data-send-key" not in await text(browser, "/")
    await browser.post(GENERAL, {"send_key": "modified"})
    assert '<body data-send-key="modified">' in await text(browser, "/")
    assert preferences.current().send_key is SendKey.MODIFIED


async def test_the_page_shows_what_is_set_and_no_markup_of_it(browser: AsyncClient) -> None:
    await browser.post(GENERAL, {"theme": "dark"})
    await browser.post(GENERAL, {"instructions": '\n</textarea><script>alert("x")</script>'})
    page = await text(browser, GENERAL)
    assert re.search(r'value="dark" checked', page)
    # The first line end after the tag is the template's: HTML drops one.
    assert "\n\n&lt;/textarea&gt;&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;</textarea>" in page


@pytest.mark.parametrize(
    "form", [{}, {"theme": "pink"}, {"choice": "x"}, {"send_key": ""}, {"instructions": "x" * 8001}]
)
async def test_a_setting_that_is_refused_is_a_sentence(browser: AsyncClient, form: dict[str, str]) -> None:
    answer = await browser.post(GENERAL, form)
    assert answer.status_code == 422
    assert unquote(answer["X-Lerix-Sentence"]).endswith(".")
    assert preferences.current() == Preferences()


async def test_settings_take_no_other_methods(browser: AsyncClient) -> None:
    assert (await browser.put(GENERAL)).status_code == 405
    assert (await browser.post("/settings/about/")).status_code == 405


async def test_about_names_versions_folder_and_licences(browser: AsyncClient) -> None:
    page = await text(browser, "/settings/about/")
    for name, version in facts.versions().items():
        assert f"<dt>{name}</dt><dd>{version}</dd>" in page
    assert str(settings.LERIX_HOME) in page
    for part in (*licences.carried(), *licences.packages()):
        assert part.name in page
    assert '<a class="button" href="/admin/">' in page
    assert lerix_web.__version__ in page


async def test_about_asks_the_codex_cli_once_for_each_version(
    browser: AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, asked = _codex(tmp_path, "echo codex-cli 0.169.0"), tmp_path / "asked"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(facts, "codex_version", partial(facts.codex_version, seconds=60.0))
    about._codex.clear()
    for _ in range(2):
        assert "<dt>Codex CLI</dt><dd>0.169.0</dd>" in await text(browser, "/settings/about/")
    assert asked.read_text().count("\n") == 1
    program.write_text(program.read_text().replace("0.169.0", "0.170.0"))
    os.utime(program, (1, 1))
    assert "<dt>Codex CLI</dt><dd>0.170.0</dd>" in await text(browser, "/settings/about/")


@pytest.mark.parametrize(
    "script", ["exit 3", "echo 1.2.3; exit 1", "echo no version here", "sleep 60", "head -c 9999999 /dev/zero"]
)
async def test_a_codex_that_does_not_say_its_version_is_no_error(tmp_path: Path, script: str) -> None:
    assert await facts.codex_version(_codex(tmp_path, script), seconds=0.5) is None


async def test_a_codex_that_cannot_be_started_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "codex").write_text("no program")
    assert await facts.codex_version(tmp_path / "codex") is None


def _codex(folder: Path, script: str) -> Path:
    program = folder / "codex"
    program.write_text(f'#!/bin/sh\necho asked >> "{folder}/asked"\n{script}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def test_the_packages_named_are_those_that_pyproject_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert sorted(licences.NEEDED) == sorted(Requirement(text).name for text in project["project"]["dependencies"])


def test_what_the_needed_packages_need_is_named_too_with_a_licence() -> None:
    found = {part.name.lower(): part for part in licences.packages()}
    assert {"django", "sqlparse", "asgiref", "httpcore", "twisted", "cffi"} <= set(found)
    assert "pytest" not in found
    assert all(part.version and part.licence for part in found.values())
    assert found["django"].licence == "BSD-3-Clause"


def test_the_size_of_the_database_counts_what_is_not_merged_yet(tmp_path: Path) -> None:
    database = paths.database_path(tmp_path)
    assert facts.database_size(database) == 0
    database.write_bytes(b"x" * 10)
    (tmp_path / "lerix.sqlite3-wal").write_bytes(b"x" * 5)
    assert facts.database_size(database) == 15

"""What Settings > Account shows, and what an open page of it is told."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace

from django.test import AsyncClient

from relay.account.guide import section
from relay.account.pages import OWN_PLANS, Pieces, lacking
from tests.relay.account_fake import DIGITS, FREE, PRO, SIGNED_IN, FakeAccount


def targets(pieces: str) -> list[str]:
    return re.findall(r'<hx-partial hx-target="([^"]*)"', pieces)


async def test_an_open_page_gets_only_what_has_changed(fake: FakeAccount) -> None:
    pieces = Pieces()
    assert targets(await pieces.new()) == ["#account"]
    assert await pieces.new() == ""
    fake.view = replace(fake.view, broker=replace(fake.view.broker, running=False))
    assert targets(await pieces.new()) == ["#account-broker"]
    fake.view = SIGNED_IN
    assert targets(await pieces.new()) == ["#account"]
    fake.view = replace(SIGNED_IN, plan=PRO)
    assert targets(await pieces.new()) == ["#account-devices", "#account-plan"]
    # What the page said was done is not said any more beside an alarm.
    fake.view = replace(fake.view, digits=DIGITS)
    assert targets(await pieces.new()) == ["#account-said", "#account-banners", "#account-own"]
    fake.view = replace(fake.view, signed_in=False, revoked=True, digits=None)
    assert targets(await pieces.new()) == ["#account"]


async def test_a_page_that_joins_again_gets_nothing_of_what_it_has(fake: FakeAccount) -> None:
    fake.view = SIGNED_IN
    pieces = Pieces()
    await pieces.new()
    had = pieces.position
    assert re.fullmatch(r"[!-~]{20,500}", had)
    again = Pieces(had)
    assert await again.new() == ""
    assert again.position == had
    fake.view = replace(SIGNED_IN, plan=PRO)
    assert targets(await again.new()) == ["#account-devices", "#account-plan"]
    assert targets(await Pieces(had).new()) == ["#account-devices", "#account-plan"]
    fake.view = replace(fake.view, digits=DIGITS)
    told = targets(await Pieces(had).new())
    assert "#account-banners" in told
    # What a page said as it was opened stays.
    assert "#account-said" not in told
    fake.view = replace(fake.view, signed_in=False, revoked=True, digits=None)
    assert targets(await Pieces(had).new()) == ["#account"]
    for other in ("", "10", "10.own", "no position", had[:40], had[3:]):
        fake.view = SIGNED_IN
        assert targets(await Pieces(other).new())


async def test_digits_that_are_compared_are_not_replaced_under_the_persons_eyes(fake: FakeAccount) -> None:
    fake.view = replace(SIGNED_IN, digits=DIGITS)
    pieces = Pieces()
    assert DIGITS in await pieces.new()
    fake.view = replace(SIGNED_IN, digits=" ".join(["99999"] * 6))
    assert "99999" not in await pieces.new()
    fake.view = SIGNED_IN
    assert "#account-banners" in targets(await pieces.new())
    fake.view = replace(SIGNED_IN, digits=DIGITS)
    assert DIGITS in await pieces.new()


async def test_plans_are_compared_row_by_row(fake: FakeAccount, browser: AsyncClient) -> None:
    fake.view = replace(SIGNED_IN, used=FREE.quota)
    html = (await browser.get("/settings/account/")).content.decode()
    for name in (
        "API keys",
        "Chats",
        "Files and images",
        "Settings and workspace",
        "Codex Relay",
        "Storage",
        "Devices",
    ):
        assert f'<th scope="row">{name}<small>' in html
    assert html.count("Your plan</span>") == 1
    assert "The storage is full" in html
    assert "Nothing is deleted" in html
    assert lacking(FREE) == "synced chats, files and images, settings and Codex Relay"
    assert lacking(PRO) == lacking(None) == ""


def test_the_plans_shown_before_the_own_broker_runs_are_those_that_it_has() -> None:
    listed = importlib.import_module("relay.broker.migrations.0002_plans").PLANS
    flags = ("sync_chats", "sync_files", "sync_settings", "relay")
    assert [plan.to_json() for plan in OWN_PLANS] == [
        {"sync_keys": True, **dict.fromkeys(flags, False)} | {k: v for k, v in plan.items() if k != "position"}
        for plan in listed
    ]


def test_the_guide_is_one_section_of_the_readme() -> None:
    readme = (
        "# Lerix\n\n## Running a broker\n\nLike so:\n\n```sh\n## no heading\nlerix broker\n```\n\n### More\n\n## Next\n"
    )
    found = section(readme, "Running a broker")
    assert found is not None
    assert found.startswith("Like so:")
    assert "## no heading\nlerix broker" in found
    assert found.endswith("### More")
    assert section(readme, "Nothing") is None

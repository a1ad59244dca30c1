"""The plan's limits: quietly before they are reached, with their real lengths and reset times."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Desk, answers, picture, send
from tests.upstream import Upstream

pytestmark = pytest.mark.usefixtures("models_on")


def usage(page: Page, desk: Desk) -> None:
    page.goto(f"{desk.lerix.url}/settings/connections/")


def test_low_usage_is_on_the_card_and_not_in_the_composer(desk: Desk, up: Upstream) -> None:
    page = desk.page()
    up.set_usage(primary_percent=12, secondary_percent=34)
    send(page, "Hi")
    answers(page)(1)
    expect(page.locator("#composer-note")).to_be_empty()
    usage(page, desk)
    card = page.get_by_role("region", name="Codex session auth")
    expect(card.get_by_role("progressbar", name="5 hours")).to_have_attribute("value", "12")
    expect(card.get_by_role("progressbar", name="1 week")).to_have_attribute("value", "34")
    expect(card.get_by_role("group", name="Usage")).to_contain_text("12 % used, resets")
    picture(page, "usage-card")


def test_from_80_per_cent_the_composer_mentions_it_and_a_restart_does_not_forget(desk: Desk, up: Upstream) -> None:
    page = desk.page()
    up.set_usage(primary_percent=84, secondary_percent=34)
    send(page, "Hi")
    answers(page)(1)
    note = page.locator("#composer-note")
    expect(note).to_contain_text("84 % of the limit for 5 hours is used. It resets")
    picture(page, "usage-composer")
    desk.lerix.restart()
    page = desk.page()
    expect(page.locator("#composer-note")).to_contain_text("84 % of the limit for 5 hours is used")
    expect(page.locator("#model-now")).to_contain_text("GPT-6.1 Sol")
    up.set_usage(primary_percent=3, secondary_percent=34)
    send(page, "Hi")
    answers(page)(1)
    expect(page.locator("#composer-note")).to_be_empty()

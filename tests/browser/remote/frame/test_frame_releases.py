"""A Mac and a broker of different releases: they work, or it is said which side to update."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

import lerix_web
from tests.browser.remote.frame.conftest import Away, inside

SAME = lerix_web.__version__
#: Files that this broker has, and one that it has not.
OWN, NEW = "lerix/js/lerix.js", "lerix/js/of-another-release.js"


def answer(version: str | None, *files: str) -> tuple[int, dict[str, str], bytes]:
    """A page as a Mac of that version gives it, which wants these files under an address of its own release."""
    scripts = "".join(f'<script src="/static/0123456789abcdef/{name}" defer></script>' for name in files)
    page = f"<!doctype html><html><head><title>Releases</title>{scripts}</head><body><main>Here</main></body></html>"
    named = {} if version is None else {"lerix-version": version}
    return 200, {"content-type": "text/html; charset=utf-8", **named}, page.encode()


@pytest.mark.parametrize(
    ("version", "files", "said"),
    [
        ("99.0.0", (NEW,), "Ada’s Mac has a newer Lerix than "),
        ("0.0.1", (NEW,), "Ada’s Mac has an older Lerix than "),
        ("99.0.0", (OWN,), ""),
        ("0.0.1", (OWN,), ""),
        (SAME, (NEW,), ""),
        (None, (OWN,), ""),
    ],
)
def test_what_the_broker_lacks_says_which_side_to_update_and_the_page_is_there(
    away: Away, version: str | None, files: tuple[str, ...], said: str
) -> None:
    away.double.answers["/releases/"] = answer(version, *files)
    page = away.page("/app/releases/")
    shown = inside(page)
    expect(shown.get_by_text("Here")).to_be_visible()
    expect(page).to_have_title("Releases")
    bar = page.locator("#bar")
    if said:
        expect(bar).to_contain_text(said)
    else:
        expect(bar).not_to_contain_text("Lerix than")

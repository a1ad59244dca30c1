"""Settings > Account, asked as a browser asks it, with an account that only notes what it is asked for."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from django.test import AsyncClient

from relay.account.errors import AccountError, CodesChanged, KeysRefused, PasswordWeak, Unreachable
from relay.account.forms import SAID, Note, Notes
from relay.account.keys.errors import RetypeDiffers
from relay.account.refusals import DevicesFull, SlowDown, WrongCode, WrongLogin, WrongPassword, WrongRecoveryKey
from relay.account.state import NoticeView
from tests.relay.account_fake import DIGITS, EMAIL, KEY, SIGNED_IN, FakeAccount, device

BASE = "/settings/account/"
PASSWORD, OTHER = "a-planted-password", "another-planted-password"
DEVICE = device(2, "").hex
OTHER_DIGITS = " ".join(["99999"] * 6)
SAYS = re.compile(r'id="account-said" role="status">(.*?)</div>\s*<div class="account"', re.DOTALL)


async def text(browser: AsyncClient, path: str, **data: Any) -> str:
    response = await (browser.post(BASE + path, data) if data else browser.get(BASE + path))
    return response.content.decode()


class Htmx:
    """A browser that asks for pieces of pages."""

    def __init__(self, browser: AsyncClient) -> None:
        self._browser = browser

    async def get(self, path: str) -> Any:
        return await self._browser.get(path, headers={"hx-request": "true"})

    async def post(self, path: str, data: Any = None) -> Any:
        return await self._browser.post(path, data or {}, headers={"hx-request": "true"})


async def begun(browser: AsyncClient, path: str = "create/", **data: Any) -> str:
    """Begin something, and return the path of its next step."""
    form = {"email": EMAIL, "password": PASSWORD, "name": "Studio"} | data
    response = await browser.post(BASE + path, form)
    assert response.status_code == 303
    return str(response["location"]).removeprefix(BASE)


async def shown_key(browser: AsyncClient) -> str:
    step = await begun(browser)
    await browser.post(BASE + step, {"step": "code", "code": "1234 5678"})
    return step


def told(response: Any) -> str:
    """What the index says was done, by the address that a browser is sent to."""
    address = response.get("HX-Redirect") or response["location"]
    assert address.startswith(BASE)
    return str(address).removeprefix(BASE)


async def said(browser: AsyncClient, response: Any) -> str:
    """What the page that a browser is sent to says, and says once."""
    path = told(response)
    (words,) = SAYS.findall(await text(browser, path))
    assert [again.strip() for again in SAYS.findall(await text(browser, path))] == [""]
    return unescape(re.sub(r"<[^>]*>", "", words)).strip()


async def test_what_was_typed_is_kept_but_no_password(fake: FakeAccount, browser: AsyncClient) -> None:
    fake.refuse = PasswordWeak("Easy to guess. Nothing was changed.")
    form = {"email": '"ada"@example.com', "password": PASSWORD, "name": "<Studio>"}
    html = await text(browser, "create/", **form)
    assert 'value="&quot;ada&quot;@example.com"' in html
    assert 'value="&lt;Studio&gt;"' in html
    assert PASSWORD not in html
    (field,) = re.findall(r"<input[^>]*name=\"password\"[^>]*>", html)
    assert 'aria-invalid="true"' in field
    assert 'autocomplete="new-password"' in field
    assert "autofocus" in field
    assert "problem-password" in field
    assert '<p class="key-problem" id="problem-password" role="alert">' in html


REFUSALS: list[tuple[str, dict[str, str], AccountError, str]] = [
    ("sign-in/", {"email": EMAIL, "password": PASSWORD}, WrongLogin(), "password"),
    ("password/", {"password": PASSWORD, "new_password": OTHER}, WrongPassword(), "password"),
    ("password/", {"password": PASSWORD, "new_password": OTHER}, PasswordWeak("Weak."), "new_password"),
    ("keys/", {"password": PASSWORD, "new_password": OTHER}, PasswordWeak("Weak."), "new_password"),
    ("recovery-key/", {"password": PASSWORD}, WrongPassword(), "password"),
    ("delete/", {"password": PASSWORD, "sure": "yes"}, WrongPassword(), "password"),
    ("sign-out-everywhere/", {"password": PASSWORD}, WrongPassword(), "password"),
    (f"devices/{DEVICE}/remove/", {"password": PASSWORD}, WrongPassword(), "password"),
    ("recover/", {"email": EMAIL}, Unreachable(), "form"),
    ("erase/", {"email": EMAIL}, SlowDown(retry_after=600), "form"),
]


@pytest.mark.parametrize(("path", "form", "error", "at"), REFUSALS, ids=[f"{path}{at}" for path, _, _, at in REFUSALS])
async def test_each_form_says_why_it_was_not_taken(
    fake: FakeAccount, browser: AsyncClient, path: str, form: dict[str, str], error: AccountError, at: str
) -> None:
    if path not in {"sign-in/", "recover/", "erase/"}:
        fake.view = SIGNED_IN
    for client in (browser, Htmx(browser)):
        fake.refuse = error
        html = (await client.post(BASE + path, form)).content.decode()
        assert f'id="problem-{at}" role="alert"' in html
        assert error.sentence in html
        assert PASSWORD not in html
        assert OTHER not in html


async def test_no_report_of_an_error_holds_what_was_typed_into_a_secret_field(
    fake: FakeAccount, browser: AsyncClient
) -> None:
    for path, form, _, _ in REFUSALS:
        fake.view = SIGNED_IN if "email" not in form else replace(SIGNED_IN, signed_in=False)
        response = await browser.post(BASE + path, form)
        hidden = getattr(response.asgi_request, "sensitive_post_parameters", ())
        assert {name for name in form if "password" in name} <= set(hidden), path
    step = await begun(browser, "recover/") if not fake.view.signed_in else "steps/none/"
    response = await browser.post(BASE + step, {"step": "code", "code": "1"})
    hidden = getattr(response.asgi_request, "sensitive_post_parameters", ())
    assert {"password", "key", "code"} <= set(hidden)


async def test_creating_an_account_goes_step_by_step(fake: FakeAccount, browser: AsyncClient) -> None:
    step = await begun(browser)
    assert fake.asked[-1][1][1].reveal() == PASSWORD
    html = await text(browser, step)
    assert "12345678" in html
    assert 'autocomplete="one-time-code"' in html
    fake.refuse = WrongCode()
    html = await text(browser, step, step="code", code="00000000")
    assert 'id="problem-code"' in html
    await browser.post(BASE + step, {"step": "code", "code": "1234 5678"})
    assert fake.asked[-1] == ("enter_code", ("12345678",))
    assert KEY in await text(browser, step)
    # A form of an earlier step, from another tab, does nothing.
    response = await browser.post(BASE + step, {"step": "confirm", "sure": "yes"})
    assert fake.asked[-1][0] == "enter_code"
    check = await text(browser, f"{step}check/")
    assert KEY not in check
    assert not [group for group in KEY.split("-")[1:] if group in check]
    fake.refuse = KeysRefused(RetypeDiffers())
    refused = await text(browser, f"{step}check/", **{"group-2": "AAAA", "group-5": "BBBB", "group-8": "CCCC"})
    assert 'id="problem-key" role="alert"' in refused
    assert "AAAA" not in refused
    groups = {"group-2": "9qxd", "group-5": "5NCV", "group-8": "6SAK"}
    response = await browser.post(f"{BASE}{step}check/", groups)
    assert fake.asked[-1][1][0] == {1: "9qxd", 4: "5NCV", 7: "6SAK"}
    assert await said(browser, response) == SAID["created"]
    over = await browser.get(BASE + step)
    assert over.status_code == 410
    assert KEY not in over.content.decode()


async def test_the_recovery_key_comes_as_a_file(fake: FakeAccount, browser: AsyncClient) -> None:
    step = await begun(browser)
    assert (await browser.get(f"{BASE}{step}file/")).status_code == 410
    await browser.post(BASE + step, {"step": "code", "code": "12345678"})
    response = await browser.get(f"{BASE}{step}file/")
    assert response["content-type"] == "text/plain; charset=utf-8"
    assert response["content-disposition"] == 'attachment; filename="lerix-recovery-key.txt"'
    assert KEY in response.content.decode()
    assert EMAIL in response.content.decode()


async def test_a_code_that_was_mailed_is_not_in_the_page_and_can_be_sent_again(
    fake: FakeAccount, browser: AsyncClient
) -> None:
    fake.code = None
    step = await begun(browser)
    assert "A code was sent to" in await text(browser, step)
    response = await browser.post(f"{BASE}{step}resend/")
    assert "Another code was sent to" in response.content.decode()
    fake.refuse = SlowDown(retry_after=120)
    refused = (await browser.post(f"{BASE}{step}resend/")).content.decode()
    assert "There were too many tries." in refused


async def test_going_back_keeps_the_address_and_begins_anew(fake: FakeAccount, browser: AsyncClient) -> None:
    step = await begun(browser)
    pending = step.split("/")[1]
    assert f'value="{EMAIL}"' in await text(browser, f"create/?before={pending}")
    await begun(browser, before=pending)
    assert fake.pending(pending) is None


async def test_cancelling_drops_what_was_begun(fake: FakeAccount, browser: AsyncClient) -> None:
    step = await shown_key(browser)
    response = await browser.post(f"{BASE}{step}cancel/")
    assert await said(browser, response) == SAID["cancelled"]
    assert fake.pending(step.split("/")[1]) is None


async def test_recovering_asks_for_the_key_then_for_a_new_password(fake: FakeAccount, browser: AsyncClient) -> None:
    step = await begun(browser, "recover/")
    await browser.post(BASE + step, {"step": "code", "code": "12345678"})
    fake.refuse = WrongRecoveryKey()
    html = await text(browser, step, step="enter-key", key="LRX1-planted")
    assert 'id="problem-key"' in html
    assert "planted" not in html
    await browser.post(BASE + step, {"step": "enter-key", "key": KEY})
    assert fake.asked[-1][1][0].reveal() == KEY
    response = await browser.post(BASE + step, {"step": "new-password", "password": PASSWORD, "name": "Studio"})
    assert await said(browser, response) == SAID["recovered"]


async def test_nothing_is_erased_or_deleted_without_a_clear_word(fake: FakeAccount, browser: AsyncClient) -> None:
    step = await begun(browser, "erase/")
    await browser.post(BASE + step, {"step": "code", "code": "12345678"})
    assert "Nothing was erased." in await text(browser, step, step="confirm")
    assert fake.asked[-1][0] == "enter_code"
    response = await browser.post(BASE + step, {"step": "confirm", "sure": "yes"})
    assert await said(browser, response) == SAID["erased"]
    fake.view = SIGNED_IN
    assert "Nothing was deleted." in await text(browser, "delete/", password=PASSWORD)
    assert fake.asked[-1][0] == "finish_erasure"
    response = await browser.post(f"{BASE}delete/", {"password": PASSWORD, "sure": "yes"})
    assert await said(browser, response) == SAID["deleted"]


async def test_devices_are_chosen_where_a_plan_is_full(fake: FakeAccount, browser: AsyncClient) -> None:
    fake.refuse = DevicesFull(tuple((each.id, each.name, each.seen) for each in SIGNED_IN.devices), most=3)
    form = {"email": EMAIL, "password": PASSWORD, "name": "Studio"}
    html = await text(browser, "sign-in/", **form)
    assert "Old &lt;laptop&gt;" in html
    assert PASSWORD not in html
    chosen = form | {"remove": [DEVICE, "zz", "00"]}
    assert await said(browser, await browser.post(f"{BASE}sign-in/", chosen)) == SAID["signed-in"]
    assert fake.asked[-1][1][3] == [bytes.fromhex(DEVICE)]


async def test_a_dialog_that_was_taken_closes_and_the_page_is_new(fake: FakeAccount, browser: AsyncClient) -> None:
    fake.view = SIGNED_IN
    piece = Htmx(browser)
    assert "<html" not in (await piece.get(f"{BASE}password/")).content.decode()
    assert "<html" in await text(browser, "password/")
    html = (await piece.post(f"{BASE}devices/{DEVICE}/remove/", {"password": PASSWORD})).content.decode()
    assert "data-done" in html
    assert "Removed Old &lt;laptop&gt;." in html
    assert '<hx-partial hx-target="#account"' in html
    assert DEVICE not in html
    response = await browser.post(f"{BASE}password/", {"password": PASSWORD, "new_password": OTHER})
    assert await said(browser, response) == "Your new password holds. Other devices stay signed in."
    assert [secret.reveal() for secret in fake.asked[-1][1]] == [PASSWORD, OTHER]


async def test_renewing_all_keys_keeps_the_devices_that_are_ticked_and_ends_with_the_digits(
    fake: FakeAccount, browser: AsyncClient
) -> None:
    fake.view = SIGNED_IN
    html = await text(browser, "keys/")
    assert html.count('name="keep"') == 1  # neither this one nor one that signed out
    response = await browser.post(f"{BASE}keys/", {"password": PASSWORD, "new_password": OTHER, "keep": DEVICE})
    assert fake.asked[-1][1][2] == [bytes.fromhex(DEVICE)]
    step = told(response)
    response = await browser.post(f"{BASE}{step}check/", {"group-2": "a", "group-5": "b", "group-8": "c"})
    assert DIGITS in await text(browser, told(response))
    assert await said(browser, await browser.post(f"{BASE}{step}cancel/")) == SAID["rekeyed"]


async def test_digits_are_confirmed_or_refused_as_they_were_shown(fake: FakeAccount, browser: AsyncClient) -> None:
    for answer, expected in (("yes", True), ("no", False), ("", False)):
        fake.view = replace(SIGNED_IN, digits=DIGITS)
        html = await text(browser, "")
        (form,) = re.findall(r'<form[^>]*action="/settings/account/trust/".*?</form>', html, re.DOTALL)
        (shown,) = re.findall(r'<input type="hidden" name="digits" value="([^"]*)">', form)
        assert shown == DIGITS
        await Htmx(browser).post(f"{BASE}trust/", {"equal": answer, "digits": shown})
        assert fake.asked[-1] == ("trust", (expected, DIGITS))


async def test_other_digits_are_shown_with_the_reason(fake: FakeAccount, browser: AsyncClient) -> None:
    for client in (browser, Htmx(browser)):
        fake.view, fake.refuse = replace(SIGNED_IN, digits=OTHER_DIGITS), CodesChanged()
        response = await client.post(f"{BASE}trust/", {"equal": "yes", "digits": DIGITS})
        if response.status_code == 303:
            response = await browser.get(response["location"])
        html = response.content.decode()
        assert CodesChanged.sentence in html
        assert "notice-bad" in html
        assert OTHER_DIGITS in html
        assert DIGITS not in html


@pytest.mark.parametrize("name", SAID)
async def test_a_link_from_elsewhere_makes_the_page_say_nothing(
    fake: FakeAccount, browser: AsyncClient, name: str
) -> None:
    fake.view = SIGNED_IN
    html = await text(browser, f"?said={name}")
    assert SAID[name] not in html
    assert "notice-good" not in html


def test_what_was_not_told_is_forgotten() -> None:
    notes = Notes()
    names = [notes.leave(Note(f"{number}.")) for number in range(Notes.MOST + 1)]
    assert notes.take(names[0]) == Note()
    assert [notes.take(name).words for name in names[1:]] == [f"{number}." for number in range(1, Notes.MOST + 1)]
    assert notes.take(names[1]) == Note()


async def test_pages_that_do_not_fit_the_state_lead_to_the_account(fake: FakeAccount, browser: AsyncClient) -> None:
    own = ["password/", "recovery-key/", "keys/", "delete/", "sign-out-everywhere/", f"devices/{DEVICE}/remove/"]
    for path in own:
        assert told(await browser.get(BASE + path)) == ""
    fake.view = SIGNED_IN
    for path in ("create/", "sign-in/", "recover/", "erase/", f"devices/{'f' * 32}/rename/"):
        assert told(await browser.get(BASE + path)) == ""
    assert not fake.asked


async def test_news_of_a_device_can_be_answered(fake: FakeAccount, browser: AsyncClient) -> None:
    new = NoticeView(7, "A new device joined.", DEVICE)
    gone = NoticeView(8, "A device was removed.", "ff" * 16)
    fake.view = replace(SIGNED_IN, notices=(new, gone))
    html = await text(browser, "")
    assert html.count("It was me") == 1
    assert html.count("All right") == 1
    assert html.count("Remove it") == 1
    html = (await Htmx(browser).post(f"{BASE}notices/7/dismiss/")).content.decode()
    assert "A new device joined." not in html
    assert "A device was removed." in html


async def test_each_problem_has_a_banner_with_one_next_step(fake: FakeAccount, browser: AsyncClient) -> None:
    for facts, words, step in (
        ({"problem": Unreachable()}, "could not be reached", "Try again"),
        ({"digits": DIGITS}, "were renewed on another device", "They are equal"),
        ({"signed_in": False, "revoked": True}, "This device was removed from the account", "Sign in again"),
        ({"signed_in": False, "unsettled": True}, "was interrupted", "Ask now"),
    ):
        fake.view = replace(SIGNED_IN, **facts)
        html = await text(browser, "")
        assert words in html
        assert step in html


async def test_a_password_is_judged_while_it_is_typed(browser: AsyncClient) -> None:
    assert "A few uncommon words are good." in await text(browser, "strength/", password="")
    judged = await text(browser, "strength/", password="planted ada example", email=EMAIL, name="x")
    assert 'data-score="' in judged
    assert "planted" not in judged


async def test_a_broker_address_that_is_refused_stays_in_its_field(fake: FakeAccount, browser: AsyncClient) -> None:
    fake.refuse = Unreachable("Nothing answers at the broker address.")
    for client in (browser, Htmx(browser)):
        fake.refuse = Unreachable("Nothing answers at the broker address.")
        html = (await client.post(f"{BASE}broker/", {"broker": 'https://"x.example'})).content.decode()
        assert 'value="https://&quot;x.example"' in html
        assert 'id="broker-problem" role="alert"' in html
    response = await browser.post(f"{BASE}broker/", {"broker": "https://broker.example.com"})
    assert await said(browser, response) == "This broker is used from now on."
    fake.view = replace(fake.view, broker=replace(fake.view.broker, fixed_by_environment=True))
    html = await text(browser, "")
    assert "LERIX_BROKER_URL" in html
    assert "Use this broker" not in html


@pytest.mark.parametrize("path", ["create/", "sign-in/", "recover/", "erase/", "running-a-broker/", ""])
async def test_no_page_has_what_the_content_security_policy_refuses(browser: AsyncClient, path: str) -> None:
    html = await text(browser, path)
    assert " style=" not in html
    assert "<script>" not in html
    assert "hx-on" not in html
    assert "js:" not in html

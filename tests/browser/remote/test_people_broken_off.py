"""What becomes of an account in a browser where something breaks off, hurries, or was replaced elsewhere."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import APIResponse, Route, expect

from tests.browser.remote.people import Mac, People, begin, devices, fill_sign_in, keep_key, problem, retype, sign_in
from tests.relay.proof.computers import until
from tests.serving import BrokerProcess


@pytest.mark.parametrize("equal", [True, False])
def test_a_new_signing_key_counts_only_once_a_person_has_compared_its_code(
    people: People, broker: BrokerProcess, equal: bool
) -> None:
    email = f"rekeyed-{equal}@example.com".lower()
    mac = Mac(broker, email)
    page = people.visitor().page()
    sign_in(page, broker, email, name="Phone")
    digits = mac.rekey()
    page.goto(f"{broker.url}/devices/")
    asked = page.get_by_role("region", name="The account has a new signing key")
    expect(asked).to_contain_text(digits)
    expect(page.get_by_role("article")).to_have_count(0)
    if equal:
        asked.get_by_role("button", name="They are equal").click()
        expect(page.get_by_role("article")).to_have_count(2)
        page.reload()
        expect(page.get_by_role("article")).to_have_count(2)
    else:
        asked.get_by_role("button", name="They differ").click()
        for _ in range(2):
            expect(page.get_by_text("The codes were not equal, so the new signing key is not used")).to_be_visible()
            expect(asked).to_be_hidden()
            page.reload()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_text("Signed out.")).to_be_visible()


def test_signing_out_waits_for_no_broker(people: People, broker: BrokerProcess) -> None:
    email = "hurry@example.com"
    Mac(broker, email)
    visitor = people.visitor()
    page = visitor.page()
    sign_in(page, broker, email)
    page.route("**/api/1/**", lambda _route: None)  # never answered
    page.add_init_script("AbortSignal.timeout = () => new AbortController().signal")  # nor given up
    page.goto(f"{broker.url}/devices/")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("Signed out.")).to_be_visible()
    until(lambda: visitor.keeps(page) == {})
    page.unroute_all(behavior="ignoreErrors")


def test_a_creation_whose_answers_are_lost_is_found_out_about(people: People, broker: BrokerProcess) -> None:
    visitor = people.visitor()
    page = visitor.page()
    begin(page, broker, "lost-answers@example.com", "Phone")
    key = keep_key(page)
    sent: list[int] = []

    def lose(route: Route) -> None:
        sent.append(route.fetch().status)
        route.abort()

    page.route("**/api/1/accounts", lose)
    retype(page, key)
    expect(problem(page)).to_contain_text("either the old state holds or the new one")
    assert sent == [201, 201, 201]
    page.unroute_all()
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("Your account is ready, and this browser is signed in.")).to_be_visible()
    devices(page, broker, "Phone")


@pytest.mark.parametrize("taken", [True, False])
def test_a_sign_in_that_broke_off_is_settled_at_the_next_visit(
    people: People, broker: BrokerProcess, taken: bool
) -> None:
    email = f"cut-{taken}@example.com".lower()
    Mac(broker, email)
    visitor = people.visitor()
    page = visitor.page()
    reached: list[str] = []

    def cut(route: Route) -> None:
        if taken and not reached:
            route.fetch()
        reached.append(route.request.url)
        visitor.context.route("**/api/1/login", lambda each: each.abort())
        route.abort()

    page.route("**/api/1/update", cut)
    fill_sign_in(page, broker, email, name="Cut off")
    expect(problem(page)).to_contain_text("it is not known yet whether the change was made")
    assert len(visitor.keeps(page)["lerix-vault/account"]) == 1
    visitor.context.unroute_all()
    page.close()
    page = visitor.page("/sign-in/")
    if taken:
        expect(page.get_by_text("This browser is signed in already")).to_be_visible()
        devices(page, broker, "Ada’s Mac", "Cut off")
    else:
        expect(page.get_by_label("Password", exact=True)).to_be_visible()
        assert "lerix-vault/account" not in visitor.keeps(page)


def test_an_older_state_than_this_browser_has_seen_is_refused(people: People, broker: BrokerProcess) -> None:
    email = "rolled-back@example.com"
    mac = Mac(broker, email)
    page = people.visitor().page()
    sign_in(page, broker, email, name="Phone")
    kept: dict[str, APIResponse] = {}

    def keep(route: Route) -> None:
        kept[route.request.url] = route.fetch()
        route.fulfill(response=kept[route.request.url])

    def repeat(route: Route) -> None:
        route.fulfill(response=kept[route.request.url])

    old = re.compile(r"/api/1/(account|log)$")
    page.route(old, keep)
    devices(page, broker, "Ada’s Mac", "Phone")
    page.unroute(old)
    other = people.visitor().page()
    sign_in(other, broker, email, name="Borrowed")
    mac.remove("Borrowed")
    page.reload()
    expect(page.get_by_role("group", name="News of your devices")).to_have_count(2)
    page.route(old, repeat)
    page.reload()
    expect(page.get_by_role("group", name="Not up to date")).to_contain_text("an older state of the account")
    expect(page.get_by_role("article")).to_have_count(0)
    page.unroute(old)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("article")).to_have_count(2)


def test_a_password_is_stretched_by_no_settings_but_our_own(people: People, broker: BrokerProcess) -> None:
    page = people.visitor().page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    page.route("**/api/1/prelogin", lambda route: route.fulfill(json={"suite": 0, "salt": "AAAAAAAAAAAAAAAAAAAAAA"}))
    fill_sign_in(page, broker, "cheap@example.com")
    expect(problem(page)).to_contain_text("your password was not used. Nothing was sent.")
    assert "login" not in asked
    assert "password-worker.js" not in asked

"""The operator's pages: what staff can see and do, and that nobody else can."""

import contextlib
import re
from collections.abc import Iterator

import httpx
import pytest

from lerix_web.guard import CSP
from tests.relay.broker.desk import Desk, new_network, until
from tests.serving import PUBLIC, BrokerProcess

NAME, PASSWORD = "root", "An operator’s password 9"
INLINE = re.compile(r'<script(?![^>]* src=)(?![^>]*type="application/json")|<style|\sstyle=|\son\w+=')
PAGES = ("", "broker/account/", "broker/plan/", "broker/device/", "broker/counter/", "broker/auditentry/")


def make_admin(broker: BrokerProcess, name: str, password: str) -> str:
    made = broker.run("broker", "createadmin", name, "--password-stdin", typed=password + "\n")
    assert made.returncode == 0, made.stderr
    return made.stdout


class Browser:
    """A browser at the admin."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def post(self, path: str, data: dict[str, str | list[str]]) -> httpx.Response:
        """Fill in the form at a page and send it."""
        page = self.client.get(path).text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token is not None, page
        form = {"csrfmiddlewaretoken": token[1], **data}
        return self.client.post(path, data=form, headers={"origin": f"https://{PUBLIC}"})

    def sign_in(self, name: str = NAME, password: str = PASSWORD) -> httpx.Response:
        return self.post("login/", {"username": name, "password": password, "next": "/admin/"})


class Proxy(httpx.HTTPTransport):
    """Takes what a browser says by https, and says it to a broker with what a proxy adds."""

    def __init__(self, broker: BrokerProcess, network: str) -> None:
        super().__init__(verify=False)
        self.broker = broker
        self.added = {"x-forwarded-proto": "https", "x-forwarded-for": network}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url.copy_with(scheme="http", host="localhost", port=self.broker.port)
        headers = {**request.headers, **self.added}
        return super().handle_request(httpx.Request(request.method, url, headers=headers, stream=request.stream))


@contextlib.contextmanager
def opened(broker: BrokerProcess) -> Iterator[Browser]:
    """A browser somewhere else."""
    with httpx.Client(
        base_url=f"https://{PUBLIC}/admin/",
        transport=Proxy(broker, new_network()),
        follow_redirects=True,
        timeout=20,
    ) as client:
        yield Browser(client)


@pytest.fixture
def stranger(broker: BrokerProcess) -> Iterator[Browser]:
    """Somebody who is not signed in."""
    with opened(broker) as browser:
        yield browser


@pytest.fixture(scope="module")
def staff(broker: BrokerProcess) -> Iterator[Browser]:
    """Somebody who was made an admin, signed in."""
    assert make_admin(broker, NAME, PASSWORD).startswith("root can sign in now")
    with opened(broker) as browser:
        assert "Log out" in browser.sign_in().text
        yield browser


@pytest.mark.parametrize("page", [*PAGES, "broker/account/add/", "password_change/", "jsi18n/"])
def test_a_stranger_sees_only_the_form_to_sign_in(stranger: Browser, staff: Browser, page: str) -> None:
    assert staff.get(page).url.path != "/admin/login/"
    answer = stranger.get(page)
    assert answer.url.path == "/admin/login/"
    assert "Log in" in answer.text


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_under_the_strict_policy(staff: Browser, page: str) -> None:
    answer = staff.get(page)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == CSP
    assert not INLINE.search(answer.text)


def test_an_account_is_found_by_its_address_with_its_devices(desk: Desk, staff: Browser) -> None:
    person, other = desk.create(), desk.create()
    joined = person.join()
    person.session()
    found = staff.get(f"broker/account/?q={person.email}").text
    assert person.email in found
    assert other.email not in found
    page = staff.get(f"broker/account/{person.account.hex()}/change/").text
    for device in (person.device, joined.device):
        assert device.id.hex() in page
    assert ">here<" in page
    assert ">away<" in page
    listed = staff.get(f"broker/device/?q={person.email}").text
    assert person.device.id.hex() in listed


def test_nothing_secret_is_on_any_page(desk: Desk, staff: Browser) -> None:
    person = desk.create()
    person.session()
    account = person.account.hex()
    columns = "auth_digest, recovery_digest, recovery_public, recovery_anchor, salt, substr(by_password, 43, 40)"
    [row] = desk.broker.sql(f"SELECT {columns} FROM broker_account WHERE id = ?", account)
    [device] = desk.broker.sql("SELECT id, agreement, signing, name FROM broker_device WHERE account_id = ?", account)
    [(log_entry,)] = desk.broker.sql("SELECT entry FROM broker_logentry WHERE account_id = ? AND n = 1", account)
    digests = [digest for (digest,) in desk.broker.sql("SELECT digest FROM broker_token WHERE account_id = ?", account)]
    hidden = [*(bytes(value).hex() for value in (*row, *device[1:], log_entry)), *digests]
    hers = [f"broker/{kind}/?q={person.email}" for kind in ("account", "device")]
    hers += [f"broker/account/{account}/change/", f"broker/device/{device[0]}/change/"]
    for page in (*PAGES, *hers):
        text = staff.get(page).text
        assert person.email in text or page not in hers
        assert not [secret for secret in hidden if secret in text], page


def test_staff_changes_a_plan_and_its_end_and_the_log_says_who(desk: Desk, staff: Browser) -> None:
    person = desk.create()
    session = person.session()
    path = f"broker/account/{person.account.hex()}/change/"
    form: dict[str, str | list[str]] = {"plan": "pro", "plan_until_0": "2031-01-31", "plan_until_1": "12:00:00"}
    for number in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM"):
        form[f"devices-{number}_FORMS"] = "0"
    assert staff.post(path, form).url.path == "/admin/broker/account/"
    state = desk.account(session)
    assert state.plan.code == "pro"
    assert state.plan_until is not None
    assert state.plan_until.year == 2031
    assert state.revision == 1
    log = staff.get(f"broker/auditentry/?q={person.email}").text
    assert "plan-changed" in log
    assert "staff: root, plan: pro" in log


def test_a_plan_that_has_ended_gives_way_to_the_default_one(desk: Desk, staff: Browser) -> None:
    person = desk.create()
    session = person.session()
    account = person.account.hex()
    desk.broker.sql("UPDATE broker_account SET plan_id = 'pro', plan_until = '2020-01-01' WHERE id = ?", account)
    state = desk.account(session)
    assert (state.plan.code, state.plan_until) == ("free", None)
    assert "the given one has ended" in staff.get(f"broker/account/{account}/change/").text


def test_staff_deletes_an_account_after_a_question(desk: Desk, staff: Browser) -> None:
    person = desk.create()
    path = f"broker/account/{person.account.hex()}/delete/"
    question = staff.get(path).text
    assert person.email in question
    assert "Are you sure" in question
    assert desk.log_in(person.email).status_code == 200
    staff.post(path, {"post": "yes"})
    assert desk.log_in(person.email).status_code == 401
    assert desk.broker.sql("SELECT count(*) FROM broker_logentry WHERE account_id = ?", person.account.hex()) == [(0,)]
    # Nor is the address left anywhere, but for what was counted in the last hour.
    desk.broker.forget_limits()
    for (table,) in desk.broker.sql("SELECT name FROM sqlite_master WHERE type = 'table'"):
        rows = desk.broker.sql(f'SELECT * FROM "{table}"')
        assert not [row for row in rows if person.email in map(str, row)], table


def test_staff_adds_a_plan_and_everybody_sees_it(desk: Desk, staff: Browser) -> None:
    new: dict[str, str | list[str]] = {
        "code": "team",
        "name": "Team",
        "sync_keys": "on",
        "relay": "on",
        "quota": "1000",
        "devices": "50",
        "position": "30",
    }
    assert staff.post("broker/plan/add/", new).url.path == "/admin/broker/plan/"
    plans = {plan["code"]: plan for plan in desk.ask("GET", "info").json()["plans"]}
    assert plans["team"]["relay"] is True
    assert plans["team"]["sync_chats"] is False
    for field, wrong in (("code", "Team!"), ("devices", "101"), ("quota", "-1"), ("name", "x" * 41)):
        answer = staff.post("broker/plan/add/", {**new, "code": "other", field: wrong})
        assert "Please correct the error" in answer.text, field
    staff.post("broker/plan/team/delete/", {"post": "yes"})
    assert "team" not in {plan["code"] for plan in desk.ask("GET", "info").json()["plans"]}
    assert staff.get("broker/plan/free/delete/").status_code == 403


def test_staff_resets_a_limit(desk: Desk, staff: Browser) -> None:
    person = desk.create()
    for _ in range(10):
        desk.log_in_wrongly(person.email)
    # Minutes to wait in place of the first second, which a slow machine may need for the next try alone.
    desk.broker.sql("UPDATE broker_counter SET count = 18 WHERE subject LIKE ?", f"{person.email}%")
    assert desk.log_in(person.email).status_code == 429
    rows = desk.broker.sql("SELECT id FROM broker_counter WHERE subject LIKE ?", f"{person.email}%")
    chosen = [str(number) for (number,) in rows]
    page = staff.post("broker/counter/", {"action": "reset", "_selected_action": chosen})
    assert "limits were reset" in page.text
    assert desk.log_in(person.email).status_code == 200


@pytest.mark.parametrize("path", ["broker/device/add/", "broker/auditentry/add/", "broker/counter/add/"])
def test_what_happened_is_only_looked_at(staff: Browser, path: str) -> None:
    assert staff.get(path).status_code == 403


def test_forged_forms_are_refused(broker: BrokerProcess, staff: Browser) -> None:
    path = "broker/plan/add/"
    page = staff.get(path).text
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token is not None
    form = {"code": "evil", "name": "Evil", "quota": "1", "devices": "1", "position": "1"}
    assert staff.client.post(path, data=form).status_code == 403
    forged = {"csrfmiddlewaretoken": token[1], **form}
    assert staff.client.post(path, data=forged, headers={"origin": "https://evil.example"}).status_code == 403


def test_staff_sign_in_is_slowed_down_and_written_down(
    broker: BrokerProcess, staff: Browser, stranger: Browser
) -> None:
    make_admin(broker, "other", PASSWORD)
    for _ in range(10):
        assert "Please enter the correct" in stranger.sign_in("other", "wrong").text
    # Minutes to wait in place of the first second, which a slow machine may need for the next try alone.
    assert broker.sql("SELECT MAX(count) FROM broker_counter WHERE kind = 'staff'") == [(10,)]
    broker.sql("UPDATE broker_counter SET count = 18 WHERE kind = 'staff'")
    slow = stranger.sign_in("other", PASSWORD).text
    assert "There were too many attempts" in slow
    assert "Log out" not in slow
    with opened(broker) as elsewhere:
        assert "Log out" in elsewhere.sign_in("other", PASSWORD).text
    log = staff.get("broker/auditentry/?kind=staff-login-refused").text
    assert "staff-login-refused" in log
    assert "staff: other" in staff.get("broker/auditentry/?kind=staff-login").text


def test_a_full_disk_is_a_sentence_on_the_page(broker: BrokerProcess, stranger: Browser) -> None:
    broker.sql(
        "CREATE TRIGGER full BEFORE INSERT ON broker_counter WHEN NEW.subject LIKE 'nobody-writes%' "
        "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    )
    try:
        answer = stranger.sign_in("nobody-writes", PASSWORD)
    finally:
        broker.sql("DROP TRIGGER full")
    assert answer.status_code == 200
    assert "you are not signed in" in answer.text
    until(lambda: "The database failed: IntegrityError." in broker.stderr)
    assert "Internal Server Error" not in broker.stderr


def test_the_session_of_staff_ends_with_the_browser_and_after_twelve_hours(
    broker: BrokerProcess, staff: Browser, stranger: Browser
) -> None:
    answer = stranger.sign_in()
    cookies = answer.history[0].headers.get_list("set-cookie")
    session = next(cookie for cookie in cookies if cookie.startswith("lerix_broker_session="))
    assert "HttpOnly" in session
    assert "SameSite=Strict" in session
    assert "Max-Age" not in session
    key = session.partition("=")[2].partition(";")[0]
    broker.sql(
        "UPDATE django_session SET expire_date = datetime(expire_date, '-12 hours') WHERE session_key = ?", key
    )
    assert stranger.get("").url.path == "/admin/login/"

"""The broker's pages as a person uses them in a browser of their own, and a page of another site."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from connections.secrets import Secret
from relay.account.keys import flows
from relay.account.keys.names import open_name
from relay.api.states import entries_from_json
from tests.browser.accounts import KEY
from tests.browser.conftest import NETWORK
from tests.relay.broker.desk import NEW_PASSWORD, PASSWORD, Desk
from tests.relay.proof.computers import until
from tests.serving import BrokerProcess

#: Seconds for an answer: only what fails waits so long.
LONGEST = 60.0
#: What a browser keeps at an address: every record of every database, with what is not plain data taken apart.
#: Null where a database does not answer at once.
STORED = """async () => {
  const late = new Promise((resolve) => setTimeout(resolve, 5000, null));
  const shown = (value) => value instanceof CryptoKey ? {key: value.algorithm.name, extractable: value.extractable}
    : value instanceof Uint8Array ? Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("")
    : Array.isArray(value) ? value.map(shown)
    : value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, shown(v)]))
    : value;
  const look = async () => {
    const found = {};
    for (const {name} of await indexedDB.databases()) {
      const database = await new Promise((resolve, reject) => {
        const opening = indexedDB.open(name);
        opening.onsuccess = () => resolve(opening.result);
        opening.onerror = reject;
      });
      for (const store of database.objectStoreNames) {
        const asked = database.transaction(store).objectStore(store).getAll();
        await new Promise((resolve) => { asked.onsuccess = resolve; });
        if (asked.result.length) found[`${name}/${store}`] = asked.result.map(shown);
      }
      database.close();
    }
    return found;
  };
  return Promise.race([look(), late]);
}"""

#: Every key that is kept, and what comes of trying to have it out.
EXPORTED = """async () => {
  const database = await new Promise((resolve, reject) => {
    const opening = indexedDB.open("lerix-vault");
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = reject;
  });
  const asked = database.transaction("account").objectStore("account").get("own");
  await new Promise((resolve) => { asked.onsuccess = resolve; });
  database.close();
  const {device, workspace} = asked.result;
  const tried = [];
  for (const key of [device.agreement.privateKey, device.signing.privateKey, ...workspace]) {
    for (const form of ["raw", "pkcs8", "jwk"]) {
      tried.push(await crypto.subtle.exportKey(form, key).then(() => "exported", (error) => error.name));
    }
  }
  return tried;
}"""


@dataclass
class Visitor:
    """One browser of somebody, which is to make no errors."""

    broker: BrokerProcess
    context: BrowserContext
    problems: list[str]

    def page(self, path: str = "/") -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        page.on(
            "console",
            lambda entry: (
                self.problems.append(f"console: {entry.text}")
                if entry.type in {"error", "warning"} and not NETWORK.search(entry.text)
                else None
            ),
        )
        page.goto(self.broker.url + path)
        return page

    def keeps(self, page: Page) -> dict[str, Any]:
        """What is stored in this browser."""
        found: list[dict[str, Any]] = until(lambda: [kept for kept in [page.evaluate(STORED)] if kept is not None])
        return found[0]


@dataclass
class People:
    """Opens browsers."""

    chromium: Browser
    broker: BrokerProcess
    problems: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def visitor(self, **options: Any) -> Visitor:
        context = self.chromium.new_context(reduced_motion="reduce", **options)
        self.contexts.append(context)
        return Visitor(self.broker, context, self.problems)


def problem(page: Page) -> Locator:
    """What a page says went wrong."""
    return page.get_by_role("alert").filter(visible=True)


def begin(page: Page, broker: BrokerProcess, email: str, name: str = "") -> None:
    """Create an account as far as the recovery key."""
    page.goto(f"{broker.url}/create/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    if name:
        page.get_by_label("Device name").fill(name)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text(f"A code was sent to {email}.")).to_be_visible()
    page.get_by_label("Code").fill(broker.code_to(email))
    page.get_by_role("button", name="Continue").click()


def keep_key(page: Page) -> str:
    """Read the recovery key off the page, and go on to typing parts of it again."""
    shown = page.locator("#recovery-key")
    expect(shown).to_have_text(KEY)
    key = shown.inner_text()
    page.get_by_role("button", name="I have kept it").click()
    expect(shown).to_be_empty()
    return key


def retype(page: Page, key: str, button: str = "Create account") -> None:
    groups = key.split("-")
    groups_asked = page.get_by_role("textbox", name=re.compile("^Group"))
    expect(groups_asked).to_have_count(3)
    for each in groups_asked.all():
        number = int((each.get_attribute("name") or "").removeprefix("group-"))
        each.fill(groups[number].lower())
    page.get_by_role("button", name=button).click()


def create(page: Page, broker: BrokerProcess, email: str, name: str = "") -> str:
    """Create an account as a person does, and return its recovery key."""
    begin(page, broker, email, name)
    key = keep_key(page)
    retype(page, key)
    expect(page.get_by_text("Your account is ready, and this browser is signed in.")).to_be_visible()
    return key


def fill_sign_in(page: Page, broker: BrokerProcess, email: str, password: str = PASSWORD, name: str = "") -> None:
    page.goto(f"{broker.url}/sign-in/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    if name:
        page.get_by_label("Device name").fill(name)
    page.get_by_role("button", name="Sign in").click()


def sign_in(page: Page, broker: BrokerProcess, email: str, password: str = PASSWORD, name: str = "") -> None:
    fill_sign_in(page, broker, email, password, name)
    expect(page.get_by_text("This browser is signed in.", exact=True)).to_be_visible()


def devices(page: Page, broker: BrokerProcess, *names: str) -> None:
    """Open the list of devices, and hold it to these names."""
    page.goto(f"{broker.url}/devices/")
    expect(page.get_by_role("article").get_by_role("heading")).to_have_text(list(names))


class Mac:
    """A device of the app, with an account of its own; in Python, by the flows that the app has."""

    def __init__(self, broker: BrokerProcess, email: str) -> None:
        self.person = Desk(broker).create(email)
        self.key = self.person.created.recovery_key.text().reveal()

    def names(self) -> list[str]:
        """The devices of the account, as this one believes the log and opens their names."""
        desk, person = self.person.desk, self.person
        token = person.session()
        state, after = desk.account(token), person.created.after
        entries = entries_from_json(desk.ask("GET", "log", token=token).json())
        known = flows.follow(
            entries, account=person.account, device=person.device, workspace=after.workspace, known=after.known
        )
        renamed = {each.id: each.name for each in state.devices}
        return [
            open_name(renamed.get(device.id) or device.name, known.workspace, account=person.account, device=device.id)
            for device in known.log.active
        ]

    def rekey(self) -> str:
        """Replace all of the account's keys, and return the digits that other devices are to show."""
        token, before = self.person.unlock()
        keep = [device.id for device in before.log.active]
        rekeyed = flows.rekey(before, self.person.email, Secret(NEW_PASSWORD), keep)
        answer = self.person.desk.update(rekeyed.update, token)
        assert answer.status_code == 200, answer.text
        return rekeyed.digits

    def remove(self, name: str) -> None:
        token, before = self.person.unlock()
        gone = before.log.active[self.names().index(name)]
        answer = self.person.desk.update(flows.revoke_devices(before, [gone.id]).update, token)
        assert answer.status_code == 200, answer.text


class OtherSite(ThreadingHTTPServer):
    """A page of somebody else at another address of this machine, until the end of a `with`."""

    daemon_threads = True

    def __init__(self, page: Callable[[], str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.page = page
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: OtherSite

    def do_GET(self) -> None:
        content = self.server.page().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the parent's name)
        """Say nothing."""

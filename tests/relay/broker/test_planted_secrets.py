"""Secrets are planted on the devices, a whole account's life is lived, and then everything a thief could get is read.

A thief of the broker has its database with all side files, its folder, what it printed, and its mails; one on the line
has every byte in both directions. Neither may find a secret, in any of the forms it could be written in.
"""

import base64
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from connections.secrets import Secret
from relay.account.keys import flows
from relay.account.keys.device import EVERY_ROLE, DeviceKeys
from relay.account.keys.flows import Unlocked
from relay.account.keys.names import seal_name
from relay.account.keys.recovery import RecoveryKey
from relay.account.keys.workspace import WorkspaceKeys
from relay.api import Purpose
from relay.api.fields import encode
from relay.api.messages import Ticket, update_to_json
from relay.api.states import Opened
from tests import disk
from tests.relay.broker.desk import NEW_PASSWORD, PASSWORD, Desk, Person
from tests.relay.broker.wiretap import Wiretap
from tests.serving import BrokerProcess

NAMES = ("Ada’s Mac", "The hidden phone", "A new hidden name")


@dataclass
class Planted:
    """What nobody but the devices may have, by what it is; `sent` is what only the broker is told, to log in."""

    kept: dict[str, bytes] = field(default_factory=dict)
    sent: dict[str, bytes] = field(default_factory=dict)

    def workspace(self, keys: WorkspaceKeys) -> None:
        for epoch in range(len(keys)):
            self.kept[f"workspace key {epoch}"] = keys[epoch].reveal()
            self.kept[f"pre-shared key {epoch}"] = keys.relay_psk(epoch).reveal()

    def opened(self, state: Unlocked, which: str) -> None:
        self.workspace(state.workspace)
        self.kept[f"signing seed {which}"] = state.bundle.signing_seed.reveal()
        if state.keys is not None:
            self.kept[f"wrapping key {which}"] = state.keys.wrap.reveal()
            self.sent[f"log-in key {which}"] = state.keys.auth.reveal()

    def device(self, keys: DeviceKeys, which: str) -> None:
        self.kept[f"agreement key of the {which}"] = keys.agreement.reveal()
        self.kept[f"signing key of the {which}"] = keys.signing.reveal()

    def recovery(self, key: RecoveryKey, which: str) -> None:
        self.kept[f"recovery key {which}"] = key.reveal()
        self.kept[f"recovery key {which} on paper"] = key.text().reveal().encode()
        self.kept[f"recovery key {which} without dashes"] = key.text().reveal().replace("-", "").encode()
        self.sent[f"recovery log-in key {which}"] = key.auth().reveal()


def spellings(secret: bytes) -> Iterator[bytes]:
    """The forms in which a secret could have been written down."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield encode(secret).encode()
    yield base64.b64encode(secret).rstrip(b"=")
    with contextlib.suppress(UnicodeDecodeError):
        # As JSON writes letters beyond ASCII.
        yield secret.decode().encode("ascii", "backslashreplace").lower()


def found(secrets: dict[str, bytes], places: dict[str, bytes]) -> list[str]:
    """Which secrets are where. What is shorter than eight bytes would be found anywhere."""
    assert all(len(secret) >= 8 for secret in secrets.values())
    lower = {place: content.lower() for place, content in places.items()}
    return [
        f"{name} in {place}"
        for name, secret in secrets.items()
        for place, content in places.items()
        if any(form in content or form.lower() in lower[place] for form in spellings(secret))
    ]


@dataclass
class Thief:
    """A broker and a line that are read in full."""

    broker: BrokerProcess
    tap: Wiretap

    def broker_side(self) -> dict[str, bytes]:
        """The broker's folder, what it printed, and its mails."""
        files = disk.contents(self.broker.home, self.broker.mails)
        assert self.broker.home / "broker.sqlite3" in files
        return {path.name: data for path, data in files.items()} | {"stderr": self.broker.stderr.encode()}


class Tapped(Desk):
    """A desk that is reached over the line."""

    def __init__(self, thief: Thief) -> None:
        super().__init__(thief.broker)
        self.tapped = thief

    @property
    def address(self) -> str:
        return self.tapped.tap.url


@pytest.fixture(scope="module")
def thief() -> Iterator[Thief]:
    with BrokerProcess() as broker, Wiretap(broker.port) as tap:
        yield Thief(broker, tap)


def live(desk: Desk) -> Planted:
    """Everything that can happen to an account, with what was secret on the way."""
    planted = Planted({"password": PASSWORD.encode(), "new password": NEW_PASSWORD.encode()})
    planted.kept |= {f"device name {number}": name.encode() for number, name in enumerate(NAMES)}
    person = desk.create()
    created = person.created
    planted.opened(created.after, "at first")
    planted.device(created.device, "Mac")
    planted.recovery(created.recovery_key, "at first")

    token, before = person.unlock()
    joined = flows.add_device(before, NAMES[1], EVERY_ROLE)
    assert desk.update(joined.update, token).status_code == 200
    planted.device(joined.device, "phone")

    session = person.session()
    name = seal_name(NAMES[2], joined.after.workspace, account=person.account, device=joined.device.id)
    path = f"devices/{joined.device.id.hex()}/name"
    assert desk.ask("PUT", path, {"name": encode(name)}, token=session).status_code == 204
    assert desk.ask("GET", "log", token=session).status_code == 200

    token, before = person.unlock()
    revoked = flows.revoke_devices(before, [joined.device.id])
    assert desk.post("update", update_to_json(revoked.update), token).status_code == 200
    planted.opened(revoked.after, "after the phone left")

    assert desk.log_in_wrongly(person.email).status_code == 401
    token, before = person.unlock()
    renewed = flows.renew_recovery_key(before)
    assert desk.update(renewed.update, token).status_code == 200
    planted.recovery(renewed.recovery_key, "renewed")

    ticket = desk.confirmed(person.email, Purpose.RECOVER)
    opened = Opened.from_json(person.recover(Ticket(ticket).ticket, renewed.recovery_key).json())
    recovered = flows.recover(
        opened.copy, opened.entries, renewed.recovery_key, account=person.account, anchor=opened.anchor or b""
    )
    changed = flows.change_password(recovered, person.email, Secret(NEW_PASSWORD))
    assert desk.update(changed.update, opened.unlock).status_code == 200
    planted.opened(changed.after, "after recovery")
    rekey_after(desk, person, planted)
    return planted


def rekey_after(desk: Desk, person: Person, planted: Planted) -> None:
    """Everything anew, as somebody does who fears that others know the keys."""
    token, before = person.unlock(NEW_PASSWORD)
    rekeyed = flows.rekey(before, person.email, Secret(PASSWORD + " again"), [person.device.id])
    assert desk.update(rekeyed.update, token).status_code == 200
    planted.opened(rekeyed.after, "after the rekey")
    planted.recovery(rekeyed.recovery_key, "after the rekey")


@pytest.fixture(scope="module")
def planted(thief: Thief) -> Planted:
    return live(Tapped(thief))


def test_at_least_twenty_secrets_were_planted(planted: Planted) -> None:
    assert len(planted.kept) >= 20


def test_nothing_secret_is_in_the_brokers_database_folder_log_or_mails(thief: Thief, planted: Planted) -> None:
    # The log-in keys as well: what stands there of them is useless without the key in another file.
    assert found(planted.kept | planted.sent, thief.broker_side()) == []


def test_nothing_secret_passes_over_the_line(thief: Thief, planted: Planted) -> None:
    heard = thief.tap.heard()
    assert len(heard) > 50_000
    assert found(planted.kept, {"the line": heard}) == []


def test_the_search_finds_what_is_there(thief: Thief, planted: Planted) -> None:
    heard = {"the line": thief.tap.heard()}
    assert len(found(planted.sent, heard)) == len(planted.sent)
    database = thief.broker_side()
    assert found({"an address": b"@example.com"}, {"it": database["broker.sqlite3"] + b"".join(database.values())})


def test_a_database_alone_does_not_check_passwords(thief: Thief, planted: Planted) -> None:
    """The HMACs are made with a key that is in no table."""
    key = (thief.broker.home / "broker.key").read_bytes().strip()
    tables = {name: content for name, content in thief.broker_side().items() if name.startswith("broker.sqlite3")}
    assert found({"the broker's key": key}, tables) == []

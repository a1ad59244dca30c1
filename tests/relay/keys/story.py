"""The story of one account, told with fixed randomness: what tests/relay/vectors/account-v1.json holds.

Ada makes an account on her Mac. Her phone and a tablet join. The tablet is lost and revoked, the password changed;
then she fears that somebody saw it, and replaces everything. At last she comes back with the recovery key only.

    python -m tests.relay.keys.story      writes the file
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connections.secrets import Secret
from relay.account.keys import flows, names
from relay.account.keys.device import EVERY_ROLE, DeviceKeys, Role
from relay.account.keys.flows import AccountUpdate, Created, Joined, Rekeyed, Unlocked
from relay.account.keys.password import PasswordKeys, normalise_email
from relay.account.keys.recovery import RecoveryKey
from tests.relay.keys.fixed import FixedRandomness

FILE = Path(__file__).parents[1] / "vectors" / "account-v1.json"

EMAIL = " Ada.Lovelace@EXAMPLE.com\n"
# The same twice: NFC, then NFD; the last has a ligature and full-width digits, which NFKC makes "fi" and "42".
PASSWORDS = ("Grüße aus Åland 7", "Seekühe schwimmen", "eine ﬁnstere Ｎacht ４２")
MAC, PHONE, TABLET = "Ada’s Mac", "Téléphone", "Tablett im Zug"
HOST = "Broker.example.com"


@dataclass(frozen=True)
class Story:
    """What came of it; the updates in their order."""

    created: Created
    phone: Joined
    tablet: Joined
    revoked: flows.Changed
    password: flows.Changed
    rekeyed: Rekeyed

    @property
    def changes(self) -> dict[str, flows.Changed]:
        return {
            "create": self.created,
            "add phone": self.phone,
            "add tablet": self.tablet,
            "revoke tablet": self.revoked,
            "change password": self.password,
            "rekey": self.rekeyed,
        }

    @property
    def account(self) -> bytes:
        return self.created.after.account

    @property
    def end(self) -> Unlocked:
        return self.rekeyed.after

    def entries(self, last: str = "rekey") -> list[bytes]:
        """The log as the broker has it after a change."""
        entries: list[bytes] = []
        for name, change in self.changes.items():
            entries += change.update.entries
            if name == last:
                break
        return entries


def tell(label: str = "Ada") -> Story:
    """Run the story; four passwords are stretched by the newest suite."""
    random = FixedRandomness(label)
    created = flows.create(EMAIL, Secret(PASSWORDS[0]), MAC, EVERY_ROLE, random)
    phone = flows.add_device(created.after, PHONE, Role.REMOTE, random)
    tablet = flows.add_device(phone.after, TABLET, Role.REMOTE, random)
    revoked = flows.revoke_devices(tablet.after, [tablet.device.id], random)
    password = flows.change_password(revoked.after, EMAIL, Secret(PASSWORDS[1]), random)
    keep = [created.device.id, phone.device.id]
    rekeyed = flows.rekey(password.after, EMAIL, Secret(PASSWORDS[2]), keep, random)
    return Story(created, phone, tablet, revoked, password, rekeyed)


def vectors(story: Story) -> dict[str, Any]:
    """The story as JSON: bytes in hex, integers as they are."""
    last = story.end
    item, nonce = FixedRandomness("item").take(16), FixedRandomness("nonce").take(32)
    mac = story.created.device
    return {
        "about": "One Lerix account with fixed randomness; see README.md. The secrets in here are made up.",
        "account": story.account.hex(),
        "email": {"typed": EMAIL, "normalised": normalise_email(EMAIL)},
        "passwords": [
            _password(text, change.after.keys)
            for text, change in zip(PASSWORDS, (story.created, story.password, story.rekeyed), strict=True)
        ],
        "recovery_keys": [
            _recovery(story.created.recovery_key, story.account, story.created.after),
            _recovery(story.rekeyed.recovery_key, story.account, last),
        ],
        "devices": [
            _device(MAC, mac),
            _device(PHONE, story.phone.device),
            _device(TABLET, story.tablet.device),
        ],
        "changes": [_change(name, change) for name, change in story.changes.items()],
        "log": _log(last),
        "relay_psk": [last.workspace.relay_psk(epoch).reveal().hex() for epoch in range(last.workspace.epoch + 1)],
        "item_key": {
            "epoch": 1,
            "item": item.hex(),
            "version": 7,
            "author": mac.id.hex(),
            "key": last.workspace.item_key(1, item=item, version=7, author=mac.id).reveal().hex(),
        },
        "broker_proof": {
            "nonce": nonce.hex(),
            "device": mac.id.hex(),
            "role": int(Role.HOST),
            "host": HOST,
            "proof": mac.prove(nonce=nonce, account=story.account, role=Role.HOST, host=HOST).hex(),
        },
        "rekey_digits": story.rekeyed.digits,
    }


def _password(text: str, keys: PasswordKeys | None) -> dict[str, Any]:
    assert keys is not None
    secret = {"auth": keys.auth.reveal().hex(), "wrap": keys.wrap.reveal().hex()}
    return {"password": text, "suite": keys.suite, "salt": keys.salt.hex(), **secret}


def _recovery(key: RecoveryKey, account: bytes, unlocked: Unlocked) -> dict[str, Any]:
    signing_key = unlocked.log.signing_key
    return {
        "bytes": key.reveal().hex(),
        "text": key.text().reveal(),
        "auth": key.auth().reveal().hex(),
        "public": key.public().hex(),
        "signing_key": signing_key.hex(),
        "anchor": key.anchor(account, signing_key).hex(),
    }


def _device(name: str, device: DeviceKeys) -> dict[str, str]:
    return {
        "name": name,
        "id": device.id.hex(),
        "agreement_private": device.agreement.reveal().hex(),
        "agreement": device.public.agreement.hex(),
        "signing_seed": device.signing.reveal().hex(),
        "signing": device.public.signing.hex(),
        "stored": device.stored().reveal().hex(),
    }


def _change(name: str, change: flows.Changed) -> dict[str, Any]:
    update: AccountUpdate = change.update
    bundle = change.after.bundle
    return {
        "name": name,
        "expected": update.expected,
        "revision": update.revision,
        "position": update.position,
        "entries": [entry.hex() for entry in update.entries],
        "by_password": update.bundle.by_password.hex(),
        "by_recovery": update.bundle.by_recovery.hex(),
        "holds": {
            "signing_seed": bundle.signing_seed.reveal().hex(),
            "signing_key": bundle.signing_key.hex(),
            "recovery_public": bundle.recovery_public.hex(),
            "n": bundle.n,
            "head": bundle.head.hex(),
            "workspace": [bundle.workspace[epoch].reveal().hex() for epoch in range(len(bundle.workspace))],
        },
    }


def _log(unlocked: Unlocked) -> dict[str, Any]:
    log = unlocked.log
    return {
        "n": log.n,
        "head": log.head.hex(),
        "epoch": log.epoch,
        "signing_keys": [key.hex() for key in log.signing_keys],
        "devices": [
            {
                "id": device.id.hex(),
                "roles": int(device.roles),
                "name": names.open_name(device.name, unlocked.workspace, account=log.account, device=device.id),
                "added": device.added,
                "revoked": device.revoked,
            }
            for device in log.devices.values()
        ],
    }


def text(story: Story) -> str:
    """The file's text."""
    return json.dumps(vectors(story), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(tell()), "utf-8")
    print(f"{FILE.stat().st_size:,} bytes")

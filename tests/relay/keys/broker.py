"""A broker as far as keys go: it keeps what it is sent, and answers with it. Its subclasses are tests' bad brokers."""

import hmac

from connections.secrets import Secret
from relay.account.keys import flows, password
from relay.account.keys.bundle import Header, SealedBundle
from relay.account.keys.device import Role
from relay.account.keys.flows import AccountUpdate, Followed, Joined, Unlocked, add_device, recover, unlock
from relay.account.keys.log import Known
from relay.account.keys.recovery import RecoveryKey

EMAIL, PASSWORD, NEW = "ada@example.com", "Grüße aus Åland 7", "Seekühe schwimmen"
PEPPER = b"pepper of the broker"


class Conflict(Exception):
    """Another update came first."""


class WrongCredential(Exception):
    """Not the auth key that was stored."""


class Broker:
    """One account, by compare-and-swap on its revision."""

    def __init__(self) -> None:
        self.account = b""
        self.revision = 0
        self.bundle = SealedBundle(b"", b"")
        self.log: list[bytes] = []
        self.verifier = self.recovery_verifier = self.anchor = b""

    def take(self, update: AccountUpdate) -> None:
        """Replace everything that an update replaces, or nothing."""
        header: Header = update.bundle.header
        if update.expected != self.revision or update.position != len(self.log):
            raise Conflict
        assert header.revision == update.revision == update.expected + 1
        self.account, self.revision, self.bundle = update.account, update.revision, update.bundle
        self.log += update.entries
        if update.auth is not None:
            self.verifier = self._verifier(update.auth.reveal())
        if update.recovery is not None:
            self.recovery_verifier = self._verifier(update.recovery.auth.reveal())
            self.anchor = update.recovery.anchor

    def prelogin(self) -> tuple[int, bytes]:
        """The suite and the salt."""
        return self.bundle.header.suite, self.bundle.header.salt

    def log_in(self, auth: bytes) -> None:
        if not hmac.compare_digest(self._verifier(auth), self.verifier):
            raise WrongCredential

    def recover(self, auth: bytes) -> None:
        if not hmac.compare_digest(self._verifier(auth), self.recovery_verifier):
            raise WrongCredential

    def _verifier(self, auth: bytes) -> bytes:
        return hmac.digest(PEPPER, auth, "sha256")


def sign_in(broker: Broker, email: str, text: str, known: Known | None = None) -> Unlocked:
    """What a device does with a password."""
    suite, salt = broker.prelogin()
    keys = password.stretch(Secret(text), email, suite=suite, salt=salt)
    broker.log_in(keys.auth.reveal())
    return unlock(broker.bundle.by_password, broker.log, keys, account=broker.account, known=known)


def come_back(broker: Broker, typed: str) -> Unlocked:
    """What a device does with a recovery key."""
    key = RecoveryKey.parse(typed)
    broker.recover(key.auth().reveal())
    return recover(broker.bundle.by_recovery, broker.log, key, account=broker.account, anchor=broker.anchor)


def join(broker: Broker, name: str, text: str = PASSWORD) -> Joined:
    """Sign in on another device, which joins the account."""
    joined = add_device(sign_in(broker, EMAIL, text), name, Role.REMOTE)
    broker.take(joined.update)
    return joined


def follow(broker: Broker, joined: Joined) -> Followed:
    """What a device learns that has not looked since it joined."""
    return follow_entries(broker.log, joined)


def follow_entries(entries: list[bytes], joined: Joined) -> Followed:
    """The same with whatever entries."""
    after = joined.after
    return flows.follow(
        entries, account=after.account, device=joined.device, workspace=after.workspace, known=after.known
    )

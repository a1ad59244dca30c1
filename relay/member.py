"""Who is signed in on this computer, as both ends of Codex Relay need it."""

from dataclasses import dataclass, field

from connections.secrets import Secret
from relay.account.keys.device import Role
from relay.account.keys.errors import KeyNotOpened, LogRuleBroken
from relay.account.keys.log import LogDevice, LogState, check_member
from relay.account.vault import Keys


@dataclass(frozen=True)
class Member:
    """A device that is signed in: the account's broker and id (16 bytes), its keys, and the newest log it verified.

    `parent` is what an embedded broker knows its own Lerix by; for any other it is None.
    """

    broker: str
    account: bytes
    keys: Keys = field(repr=False)
    log: LogState = field(repr=False)
    parent: Secret | None = None

    @property
    def psk(self) -> bytes:
        """The pre-shared key of the newest epoch."""
        return self.keys.workspace.relay_psk(self.log.epoch).reveal()

    def is_same_device(self, other: "Member") -> bool:
        """Whether both are the same device of the same account at the same broker."""
        mine = (self.broker, self.parent, self.account, self.keys.device)
        return mine == (other.broker, other.parent, other.account, other.keys.device)

    def check(self, role: Role) -> None:
        """Raise LogRuleBroken, DeviceRevoked, KeyNotOpened where it is no member in that role with all keys."""
        if self.log.account != self.account or not check_member(self.log, self.keys.device).roles & role:
            raise LogRuleBroken
        if not self.log.confirms(self.keys.workspace):
            raise KeyNotOpened

    def others(self, role: Role) -> tuple[LogDevice, ...]:
        """The account's other devices of that role."""
        return tuple(device for device in self.log.active if device.roles & role and device.id != self.keys.device.id)

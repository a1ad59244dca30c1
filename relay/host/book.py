"""What this host knows of its account, by the device log that it verified itself: who may come in, and by which key."""

from collections.abc import Callable

from relay.account.keys.device import Role
from relay.member import Member
from relay.protocol.route import Log


class MemberBook:
    """See `relay.link.host.Book`. `take` replaces what is known, for the routes that come from then on.

    `look_again` is called where a device has seen more of the log than this one. Raises LogRuleBroken, DeviceRevoked,
    KeyNotOpened where the member is none, may not be a host, or lacks the newest epoch's key.
    """

    def __init__(self, member: Member, look_again: Callable[[], None] = lambda: None) -> None:
        self._member = _checked(member)
        self._look_again = look_again

    def take(self, member: Member) -> None:
        """Know what `member` knows. Raises what the constructor does, and ValueError for another device or account."""
        old = self._member
        if (member.account, member.keys.device.id) != (old.account, old.keys.device.id):
            raise ValueError("a book belongs to one device of one account")
        self._member = _checked(member)

    @property
    def account(self) -> bytes:
        """The account's id."""
        return self._member.account

    @property
    def device(self) -> bytes:
        """This host's id."""
        return self._member.keys.device.id

    @property
    def static(self) -> bytes:
        """This host's private X25519 key."""
        return self._member.keys.device.agreement.reveal()

    @property
    def epoch(self) -> int:
        """The newest epoch."""
        return self._member.log.epoch

    @property
    def psk(self) -> bytes:
        """The pre-shared key of that epoch."""
        return self._member.psk

    @property
    def log(self) -> Log:
        """The newest entry verified."""
        return Log(self._member.log.n, self._member.log.head)

    @property
    def unwelcome(self) -> frozenset[bytes]:
        """The devices of the log that may not be remotes: removed, or hosts only."""
        return frozenset(device for device in self._member.log.devices if self.key_of(device) is None)

    def key_of(self, remote: bytes) -> bytes | None:
        """The X25519 key of a device that may be a remote; None for one that is unknown, removed or a host only."""
        listed = self._member.log.devices.get(remote)
        if listed is None or listed.revoked is not None or not listed.roles & Role.REMOTE or remote == self.device:
            return None
        return listed.public.agreement

    def agrees(self, log: Log) -> bool | None:
        """Whether a device's newest entry is in this log: True, False for another history, None for a newer one."""
        mine = self._member.log
        if log.n > mine.n:
            return None
        return log.n >= 0 and mine.heads[log.n] == log.head

    def look_again(self) -> None:
        """The broker knows more than this log has: fetch it."""
        self._look_again()


def _checked(member: Member) -> Member:
    member.check(Role.HOST)
    return member

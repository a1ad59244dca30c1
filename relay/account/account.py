"""The account of this device, as its pages use it: everything a person does, and what there is to show."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import httpx

from connections.changes import Signal
from connections.sealing_keys import SealingKeys
from connections.secrets import Secret
from relay.account import changing, codes, creating, following, leaving, recovering, signing_in
from relay.account.desk import Desk
from relay.account.embedded import EmbeddedBroker
from relay.account.pending import Pending
from relay.account.state import AccountView
from relay.member import Member


class Account:
    """The Lerix account of one data folder. To be used on one event loop, but for `load`.

    `fixed_address` is what LERIX_BROKER_URL says, or "". Everything that talks to the broker takes up to a minute where
    that does not answer, and raises AccountError; what it says was not changed was not. One thing at a time is done:
    the next one waits, but for `sign_out`.
    """

    def __init__(
        self,
        embedded: EmbeddedBroker,
        user_agent: str,
        *,
        fixed_address: str = "",
        sealing_keys: SealingKeys,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._desk = Desk(embedded, user_agent, fixed_address, sealing_keys, transport)

    def load(self) -> None:
        """Read what is stored. Once, before anything is served."""
        self._desk.load()

    async def aclose(self) -> None:
        """Close the connections and end the embedded broker."""
        await self._desk.aclose()

    # What there is to show

    @property
    def changed(self) -> Signal:
        """Rings when the view is another one."""
        return self._desk.changed

    @property
    def view(self) -> AccountView:
        """The account at this moment; asks nobody and costs little."""
        return self._desk.view()

    def pending(self, pending_id: str) -> Pending | None:
        """What was begun under that id, or None where it is over."""
        return self._desk.pendings.find(pending_id)

    def cancel(self, pending_id: str) -> None:
        """Forget what was begun, with the keys it held."""
        self._desk.pendings.drop(pending_id)

    async def refresh(self) -> None:
        """Ask the broker now. Raises nothing: `view.problem` says what went wrong."""
        await following.refresh(self._desk)

    async def follow(self) -> None:
        """Keep up with the account and keep the embedded broker going. Never ends: a task of the server's."""
        await following.follow(self._desk)

    async def dismiss(self, notice_id: int) -> None:
        """Take a notice away."""
        await self._desk.dismiss(notice_id)

    # For the relay

    @property
    def member(self) -> Member | None:
        """Who is signed in, with the newest log that was verified; None where nobody is, or it was not read yet."""
        return self._desk.relay_member()

    @property
    def leaving(self) -> bool:
        """Whether this device is being signed out at this moment."""
        return self._desk.leaving

    @property
    def trusted(self) -> bool:
        """Whether what the broker said last was believed: no other history, nothing withheld, no new signing key."""
        return self._desk.said.doubt is None

    def name_of(self, device: bytes) -> str:
        """What the owner calls a device of the account, by its id."""
        return self._desk.name_of(device)

    def look_again(self) -> None:
        """Ask the broker soon, since another device has seen more of the account. May be called often."""
        self._desk.look_again()

    # Getting in

    async def start_creation(self, email: str, password: Secret, device_name: str) -> Pending:
        """Make the keys of a new account and ask for the code; nothing is created yet. Next: `enter_code`.

        Raises KeysRefused, PasswordWeak, AddressTaken (embedded only), AlreadySignedIn, and what sending does.
        """
        return await creating.start(self._desk, email, password, device_name)

    async def enter_code(self, pending_id: str, code: str) -> Pending:
        """Confirm the address. Next, by purpose: `finish_creation`, `open_recovery`, `finish_erasure`.

        Raises WrongCode, SlowDown, PendingEnded, PendingElsewhere, and what sending does.
        """
        return await codes.enter(self._desk, pending_id, code)

    async def resend_code(self, pending_id: str) -> Pending:
        """Have another code sent; the one before counts no more."""
        return await codes.resend(self._desk, pending_id)

    async def finish_creation(self, pending_id: str, retyped: Mapping[int, str]) -> None:
        """Compare the groups typed again (by position from 0), create the account, and keep its keys here.

        May be called again after Unsettled, AnswerLost or Unreachable: the account is created once.
        """
        await creating.finish(self._desk, pending_id, retyped)

    async def sign_in(self, email: str, password: Secret, device_name: str, remove: Collection[bytes] = ()) -> None:
        """Let this device join; `remove` are devices to remove first, to make room.

        Raises WrongLogin, SlowDown, DevicesFull, AlreadySignedIn, KeysRefused, and what sending does.
        """
        await signing_in.sign_in(self._desk, email, password, device_name, remove)

    async def start_recovery(self, email: str) -> Pending:
        """Ask for the code that goes before the recovery key. Next: `enter_code`."""
        return await recovering.start(self._desk, email)

    async def open_recovery(self, pending_id: str, key_text: Secret) -> Pending:
        """Open the account by its recovery key. Next: `finish_recovery`. Raises KeysRefused, WrongRecoveryKey."""
        return await recovering.open_account(self._desk, pending_id, key_text)

    async def finish_recovery(self, pending_id: str, password: Secret, device_name: str) -> None:
        """Set the new password and let this device join.

        After DevicesFull the password is the new one already: go on with `sign_in` and devices to remove.
        """
        await recovering.finish(self._desk, pending_id, password, device_name)

    async def start_erasure(self, email: str) -> Pending:
        """Ask for the code that goes before erasing an account nobody can open any more. Next: `enter_code`."""
        return await recovering.start_erasure(self._desk, email)

    async def finish_erasure(self, pending_id: str) -> None:
        """Erase the account at the broker; its address is free again."""
        await recovering.finish_erasure(self._desk, pending_id)

    # Changes, which need the password

    async def change_password(self, old: Secret, new: Secret) -> None:
        """Seal the account by another password; other devices stay signed in. Either holds whatever happens."""
        await changing.change_password(self._desk, old, new)

    async def start_recovery_key(self, password: Secret) -> Pending:
        """Make a new recovery key and show it; the old one still counts. Next: `finish_recovery_key`."""
        return await changing.start_recovery_key(self._desk, password)

    async def finish_recovery_key(self, pending_id: str, retyped: Mapping[int, str]) -> None:
        """Let the new recovery key count instead of the old one."""
        await changing.finish_recovery_key(self._desk, pending_id, retyped)

    async def revoke(self, password: Secret, devices: Collection[bytes]) -> None:
        """Remove devices, and those that signed out, and begin a new key that they know nothing of."""
        await changing.revoke(self._desk, password, devices)

    async def rekey(self, password: Secret, new_password: Secret, keep: Collection[bytes]) -> Pending:
        """Make everything new; this device and `keep` stay. Shows a recovery key and digits. Next: `finish_rekey`."""
        return await changing.rekey(self._desk, password, new_password, keep)

    async def finish_rekey(self, pending_id: str, retyped: Mapping[int, str]) -> None:
        """Replace signing key, password, recovery key and workspace key at once.

        The pending flow stays, at its step DONE, for its digits to be compared on the other devices: `cancel` ends it.
        """
        await changing.finish_rekey(self._desk, pending_id, retyped)

    async def delete(self, password: Secret) -> None:
        """Delete the account at the broker, then everything of it here. Chats stay."""
        await leaving.delete(self._desk, password)

    async def sign_out_everywhere(self, password: Secret) -> None:
        """Remove every other device from the account, then sign this one out."""
        await leaving.sign_out_everywhere(self._desk, password)

    # What needs no password

    async def rename(self, device: bytes, name: str) -> None:
        """Give a device another name, which the broker cannot read."""
        await changing.rename(self._desk, device, name)

    async def trust(self, equal: bool, digits: str) -> None:
        """Say whether `digits`, which `view.digits` were when they were shown, are those on the other device.

        Raises NothingToConfirm, and CodesChanged where other digits are to be compared by now: then nothing was done.
        """
        await following.trust(self._desk, equal, digits)

    async def sign_out(self) -> None:
        """Erase the account from this device, also without a network; then tell the broker, if it can be reached.

        It waits for nothing: what is under way is broken off, and raises CutOff.
        """
        await leaving.sign_out(self._desk)

    async def set_broker(self, address: str) -> None:
        """Use another broker, or the one on this computer for "". It is asked first what it is.

        Raises AddressUnusable, BrokerFixed, BrokerInUse, AnswerUnexpected, Unreachable.
        """
        await self._desk.set_broker(address)


_installed: Account | None = None


def install(account: Account) -> None:
    """Make `account` the one of this process."""
    global _installed
    _installed = account


def installed() -> Account:
    """The account of this process. Raises RuntimeError before `install`."""
    if _installed is None:
        raise RuntimeError("no account is installed in this process")
    return _installed

"""Whether an update keeps the account's own rules: its form, its numbers, and every signature of the log.

This protects honest devices from each other's mistakes and the database from rubbish. It proves nothing to a device,
which checks all of it again and more, since it can open what is sealed here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.account.keys import entries as log_entries
from relay.account.keys.bundle import Header
from relay.account.keys.errors import KeysError
from relay.account.keys.flows import AccountUpdate
from relay.account.keys.log import LogDevice, LogState, verify_log
from relay.api import Problem
from relay.broker.models import Account
from relay.broker.refusals import Refused


@dataclass(frozen=True)
class Checked:
    """What an update that holds leads to; `joined` and `left` are what its own entries say."""

    header: Header
    log: LogState
    joined: tuple[LogDevice, ...]
    left: tuple[bytes, ...]
    rekeyed: bool


def check(update: AccountUpdate, before: Sequence[bytes], account: Account | None) -> Checked:
    """Read the whole log with the update's entries. Takes up to a second; call it outside transactions.

    `account` is None for a new one. Raises Refused(UPDATE_REFUSED).
    """
    entries = [*before, *update.entries]
    try:
        header = update.bundle.header
        log = verify_log(entries, account=update.account, signing_key=_newest_signing_key(entries))
        rekeyed = any(isinstance(log_entries.decode(entry).body, log_entries.Rekey) for entry in update.entries)
    except KeysError:
        raise Refused(Problem.UPDATE_REFUSED) from None
    checked = Checked(
        header=header,
        log=log,
        joined=tuple(device for device in log.devices.values() if device.added >= len(before)),
        left=tuple(
            device.id for device in log.devices.values() if device.revoked is not None and device.revoked >= len(before)
        ),
        rekeyed=rekeyed,
    )
    if not _holds(update, checked, len(before), account):
        raise Refused(Problem.UPDATE_REFUSED)
    return checked


def _holds(update: AccountUpdate, checked: Checked, length: int, account: Account | None) -> bool:
    header = checked.header
    numbers = (update.revision, header.revision, header.epoch, update.position)
    if numbers != (update.expected + 1, update.revision, checked.log.epoch, length):
        return False
    whole = update.auth is not None and update.recovery is not None
    if account is None:
        return whole
    # A new signing key needs a new recovery key to vouch for it, and somebody else may know the password.
    if checked.rekeyed and not whole:
        return False
    # Without a new key the old one must go on opening the door: prelogin answers what the header says.
    same = (header.suite, header.salt) == (account.suite, bytes(account.salt))
    return same or update.auth is not None


def _newest_signing_key(entries: Sequence[bytes]) -> bytes:
    """Return the signing key that the log names last; b"" where there is none. Raises KeysError."""
    for entry in reversed(entries):
        match log_entries.decode(entry).body:
            case log_entries.Rekey(signing_key):
                return signing_key
    return b""

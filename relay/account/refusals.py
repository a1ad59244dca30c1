"""What the account broker says no to, each with a sentence ready to show; made from the `Problem` of its answer.

Refused                            an AccountError, see `errors`
├── WrongLogin                     e-mail and password do not belong together
│   └── WrongPassword              the same where the address is known
├── WrongCode                      another code was sent last
├── WrongRecoveryKey               e-mail and recovery key do not belong together
├── TicketEnded                    the code was entered too long ago
├── TokenEnded                     the right to change the account, or a session, is over
├── DeviceRefused                  this device was removed, or the account is gone
├── ProofRefused                   the proof of this device's key was not accepted; the device may well be listed
├── NotFound                       there is no such thing
├── Conflict                       the account was changed meanwhile; has `revision`
│   └── RecoveryKeyUnused          so the recovery key that was shown counts for nothing
├── UpdateRefused                  the change breaks the account's rules
├── SignUpClosed                   no new accounts there
├── SlowDown                       too many tries; `retry_after` says how long to wait
├── BrokerBusy                     not at the moment
├── RequestRefused                 malformed or too large: the two versions do not fit
├── AddressTaken                   there is such an account; said by the embedded broker's mail only
├── AddressUnknown                 there is no such account; likewise
├── PlanFull                       the plan has no room for this device
└── DevicesFull                    the same, or Lerix has none, with the `devices` that could be removed

Nothing here is the broker's own text.
"""

from datetime import datetime

from relay.account.errors import AccountError


class Refused(AccountError):
    """The broker said no."""


class WrongLogin(Refused):
    """E-mail and password do not belong together; which of the two is wrong is not told."""

    code = "wrong-login"
    field = "password"
    sentence = "The e-mail address and the password do not belong together. Nothing was changed. Check both."


class WrongPassword(WrongLogin):
    """The same for an account whose address is known."""

    sentence = "This is not the password of the account. Nothing was changed. Type it again."


class WrongCode(Refused):
    """Another code was sent, or the ticket does not count any more."""

    code = "wrong-code"
    field = "code"
    sentence = (
        "This is not the code that was sent last, or it is too old. Nothing was changed. Check it, or have a new one "
        "sent."
    )


class WrongRecoveryKey(Refused):
    """E-mail and recovery key do not belong together."""

    code = "wrong-recovery-key"
    field = "key"
    sentence = (
        "This recovery key does not belong to the e-mail address. Nothing was changed. Check both: a newer key may "
        "have replaced it."
    )


class TicketEnded(Refused):
    """The code was entered too long ago, or it was used."""

    code = "ticket-ended"
    sentence = "The code was entered too long ago. Nothing was changed. Start again to get a new one."


class TokenEnded(Refused):
    """The right to change the account, or a session, is over."""

    code = "token-ended"
    sentence = "This took too long, so the account broker wants the password again. Nothing was changed. Start again."


class DeviceRefused(Refused):
    """The broker does not take this device: revoked, or the account is gone."""

    code = "device-refused"
    sentence = (
        "The account broker does not accept this device any more: it was removed, or the account was deleted. Chats "
        "here are kept. Sign in again to add it."
    )


class ProofRefused(Refused):
    """The broker did not accept this device's proof, which says nothing about the device: the proof is bound to a
    moment of the broker's clock and to the name that the broker believes it was asked by."""

    code = "proof-not-accepted"
    sentence = (
        "The account broker did not accept the proof of this device. Nothing was changed, and nothing here is lost. If "
        "it stays so, ask whoever runs the broker to check its clock, and that its proxy passes on the Host header."
    )


class NotFound(Refused):
    """There is no such thing at the broker."""

    code = "not-found"
    sentence = "The account broker does not know this any more. Nothing was changed. Reload the page."


class Conflict(Refused):
    """The account was changed meanwhile; `revision` is the one it is at, where told."""

    code = "changed-elsewhere"
    sentence = "The account was changed on another device at the same time. Nothing was changed from here. Try again."

    def __init__(self, revision: int | None = None) -> None:
        self.revision = revision
        super().__init__()


class RecoveryKeyUnused(Conflict):
    """The same, where a recovery key was shown that now counts for nothing."""

    code = "recovery-key-unused"
    sentence = (
        "The account was changed on another device meanwhile, so the recovery key just shown does not count. Throw "
        "that copy away; the old one still works. Start again."
    )


class UpdateRefused(Refused):
    """An update that breaks the account's rules."""

    code = "update-refused"
    sentence = "The account broker did not take the change. Nothing was changed. Update Lerix, here or at the broker."


class SignUpClosed(Refused):
    """No new accounts there."""

    code = "sign-up-closed"
    field = "broker"
    sentence = "This account broker takes no new accounts. Nothing was changed. Use another one."


class SlowDown(Refused):
    """Too many tries; `retry_after` says when the next one counts."""

    code = "slow-down"

    def __init__(self, *, retry_after: int | None = None) -> None:
        wait = f"Wait {_spoken(retry_after)}" if retry_after else "Wait a little"
        self.sentence = f"There were too many tries. Nothing was changed. {wait}, then try again."
        super().__init__(retry_after=retry_after)


class BrokerBusy(Refused):
    """503 and its kin."""

    code = "broker-unavailable"
    sentence = "The account broker cannot do this at the moment. Nothing was changed. Try again later."


class RequestRefused(Refused):
    """The broker does not understand what this version sends."""

    code = "request-refused"
    sentence = (
        "The account broker does not understand this version of Lerix. Nothing was changed. Update Lerix, here or at "
        "the broker."
    )


class AddressTaken(Refused):
    """There is an account with this address; only the embedded broker's mail tells."""

    code = "address-taken"
    field = "email"
    sentence = "There is an account with this e-mail address already. Nothing was changed. Sign in to it instead."


class AddressUnknown(Refused):
    """There is no account with this address; only the embedded broker's mail tells."""

    code = "address-unknown"
    field = "email"
    sentence = "There is no account with this e-mail address on this computer. Nothing was changed. Check the address."


class PlanFull(Refused):
    """The plan has no room for this device; becomes a DevicesFull where the devices are known."""

    code = "devices-full"
    sentence = "The plan has no room for another device. This device was not added. Remove one, or choose another plan."


class DevicesFull(Refused):
    """The plan, or Lerix, has no room for another device. `devices` are id, name and last seen of those there."""

    code = "devices-full"

    def __init__(self, devices: tuple[tuple[bytes, str, datetime | None], ...], *, most: int | None = None) -> None:
        self.devices = devices
        room = f"The plan has room for {most} device{'' if most == 1 else 's'}" if most else "There is no more room"
        self.sentence = (
            f"{room}, and this would be one more. This device was not added. Choose devices to remove, or another plan."
        )
        super().__init__()


def _spoken(seconds: int) -> str:
    """A time to wait, rounded up, as people say it."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds > length:
            return f"{-(-seconds // length)} {unit}s"
    return "a minute" if seconds > 1 else "a second"

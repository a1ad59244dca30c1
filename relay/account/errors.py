"""What goes wrong with the account on this device, each with a sentence ready to show. None is the broker's own text.

AccountError                       code, sentence, field, retry_after; never holds a secret
├── KeysRefused                    a KeysError of relay.account.keys, with its sentence
├── PasswordWeak                   too easy to guess
├── AddressUnusable                not an address of a broker
├── NotNow                         does not fit the state of this device
│   ├── AlreadySignedIn            there is an account here
│   ├── NotSignedIn                there is none
│   ├── BrokerFixed                the environment names the broker
│   ├── BrokerInUse                signed in there
│   ├── ThisDevice                 a device cannot remove itself
│   ├── NothingToConfirm           no new signing key waits to be confirmed
│   └── CodesChanged               another one waits than the one whose digits were compared
├── PendingEnded                   what was begun is gone: too long ago, or Lerix was restarted
├── PendingElsewhere               what was begun waits for another step
├── Unreachable                    no connection to the broker was made; nothing was sent
├── AnswerLost                     a request was sent, and its answer did not come
│   └── Unsettled                  so often that nobody knows whether the change was made
│       └── CutOff                 broken off by signing out
├── AnswerUnexpected               not the answer of an account broker
├── EmbeddedFailed                 the broker that Lerix runs did not start
├── StoredAway                     what is sealed on this device cannot be opened now
│   └── StoredLost                 nor ever again
├── NotKept                        the keys cannot be stored here, so nothing was sent
└── CodesDiffer                    a person said that the new signing key is not theirs

What the broker says no to is in `refusals`.
"""

from connections.errors import ConnectionsError
from relay.account.keys.errors import (
    DeviceNameUnusable,
    EmailUnusable,
    KeysError,
    PasswordUnusable,
    RecoveryKeyUnusable,
)

_FIELDS: dict[type[KeysError], str] = {
    EmailUnusable: "email",
    PasswordUnusable: "password",
    DeviceNameUnusable: "name",
    RecoveryKeyUnusable: "key",
}


class AccountError(ConnectionsError):
    """Something did not work. `field` names the field of the form that it is about: email, password, code, name, key,
    broker or "". `retry_after` is in seconds, None where trying again at once is allowed."""

    code: str = "account-failed"
    sentence: str = "The account could not be used. Nothing was changed. Try again."
    field: str = ""

    def __init__(self, *, retry_after: int | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(self.sentence)


class KeysRefused(AccountError):
    """What `relay.account.keys` refused; `cause` is its error."""

    def __init__(self, cause: KeysError) -> None:
        self.cause = cause
        self.code, self.sentence = cause.code, cause.sentence
        self.field = next((field for kind, field in _FIELDS.items() if isinstance(cause, kind)), "")
        super().__init__()


class PasswordWeak(AccountError):
    """A new password that is guessed too easily; the sentence is that of `strength`."""

    code = "password-weak"
    field = "password"

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__()


class AddressUnusable(AccountError):
    """Not the address of a broker that Lerix may speak to."""

    code = "broker-address-unusable"
    field = "broker"
    sentence = (
        "This is not the address of an account broker. Nothing was changed. Type it as https://broker.example.com, "
        "with nothing after the name but a port."
    )


class NotNow(AccountError):
    """It does not fit the state of this device."""


class AlreadySignedIn(NotNow):
    """There is an account on this device."""

    code = "already-signed-in"
    sentence = "This device is signed in already. Nothing was changed. Sign out first to use another account."


class NotSignedIn(NotNow):
    """There is no account on this device, or no longer."""

    code = "not-signed-in"
    sentence = "This device is not signed in. Nothing was changed. Sign in first."


class BrokerFixed(NotNow):
    """LERIX_BROKER_URL names the broker."""

    code = "broker-fixed"
    field = "broker"
    sentence = (
        "The broker is set by the variable LERIX_BROKER_URL. Nothing was changed. Change it there, then start Lerix "
        "again."
    )


class BrokerInUse(NotNow):
    """The account on this device lives at the broker in use."""

    code = "broker-in-use"
    field = "broker"
    sentence = "This device is signed in at its broker. Nothing was changed. Sign out first to use another one."


class NothingToConfirm(NotNow):
    """No new signing key is waiting for a person."""

    code = "nothing-to-confirm"
    sentence = "There is no code to compare any more. Nothing was changed. Reload the page."


class CodesChanged(NotNow):
    """Digits were compared, and by then another signing key was waiting."""

    code = "codes-changed"
    sentence = (
        "Another code has come since the one that you compared, so nothing was trusted and nothing was changed. "
        "Compare the code that is shown now."
    )


class ThisDevice(NotNow):
    """A device cannot remove itself."""

    code = "this-device"
    sentence = "This is the device that you are using. Nothing was changed. Use Sign out instead."


class PendingEnded(AccountError):
    """What was begun is not in memory any more."""

    code = "pending-ended"
    sentence = "This was begun too long ago, or Lerix was restarted since. Nothing was changed. Start again."


class PendingElsewhere(AccountError):
    """Another step comes first."""

    code = "pending-elsewhere"
    sentence = "This is not the next step. Nothing was changed. Reload the page and go on from there."


class Unreachable(AccountError):
    """No connection was made, so nothing was sent."""

    code = "broker-unreachable"
    sentence = "The account broker could not be reached. Nothing was changed. Check the network and try again."

    def __init__(self, sentence: str = "") -> None:
        self.sentence = sentence or self.sentence
        super().__init__()


class AnswerLost(AccountError):
    """The request was sent, or part of it, and no whole answer came: it may have been carried out."""

    code = "broker-answer-lost"
    sentence = (
        "The account broker stopped answering in the middle, so it is not known whether it did what was asked. Nothing "
        "here is lost. Try again in a moment."
    )


class Unsettled(AnswerLost):
    """Asked again and again, the broker did not say whether it took a change. The old or the new holds."""

    code = "unsettled"
    sentence = (
        "The account broker stopped answering in the middle, so it is not known yet whether the change was made. "
        "Nothing is lost: either the old state holds or the new one. Try again when the broker can be reached."
    )


class CutOff(Unsettled):
    """Somebody signed out while this was on its way."""

    code = "cut-off"
    sentence = (
        "This was broken off because you signed out here, so it is not known whether the account broker has done it. "
        "Sign in again to see what holds."
    )


class AnswerUnexpected(AccountError):
    """A redirect, a web page, no JSON, too much, or not the fields of this interface."""

    code = "broker-unexpected"
    sentence = (
        "What answers at the broker address is not an account broker that this version of Lerix knows. Nothing was "
        "changed. Check the broker address, or update Lerix."
    )


class EmbeddedFailed(AccountError):
    """The child process that is the embedded broker did not come up."""

    code = "embedded-failed"
    sentence = (
        "The account broker on this computer did not start. Nothing was changed. Lerix tries again by itself; lerix "
        "doctor says more."
    )


class StoredAway(AccountError):
    """The place of the sealing key does not answer now."""

    code = "stored-away"
    sentence = (
        "The system keyring, or the file with the sealing key, does not answer, so the account on this device cannot "
        "be used now. Nothing is lost. Unlock the keyring, then try again."
    )


class StoredLost(StoredAway):
    """The sealing key has vanished, or what was sealed was changed."""

    code = "stored-lost"
    sentence = (
        "What this device had stored of the account cannot be opened any more. Chats here are kept. Sign out, then "
        "sign in again."
    )


class NotKept(AccountError):
    """The keys could not be sealed or stored on this device, so nothing was sent."""

    code = "not-kept"
    sentence = (
        "The account's keys could not be stored on this computer. Nothing was changed. Check that the data folder can "
        "be written, then try again."
    )


class CodesDiffer(AccountError):
    """A person compared the digits of a new signing key, and they were not equal."""

    code = "codes-differ"
    sentence = (
        "The codes were not equal, so the new signing key is not used and this device stays at what it knew. Somebody "
        "else may know your keys. Sign out here, and ask whoever runs the broker."
    )

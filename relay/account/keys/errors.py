"""What goes wrong with the keys of an account, each with a sentence ready to show.

KeysError                          has code and sentence; never holds a secret
├── Unusable                       something a person gave or asked for cannot be used
│   ├── EmailUnusable              not an address that Lerix takes
│   ├── PasswordUnusable           empty, far too long, or not text
│   │   └── PasswordTooShort       fewer than 12 characters, for a new password
│   ├── DeviceNameUnusable         empty, too long, or with control characters
│   ├── RecoveryKeyUnusable
│   │   ├── RecoveryKeyLength      characters are missing, or there are too many
│   │   ├── RecoveryKeyCharacter   a character that no recovery key has
│   │   ├── RecoveryKeyMistyped    the check characters do not fit
│   │   ├── RecoveryKeyVersion     made by another version of Lerix
│   │   └── RetypeDiffers          a group typed again is not that of the key shown
│   ├── DeviceNotListed            the account has no such device now
│   ├── TooManyDevices             the account is full
│   ├── TooManyEpochs              too many revocations
│   └── PasswordNeeded             after recovery, a new password comes first
├── Untrusted                      what the broker sent is refused; nothing on the device was changed
│   ├── AnswerMalformed            an id or key of another length or form
│   ├── SuiteUnknown               password settings that this version does not have
│   ├── SaltMalformed              a salt of another length
│   ├── BundleError
│   │   ├── BundleMalformed        not in the form of a root bundle
│   │   ├── BundleNotOpened        the password or recovery key does not open it, or it is another account's
│   │   ├── BundleNotAnchored      the recovery copy holds keys that the recovery key does not vouch for
│   │   ├── BundleRolledBack       older than what this device has seen
│   │   └── BundleOutdated         the log goes on after it; a moment's difference, or something is withheld
│   ├── LogError
│   │   ├── LogMalformed           an entry is not in the form of one
│   │   ├── LogFromNewerLerix      an entry of a form or kind that this version does not know
│   │   ├── LogTooLarge            over the limit of entries or bytes
│   │   ├── LogBroken              entries missing, doubled or out of order
│   │   ├── LogForged              not signed by the account's signing key
│   │   ├── LogRuleBroken          signed, but against the rules
│   │   ├── LogIncomplete          ends before its new workspace key
│   │   ├── LogRolledBack          older than what this device has seen
│   │   ├── LogForked              another history than the one this device has seen
│   │   └── SigningKeyChanged      replaced after a compromise: a person compares `digits` first
│   ├── KeyNotOpened               a new workspace key is not the one that was announced
│   ├── NameNotOpened              a device's name was not sealed by this account
│   └── ProofRefused               a device's proof of its keys does not hold
├── DeviceRevoked                  this device was removed from the account
└── StoredUnreadable               what this device had stored is damaged
"""

from typing import ClassVar


class KeysError(Exception):
    """Base of this package's errors. `str()` is the sentence; nothing here ever holds a secret."""

    code: ClassVar[str] = "keys-failed"
    sentence: str = "The account's keys could not be used. Nothing was changed. Try again."

    def __init__(self) -> None:
        super().__init__(self.sentence)


class Unusable(KeysError):
    """Something that a person gave or asked for cannot be used as it is."""


class EmailUnusable(Unusable):
    """Not of the form `name@domain` in ASCII; see `password.normalise_email`."""

    code = "email-unusable"
    sentence = "This is not an e-mail address that Lerix can use. Nothing was sent. Check it: name@example.com."


class PasswordUnusable(Unusable):
    """Empty, longer than `password.MAX_PASSWORD` bytes, or not valid Unicode."""

    code = "password-unusable"
    sentence = "This password cannot be used: it is empty or too long. Nothing was sent. Type another one."


class PasswordTooShort(PasswordUnusable):
    """A new password of fewer than `password.MIN_PASSWORD` characters."""

    code = "password-too-short"
    sentence = "The password is shorter than 12 characters. Nothing was changed. Choose a longer one."


class DeviceNameUnusable(Unusable):
    """Empty, over `names.MAX_NAME` bytes, or with control characters."""

    code = "device-name-unusable"
    sentence = "This name cannot be used: it is empty, too long, or has hidden characters. Choose another one."


class RecoveryKeyUnusable(Unusable):
    """What was typed is not a recovery key."""


class RecoveryKeyLength(RecoveryKeyUnusable):
    """Too few or too many characters."""

    code = "recovery-key-length"
    sentence = (
        "This recovery key is not complete: it is LRX1 and nine groups of four characters. Nothing was sent. Compare "
        "it with your copy."
    )


class RecoveryKeyCharacter(RecoveryKeyUnusable):
    """A character outside Crockford's base 32 that is not commonly confused with one inside."""

    code = "recovery-key-character"
    sentence = (
        "This recovery key has a character that no recovery key has. Nothing was sent. Compare it with your copy: "
        "digits, and letters without I, L, O and U."
    )


class RecoveryKeyMistyped(RecoveryKeyUnusable):
    """The four check characters do not fit the others."""

    code = "recovery-key-mistyped"
    sentence = (
        "The recovery key has a typing error: its check characters do not fit. Nothing was sent. Compare it with your "
        "copy group by group."
    )


class RecoveryKeyVersion(RecoveryKeyUnusable):
    """It has a prefix, but not LRX1."""

    code = "recovery-key-version"
    sentence = "This is not a recovery key of this Lerix: those begin with LRX1. Nothing was sent. Update Lerix."


class RetypeDiffers(RecoveryKeyUnusable):
    """A group that had to be typed again is another one in the key that was shown."""

    code = "retype-differs"
    sentence = "This is another group than in your recovery key. The key is unchanged. Look at your copy, type again."


class DeviceNotListed(Unusable):
    """No device of that id belongs to the account now."""

    code = "device-not-listed"
    sentence = "This device does not belong to the account any more. Nothing was changed. Reload the list of devices."


class TooManyDevices(Unusable):
    """`log.MAX_DEVICES` devices belong to the account."""

    code = "too-many-devices"
    sentence = "The account has as many devices as it can have. Nothing was changed. Revoke a device you no longer use."


class TooManyEpochs(Unusable):
    """`bundle.MAX_EPOCHS` workspace keys, or a log that is full."""

    code = "too-many-epochs"
    sentence = "The account's keys were renewed as often as possible. Nothing was changed. Create a new account."


class PasswordNeeded(Unusable):
    """The root bundle was opened by the recovery key, so there is no password to close it with again."""

    code = "password-needed"
    sentence = "The account was opened with the recovery key. Nothing was changed. Choose a new password first."


class Untrusted(KeysError):
    """What the broker sent cannot be what an honest broker keeps for this account."""

    sentence = (
        "The account broker sent something that does not belong to this account, so it was refused. Nothing on this "
        "device was changed. Check the broker address, and ask whoever runs the broker."
    )


class AnswerMalformed(Untrusted):
    """An id or a key has another length or form."""

    code = "answer-malformed"
    sentence = (
        "The account broker sent something that Lerix cannot read, so it was refused. Nothing on this device was "
        "changed. Check the broker address, or update Lerix."
    )


class SuiteUnknown(Untrusted):
    """The number of a suite that is not compiled into this version; nothing was hashed."""

    code = "suite-unknown"
    sentence = (
        "The account broker asked for password settings that this version of Lerix does not have, so your password was "
        "not used. Nothing was sent. Check the broker address, or update Lerix."
    )


class SaltMalformed(Untrusted):
    """A salt of another length than the suite's; nothing was hashed."""

    code = "salt-malformed"
    sentence = (
        "The account broker sent damaged password settings, so your password was not used. Nothing was sent. Check the "
        "broker address, and ask whoever runs the broker."
    )


class BundleError(Untrusted):
    """The root bundle cannot be used."""


class BundleMalformed(BundleError):
    """Not in the form of a root bundle, or of a form of a newer Lerix."""

    code = "bundle-malformed"
    sentence = AnswerMalformed.sentence


class BundleNotOpened(BundleError):
    """Sealed by another password or recovery key, for another account, epoch, suite or salt, or changed on the way."""

    code = "bundle-not-opened"
    sentence = (
        "What the account broker sent cannot be opened with what you typed, so it was refused. Nothing on this device "
        "was changed. Check what you typed and the broker address, then try again."
    )


class BundleNotAnchored(BundleError):
    """The recovery copy opened, which anybody could have sealed, but its keys are not those of the account."""

    code = "bundle-not-anchored"
    sentence = (
        "The account broker sent keys that your recovery key does not vouch for, so they were refused. Nothing on this "
        "device was changed. Do not use this broker before whoever runs it has explained it."
    )


class BundleRolledBack(BundleError):
    """Its revision or its log is older than what this device has seen."""

    code = "bundle-rolled-back"
    sentence = (
        "The account broker sent an older state of the account than this device has seen, so it was refused. Nothing "
        "on this device was changed. Ask whoever runs the broker whether a backup was restored."
    )


class BundleOutdated(BundleError):
    """The log has entries after the bundle's head: fetch both again, once, before it is shown."""

    code = "bundle-outdated"
    sentence = (
        "The account broker sent keys and a list of devices that do not fit together, so they were refused. Nothing on "
        "this device was changed. Try again; if it stays, ask whoever runs the broker."
    )


class LogError(Untrusted):
    """The device log cannot be used, so this device keeps to what it knew."""

    sentence = (
        "The account broker sent a list of devices that was not made by this account, so it was refused. Nothing on "
        "this device was changed. Check the broker address, and ask whoever runs the broker."
    )


class LogMalformed(LogError):
    """An entry is not in the form of one."""

    code = "log-malformed"
    sentence = (
        "The account broker sent a damaged or incomplete list of devices, so it was refused. Nothing on this device "
        "was changed. Try again; if it stays, ask whoever runs the broker."
    )


class LogFromNewerLerix(LogError):
    """An entry of a form or kind that this version does not know: nothing after it can be judged."""

    code = "log-from-newer-lerix"
    sentence = "A newer Lerix wrote the list of devices. Nothing on this device was changed. Update Lerix."


class LogTooLarge(LogError):
    """Over `log.MAX_ENTRIES` entries or `log.MAX_LOG` bytes."""

    code = "log-too-large"
    sentence = LogMalformed.sentence


class LogBroken(LogError):
    """An entry does not follow the one before: missing, doubled, out of order, or another account's."""

    code = "log-broken"
    sentence = (
        "The account broker sent a list of devices with gaps or changes, so it was refused. Nothing on this device was "
        "changed. Ask whoever runs the broker."
    )


class LogForged(LogError):
    """An entry is not signed by the signing key in force, or the whole log is not that of the trusted key."""

    code = "log-forged"
    sentence = (
        "The account broker sent a list of devices that your account did not sign, so it was refused. Nothing on this "
        "device was changed. Do not use this broker before whoever runs it has explained it."
    )


class LogRuleBroken(LogError):
    """Signed, but it does what no Lerix does: a key used twice, a device revoked twice, an epoch skipped."""

    code = "log-rule-broken"


class LogIncomplete(LogError):
    """It ends between a revocation and the new workspace key that belongs to it."""

    code = "log-incomplete"
    sentence = LogMalformed.sentence


class LogRolledBack(LogError):
    """Shorter than what this device has seen."""

    code = "log-rolled-back"
    sentence = BundleRolledBack.sentence


class LogForked(LogError):
    """Another entry stands where this device has seen one."""

    code = "log-forked"
    sentence = (
        "The account broker shows this device another history of the account than before, so it was refused. Nothing "
        "on this device was changed. Do not use this broker before whoever runs it has explained it."
    )


class SigningKeyChanged(LogError):
    """The signing key that this device trusts was replaced after a compromise: `flows.rekey`.

    Whoever had the old key could have done it too, so a person decides: the device that replaced the key shows the
    same `digits`. If they are equal, go on with `log.Known.trust(signing_key)`.
    """

    code = "signing-key-changed"
    sentence = (
        "The account's signing key was replaced on another device. Nothing on this device was changed. Compare the "
        "code with the one shown there, and confirm only if they are equal."
    )

    def __init__(self, signing_key: bytes, digits: str) -> None:
        self.signing_key = signing_key
        self.digits = digits
        super().__init__()


class KeyNotOpened(Untrusted):
    """The workspace key of a new epoch cannot be opened, or is not the one that the log announced."""

    code = "key-not-opened"
    sentence = (
        "This device could not open the account's new key. Its older data is unchanged. Sign out and sign in again on "
        "this device."
    )


class NameNotOpened(Untrusted):
    """A device's name was sealed by another key, for another device, or changed."""

    code = "name-not-opened"
    sentence = "The name of a device could not be read. The device itself is unaffected. Give it a new name."


class ProofRefused(Untrusted):
    """A device's signature over the broker's nonce does not hold."""

    code = "proof-refused"
    sentence = (
        "The device could not prove that it belongs to the account, so the connection was refused. Nothing was "
        "changed. Sign in again on that device."
    )


class DeviceRevoked(KeysError):
    """The log, properly signed, says that this device was removed."""

    code = "device-revoked"
    sentence = "This device was removed from the account. What is stored here stays here. Sign in again to add it."


class StoredUnreadable(KeysError):
    """What this device had stored of the account has another form or length."""

    code = "stored-unreadable"
    sentence = "What this device had stored of the account cannot be read. Chats here are kept. Sign in again."

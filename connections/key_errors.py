"""What goes wrong with OpenAI API keys, each with a sentence ready to show.

ConnectionsError                   (connections.errors)
├── KeyNotKept                     a key or a label was not taken; names the field of the form
└── AccessError                    (connections.errors)
    ├── KeyRefused                 401: the key is not, or no longer, known
    ├── KeyNotAllowed              401 or 403: the key is known and may not do that
    ├── CreditUsedUp               insufficient_quota; a QuotaExceeded
    ├── KeyModelRefused            the key cannot use the model; a ModelRefused
    ├── VerificationNeeded         only verified organizations may stream the model; a ModelRefused
    ├── PageInTheWay               HTML came; a WebPageAnswered
    └── KeyUnreadable              the key cannot be opened here; nothing was asked
        ├── SealingKeyGone         the sealing key has vanished
        ├── SealedKeyDamaged       what is stored is not what was sealed
        └── SealingKeyAway         the keyring, or the file, does not answer now
"""

from connections.errors import (
    AccessError,
    ConnectionsError,
    ModelRefused,
    QuotaExceeded,
    RateLimited,
    SignInRefused,
    UsageLimitReached,
    UsageNotIncluded,
    WebPageAnswered,
    WorkspaceRefused,
)
from connections.status import NextStep

# Part of OpenAI's words where a restricted key lacks a permission; it comes with 401 as well as with 403.
_PERMISSION = ("missing scopes", "insufficient permissions")
# Part of its words where a model is streamed to verified organizations only.
_VERIFIED = "must be verified to stream"


class KeyNotKept(ConnectionsError):
    """What was entered was not taken, and nothing was changed. `field` is "label" or "key"; `str()` is the sentence.

    Never holds the key.
    """

    def __init__(self, field: str, sentence: str) -> None:
        self.field = field
        self.sentence = sentence
        super().__init__(sentence)


class KeyRefused(AccessError):
    """401: OpenAI does not know the key, or no longer."""

    code = "key-refused"
    sentence = "OpenAI no longer accepts this API key. Your message is kept. Replace the key in Connections."
    next_step = NextStep.CONNECTIONS


class KeyNotAllowed(AccessError):
    """The key is known, but restricted, or its project or organization may not do this."""

    code = "key-not-allowed"
    sentence = (
        "OpenAI does not allow this API key to do that. Your message is kept. "
        "Check the key's permissions at platform.openai.com, or use another connection."
    )
    next_step = NextStep.CONNECTIONS


class CreditUsedUp(QuotaExceeded):
    """insufficient_quota: the account behind the key has to pay first, or has reached the limit it set itself."""

    code = "credit-used-up"
    sentence = (
        "The OpenAI account of this API key has no credit left. Your message is kept. "
        "Add credit at platform.openai.com, or use another connection."
    )


class KeyModelRefused(ModelRefused):
    """model_not_found: there is no such model for this key."""

    code = "key-model-refused"
    sentence = "This API key cannot use the chosen model. Your message is kept. Choose another model."


class VerificationNeeded(ModelRefused):
    """The organization must be verified to stream this model."""

    code = "verification-needed"
    sentence = (
        "OpenAI lets only verified organizations use this model. Your message is kept. "
        "Choose another model, or verify the organization at platform.openai.com."
    )


class PageInTheWay(WebPageAnswered):
    """HTML instead of an answer: the API sends none, so something between here and there did."""

    code = "page-in-the-way"
    sentence = (
        "A web page came instead of an answer. Nothing was lost. "
        "Check whether this network wants a sign-in or a proxy, then try again."
    )


class KeyUnreadable(AccessError):
    """The stored key cannot be opened, so nothing was sent."""

    code = "key-unreadable"
    sentence = "The stored API key cannot be read. Your message is kept. Enter the key again in Connections."
    next_step = NextStep.CONNECTIONS


class SealingKeyGone(KeyUnreadable):
    """The key that opens the stored one is not where it was kept."""

    code = "sealing-key-gone"
    sentence = (
        "The key that opens the stored API key is gone, so nothing was sent. Your message is kept. "
        "Enter the API key again in Connections."
    )


class SealedKeyDamaged(KeyUnreadable):
    """The stored bytes are not what was sealed for this row."""

    code = "sealed-key-damaged"
    sentence = "The stored API key is damaged. Your message is kept. Enter the API key again in Connections."


class SealingKeyAway(KeyUnreadable):
    """The keyring is locked or does not answer, or the file cannot be read."""

    code = "sealing-key-away"
    sentence = (
        "The place that keeps the key to the stored API keys does not answer. Your message is kept. "
        "Unlock the system keyring, then try again."
    )
    next_step = NextStep.RETRY


def for_key(error: AccessError) -> AccessError:
    """`error` as it is to be told where the request went with an API key, not with Codex's sign-in."""
    kind = _kind(error)
    return error if kind is None else kind(detail=error.detail, until=error.until)


def _kind(error: AccessError) -> type[AccessError] | None:
    words = error.detail.lower()
    if _VERIFIED in words:
        return VerificationNeeded
    match error:
        case SignInRefused() | WorkspaceRefused() if any(part in words for part in _PERMISSION):
            return KeyNotAllowed
        case SignInRefused():
            return KeyRefused
        case WorkspaceRefused():
            return KeyNotAllowed
        case QuotaExceeded() | UsageNotIncluded():
            return CreditUsedUp
        case UsageLimitReached():
            return RateLimited
        case ModelRefused():
            return KeyModelRefused
        case WebPageAnswered():
            return PageInTheWay
    return None

"""What goes wrong between Lerix and a model, each with a sentence ready to show.

ConnectionsError
├── ForeignAddress                 a request would have carried a session to another address: a bug
└── AccessError                    has code, sentence, next_step, until, detail
    ├── Unavailable                the path is not ready; made from its Status
    ├── SignInRefused              401, also after re-reading the session
    ├── WorkspaceRefused           402 deactivated_workspace, 403
    ├── RegionRefused              403 for the country
    ├── RequestRefused             400 with no better name
    │   ├── ModelRefused           this account cannot use the model (model_refused is true)
    │   ├── EffortRefused          the model does not take the reasoning effort
    │   ├── ContextTooLong         the chat does not fit the model
    │   ├── ImageRefused           an image cannot be read by the model
    │   ├── PromptRefused          invalid_prompt
    │   └── HistoryRefused         replayed reasoning is not known any more
    ├── LimitError
    │   ├── UsageLimitReached      429 usage_limit_reached; until is when it resets, where told
    │   ├── UsageNotIncluded       429: the plan has no Codex
    │   ├── QuotaExceeded          insufficient_quota
    │   └── RateLimited            429 of any other kind
    ├── ServiceFailed              5xx and response.failed
    │   ├── ServiceFaltered        500, 502, 503, 504: may be over in a moment
    │   └── Overloaded             the model is at capacity
    ├── UnexpectedAnswer           404, a redirect, an unknown status: the service changed
    │   ├── WebPageAnswered        HTML, as a rule a Cloudflare check
    │   ├── NotAnEventStream       200, but no event stream
    │   └── CatalogueUnreadable    the model list cannot be read
    ├── Unreachable                no connection was made
    │   ├── NameNotFound           DNS
    │   ├── ConnectionRefused      nothing listens there
    │   ├── TlsFailed              the certificate or the handshake
    │   ├── ProxyFailed            the configured proxy
    │   └── ConnectTimedOut        nobody answered in time
    └── AnswerCut                  a connection was made, the answer is not whole
        ├── ConnectionCut          reset or closed too early
        ├── SendTimedOut           the request could not be written in time
        ├── IdleTimedOut           nothing came for too long
        ├── AnswerUnfinished       the stream ended without response.completed
        ├── AnswerGarbled          not UTF-8, or over the limits of one event
        ├── AnswerTooLarge         over the limit of one answer
        └── AnswerIncomplete       response.incomplete
            ├── OutputLimitReached max_output_tokens
            └── ContentFiltered    content_filter
"""

from datetime import datetime
from typing import ClassVar

from connections.status import NextStep, Status


class ConnectionsError(Exception):
    """Base of this package's errors."""


class ForeignAddress(ConnectionsError):
    """A request with a session's credentials was addressed to something else than its backend."""


class AccessError(ConnectionsError):
    """An answer could not be had. `str()` is the sentence; nothing here ever holds a token.

    `until` is an aware UTC datetime before which asking again is useless, where known. `detail` is the
    service's own text, made safe by `connections.refusals.clean_detail`. `transient` says whether the
    same request may succeed in a moment: only such errors are retried, and only before an event came.
    `nothing_sent` says that no part of the request left, so that asking later is not asking twice.
    """

    code: str = "failed"
    sentence: str = "The answer could not be had. Nothing was lost. Try again."
    next_step: NextStep = NextStep.RETRY
    transient: ClassVar[bool] = False
    model_refused: ClassVar[bool] = False
    nothing_sent: ClassVar[bool] = False

    def __init__(self, *, detail: str = "", until: datetime | None = None) -> None:
        self.detail = detail
        self.until = until
        super().__init__(self.sentence)


class Unavailable(AccessError):
    """Nothing was sent, because the path's own state forbids it."""

    code = "unavailable"
    nothing_sent = True

    def __init__(self, status: Status) -> None:
        self.code = status.code
        self.sentence = f"{status.sentence} Nothing was sent."
        self.next_step = status.next_step or NextStep.CONNECTIONS
        super().__init__(until=status.until)


class SignInRefused(AccessError):
    """401, once more after the session was read again."""

    code = "sign-in-refused"
    sentence = "OpenAI no longer accepts Codex's sign-in. Your message is kept. Run codex login again."
    next_step = NextStep.SIGN_IN_AGAIN


class WorkspaceRefused(AccessError):
    """402 or 403: the account's workspace may not use Codex."""

    code = "workspace-refused"
    sentence = (
        "OpenAI does not let this account's workspace use Codex. Your message is kept. "
        "Sign in to Codex with another account or workspace."
    )
    next_step = NextStep.SIGN_IN


class RegionRefused(AccessError):
    """403 unsupported_country_region_territory."""

    code = "region-refused"
    sentence = "OpenAI does not serve the country this connection comes from. Your message is kept."
    next_step = NextStep.CONNECTIONS


class RequestRefused(AccessError):
    """400 without a better name: as a rule the service takes other fields than it did."""

    code = "request-refused"
    sentence = (
        "The service refused the request. Your message is kept. If other messages are refused as well, update Lerix."
    )
    next_step = NextStep.UPDATE


class ModelRefused(RequestRefused):
    """The account cannot use the model, or there is no such model."""

    code = "model-refused"
    sentence = "This account cannot use the chosen model. Your message is kept. Choose another model."
    next_step = NextStep.CHOOSE_MODEL
    model_refused = True


class EffortRefused(RequestRefused):
    """400 unsupported_value for reasoning.effort."""

    code = "effort-refused"
    sentence = (
        "The model does not take the chosen reasoning effort. Your message is kept. Choose another effort or model."
    )
    next_step = NextStep.CHOOSE_MODEL


class ContextTooLong(RequestRefused):
    """context_length_exceeded."""

    code = "context-too-long"
    sentence = "This chat has become too long for the model. Your message is kept. Start a new chat."
    next_step = NextStep.NEW_CHAT


class ImageRefused(RequestRefused):
    """The service cannot read an image of the request."""

    code = "image-refused"
    sentence = "The service cannot read an attached image. Your message is kept. Remove it and send again."
    next_step = NextStep.EDIT


class PromptRefused(RequestRefused):
    """invalid_prompt: refused for its content."""

    code = "prompt-refused"
    sentence = "The service refused this message for its content. It is kept. Edit it and send it again."
    next_step = NextStep.EDIT


class HistoryRefused(RequestRefused):
    """Reasoning replayed from earlier turns is not known to the service, or is another account's."""

    code = "history-refused"
    sentence = "The service no longer knows earlier steps of this chat. It is kept. Start a new chat."
    next_step = NextStep.NEW_CHAT


class LimitError(AccessError):
    """The account may not ask for more now."""

    code = "limit"
    next_step = NextStep.WAIT


class UsageLimitReached(LimitError):
    """429 usage_limit_reached."""

    code = "usage-limit"
    sentence = "The usage limit of your ChatGPT plan is reached. Your message is kept. Wait for the reset."


class UsageNotIncluded(LimitError):
    """429 usage_not_included."""

    code = "usage-not-included"
    sentence = "Your ChatGPT plan does not include Codex. Your message is kept. Use another connection."
    next_step = NextStep.CONNECTIONS


class QuotaExceeded(LimitError):
    """insufficient_quota: what was paid for is used up."""

    code = "quota-exceeded"
    sentence = "The account's credit is used up. Your message is kept. Use another connection."
    next_step = NextStep.CONNECTIONS


class RateLimited(LimitError):
    """429 of any other kind, or rate_limit_exceeded inside an answer."""

    code = "rate-limited"
    sentence = "Too many requests were sent in a short time. Nothing was lost. Wait a little and try again."


class ServiceFailed(AccessError):
    """5xx, or response.failed without a better name."""

    code = "service-failed"
    sentence = "OpenAI's service had a fault of its own. What had come is kept. Try again."


class ServiceFaltered(ServiceFailed):
    """500, 502, 503 or 504 before an answer began."""

    transient = True


class Overloaded(ServiceFailed):
    """server_is_overloaded or slow_down."""

    code = "overloaded"
    sentence = "The model is at capacity. Nothing was lost. Choose another model, or try again later."
    next_step = NextStep.CHOOSE_MODEL


class UnexpectedAnswer(AccessError):
    """The service answers in a way this version does not know."""

    code = "service-changed"
    sentence = "The service answered in a way this version does not know. Nothing was lost. Update Lerix."
    next_step = NextStep.UPDATE


class WebPageAnswered(UnexpectedAnswer):
    """HTML came, with whatever status."""

    code = "web-page"
    sentence = (
        "A web page came instead of an answer, as a rule a check whether you are a person. Nothing was "
        "lost. Open chatgpt.com in a browser on this network, then try again."
    )
    next_step = NextStep.RETRY


class NotAnEventStream(UnexpectedAnswer):
    """200 with another content type."""

    code = "not-a-stream"


class CatalogueUnreadable(UnexpectedAnswer):
    """The model list is of another shape, or too large."""

    code = "models-unreadable"
    sentence = "The list of models came in a form this version does not know. Update Lerix."


class Unreachable(AccessError):
    """No connection to the service was made; nothing was sent."""

    code = "unreachable"
    sentence = "The service could not be reached. Nothing was lost. Check the network and try again."
    transient = True


class NameNotFound(Unreachable):
    """The host's name could not be looked up."""

    code = "name-not-found"
    sentence = (
        "The service's name could not be looked up. Nothing was lost. Check the internet connection and try again."
    )


class ConnectionRefused(Unreachable):
    """The host answered that nothing listens there."""

    code = "connection-refused"
    sentence = "The connection to the service was refused. Nothing was lost. Try again."


class TlsFailed(Unreachable):
    """The certificate could not be trusted, or the handshake failed."""

    code = "tls-failed"
    sentence = (
        "No secure connection to the service could be made, so nothing was sent. "
        "Check this computer's clock and network, then try again."
    )
    transient = False


class ProxyFailed(Unreachable):
    """The proxy of this computer's settings refused or failed."""

    code = "proxy-failed"
    sentence = (
        "The proxy set on this computer did not connect. Nothing was lost. Check the proxy settings and try again."
    )
    transient = False


class ConnectTimedOut(Unreachable):
    """Nobody answered within the connect time-out."""

    code = "connect-timeout"
    sentence = "The service did not answer in time. Nothing was lost. Check the network and try again."


class AnswerCut(AccessError):
    """The answer began or was about to, and is not whole."""

    code = "cut"
    sentence = "The answer broke off. What had come is kept. Try again."


class ConnectionCut(AnswerCut):
    """The connection was reset or closed before the answer was whole."""

    code = "connection-cut"
    sentence = "The connection broke before the answer was complete. What had come is kept. Try again."
    transient = True


class SendTimedOut(AnswerCut):
    """The request could not be written in time."""

    code = "send-timeout"
    sentence = "Your message could not be sent in time. It is kept. Try again."


class IdleTimedOut(AnswerCut):
    """Nothing came for the idle time-out."""

    code = "idle-timeout"
    sentence = "The service fell silent before the answer was complete. What had come is kept. Try again."


class AnswerUnfinished(AnswerCut):
    """The stream ended, but never said that the answer is complete."""

    code = "unfinished"
    sentence = "The answer ended before it was complete. What had come is kept. Try again."


class AnswerGarbled(AnswerCut):
    """The stream is not UTF-8, or one event of it is too large."""

    code = "garbled"
    sentence = "The answer arrived damaged. What had come is kept. Try again."


class AnswerTooLarge(AnswerCut):
    """More came than one answer may have."""

    code = "too-large"
    sentence = "The answer grew larger than Lerix takes. What had come is kept. Ask for a shorter one."
    next_step = NextStep.EDIT


class AnswerIncomplete(AnswerCut):
    """response.incomplete: the service itself says that it stopped early."""

    code = "incomplete"
    sentence = "The service stopped before the answer was complete. What had come is kept. Try again."


class OutputLimitReached(AnswerIncomplete):
    """response.incomplete, max_output_tokens."""

    code = "output-limit"
    sentence = "The answer reached the longest the model gives. What had come is kept. Ask it to go on."
    next_step = NextStep.EDIT


class ContentFiltered(AnswerIncomplete):
    """response.incomplete, content_filter."""

    code = "content-filtered"
    sentence = "The service stopped the answer for its content. What had come is kept. Edit your message."
    next_step = NextStep.EDIT

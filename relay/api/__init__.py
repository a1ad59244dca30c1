"""What a device and the account broker say to each other about an account: addresses, messages, error codes.

JSON over HTTPS below `/api/1/`; bytes travel in base64url without padding. Nobody's cookies are involved: a request
names its right by `Authorization: Bearer <token>`. There are two kinds of tokens, and the broker keeps digests only:

    unlock    given for the password or the recovery key; 10 minutes; the account may be changed (update, delete)
    session   given for a proof by a device's own key; 12 hours; the account may be read, a device renamed

    POST   tickets         TicketRequest   -> 202 Ticket      no token; the same answer whether the address is known
    POST   confirm         Confirmation    -> 204             no token; the code that came by e-mail
    POST   accounts        Creation        -> 201 AccountState      a confirmed ticket "create"
    POST   prelogin        {"email"}       -> 200 Prelogin          the same form for unknown addresses
    POST   login           Login           -> 200 Opened
    POST   recover         Recovery        -> 200 Opened            a confirmed ticket "recover"
    POST   erase           {"ticket"}      -> 204                   a confirmed ticket "erase"
    POST   update          Update          -> 200 AccountState      unlock; 409 with `conflict`
    DELETE account                         -> 204                   unlock
    POST   nonces          DeviceName      -> 200 Nonce
    POST   sessions        Proof           -> 201 Session
    GET    account                         -> 200 AccountState      either token
    GET    log                             -> 200 {"entries"}       either token
    PUT    devices/<id>/name   {"name"}    -> 204                   session; the id in hexadecimal digits
    POST   sign-out                        -> 204                   session; this device cannot prove itself any more
    GET    info                            -> 200 Info              no token

An update whose answer was lost is not sent again blindly: the device reads the account, and the revision tells.
A creation may be sent again with the same ticket and account id: the answer is the same.

Both sides read these messages with the decoders here; whatever does not fit raises `MessageMalformed`.
"""

from enum import StrEnum
from typing import Final

VERSION: Final = 1
PREFIX: Final = "/api/1/"
#: By this an embedded broker knows the Lerix that started it; it answers nobody else.
PARENT_HEADER: Final = "X-Lerix-Parent"
#: Seconds.
UNLOCK_SECONDS: Final = 600
SESSION_SECONDS: Final = 12 * 3600
NONCE_SECONDS: Final = 60
CODE_SECONDS: Final = 15 * 60
#: How long a ticket is good for once its code was entered: time to copy a recovery key.
CONFIRMED_SECONDS: Final = 3600
CODE_DIGITS: Final = 8
#: A whole log in base64, and some more; what is larger is refused unread.
MAX_ANSWER: Final = 12 * 1024 * 1024
MAX_REQUEST: Final = 2 * 1024 * 1024
#: Bytes of what is sent in one piece.
ID, KEY, NONCE, SIGNATURE, TOKEN = 16, 32, 32, 64, 32


class Purpose(StrEnum):
    """What a code by e-mail is asked for."""

    CREATE = "create"
    RECOVER = "recover"
    ERASE = "erase"


class Problem(StrEnum):
    """The `error` of an answer that is not 2xx: `{"error": ..., "retry_after": seconds?, "revision": n?}`."""

    MALFORMED = "malformed"  # 400: not a message of this interface
    TOO_LARGE = "too-large"  # 413
    WRONG_LOGIN = "wrong-login"  # 401: e-mail and password do not belong together
    WRONG_CODE = "wrong-code"  # 401: also for a ticket that no longer counts
    WRONG_RECOVERY = "wrong-recovery"  # 401: e-mail and recovery key do not belong together
    TICKET_ENDED = "ticket-ended"  # 401: not confirmed, used, or too old
    TOKEN_ENDED = "token-ended"  # noqa: S105  (401: unlock again, or prove again)
    DEVICE_REFUSED = "device-refused"  # 401: unknown, revoked or signed out
    PROOF_REFUSED = "proof-refused"  # 401: the nonce is too old or used, or the proof is for another name: prove again
    NOT_FOUND = "not-found"  # 404
    CONFLICT = "conflict"  # 409: the account is at another `revision`
    UPDATE_REFUSED = "update-refused"  # 422: an update that breaks the account's own rules
    PLAN_DEVICES = "plan-devices"  # 403: the plan has no room for another device
    SIGN_UP_CLOSED = "sign-up-closed"  # 403: this broker takes no new accounts
    SLOW_DOWN = "slow-down"  # 429: `retry_after` seconds
    UNAVAILABLE = "unavailable"  # 503

"""What an access path says about itself, ready to show."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class NextStep(StrEnum):
    """The one thing the person can do next; pages turn it into a button, a link or a command."""

    INSTALL_CLI = "install-cli"
    SIGN_IN = "sign-in"  # codex login
    SIGN_IN_AGAIN = "sign-in-again"  # codex login, though the CLI believes that it is signed in
    USE_ACCOUNT = "use-account"  # confirm the account which the file now names
    CHECK_FILE = "check-file"
    RETRY = "retry"  # asking again is allowed, and is what clears the state
    WAIT = "wait"  # until Status.until or AccessError.until, where known
    CHOOSE_MODEL = "choose-model"
    CONNECTIONS = "connections"
    NEW_CHAT = "new-chat"
    UPDATE = "update"
    EDIT = "edit"  # change the message
    REPLACE_KEY = "replace-key"  # enter an API key anew
    UNLOCK = "unlock"  # the system keyring, then check again
    ADD_CREDIT = "add-credit"  # pay at the provider, then check again


@dataclass(frozen=True)
class Status:
    """The state of one access path.

    `code` is stable and for programs, `title` is the pill's text, `sentence` says what is the matter.
    `since` and `until` are aware datetimes in UTC. When `ready` is false and `next_step` is RETRY, a
    request is still tried, since only an answer can show that the service is back.
    """

    ready: bool
    code: str
    title: str
    sentence: str
    next_step: NextStep | None
    since: datetime | None = None
    until: datetime | None = None

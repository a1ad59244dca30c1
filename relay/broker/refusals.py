"""An answer that is not 2xx, as an exception."""

import math
from datetime import timedelta
from typing import Any, Final

from relay.api import Problem

STATUS: Final = {
    Problem.MALFORMED: 400,
    Problem.TOO_LARGE: 413,
    Problem.WRONG_LOGIN: 401,
    Problem.WRONG_CODE: 401,
    Problem.WRONG_RECOVERY: 401,
    Problem.TICKET_ENDED: 401,
    Problem.TOKEN_ENDED: 401,
    Problem.DEVICE_REFUSED: 401,
    Problem.PROOF_REFUSED: 401,
    Problem.NOT_FOUND: 404,
    Problem.CONFLICT: 409,
    Problem.UPDATE_REFUSED: 422,
    Problem.PLAN_DEVICES: 403,
    Problem.SIGN_UP_CLOSED: 403,
    Problem.SLOW_DOWN: 429,
    Problem.UNAVAILABLE: 503,
}


class Refused(Exception):
    """The request is refused. `revision` is the account's, for a conflict; `after` is how long to wait."""

    def __init__(self, problem: Problem, *, after: timedelta | None = None, revision: int | None = None) -> None:
        super().__init__(problem.value)
        self.problem = problem
        # At least a second, and rounded up: whoever comes back then is not told to wait once more.
        self.retry_after = None if after is None else max(1, math.ceil(after.total_seconds()))
        self.revision = revision

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS[self.problem]

    def to_json(self) -> dict[str, Any]:
        """The body of the answer."""
        body: dict[str, Any] = {"error": self.problem.value}
        if self.retry_after is not None:
            body["retry_after"] = self.retry_after
        if self.revision is not None:
            body["revision"] = self.revision
        return body

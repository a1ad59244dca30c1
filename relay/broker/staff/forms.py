"""Signing in to the admin: counted like everybody's log-in, and written down."""

import logging
from typing import Any, Final

from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.db import Error as DatabaseFailure
from django.http import HttpRequest

from relay.broker import audit, limits, network
from relay.broker.limits import counted
from relay.broker.refusals import Refused

logger = logging.getLogger(__name__)

KIND: Final = "staff"
LONGEST_NAME: Final = 150
FAILED: Final = (
    "The broker's database could not be written, so you are not signed in. "
    "Look whether its disk is full, then try again."
)


class StaffForm(AdminAuthenticationForm):
    """Django's form, behind the limits."""

    request: HttpRequest

    def clean(self) -> dict[str, Any]:
        try:
            return self._checked()
        except DatabaseFailure as error:
            logger.error("The database failed: %s.", type(error).__name__)  # noqa: TRY400  (its text may hold values)
            raise ValidationError(FAILED, code="database") from None

    def _checked(self) -> dict[str, Any]:
        name = str(self.cleaned_data.get("username") or "").lower()[:LONGEST_NAME]
        place = network.of(self.request)
        if not name or not self.cleaned_data.get("password"):
            return super().clean() or {}
        try:
            _begin(name, place)
        except Refused as refused:
            sentence = f"There were too many attempts, so this one was not looked at. Wait {refused.retry_after} s."
            raise ValidationError(sentence, code="slow-down") from None
        try:
            cleaned = super().clean() or {}
        except ValidationError:
            audit.note("staff-login-refused", network=place)
            raise
        _done(name, place)
        return cleaned


@counted
def _begin(name: str, place: str) -> None:
    limits.knock(KIND, name, place)
    # Counted before the password is looked at, which takes a while: attempts side by side count as well.
    limits.failed(KIND, name, place)


@counted
def _done(name: str, place: str) -> None:
    limits.passed(KIND, name, place)
    audit.note("staff-login", network=place, staff=name)

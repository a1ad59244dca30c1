"""Plans given to accounts."""

from datetime import datetime

from django.db import transaction

from relay.account.keys.errors import EmailUnusable
from relay.account.keys.password import normalise_email
from relay.broker import audit
from relay.broker.models import Account, Plan


class NotGiven(Exception):
    """There is no such account or plan. The text is a sentence ready to show."""


def exists(code: str) -> bool:
    """Whether there is such a plan."""
    return Plan.objects.filter(pk=code).exists()


def codes() -> str:
    """The plans there are, for a sentence."""
    return ", ".join(Plan.objects.values_list("pk", flat=True))


@transaction.atomic
def give(email: str, code: str, until: datetime | None) -> None:
    """Give the account of an address a plan; None means for good. Raises NotGiven."""
    try:
        account = Account.objects.filter(email=normalise_email(email)).only("pk").first()
    except EmailUnusable as error:
        raise NotGiven(str(error)) from None
    if account is None:
        raise NotGiven(f"No account has the address {email}. Nothing was changed. Check its spelling.")
    if not exists(code):
        raise NotGiven(f"There is no plan {code}. Nothing was changed. Name one of these: {codes()}.")
    Account.objects.filter(pk=account.pk).update(plan=code, plan_until=until)
    audit.note("plan-changed", account=account.pk, plan=code, until=until.isoformat() if until else None)

"""What happened, for the operator: no secrets, no full network addresses."""

from typing import Any

from relay.broker.models import AuditEntry


def note(kind: str, *, account: str = "", network: str = "", **details: Any) -> None:
    """Write one entry; in the transaction of what it tells about, so that both hold or neither."""
    AuditEntry.objects.create(kind=kind, account=account, network=network, details=details)

"""What the broker keeps. Nothing here opens an account: digests, public keys and what devices have sealed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from relay.account.keys.device import DevicePublic
from relay.account.keys.log import MAX_DEVICES
from relay.account.keys.password import MAX_EMAIL
from relay.api import Purpose

HEX_ID: Final = 32
HEX_DIGEST: Final = 64
#: Largest quota: what JSON's numbers hold exactly everywhere.
MOST_BYTES: Final = 2**53 - 1


class Plan(models.Model):
    """What an account may do. Rows are data: the operator changes them and adds others."""

    code = models.CharField(
        max_length=20, primary_key=True, validators=[RegexValidator(r"\A[a-z][a-z0-9-]*\Z", "Use a-z, 0-9 and -.")]
    )
    name = models.CharField(max_length=40)
    sync_keys = models.BooleanField("sync of API keys", default=True)
    sync_chats = models.BooleanField("sync of chats", default=False)
    sync_files = models.BooleanField("sync of files and images", default=False)
    sync_settings = models.BooleanField("sync of settings", default=False)
    relay = models.BooleanField("Codex Relay", default=False)
    quota = models.PositiveBigIntegerField(
        "quota in bytes", default=5 * 2**20, validators=[MaxValueValidator(MOST_BYTES)]
    )
    devices = models.PositiveSmallIntegerField(
        "devices signed in at once", default=3, validators=[MaxValueValidator(MAX_DEVICES)]
    )
    position = models.PositiveSmallIntegerField("place in lists", default=100)

    class Meta:
        ordering = ("position", "code")

    def __str__(self) -> str:
        return self.name


class Account(models.Model):
    """One account. `id` is the account's 16 bytes in hexadecimal digits, `entries` the length of its log."""

    id = models.CharField(max_length=HEX_ID, primary_key=True)
    email = models.CharField("e-mail", max_length=MAX_EMAIL, unique=True)
    suite = models.PositiveSmallIntegerField()
    salt = models.BinaryField(max_length=16)
    auth_digest = models.BinaryField(max_length=32)
    recovery_digest = models.BinaryField(max_length=32)
    recovery_public = models.BinaryField(max_length=32)
    recovery_anchor = models.BinaryField(max_length=32)
    revision = models.PositiveBigIntegerField()
    entries = models.PositiveIntegerField("log entries")
    created = models.DateTimeField(default=timezone.now)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="accounts")
    plan_until = models.DateTimeField("plan ends", null=True, blank=True)
    used = models.PositiveBigIntegerField("bytes stored", default=0)
    # Last, and read only where they are answered: with 40 KB each they fill pages of their own.
    by_password = models.BinaryField()
    by_recovery = models.BinaryField()

    class Meta:
        ordering = ("email",)

    def __str__(self) -> str:
        return self.email


class LogEntry(models.Model):
    """One entry of an account's device log, as it was sent."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="log")
    n = models.PositiveIntegerField()
    entry = models.BinaryField()

    class Meta:
        verbose_name_plural = "log entries"
        ordering = ("account", "n")
        constraints = (models.UniqueConstraint(fields=("account", "n"), name="one_entry_per_number"),)

    def __str__(self) -> str:
        return f"{self.account_id} {self.n}"


class Device(models.Model):
    """A device of an account, from the log's entries; `seen` is written at most once a minute.

    `presence` is what the relay knew last of it as a host, and since when: see `broker.presence`.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="devices")
    device = models.CharField("id", max_length=HEX_ID)
    agreement = models.BinaryField(max_length=32)
    signing = models.BinaryField(max_length=32)
    roles = models.PositiveSmallIntegerField()
    added = models.PositiveIntegerField("log entry")
    name = models.BinaryField()
    renamed = models.BinaryField(null=True)
    created = models.DateTimeField("joined", default=timezone.now)
    seen = models.DateTimeField("last seen", null=True)
    signed_out = models.DateTimeField(null=True)
    revoked = models.DateTimeField("removed", null=True)
    presence = models.CharField(max_length=12, blank=True, default="")
    presence_since = models.DateTimeField(null=True)

    class Meta:
        ordering = ("account", "added")
        constraints = (models.UniqueConstraint(fields=("account", "device"), name="one_row_per_device"),)

    def __str__(self) -> str:
        return self.device[:8]

    @property
    def public(self) -> DevicePublic:
        """Its keys, as proofs are checked with."""
        return DevicePublic(bytes.fromhex(self.device), bytes(self.agreement), bytes(self.signing))


class TokenKind(models.TextChoices):
    """What a token is a right to."""

    UNLOCK = "unlock"
    SESSION = "session"


class Token(models.Model):
    """A right that was given out; the token itself is not here."""

    digest = models.CharField(max_length=HEX_DIGEST, primary_key=True)
    kind = models.CharField(max_length=10, choices=TokenKind.choices)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="tokens")
    device = models.ForeignKey(Device, null=True, on_delete=models.CASCADE, related_name="tokens")
    created = models.DateTimeField(default=timezone.now)
    expires = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.kind} of {self.account_id}"


class Ticket(models.Model):
    """What a code by e-mail is entered for. Where no code can work, the digest is that of nothing."""

    digest = models.CharField(max_length=HEX_DIGEST, primary_key=True)
    email = models.CharField(max_length=MAX_EMAIL, db_index=True)
    purpose = models.CharField(max_length=10, choices=[(each.value, each.value) for each in Purpose])
    code_digest = models.BinaryField(max_length=32)
    tries = models.PositiveSmallIntegerField(default=0)
    confirmed = models.BooleanField(default=False)
    # The account that it made or erased; both may be asked for again if the answer was lost.
    used = models.CharField(max_length=HEX_ID, blank=True)
    expires = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.purpose} by {self.email}"


class Counter(models.Model):
    """What was tried how often, by whom, until the count is forgotten at `ends`; see `limits`."""

    kind = models.CharField(max_length=20)
    subject = models.CharField(max_length=MAX_EMAIL + 60)
    count = models.PositiveIntegerField(default=0)
    since = models.DateTimeField("last", default=timezone.now)
    ends = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = "limit"
        ordering = ("-since",)
        constraints = (models.UniqueConstraint(fields=("kind", "subject"), name="one_counter_per_subject"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class KeyCheck(models.Model):
    """By which the secret key is known again that the database was begun with; one row, see `keycheck`."""

    mark = models.BinaryField(max_length=32)

    def __str__(self) -> str:
        return "key check"


class AuditEntry(models.Model):
    """Something that happened to an account or to the broker; kept for 180 days, also when the account is gone."""

    time = models.DateTimeField(default=timezone.now, db_index=True)
    kind = models.CharField(max_length=30, db_index=True)
    account = models.CharField(max_length=HEX_ID, blank=True, db_index=True)
    network = models.CharField(max_length=50, blank=True)
    details: models.JSONField[Any, Any] = models.JSONField(default=dict)

    class Meta:
        verbose_name = "entry of the audit log"
        verbose_name_plural = "audit log"
        ordering = ("-time", "-pk")

    def __str__(self) -> str:
        return self.kind


def hexadecimal(data: bytes | memoryview) -> str:
    """Write an id as the tables have it."""
    return bytes(data).hex()


def now() -> datetime:
    """The time that everything in one piece of work shares."""
    return timezone.now()

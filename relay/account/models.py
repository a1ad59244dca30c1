"""What this device keeps of its account: whose it is, sealed keys, what it has seen, and news of other devices."""

from __future__ import annotations

from django.db import models

from connections.sealing_keys import KeptKey, Place


class Membership(models.Model):
    """This device's place in an account. At most one row of each state; the keys are in `sealed` only.

    JOINING is stored before the broker learns of the device, so that no device is ever listed whose keys are lost:
    whether the broker took it is asked until it tells. REVOKED holds no keys any more, only what was seen of the
    account, so that nothing older is accepted when somebody signs in to it again.
    """

    class State(models.TextChoices):
        """What the broker knows of this device."""

        JOINING = "joining"
        MEMBER = "member"
        REVOKED = "revoked"

    state = models.CharField(max_length=10, choices=State.choices, unique=True)
    # The broker's address as `address.normalise` gives it, or nothing for the one that Lerix runs.
    broker = models.CharField(max_length=300, blank=True)
    account = models.CharField(max_length=32)
    email = models.CharField(max_length=254)
    created = models.DateTimeField(auto_now_add=True)
    recovery_key_used = models.BooleanField(default=False)
    sealed = models.BinaryField()  # BinaryField is never editable in forms and admin pages
    # The device log as it was read last, which the broker has as well; verified anew whenever it is used.
    entries = models.BinaryField(default=b"")
    # How often `sealed` was replaced: an older one does not open in its place.
    revision = models.PositiveIntegerField(default=0, editable=False)
    # Where the sealing key of this row alone is kept, not the key. It goes with the row.
    sealing_place = models.CharField(max_length=10, choices=[(place.value, place.value) for place in Place])
    sealing_name = models.CharField(max_length=60, editable=False)
    sealing_fingerprint = models.CharField(max_length=16, editable=False)

    class Meta:
        verbose_name = "membership"

    def __str__(self) -> str:
        return f"{self.email}: {self.state}"

    @property
    def kept(self) -> KeptKey:
        """Where the sealing key is found."""
        return KeptKey(Place(self.sealing_place), self.sealing_name, bytes.fromhex(self.sealing_fingerprint))


class Notice(models.Model):
    """Something that happened on another device, until a person has taken note of it."""

    class Kind(models.TextChoices):
        """What happened."""

        ADDED = "added"
        REMOVED = "removed"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    device = models.CharField(max_length=32)
    name = models.CharField(max_length=64)
    when = models.DateTimeField()

    class Meta:
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("kind", "device"), name="one_notice_per_event"),)

    def __str__(self) -> str:
        return f"{self.name}: {self.kind}"


class BrokerSetting(models.Model):
    """Which broker is used while nobody is signed in. One row, or none for the broker that Lerix runs."""

    address = models.CharField(max_length=300)

    class Meta:
        verbose_name = "broker"

    def __str__(self) -> str:
        return self.address

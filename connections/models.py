"""What Lerix remembers of each access path: its catalogue, which models are switched on, whose account it was, and the
sealed API keys."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from connections.catalogue import Model
from connections.sealing_keys import KeptKey, Place

# What the keys of the access paths of API keys begin with.
API_KEY_PATHS = "api-key-"


class CatalogueEntry(models.Model):
    """One model of an access path's catalogue, as last seen, and whether it is offered in the composer."""

    path = models.CharField(max_length=80)
    slug = models.CharField(max_length=120)
    position = models.PositiveIntegerField()
    facts: models.JSONField[Any, Any] = models.JSONField()
    enabled = models.BooleanField(default=False)
    first_seen = models.DateTimeField(auto_now_add=True)
    # Came to a catalogue that was known already.
    came_later = models.BooleanField(default=False)
    # No longer in the catalogue; kept while it is switched on, so that its chats and its switch can say so.
    retired = models.BooleanField(default=False)
    # Why the service refused it when it was asked, for this account.
    refused = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "model of a catalogue"
        verbose_name_plural = "models of the catalogues"
        ordering = ("path", "position", "slug")
        constraints = (models.UniqueConstraint(fields=("path", "slug"), name="one_entry_per_model"),)

    def __str__(self) -> str:
        return f"{self.path}: {self.slug}"

    @property
    def is_new(self) -> bool:
        """Whether it came to the catalogue in the last two weeks."""
        return self.came_later and timezone.now() - self.first_seen < timedelta(days=14)

    @property
    def model(self) -> Model:
        """The entry as the value that requests are built from."""
        return Model.from_json(self.facts)


class PathMemory(models.Model):
    """What is remembered of an access path as a whole."""

    path = models.CharField(max_length=80, primary_key=True)
    account = models.CharField(max_length=120, blank=True)
    etag = models.CharField(max_length=200, blank=True)
    fetched = models.DateTimeField(null=True)
    # How much of the plan's limits the last answer said is used.
    usage: models.JSONField[Any, Any] = models.JSONField(null=True)

    class Meta:
        verbose_name = "access path"
        verbose_name_plural = "access paths"

    def __str__(self) -> str:
        return self.path


class SealingRecord(models.Model):
    """Where a sealing key is kept, not the key. The newest one seals; the others still open what they sealed."""

    name = models.CharField(max_length=60, unique=True)
    place = models.CharField(max_length=10, choices=[(place.value, place.value) for place in Place])
    fingerprint = models.CharField(max_length=16, unique=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.place} {self.name}"

    @property
    def kept(self) -> KeptKey:
        """The record as the value that sealing keys are found by."""
        return KeptKey(Place(self.place), self.name, bytes.fromhex(self.fingerprint))


class ApiKey(models.Model):
    """One OpenAI API key. The key itself is in `sealed` only, which nothing but `connections.keys` opens."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    label = models.CharField(max_length=40)
    sealed = models.BinaryField()  # BinaryField is never editable in forms and admin pages
    # How often the key was replaced: an old sealed key does not open in the place of a new one.
    revision = models.PositiveIntegerField(default=0, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    created = models.DateTimeField(auto_now_add=True)
    verified_at = models.DateTimeField(null=True, editable=False)
    # The code of a lasting state (`connections.openai.LASTING`), or nothing.
    last_error = models.CharField(max_length=40, blank=True, editable=False)
    # Removed, and gone for good when the time to undo it is over.
    removed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name_plural = "OpenAI API keys"
        ordering = ("created", "pk")
        constraints = (
            models.UniqueConstraint(
                Lower("label"), condition=models.Q(removed_at__isnull=True), name="one_api_key_per_label"
            ),
        )
        verbose_name = "OpenAI API key"

    def __str__(self) -> str:
        return f"{self.label} ({self.hint})"

    @property
    def hint(self) -> str:
        """As much of the key as is ever shown again."""
        return f"sk-…{self.last_four}"

    @property
    def path_key(self) -> str:
        """The key of this API key's access path."""
        return f"{API_KEY_PATHS}{self.pk.hex}"

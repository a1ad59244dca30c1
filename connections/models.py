"""What Lerix remembers of each access path: its catalogue, which models are switched on, and whose account it was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import models
from django.utils import timezone

from connections.catalogue import Model


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

    def __str__(self) -> str:
        return self.path

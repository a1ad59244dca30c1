"""What Lerix remembers of each access path: its catalogue, which models are switched on, and whose account it was."""

from __future__ import annotations

from typing import Any

from django.db import models

from connections.catalogue import Model


class CatalogueEntry(models.Model):
    """One model of an access path's catalogue, as last seen, and whether it is offered in the composer."""

    path = models.CharField(max_length=80)
    slug = models.CharField(max_length=120)
    position = models.PositiveIntegerField()
    facts: models.JSONField[Any, Any] = models.JSONField()
    enabled = models.BooleanField(default=False)
    first_seen = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("path", "position", "slug")
        constraints = (models.UniqueConstraint(fields=("path", "slug"), name="one_entry_per_model"),)

    def __str__(self) -> str:
        return f"{self.path}: {self.slug}"

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

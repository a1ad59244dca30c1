"""What is set of Codex Relay on this computer."""

from __future__ import annotations

from django.db import models


class RelaySetting(models.Model):
    """One row, or none before anything was set.

    The switch belongs to the account that it was switched on for: whoever signs in next does not find it on.
    """

    account = models.CharField(max_length=32, blank=True)
    keep_awake = models.BooleanField(default=False)

    class Meta:
        verbose_name = "Codex Relay setting"

    def __str__(self) -> str:
        return "on" if self.account else "off"

"""Who shall answer."""

from __future__ import annotations

from dataclasses import dataclass

from connections.catalogue import Model
from connections.paths import AccessPath


@dataclass(frozen=True)
class Choice:
    """Who shall answer: the access path, its model, and the reasoning effort (None: the model's own default)."""

    path: AccessPath
    model: Model
    effort: str | None

    def as_wanted(self) -> dict[str, str]:
        """The choice by names, as Chat.choice keeps it."""
        return {"access": self.path.key, "model": self.model.slug, "effort": self.effort or ""}

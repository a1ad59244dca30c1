"""What the doctor says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How it is: as it should be, worth knowing, or in the way of using Lerix."""

    OK = "ok"
    WARN = "warn"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One line of the report. `next_step` is a sentence where there is something to do, else empty."""

    name: str
    level: Level
    finding: str
    next_step: str = ""

    def to_json(self) -> dict[str, str | None]:
        """The object that `--json` prints."""
        return {
            "name": self.name,
            "level": self.level.value,
            "finding": self.finding,
            "next_step": self.next_step or None,
        }


def split(name: str, level: Level, sentences: str) -> Finding:
    """Return a finding of sentences of which the last one is the next step."""
    finding, _, step = sentences.rpartition(". ")
    return Finding(name, level, f"{finding}.", step) if finding else Finding(name, level, sentences)

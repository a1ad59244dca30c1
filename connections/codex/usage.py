"""The usage windows of a ChatGPT plan, as the service's response headers tell them.

Header families `x-<limit id>-{primary,secondary}-{used-percent,window-minutes,reset-at}`; the plan's
own limit id is `codex`. `reset-at` is in Unix seconds; `reset-after-seconds` is older. Source: Codex CLI
0.169.0, codex-api/src/rate_limits.rs.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

_USED = re.compile(r"x-([a-z0-9-]{1,60})-(primary|secondary)-used-percent")
_MOST_WINDOWS = 16
_LONGEST_WORD = 80
_MOST_MINUTES = 527_040  # a leap year
_FURTHEST = timedelta(days=366)
_OWN = "codex"
_NAMES = ((1440 * 7, "week"), (1440, "day"), (60, "hour"), (1, "minute"))


@dataclass(frozen=True)
class UsageWindow:
    """One window of a limit: `used_percent` from 0 upward, `minutes` long, `resets_at` in aware UTC."""

    limit: str
    used_percent: float
    minutes: int | None
    resets_at: datetime | None

    @property
    def label(self) -> str:
        """The window's real length in words: "5 hours", "1 week". The service may change lengths."""
        if self.minutes is None:
            return ""
        unit, name = next(pair for pair in _NAMES if self.minutes % pair[0] == 0)
        count = self.minutes // unit
        return f"{count} {name}{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class Usage:
    """What was told last. `windows` are shortest first within a limit, the plan's own limit first."""

    at: datetime
    windows: tuple[UsageWindow, ...] = ()
    plan: str | None = None
    has_credits: bool = False
    unlimited_credits: bool = False
    credit_balance: str | None = None

    @property
    def own(self) -> tuple[UsageWindow, ...]:
        """The windows of the plan itself, without other meters."""
        return tuple(window for window in self.windows if window.limit == _OWN)

    def running(self, now: datetime) -> tuple[UsageWindow, ...]:
        """The plan's own windows that last still. One that does not say when it is reset tells nothing later on."""
        return tuple(window for window in self.own if window.resets_at is not None and window.resets_at > now)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON column; `from_json` reads them back."""
        windows = [
            {**asdict(window), "resets_at": window.resets_at.isoformat() if window.resets_at else None}
            for window in self.windows
        ]
        return {**asdict(self), "at": self.at.isoformat(), "windows": windows}

    @classmethod
    def from_json(cls, value: object) -> Self | None:
        """The usage that `to_json` wrote, or None for anything else."""
        if not isinstance(value, dict):
            return None
        try:
            windows = tuple(
                UsageWindow(
                    limit=str(window["limit"])[:_LONGEST_WORD],
                    used_percent=_within(float(window["used_percent"]), 0, 1000),
                    minutes=window["minutes"] and int(_within(window["minutes"], 1, 1_000_000)),
                    resets_at=_moment(window["resets_at"]) if window["resets_at"] else None,
                )
                for window in value["windows"][:_MOST_WINDOWS]
            )
            return cls(
                at=_moment(value["at"]),
                windows=windows,
                plan=_word(value["plan"]),
                has_credits=value["has_credits"] is True,
                unlimited_credits=value["unlimited_credits"] is True,
                credit_balance=_word(value["credit_balance"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return None


def _within(number: float, low: float, high: float) -> float:
    """The number. Raises ValueError for one that is not between the two, as one that is none at all."""
    if not low <= number <= high:
        raise ValueError("out of range")
    return number


def _moment(text: str) -> datetime:
    """An aware time that every zone can show. Raises ValueError, OverflowError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or not 2000 <= moment.astimezone(UTC).year < 9999:
        raise ValueError("no time that can be shown")
    return moment


def usage_from_headers(headers: Mapping[str, str], now: datetime) -> Usage | None:
    """The usage which an answer's headers tell, or None. Names are looked up in lower case."""
    windows = tuple(_windows(headers, now))
    credit = "x-codex-credits-has-credits" in headers
    if not windows and not credit:
        return None
    windows = tuple(sorted(windows, key=lambda w: (w.limit != _OWN, w.limit, w.minutes or 0)))
    return Usage(
        at=now,
        windows=windows[:_MOST_WINDOWS],
        plan=_word(headers.get("x-codex-plan-type")),
        has_credits=_true(headers.get("x-codex-credits-has-credits")),
        unlimited_credits=_true(headers.get("x-codex-credits-unlimited")),
        credit_balance=_word(headers.get("x-codex-credits-balance")),
    )


def _windows(headers: Mapping[str, str], now: datetime) -> Iterable[UsageWindow]:
    for name in list(headers):
        found = _USED.fullmatch(name.lower())
        used = _number(headers.get(name))
        if found is None or used is None or not 0 <= used <= 10_000:
            continue
        prefix = f"x-{found[1]}-{found[2]}-"
        minutes = _number(headers.get(f"{prefix}window-minutes"))
        at, after = (_number(headers.get(prefix + end)) for end in ("reset-at", "reset-after-seconds"))
        if at is not None:
            after = at - now.timestamp()
        whole = int(minutes) if minutes is not None and 1 <= minutes <= _MOST_MINUTES else None
        resets_at = None
        if after is not None and abs(after) <= _FURTHEST.total_seconds():
            resets_at = (now + timedelta(seconds=after)).astimezone(UTC).replace(microsecond=0)
        yield UsageWindow(found[1], used, whole, resets_at)


def _number(value: str | None) -> float | None:
    if value is None or len(value) > 30:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _true(value: str | None) -> bool:
    return value is not None and value.strip().lower() in ("true", "1")


def _word(value: str | None) -> str | None:
    if value is None or not value.isprintable() or not 0 < len(value) <= 40:
        return None
    return value

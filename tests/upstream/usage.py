"""How much of the plan is used: the headers of an answer and the usage page."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Window:
    """One usage window: per cent used, its length in minutes, and when it starts anew (unix seconds)."""

    percent: float
    minutes: int
    resets_at: int

    def payload(self) -> dict[str, object]:
        """The window on the usage page; lengths in seconds there."""
        return {
            "used_percent": int(self.percent),
            "limit_window_seconds": self.minutes * 60,
            "reset_after_seconds": max(0, self.resets_at - int(time.time())),
            "reset_at": self.resets_at,
        }

    def headers(self, prefix: str) -> dict[str, str]:
        """The window in the headers of an answer; lengths in minutes there."""
        return {
            f"{prefix}-used-percent": f"{self.percent:.1f}",
            f"{prefix}-window-minutes": str(self.minutes),
            f"{prefix}-reset-at": str(self.resets_at),
        }


def _window(percent: float, minutes: int) -> Window:
    return Window(percent, minutes, int(time.time()) + minutes * 30)


@dataclass(frozen=True, slots=True)
class Usage:
    """The windows of five hours and of a week, and bought credits."""

    primary: Window = field(default_factory=lambda: _window(12.0, 300))
    secondary: Window = field(default_factory=lambda: _window(34.0, 10_080))
    has_credits: bool = False
    balance: str = "0"

    def changed(
        self,
        *,
        primary_percent: float | None = None,
        secondary_percent: float | None = None,
        primary_resets_in: float | None = None,
        secondary_resets_in: float | None = None,
        has_credits: bool | None = None,
        balance: str | None = None,
    ) -> Usage:
        """A copy with some values changed; ``*_resets_in`` in seconds from now."""
        return Usage(
            primary=_changed(self.primary, primary_percent, primary_resets_in),
            secondary=_changed(self.secondary, secondary_percent, secondary_resets_in),
            has_credits=self.has_credits if has_credits is None else has_credits,
            balance=self.balance if balance is None else balance,
        )

    @property
    def spent(self) -> Window | None:
        """The window that is used up and resets last, or None."""
        full = [window for window in (self.primary, self.secondary) if window.percent >= 100]
        return max(full, key=lambda window: window.resets_at, default=None)

    def headers(self, plan: str) -> dict[str, str]:
        """The ``x-codex-*`` headers, with a second meter of another name as the backend sends them."""
        return {
            **self.primary.headers("x-codex-primary"),
            **self.secondary.headers("x-codex-secondary"),
            "x-codex-credits-has-credits": str(self.has_credits),
            "x-codex-credits-unlimited": "False",
            "x-codex-credits-balance": self.balance,
            "x-codex-active-limit": "codex",
            "x-codex-plan-type": plan,
            **Window(3.0, 10_080, self.secondary.resets_at).headers("x-codex-review-primary"),
        }

    def payload(self, plan: str) -> dict[str, object]:
        """The body of ``GET /wham/usage``."""
        return {
            "plan_type": plan,
            "rate_limit": {
                "allowed": self.spent is None,
                "limit_reached": self.spent is not None,
                "primary_window": self.primary.payload(),
                "secondary_window": self.secondary.payload(),
            },
            "code_review_rate_limit": None,
            "additional_rate_limits": [],
            "rate_limit_reached_type": None,
            "credits": {"has_credits": self.has_credits, "unlimited": False, "balance": self.balance},
            "a_field_of_tomorrow": {"ignore": "me"},
        }


def _changed(window: Window, percent: float | None, resets_in: float | None) -> Window:
    return replace(
        window,
        percent=window.percent if percent is None else percent,
        resets_at=window.resets_at if resets_in is None else int(time.time() + resets_in),
    )

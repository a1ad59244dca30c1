"""The models of the Codex backend: the list bundled with codex-cli 0.169.0.

Slugs, order, Lite flags, default efforts and context windows are facts; descriptions are ours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

EFFORTS = {
    "low": "Fast answers with lighter reasoning",
    "medium": "Balances speed and depth for everyday tasks",
    "high": "Greater depth for complex problems",
    "xhigh": "Extra depth for the hardest problems",
    "max": "Everything the model has",
    "ultra": "Max, with work handed to helpers",
}
ALL_PLANS = ("free", "go", "plus", "pro", "prolite", "promax", "team", "business", "enterprise", "edu", "k12")
PAID_PLANS = tuple(plan for plan in ALL_PLANS if plan not in {"free", "go"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One model, and what the backend checks a request for it against."""

    priority: int
    slug: str
    name: str
    description: str
    visibility: str = "list"
    lite: bool = True
    default_effort: str = "medium"
    efforts: tuple[str, ...] = tuple(EFFORTS)
    context_window: int = 272_000
    modalities: tuple[str, ...] = ("text", "image")
    plans: tuple[str, ...] = ALL_PLANS
    minimal_client_version: str = "0.98.0"
    verbosity: bool = True

    def payload(self) -> dict[str, object]:
        """The entry as the endpoint sends it, with large and unknown fields."""
        return {
            "slug": self.slug,
            "display_name": self.name,
            "description": self.description,
            "default_reasoning_level": self.default_effort,
            "supported_reasoning_levels": [
                {"effort": effort, "description": EFFORTS[effort]} for effort in self.efforts
            ],
            "shell_type": "shell_command",
            "visibility": self.visibility,
            "supported_in_api": self.visibility == "list",
            "priority": self.priority,
            "minimal_client_version": self.minimal_client_version,
            "available_in_plans": list(self.plans),
            "availability_nux": None,
            "upgrade": None,
            "base_instructions": "You are a coding agent. " * 40,
            "model_messages": {
                "instructions_template": "{{ personality }} " * 40,
                "instructions_variables": None,
            },
            "supports_reasoning_summaries": True,
            "supports_reasoning_summary_parameter": True,
            "default_reasoning_summary": "none",
            "support_verbosity": self.verbosity,
            "default_verbosity": "low" if self.verbosity else None,
            "service_tiers": [{"id": "priority", "name": "Fast", "description": "1.5x speed, more usage"}],
            "additional_speed_tiers": ["fast"],
            "default_service_tier": None,
            "apply_patch_tool_type": "freeform",
            "truncation_policy": {"mode": "tokens", "limit": 10_000},
            "supports_parallel_tool_calls": True,
            "context_window": self.context_window,
            "max_context_window": self.context_window,
            "auto_compact_token_limit": None,
            "effective_context_window_percent": 95,
            "experimental_supported_tools": [],
            "input_modalities": list(self.modalities),
            "use_responses_lite": self.lite,
            "prefer_websockets": True,
            "a_field_of_tomorrow": {"shape": ["unknown", 1, None]},
        }


#: Not in the order of priority on purpose: sorting is the client's work.
ENTRIES = (
    Entry(9, "gpt-5.6-luna", "GPT-5.6 Luna", "Small and quick, for light tasks."),
    Entry(
        1,
        "gpt-6.1-sol",
        "GPT-6.1 Sol",
        "The newest frontier model, for demanding work.",
        default_effort="low",
    ),
    Entry(43, "codex-auto-review", "Codex Auto Review", "Approves or refuses actions.", visibility="hide"),
    Entry(
        2,
        "gpt-6-astra",
        "GPT-6 Astra",
        "Deep research and long tasks.",
        default_effort="low",
        plans=PAID_PLANS,
        minimal_client_version="0.160.0",
    ),
    Entry(
        13,
        "gpt-5.5",
        "GPT-5.5",
        "The proven model of the year before.",
        lite=False,
        efforts=("low", "medium", "high", "xhigh"),
    ),
    Entry(11, "gpt-daybreak-blue-latest", "Daybreak Blue", "Internal.", visibility="hide", plans=("enterprise",)),
    Entry(12, "gpt-daybreak-red-latest", "Daybreak Red", "Internal.", visibility="hide", plans=("enterprise",)),
    Entry(3, "gpt-6-sol", "GPT-6 Sol", "Strong at code and at prose."),
    Entry(
        7,
        "gpt-6.1-terra",
        "GPT-6.1 Terra",
        "Reads very long inputs.",
        default_effort="low",
        context_window=500_000,
    ),
    Entry(4, "gpt-6-luna", "GPT-6 Luna", "Quick answers at little cost.", efforts=tuple(EFFORTS)[:4]),
    Entry(5, "gpt-5.6-sol", "GPT-5.6 Sol", "Balanced, for everyday work.", default_effort="low"),
    Entry(8, "gpt-5.6-terra", "GPT-5.6 Terra", "Careful with long documents."),
)


def version(text: str) -> tuple[int, ...]:
    """``0.169.0`` as numbers; ValueError for anything else."""
    return tuple(int(part) for part in text.split("."))


class Models:
    """The list that the backend sends, which a test can shorten."""

    def __init__(self, entries: Iterable[Entry] = ENTRIES) -> None:
        self._entries = tuple(entries)

    def remove(self, slug: str) -> None:
        """Take a model out of the list; requests for it are refused from now on."""
        self._entries = tuple(entry for entry in self._entries if entry.slug != slug)

    def replace(self, entries: Iterable[Entry]) -> None:
        """Another list altogether."""
        self._entries = tuple(entries)

    @property
    def etag(self) -> str:
        """Changes when the list does; also sent as ``x-models-etag``."""
        listed = json.dumps([entry.payload() for entry in self._entries]).encode()
        return f'W/"{hashlib.sha256(listed).hexdigest()[:32]}"'

    def payload(self, client_version: str) -> dict[str, object]:
        """The body of ``GET /codex/models`` for a client of this version; ValueError when it is none."""
        asked = version(client_version)
        entries = [entry for entry in self._entries if version(entry.minimal_client_version) <= asked]
        return {"models": [entry.payload() for entry in entries]}

    def get(self, slug: object, plan: str) -> Entry | None:
        """The model of this name if an account with this plan may use it. Hidden ones may be used too."""
        return next((entry for entry in self._entries if entry.slug == slug and plan in entry.plans), None)

"""The models a path offers, as the service's own list describes them.

Fields of an entry were observed with Codex CLI 0.169.0 (`GET {base}/codex/models`). The list is part
of an unpublished API, so each entry is decoded on its own and leniently: what cannot be understood is
left out, never an error.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

# Bounds for texts that come from the service and end on pages.
_NAME = 120
_DESCRIPTION = 600
_MOST_MODELS = 200
_MOST_EFFORTS = 12
_LARGEST_WINDOW = 100_000_000
_LAST = 1_000_000  # the priority of an entry that names none
# "ultra" is the highest effort plus delegation by the client: an idea of the CLI, which we do not do.
_NOT_OFFERED = frozenset({"ultra"})


@dataclass(frozen=True)
class Effort:
    """One reasoning effort: `name` is what the service takes, `description` is for people."""

    name: str
    description: str = ""


@dataclass(frozen=True)
class Model:
    """One model of a path.

    `context_window` is in tokens. `lite` decides the request form, `summaries` whether reasoning
    summaries may be asked for; `verbosity` is the model's default where it takes one. `modalities` are what it takes:
    "text", "image", and "pdf" where a PDF may be given as it is.
    """

    slug: str
    name: str
    description: str = ""
    priority: int = _LAST
    efforts: tuple[Effort, ...] = ()
    default_effort: str | None = None
    context_window: int | None = None
    modalities: tuple[str, ...] = ("text",)
    lite: bool = False
    summaries: bool = False
    verbosity: str | None = None

    def takes(self, modality: str) -> bool:
        """Whether a question may hold such things."""
        return modality in self.modalities

    def effort(self, wanted: str | None) -> str | None:
        """`wanted` where this model has it, else the model's default, else None."""
        names = {effort.name for effort in self.efforts}
        return wanted if wanted in names else self.default_effort

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON column; `from_json` reads them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The model that `to_json` wrote, also by an older version. Raises ValueError without a slug."""
        slug = _text(value.get("slug"), _NAME)
        if not slug:
            raise ValueError("a stored model has no slug")
        efforts = _efforts(value.get("efforts"), "name")
        return cls(
            slug=slug,
            name=_text(value.get("name"), _NAME) or slug,
            description=_text(value.get("description"), _DESCRIPTION),
            priority=_integer(value.get("priority"), _LAST),
            efforts=efforts,
            default_effort=_default_effort(value.get("default_effort"), efforts),
            context_window=_window(value.get("context_window")),
            modalities=_modalities(value.get("modalities")),
            lite=value.get("lite") is True,
            summaries=value.get("summaries") is True,
            verbosity=_text(value.get("verbosity"), 20) or None,
        )


@dataclass(frozen=True)
class Catalogue:
    """The models to show, best first, and the list's ETag.

    `chosen` says that whoever offers them chose them already: they are switched on in the composer as they come.
    """

    models: tuple[Model, ...]
    etag: str | None = None
    chosen: bool = False

    @property
    def default(self) -> Model | None:
        """The model to begin with."""
        return self.models[0] if self.models else None

    def get(self, slug: str) -> Model | None:
        """The model with this slug."""
        return next((model for model in self.models if model.slug == slug), None)


def decode_catalogue(payload: object, etag: str | None = None) -> Catalogue:
    """The catalogue in a decoded JSON answer `{"models": [...]}`: visible entries, by priority.

    Raises ValueError when the answer is of another shape altogether.
    """
    entries = payload.get("models") if isinstance(payload, dict) else None
    if not isinstance(entries, list):
        raise ValueError("the model list has another shape than expected")
    found: dict[str, Model] = {}
    for entry in entries[:_MOST_MODELS]:
        if isinstance(entry, dict) and entry.get("visibility") == "list":
            model = _model(entry)
            if model is not None:
                found.setdefault(model.slug, model)
    return Catalogue(tuple(sorted(found.values(), key=lambda model: model.priority)), etag)


def _model(entry: dict[str, Any]) -> Model | None:
    slug = _text(entry.get("slug"), _NAME)
    if not slug:
        return None
    efforts = _efforts(entry.get("supported_reasoning_levels"), "effort")
    # The narrower flag is newer; where it is missing, the older one speaks for both.
    summaries = entry.get("supports_reasoning_summaries") is True
    summaries = summaries and entry.get("supports_reasoning_summary_parameter", True) is not False
    verbosity = _text(entry.get("default_verbosity"), 20) if entry.get("support_verbosity") is True else ""
    return Model(
        slug=slug,
        name=_text(entry.get("display_name"), _NAME) or slug,
        description=_text(entry.get("description"), _DESCRIPTION),
        priority=_integer(entry.get("priority"), _LAST),
        efforts=efforts,
        default_effort=_default_effort(entry.get("default_reasoning_level"), efforts),
        context_window=_window(entry.get("context_window")) or _window(entry.get("max_context_window")),
        # No file was ever seen to be taken there, whatever the list may say one day.
        modalities=tuple(name for name in _modalities(entry.get("input_modalities")) if name != "pdf"),
        lite=entry.get("use_responses_lite") is True,
        summaries=summaries,
        verbosity=verbosity or None,
    )


def _efforts(value: object, key: str) -> tuple[Effort, ...]:
    found: dict[str, Effort] = {}
    for entry in value[:_MOST_EFFORTS] if isinstance(value, list | tuple) else ():
        fields = entry if isinstance(entry, dict) else {key: entry}
        name = _text(fields.get(key), 20)
        if name and name not in _NOT_OFFERED:
            found.setdefault(name, Effort(name, _text(fields.get("description"), _DESCRIPTION)))
    return tuple(found.values())


def _default_effort(value: object, efforts: tuple[Effort, ...]) -> str | None:
    return next((effort.name for effort in efforts if effort.name == value), None)


def _modalities(value: object) -> tuple[str, ...]:
    names = value[:_MOST_EFFORTS] if isinstance(value, list | tuple) else ()
    return tuple(name for name in (_text(name, 20) for name in names) if name) or ("text",)


def _window(value: object) -> int | None:
    number = _integer(value, 0)
    return number if 0 < number <= _LARGEST_WINDOW else None


def _integer(value: object, default: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST_WINDOW:
        return default
    return value


def _text(value: object, limit: int) -> str:
    """A printable text on one line, cut at `limit`; anything else is empty."""
    if not isinstance(value, str):
        return ""
    clean = "".join(char if char.isprintable() else " " for char in value[: 4 * limit])
    return " ".join(clean.split())[:limit]

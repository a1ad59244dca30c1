"""The chat models in the platform's own list.

`GET /models` answers `{"data": [{"id", "object", "created", "owned_by"}]}`: every model of the account, for whatever
purpose, without names, sizes or abilities. So these are told from the id, by the rules below, which follow OpenAI's
documentation of its models; a model that is wrongly left in is refused by the service, with a sentence.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from connections.catalogue import Catalogue, Effort, Model

_MOST_MODELS = 1000
_LONGEST_ID = 120

# GPT models, the o series, and what ChatGPT uses; "ft:" stands before those that somebody has tuned.
_FAMILY = re.compile(r"(?:ft:)?(?P<family>gpt-(?P<gpt>\d+(?:\.\d+)?)|o(?P<o>\d+)|chatgpt-(?P<chatgpt>\d+(?:\.\d+)?))")
# The same families have members which do not answer in a plain chat.
_OTHER_PURPOSE = re.compile(
    r"audio|realtime|tts|transcribe|translate|whisper|image|embedding|moderation|search|instruct|deep-research|"
    r"computer-use|codex-mini|-base\b|-live\b"
)
# gpt-5.5-2026-03-05, gpt-4-0613, gpt-4-1106-preview: frozen, and as a rule listed beside the name that moves on.
_SNAPSHOT = re.compile(r"-(?P<date>(?P<year>20\d\d)-(?P<month>\d\d)-(?P<day>\d\d)|(?P<old>\d{4})(?=$|-preview))")
_SMALL = frozenset({"mini", "nano", "latest", "preview", "chat"})
_NONE = Effort("none", "No reasoning, for the fastest answers")
_MINIMAL = Effort("minimal", "Hardly any reasoning")
_LOW = Effort("low", "Fast answers with lighter reasoning")
_MEDIUM = Effort("medium", "Balances speed and depth")
_HIGH = Effort("high", "Greater depth for complex problems")
_XHIGH = Effort("xhigh", "The greatest depth, and the slowest answers")


@dataclass(frozen=True)
class _Parts:
    """What an id tells: `version` is the number of the family, `words` what stands behind it."""

    id: str
    o_series: bool
    version: tuple[int, ...]
    letter: str
    words: tuple[str, ...]
    snapshot: str
    tuned: str
    created: int


def decode_models(payload: object) -> Catalogue:
    """The chat models in a decoded JSON answer, newest first, snapshots and tuned models last.

    Raises ValueError when the answer is of another shape altogether; entries that make no sense are left out.
    """
    entries = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(entries, list):
        raise ValueError("the model list has another shape than expected")
    found: dict[str, _Parts] = {}
    for entry in entries[:_MOST_MODELS]:
        parts = _parts(entry) if isinstance(entry, dict) else None
        if parts is not None:
            found.setdefault(parts.id, parts)
    shown = [parts for parts in found.values() if not parts.snapshot or _moving(parts.id) not in found]
    return Catalogue(tuple(_model(parts, place) for place, parts in enumerate(sorted(shown, key=_order))))


def _moving(name: str) -> str:
    return _SNAPSHOT.sub("", name)


def _parts(entry: dict[str, object]) -> _Parts | None:
    name = entry.get("id")
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_ID or not name.isascii() or not name.isprintable():
        return None
    family = _FAMILY.match(name)
    if family is None or _OTHER_PURPOSE.search(name):
        return None
    base, *tuning = name.removeprefix("ft:").split(":")
    if name.startswith("ft:") and not tuning:
        return None
    number = family["gpt"] or family["o"] or family["chatgpt"]
    rest = _SNAPSHOT.sub("", base)[len(family["family"]) :]
    letter, *words = rest.split("-")
    if letter not in {"", "o"} or not all(words):
        return None  # another family, whose name only begins alike
    snapshot = _SNAPSHOT.search(base)
    created = entry.get("created")
    return _Parts(
        id=name,
        o_series=family["o"] is not None,
        version=tuple(int(part) for part in number.split(".")),
        letter=letter,
        words=tuple(words),
        snapshot=snapshot["date"] if snapshot and not tuning else "",
        # ft:model:organization:name:id, where the name may be empty.
        tuned=next((part for part in (*tuning[1:2], *tuning[-1:]) if part), ""),
        created=created if isinstance(created, int) and not isinstance(created, bool) else 0,
    )


def _order(parts: _Parts) -> tuple[object, ...]:
    version = (*parts.version, 0)[:2]
    newest = tuple(-number for number in version)
    last = 2 if parts.tuned else 1 if parts.snapshot else 0
    return last, parts.o_series, newest, bool(parts.words), -parts.created, parts.id


def _model(parts: _Parts, place: int) -> Model:
    efforts = tuple(_efforts(parts))
    name = _name(parts)
    return Model(
        slug=parts.id,
        name=name,
        description="A snapshot that does not change" if parts.snapshot else "Tuned for you" if parts.tuned else "",
        priority=place,
        efforts=efforts,
        context_window=_context(parts),
        default_effort="medium" if _MEDIUM in efforts else efforts[0].name if efforts else None,
        modalities=("text", "image", "pdf") if _sees(parts) else ("text",),
        # o1 and o3-mini reason without a summary.
        summaries=bool(efforts) and not (parts.o_series and (parts.version == (1,) or parts.id.startswith("o3-mini"))),
    )


def _name(parts: _Parts) -> str:
    number = ".".join(map(str, parts.version)) + parts.letter
    words = [word if word in _SMALL else word.capitalize() for word in parts.words]
    if parts.o_series:
        # OpenAI writes o4-mini, with the hyphen.
        name = "-".join([f"o{number}", *parts.words])
    else:
        family = "ChatGPT" if parts.id.startswith("chatgpt-") else "GPT"
        name = " ".join([f"{family}-{number}", *words])
    if parts.tuned:
        return f"{name}, tuned: {parts.tuned}"[:_LONGEST_ID]
    return f"{name} ({parts.snapshot})" if parts.snapshot else name


def _efforts(parts: _Parts) -> Iterable[Effort]:
    """The reasoning efforts that the model is documented to take; none for those that do not reason."""
    words = set(parts.words)
    if parts.o_series:
        return (_LOW, _MEDIUM, _HIGH)
    if parts.version < (5,) or "chat" in words or parts.id.startswith("chatgpt-"):
        return ()
    if "pro" in words:
        return (_HIGH,)  # the one that every pro model takes
    efforts = [_LOW, _MEDIUM, _HIGH]
    if parts.version >= (5, 2) or "max" in words:
        efforts.append(_XHIGH)
    if "codex" not in words:
        if parts.version == (5,):
            efforts.insert(0, _MINIMAL)
        elif parts.version < (6,):
            efforts.insert(0, _NONE)
    return efforts


def _context(parts: _Parts) -> int | None:
    """The documented context in tokens; None for families that came later."""
    words, version = set(parts.words), parts.version
    if parts.o_series:
        return 128_000 if version == (1,) and words & {"mini", "preview"} else 200_000 if version <= (4,) else None
    if version >= (5,):
        chat = "chat" in words or parts.id.startswith("chatgpt-")
        return None if version >= (5, 4) else 128_000 if chat else 400_000
    if version == (4, 1):
        return 1_047_576
    if version >= (4,):
        return 128_000 if parts.letter or words & {"turbo", "preview"} or version > (4,) else 8_192
    return 16_385 if version == (3, 5) else None


def _sees(parts: _Parts) -> bool:
    """Whether images can be shown to the model."""
    if parts.o_series:
        return not (parts.version == (3,) and "mini" in parts.words) and "preview" not in parts.words
    return bool(parts.letter) or parts.version > (4,) or (parts.version == (4,) and "turbo" in parts.words)

"""What the user has set in Settings > General: rows of `Preference`, held in memory while the server runs.

Every page needs the theme while it is rendered inside the event loop, where the ORM cannot be asked. One server has a
data folder to itself, so what it holds in memory is what the database says.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

from chat.models import Preference

LONGEST_INSTRUCTIONS: Final = 8_000
MOST_DEVICES: Final = 64


class Theme(StrEnum):
    """The colours of the pages: the system's choice, or always one."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


class SendKey(StrEnum):
    """What sends a message: Enter alone (Shift+Enter breaks the line), or Enter with Ctrl or Cmd."""

    ENTER = "enter"
    MODIFIED = "modified"


@dataclass(frozen=True)
class Preferences:
    """All of them. `instructions` is the user's own text for the model, empty where there is none."""

    theme: Theme = Theme.SYSTEM
    send_key: SendKey = SendKey.ENTER
    instructions: str = ""
    #: Whether this computer's browsers tell of a long answer that is done while nobody looks.
    notify: bool = False
    #: Ids, in hexadecimal, of the other devices whose browsers do; the newest last.
    notified: tuple[str, ...] = ()


class Unusable(ValueError):
    """A value that a preference cannot have. The text is a sentence ready to show."""


NAMES: Final = tuple(asdict(Preferences()))
_held = Preferences()


def current() -> Preferences:
    """Return what is set now. No database is asked."""
    return _held


def load() -> Preferences:
    """Read what is set from the database, and hold it. Values that mean nothing count as not set."""
    global _held
    found = Preferences()
    for row in Preference.objects.filter(name__in=NAMES):
        try:
            found = replace(found, **{row.name: checked(row.name, row.value)})
        except Unusable:
            continue
    _held = found
    return found


async def keep(name: str, value: object) -> Preferences:
    """Set one preference for good. Raises Unusable, and then nothing was changed."""
    global _held
    good = checked(name, value)
    await Preference.objects.aupdate_or_create(name=name, defaults={"value": good})
    _held = replace(_held, **{name: good})
    return _held


def notifies(device: bytes | None) -> bool:
    """Whether the browsers of a device tell of a long answer that is done; `device` None is this computer."""
    return _held.notify if device is None else device.hex() in _held.notified


async def keep_notified(device: bytes, *, on: bool) -> None:
    """Set whether the browser of another device tells of it. The oldest are forgotten where there are too many."""
    others = [each for each in _held.notified if each != device.hex()]
    await keep("notified", [*others, device.hex()][-MOST_DEVICES:] if on else others)


def checked(name: str, value: object) -> Any:
    """Return `value` as the preference `name` holds it. Raises Unusable."""
    text = value if isinstance(value, str) else ""
    match name:
        case "notify" if text in {"on", "off"} or isinstance(value, bool):
            return value is True or text == "on"
        case "notified" if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(value[-MOST_DEVICES:])
        case "theme" if text in set(Theme):
            return Theme(text)
        case "send_key" if text in set(SendKey):
            return SendKey(text)
        case "instructions" if isinstance(value, str):
            text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
            if len(text) > LONGEST_INSTRUCTIONS:
                raise Unusable(
                    f"The instructions are too long: {len(text):,} characters, at most {LONGEST_INSTRUCTIONS:,}. "
                    "Shorten them; your text stays in its field."
                )
            return text
    raise Unusable("This setting is not there. Reload the page, then try again.")

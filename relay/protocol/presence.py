"""Which hosts of an account are on line, or since when not and why: what the broker tells every remote's link.

    EVENT  {"kind": "presence", "hosts": [{"id": "32 hex digits", "online": bool, "since": seconds, "why": text}, ...]}

After READY all hosts of the account are told, from then on those that have changed; one that comes back is told again,
also where it was away so shortly that nobody was told that it had gone. `since` is when it went, in seconds of UTC, and
null where the broker never saw it go; `why` is null for one that is on line, and for one that never was.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from relay.protocol.link import Code, Message, event
from relay.protocol.moments import showable

KIND: Final = "presence"
#: Hosts in one EVENT; more than an account has devices.
MOST_HOSTS: Final = 256
_ID: Final = re.compile(r"[0-9a-f]{32}")
# The end of the year 9999, which is as far as dates go.
_LATEST: Final = 253_402_300_799


class Why(StrEnum):
    """Why a host is not on line."""

    OFF = "off"
    CLOSED = "closed"
    ASLEEP = "asleep"
    SIGNED_OUT = "signed-out"
    LOST = "lost"
    #: The broker itself was restarted; the host was on line before, and is expected back.
    RESTARTING = "restarting"


#: A host's last word: the code with which it closes its link (CLOSE of route 0) before it leaves.
LAST_WORDS: Final[Mapping[int, Why]] = {
    Code.RELAY_OFF: Why.OFF,
    Code.CLOSED: Why.CLOSED,
    Code.ASLEEP: Why.ASLEEP,
    Code.SIGNED_OUT: Why.SIGNED_OUT,
}


@dataclass(frozen=True, slots=True)
class Presence:
    """One host, by its id (16 bytes)."""

    host: bytes
    online: bool
    since: datetime | None = None
    why: Why | None = None


def to_event(hosts: Iterable[Presence]) -> Message:
    """Tell of some hosts. Raises FrameMalformed if there are too many."""
    told = [
        {
            "id": each.host.hex(),
            "online": each.online,
            "since": int(each.since.timestamp()) if each.since is not None else None,
            "why": each.why.value if each.why is not None else None,
        }
        for each in hosts
    ]
    return event({"kind": KIND, "hosts": told})


def from_event(said: Mapping[str, Any]) -> tuple[Presence, ...]:
    """What an EVENT tells of hosts; nothing where it is of another kind. What cannot be understood is left out."""
    hosts = said.get("hosts")
    if said.get("kind") != KIND or not isinstance(hosts, list):
        return ()
    return tuple(each for each in map(_read, hosts[:MOST_HOSTS]) if each is not None)


def _read(value: object) -> Presence | None:
    fields: Mapping[str, Any] = value if isinstance(value, dict) else {}
    name, online, since, text = (fields.get(each) for each in ("id", "online", "since", "why"))
    if not isinstance(name, str) or not _ID.fullmatch(name) or not isinstance(online, bool):
        return None
    moment = datetime.fromtimestamp(since, UTC) if type(since) is int and 0 <= since <= _LATEST else None
    return Presence(bytes.fromhex(name), online, showable(moment), None if online else _why(text))


def _why(text: object) -> Why | None:
    try:
        return Why(text) if isinstance(text, str) else None
    except ValueError:
        return Why.LOST  # a reason that this version does not know

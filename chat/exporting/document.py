"""A chat as one Markdown document: who said what and when, word for word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from chat.feed import feeds
from chat.markdown import clean_text, parse
from chat.models import Attachment, Message, Role, State
from connections.visitor import visitor

_ENDED: Final = {
    State.STOPPED: "stopped before it was complete",
    State.INTERRUPTED: "interrupted before it was complete",
    State.FAILED: "failed before it was complete",
    State.STREAMING: "still coming when this was exported",
    State.WAITING: "not answered yet",
}
_CODE_SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
_LABEL = re.compile(r"\[\^([^\]\s]{1,60})\]")
# Signs that would make something else of a title or a name.
_MARKS = re.compile(r"([\\`*_\[\]<>#|~$])")


@dataclass(frozen=True)
class Part:
    """One message as it stands in the document."""

    name: str
    facts: Sequence[str]
    text: str
    reasoning: str = ""
    files: Sequence[str] = ()


async def parts(messages: Sequence[Message]) -> list[Part]:
    """Return what the document says of each message of a branch."""
    files: dict[int, list[str]] = {}
    wanted = {message.pk for message in messages}
    chat_id = messages[0].chat_id if messages else None
    async for each in Attachment.objects.select_related("file").filter(message__chat=chat_id):
        if each.message_id in wanted and each.message_id is not None:
            files.setdefault(each.message_id, []).append(_file(each))
    return [_part(message, files.get(message.pk, ())) for message in messages]


def _part(message: Message, files: Sequence[str]) -> Part:
    when = moment(message.created)
    if message.role == Role.USER:
        return Part("You", [when], message.text, files=files)
    live = feeds.live.get(message.pk)
    who = visitor()
    access = message.access_label if who is None or message.access == who.access else ""
    ended = _ENDED.get(State(message.state), "")
    return Part(
        message.model_name or "Answer",
        [fact for fact in (when, access, message.effort, ended) if fact],
        "".join(live.text) if live else message.text,
        "".join(live.thoughts) if live else message.reasoning,
        files,
    )


def _file(attachment: Attachment) -> str:
    file = attachment.file
    size = f"{max(1, round(file.size / 1024)):,} KB"
    shape = f", {file.width} × {file.height}" if file.width else ""
    return f"{_plain(attachment.name)} ({file.media_type}{shape}, {size})"


def moment(when: datetime) -> str:
    """Return a time as people read it, with its zone.

    >>> from datetime import UTC
    >>> moment(datetime(2026, 3, 5, 9, 7, tzinfo=UTC))[:13]
    '5 March 2026,'
    """
    local = timezone.localtime(when)
    return f"{local.day} {local:%B %Y, %H:%M %Z}".rstrip()


def document(title: str, created: datetime, told: Sequence[Part]) -> str:
    """Return the document. Slow for a long chat: call it in a thread."""
    pieces = [f"# {_plain(title)}", f"*A chat in Lerix, begun {moment(created)}.*"]
    taken: set[str] = set()
    for number, part in enumerate(told, 1):
        # No heading of an answer is changed: a line tells where a message begins.
        pieces += ["---", f"## {_plain(part.name)}"]
        pieces.append(f"*{' · '.join(_plain(fact) for fact in part.facts)}*")
        if part.files:
            pieces.append("\n".join(["Attached:", "", *(f"- {file}" for file in part.files)]))
        if part.reasoning.strip():
            inner = _ended(clean_text(part.reasoning)).strip()
            pieces.append(f"<details>\n<summary>Reasoning summary</summary>\n\n{inner}\n\n</details>")
        if part.text.strip():
            pieces.append(_apart(_ended(clean_text(part.text)).strip("\n"), number, taken))
    return "\n\n".join(pieces) + "\n"


def _plain(text: str) -> str:
    return _MARKS.sub(r"\\\1", " ".join(clean_text(text).split()))


def _ended(text: str) -> str:
    """Return the text with a code block closed that it leaves open: else all that follows would be code."""
    if "```" not in text and "~~~" not in text:
        return text
    tokens = [token for token in parse(text, {"whole": True}) if token.level == 0]
    if not tokens or tokens[-1].type != "fence" or tokens[-1].map is None:
        return text
    lines = text.rstrip("\n").split("\n")
    last = lines[min(tokens[-1].map[1], len(lines)) - 1].strip()
    closed = len(lines) > tokens[-1].map[0] + 1 and last.startswith(tokens[-1].markup) and not last.strip(last[0])
    return text if closed else f"{text.rstrip(chr(10))}\n{tokens[-1].markup}"


def _apart(text: str, number: int, taken: set[str]) -> str:
    """Return the text with its footnotes named so that no two messages share one."""
    env: dict[str, Any] = {"whole": True}
    if "[^" not in text:
        return text
    tokens = parse(text, env)
    labels: set[str] = set(env.get("footnotes", ()))
    clash = labels & taken
    taken |= labels
    if not clash:
        return text
    code = [token.map for token in tokens if token.type in {"fence", "code_block"} and token.map is not None]
    lines = text.split("\n")
    for place, line in enumerate(lines):
        if "[^" in line and not any(first <= place < end for first, end in code):
            lines[place] = _renamed(line, clash, number)
    return "\n".join(lines)


def _renamed(line: str, clash: set[str], number: int) -> str:
    done, at = "", 0
    for span in [*_CODE_SPAN.finditer(line), None]:
        plain = line[at : span.start() if span else len(line)]
        done += _LABEL.sub(lambda hit: f"[^{number}-{hit[1]}]" if hit[1] in clash else hit[0], plain)
        done += span[0] if span else ""
        at = span.end() if span else at
    return done

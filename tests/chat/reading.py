"""Reading files in the process of the test: a program for each would cost most of the time that these tests take."""

from __future__ import annotations

from chat.attachments import child
from chat.attachments.kinds import NotTaken
from chat.attachments.reading import image, pdf
from chat.attachments.reading.confined import Problem


async def here(what: str, kind: str, data: bytes) -> child.Read:
    """As `child.read`, without its limits. Raises NotTaken."""
    try:
        facts, parts = (image if what == "image" else pdf).read(data, kind)
    except Problem as problem:
        raise NotTaken(*child._SENTENCES[str(problem)]) from None
    return child.Read(facts, parts)

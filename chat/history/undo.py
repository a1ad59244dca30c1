"""The note with a button Undo that the answer to a request may carry; static/lerix/js/undo.js shows it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from django.template.loader import render_to_string

from connections.push import partial

#: How long Undo is offered. It works for longer: see `chat.history.purge.KEPT`.
SECONDS: Final = 10


def undo(words: str, address: str, fields: Mapping[str, str | Sequence[str]]) -> str:
    """Return the note as a partial for an answer: `words` say what was done, Undo posts `fields` to `address`.

    A field that is a list is sent once for each of its values.
    """
    pairs = [
        (name, each) for name, value in fields.items() for each in ([value] if isinstance(value, str) else value)
    ]
    context = {
        "words": words,
        "address": address,
        "fields": pairs,
        "seconds": SECONDS,
        # Two notes that say the same are two notes: the second has its own time.
        "stamp": secrets.token_hex(4),
    }
    return partial("#undo", render_to_string("chat/undo.html", context), "innerHTML")

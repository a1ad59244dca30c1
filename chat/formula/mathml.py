"""The one way in: TeX to MathML."""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from typing import Final

from chat.formula.reader import TooDeep
from chat.formula.tables import Formula

# A formula of so many signs can be wider than a phone: it gets the focus, so that the keyboard can scroll it.
WIDE: Final = 22
# Longer ones are shown as they were written: nobody reads them as formulas.
LONGEST: Final = 8_000

_TAGS = re.compile(r"<[^>]*>")


# A formula that grows in an open block is read again at each step, and all around it with it.
@lru_cache(maxsize=64)
def mathml(tex: str, *, display: bool) -> str:
    """Return a formula as one `math` element that holds its source; `display`: on a line of its own."""
    source = tex.strip()
    kind = ' display="block"' if display else ""
    try:
        inner = Formula(source).lines() if len(source) <= LONGEST else _as_written(source)
    except TooDeep:
        inner = _as_written(source)
    return f'<math{kind} data-tex="{escape(source)}">{inner}</math>'


def _as_written(source: str) -> str:
    return f"<mtext>{escape(source, quote=False)}</mtext>"


def is_wide(html: str) -> bool:
    """Whether a formula may be wider than a narrow page."""
    return len(_TAGS.sub("", html)) > WIDE

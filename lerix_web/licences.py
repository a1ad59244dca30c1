"""Whose work Lerix is built on: the files it carries, and the Python packages it needs, each with its licence."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Final

from django.conf import settings

#: What pyproject.toml names; a test holds the two equal. An installed Lerix could be asked, a checkout cannot.
NEEDED: Final = (
    "Django",
    "channels",
    "daphne",
    "django-htmx",
    "httpx",
    "certifi",
    "cryptography",
    "keyring",
    "websockets",
    "platformdirs",
    "markdown-it-py",
    "mdit-py-plugins",
    "nh3",
    "zxcvbn",
    "Pygments",
    "pillow",
    "pypdf",
)
CLASSIFIER: Final = "License :: OSI Approved :: "


@dataclass(frozen=True)
class Part:
    """Something of others that Lerix uses."""

    name: str
    version: str
    licence: str


@cache
def carried() -> tuple[Part, ...]:
    """Return what is served with Lerix's own files, by name."""
    records = (settings.ASSETS / "static" / "lerix" / "vendor").glob("*/VERSIONS.json")
    read = [json.loads(path.read_text("utf-8")) for path in records]
    return _sorted({part["name"]: Part(part["name"], part["version"], part["licence"]) for part in read})


@cache
def packages() -> tuple[Part, ...]:
    """Return the Python packages that are needed and installed, with those that they need, by name."""
    waiting, found = list(NEEDED), dict[str, Part]()
    while waiting:
        name = _canonical(waiting.pop())
        if name in found:
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # needed on another system only
        found[name] = Part(package.metadata["Name"], package.version, _licence(package))
        waiting += [_name(text) for text in package.requires or () if "extra ==" not in text]
    return _sorted(found)


def _sorted(parts: dict[str, Part]) -> tuple[Part, ...]:
    return tuple(sorted(parts.values(), key=lambda part: part.name.lower()))


def _name(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    return found[0] if found else ""


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _licence(package: Distribution) -> str:
    # The one word where there is one; old packages put the whole text there, or only name a class of licence.
    facts = package.metadata
    expression = _first(facts.get_all("License-Expression"))
    classes = [text.removeprefix(CLASSIFIER) for text in facts.get_all("Classifier") or () if CLASSIFIER in text]
    line = _first(facts.get_all("License")).strip()
    return expression or ", ".join(classes) or (line if 0 < len(line) < 60 else "see the package")


def _first(values: list[str] | None) -> str:
    return values[0] if values else ""

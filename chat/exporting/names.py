"""Names of files that every system can keep: of chats after their title, of code after its language."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Final

from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from chat.markdown import clean_text

#: Characters; file systems take 255 bytes, and a sign may have four.
LONGEST: Final = 60

_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]+')
# Names of devices on Windows, with any ending.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
_NAME = re.compile(r"[\w][\w .+-]*\.[A-Za-z0-9+]{1,10}|Dockerfile|Makefile|CMakeLists\.txt")
_TITLED = re.compile(r"(?:title|file|filename|name)=[\"']?([^\"'}]+)", re.IGNORECASE)
# A file's name in the comment that code often begins with.
_FIRST_LINE = re.compile(
    r"\s*(?:#|//|--|;|%|/\*|<!--)\s*(?:[Ff]ile(?:name)?:\s*)?([\w./-]*[\w-]\.[A-Za-z0-9]{1,10})\s*(?:\*/|-->)?\s*(?:\n|$)"
)
_ENDINGS: Final = {
    "": "txt", "text": "txt", "plaintext": "txt", "plain": "txt", "txt": "txt", "console": "txt", "output": "txt",
    "bash": "sh", "sh": "sh", "shell": "sh", "zsh": "sh", "fish": "fish", "powershell": "ps1", "ps1": "ps1",
    "python": "py", "py": "py", "javascript": "js", "js": "js", "typescript": "ts", "ts": "ts", "jsx": "jsx",
    "tsx": "tsx", "c++": "cpp", "cpp": "cpp", "c": "c", "h": "h", "csharp": "cs", "c#": "cs", "cs": "cs", "f#": "fs",
    "objective-c": "m", "objc": "m", "rust": "rs", "go": "go", "java": "java", "kotlin": "kt", "swift": "swift",
    "ruby": "rb", "php": "php", "perl": "pl", "r": "r", "julia": "jl", "matlab": "m", "html": "html", "xml": "xml",
    "svg": "svg", "css": "css", "scss": "scss", "json": "json", "json5": "json5", "jsonc": "jsonc", "yaml": "yaml",
    "yml": "yml", "toml": "toml", "ini": "ini", "sql": "sql", "latex": "tex", "tex": "tex", "markdown": "md",
    "md": "md", "vue": "vue", "svelte": "svelte", "mermaid": "mmd", "csv": "csv", "diff": "diff", "patch": "patch",
    "lua": "lua", "haskell": "hs", "scala": "scala", "dart": "dart", "elixir": "ex", "graphql": "graphql",
    "terraform": "tf", "hcl": "hcl", "nix": "nix", "zig": "zig", "proto": "proto", "assembly": "asm", "vb": "vb",
}  # fmt: skip
_WHOLE_NAMES: Final = {
    "dockerfile": "Dockerfile", "docker": "Dockerfile", "makefile": "Makefile", "make": "Makefile",
    "cmake": "CMakeLists.txt", "gitignore": ".gitignore", "dotenv": ".env",
}  # fmt: skip


def chat_file(title: str) -> str:
    """Return the name of a chat's file.

    >>> chat_file("a/b: c?")
    'a b c.md'
    """
    return f"{_safe(title) or 'Chat'}.md"


def code_file(info: str, source: str) -> str:
    """Return the name of a code block's file; `info` is what stands after the fence.

    >>> code_file("python", "x = 1"), code_file("js title=app.js", ""), code_file("sh", "# run.sh")
    ('code.py', 'app.js', 'run.sh')
    """
    words = info.split(maxsplit=1)
    language, _, after = (words[0] if words else "").partition(":")
    titled = _TITLED.search(words[1]) if len(words) > 1 else None
    for candidate in (titled[1] if titled else "", after, language if "." in language else ""):
        if named := _named(candidate):
            return named
    language = language.lower()
    if language in _WHOLE_NAMES:
        return _WHOLE_NAMES[language]
    ending = _ending(language)
    first = _FIRST_LINE.match(source[:300])
    if first and first[1].rpartition(".")[2].lower() == ending and (named := _named(first[1])):
        return named
    return f"code.{ending}"


def _named(candidate: str) -> str:
    """Return the last part of a path if it is a file's name, else nothing."""
    name = candidate.strip().replace("\\", "/").rpartition("/")[2]
    return _safe(name) if _NAME.fullmatch(name) else ""


@cache
def _ending(language: str) -> str:
    if language in _ENDINGS:
        return _ENDINGS[language]
    try:
        patterns = get_lexer_by_name(language).filenames
    except ClassNotFound:
        return "txt"
    return next((found[1] for each in patterns if (found := re.fullmatch(r"\*\.([A-Za-z0-9]{1,10})", each))), "txt")


def _safe(name: str) -> str:
    plain = unicodedata.normalize("NFC", clean_text(name))
    # No space at the end, no dot at either: the one is lost on Windows, the other hides a file.
    plain = " ".join(_UNSAFE.sub(" ", plain).split()).strip(" .")
    if len(plain) > LONGEST:
        plain = plain[:LONGEST].rsplit(" ", 1)[0].rstrip(" .,;:-")
    return f"_{plain}" if _DEVICES.match(plain) else plain

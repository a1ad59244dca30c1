"""What lies on the disk, read while running programs write there and delete."""

from collections.abc import Iterable
from pathlib import Path


def contents(*folders: Path) -> dict[Path, bytes]:
    """All files below some folders, with what is in them."""
    return read(path for folder in folders for path in folder.rglob("*"))


def read(paths: Iterable[Path]) -> dict[Path, bytes]:
    """Those of some paths that are files, with what is in them. One that is deleted meanwhile is not there."""
    found: dict[Path, bytes] = {}
    for path in paths:
        try:
            if path.is_file():
                found[path] = path.read_bytes()
        except FileNotFoundError:
            continue
    return found


def holding(found: dict[Path, bytes], *texts: str) -> list[Path]:
    """Those of some files that have one of the texts in them, as UTF-8 or as UTF-16."""
    wanted = [text.encode(code) for text in texts for code in ("utf-8", "utf-16-le")]
    return [path for path, data in found.items() if any(each in data for each in wanted)]

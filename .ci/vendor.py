#!/usr/bin/env python3
"""Fetches the JavaScript and the icons that Lerix serves itself, at pinned versions.

    .ci/vendor.py            fetch with npm, verify, and write the files
    .ci/vendor.py --check    verify the files that are there, offline

Each library gets a folder with its files, its licence and a VERSIONS.json that names what lies there. To take
a new version, change ``version`` and ``integrity`` below (from ``npm view NAME@VERSION dist.integrity``), and
run it.
"""

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
RECORD = "VERSIONS.json"

ICONS = [
    "archive",
    "arrow-down",
    "arrow-up",
    "bell",
    "brain",
    "check",
    "chevron-down",
    "chevron-left",
    "chevron-right",
    "circle-alert",
    "circle-check",
    "circle-help",
    "clock",
    "cloud-off",
    "copy",
    "corner-down-left",
    "download",
    "ellipsis",
    "external-link",
    "eye",
    "eye-off",
    "file",
    "file-text",
    "folder",
    "folder-plus",
    "gauge",
    "history",
    "image",
    "info",
    "key-round",
    "keyboard",
    "laptop",
    "link",
    "list-checks",
    "list-filter",
    "lock",
    "log-out",
    "menu",
    "message-square",
    "message-square-dashed",
    "minus",
    "monitor",
    "moon",
    "panel-left",
    "panel-left-close",
    "paperclip",
    "pencil",
    "pin",
    "play",
    "plus",
    "printer",
    "refresh-cw",
    "rotate-ccw",
    "search",
    "send",
    "server",
    "settings",
    "shield",
    "shield-alert",
    "sliders-horizontal",
    "smartphone",
    "sparkles",
    "square",
    "square-pen",
    "sun",
    "terminal",
    "text-quote",
    "trash-2",
    "triangle-alert",
    "undo-2",
    "user",
    "wifi-off",
    "x",
]


class Mismatch(Exception):
    """A file is not what its pin says."""


@dataclass(frozen=True)
class Library:
    """One npm package, and which of its files (paths inside the package) go into which folder."""

    name: str
    version: str
    licence: str  # SPDX expression
    integrity: str  # of the package's archive, as npm writes it: "sha512-" and base64
    folder: Path
    files: tuple[str, ...]

    def identity(self) -> dict[str, str]:
        """Return what VERSIONS.json says besides the files."""
        return {
            "name": self.name,
            "version": self.version,
            "licence": self.licence,
            "integrity": self.integrity,
        }


LIBRARIES = (
    Library(
        name="htmx.org",
        version="4.0.1",
        licence="0BSD",
        integrity="sha512-oF7JgXhDW9UXCy/k1ZYFUQgzu/rm19ORWPSPNL91vPluB2PB9+MV55tyQdH/w7o2EAbTYUG5SDW1R60mdkdqGg==",
        folder=ROOT / "static/lerix/vendor/htmx",
        files=("LICENSE", "dist/htmx.min.js", "dist/ext/hx-sse.min.js"),
    ),
    Library(
        name="lucide-static",
        version="1.62.0",
        licence="ISC AND MIT",  # MIT for the icons that come from Feather
        integrity="sha512-WBZA/m2PvkFpMGHDtsBck5P2A9G4ehLlYu4GwwICcmEm1BvYVgj00lCDxKRWLlbMlOibLaiwdQ88G5pHkSWgwA==",
        folder=ROOT / "static/lerix/vendor/lucide",
        files=("LICENSE", *(f"icons/{name}.svg" for name in ICONS)),
    ),
    Library(  # Argon2id, by which a browser stretches a password; WebCrypto has none
        name="hash-wasm",
        version="4.13.0",
        licence="MIT",
        integrity="sha512-GrWl7wsV46fKIXQZB5ebskLZLAmKL6d9RS0fspCxDeQyjoNu1AfTJTMLPOJyfzaQm0ldFiwFN21/w+sE/kgEFQ==",
        folder=ROOT / "static/lerix/vendor/hash-wasm",
        files=("LICENSE", "dist/argon2.umd.min.js"),
    ),
    Library(  # how easily a new password is guessed: the same that the app asks on a Mac, as a Python package
        name="zxcvbn",
        version="4.4.2",
        licence="MIT",
        integrity="sha512-Bq0B+ixT/DMyG8kgX2xWcI5jUvCwqrMxSFam7m0lAf78nf04hv6lNCsyLYdyYTrCVMqNDY/206K7eExYCeSyUQ==",
        folder=ROOT / "static/lerix/vendor/zxcvbn",
        files=("LICENSE.txt", "dist/zxcvbn.js"),
    ),
    Library(  # used by the browser tests only, and not part of the wheel
        name="axe-core",
        version="4.14.1",
        licence="MPL-2.0",
        integrity="sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        folder=ROOT / "tests/browser/vendor",
        files=("LICENSE", "LICENSE-3RD-PARTY.txt", "axe.min.js"),
    ),
)


def fetch(library: Library) -> dict[str, bytes]:
    """Download a package by npm and return the wanted files by their names, without folders.

    Raises Mismatch when the archive is not the pinned one, KeyError when it lacks a file.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{library.name}@{library.version}"]
        packed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        archive = Path(folder, packed.stdout.split()[-1])
        digest = hashlib.sha512(archive.read_bytes()).digest()
        if f"sha512-{base64.b64encode(digest).decode()}" != library.integrity:
            raise Mismatch(f"{library.name} {library.version}: the archive is not the pinned one")
        contents = {}
        with tarfile.open(archive) as tar:
            for path in library.files:
                member = tar.extractfile(f"package/{path}")
                if member is None:
                    raise Mismatch(f"{library.name} {library.version}: {path} is not a file")
                contents[PurePosixPath(path).name] = member.read()
        return contents


def write(library: Library) -> None:
    """Fetch a library and make its folder hold exactly its files and their record."""
    contents = fetch(library)
    library.folder.mkdir(parents=True, exist_ok=True)
    for old in library.folder.iterdir():
        if old.name not in contents:
            old.unlink()
    for name, content in contents.items():
        (library.folder / name).write_bytes(content)
    files = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(contents.items())}
    record = json.dumps({**library.identity(), "files": files}, indent=2)
    (library.folder / RECORD).write_text(record + "\n", "utf-8")


def verify(library: Library) -> None:
    """Compare a library's folder with its record, and the record with the pins above. Raises Mismatch."""
    record = json.loads((library.folder / RECORD).read_text("utf-8"))
    files: dict[str, str] = record.pop("files")
    if record != library.identity():
        raise Mismatch(f"{library.folder / RECORD} is of another version than the pin")
    if set(files) != {PurePosixPath(path).name for path in library.files}:
        raise Mismatch(f"{library.folder / RECORD} lists other files than the pin")
    if {path.name for path in library.folder.iterdir()} != {*files, RECORD}:
        raise Mismatch(f"{library.folder} holds a file too many or too few")
    for name, digest in files.items():
        if hashlib.sha256((library.folder / name).read_bytes()).hexdigest() != digest:
            raise Mismatch(f"{library.folder / name} was changed")


def main(arguments: list[str]) -> int:
    """Do what the module's docstring says; return the exit code."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    for library in LIBRARIES:
        try:
            if not arguments:
                write(library)
            verify(library)
        except (Mismatch, OSError) as error:
            print(f"{error}. Run .ci/vendor.py.", file=sys.stderr)
            return 1
        print(f"{library.name} {library.version}: {len(library.files)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What a file is, by its content alone: neither its name nor what a browser says of it is believed. No I/O."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Final

from chat.models import FileKind

MIB: Final = 1024 * 1024
#: Bytes of one file, by what it is.
MOST: Final = {FileKind.IMAGE: 20 * MIB, FileKind.PDF: 32 * MIB, FileKind.TEXT: 2 * MIB}
#: Bytes of the largest of them: nothing longer is looked at.
LARGEST: Final = max(MOST.values())

PNG, JPEG, WEBP, GIF, PDF, TEXT = "png", "jpeg", "webp", "gif", "pdf", "text"
KINDS: Final = {
    PNG: FileKind.IMAGE,
    JPEG: FileKind.IMAGE,
    WEBP: FileKind.IMAGE,
    GIF: FileKind.IMAGE,
    PDF: FileKind.PDF,
    TEXT: FileKind.TEXT,
}
# A PDF may have other bytes before its mark, within this many.
_PDF_HEAD: Final = 1024
_PICTURE: Final = "Lerix takes PNG, JPEG, WebP and GIF images: save it as one of these, then attach it again."


class NotTaken(ValueError):
    """A file that is not taken; nothing of it is kept. The text is a sentence ready to show."""

    def __init__(self, sentence: str, status: int = 415) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        #: The HTTP status that says the same.
        self.status = status


def _box(data: bytes, *brands: bytes) -> bool:
    """Whether it is a file of boxes (ISO 14496-12) of one of these brands, the main one or a compatible one."""
    if data[4:8] != b"ftyp":
        return False
    size = min(int.from_bytes(data[:4], "big"), 256)
    named = [data[8:12], *(data[at : at + 4] for at in range(16, size, 4))]
    return any(brand in brands for brand in named)


_ARCHIVES: Final = (
    *(b"PK\3\4", b"PK\5\6", b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c"),
    *(b"Rar!\x1a\7", b"BZh", b"\xfd7zXZ\0", b"(\xb5/\xfd"),
)
_PROGRAMS: Final = (b"\x7fELF", b"MZ", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe")

#: What is known and not taken, with what to say of it.
_FOREIGN: Final[tuple[tuple[Callable[[bytes], bool], str], ...]] = (
    (lambda data: _box(data, b"avif", b"avis"), f"This is an AVIF image. {_PICTURE}"),
    (
        lambda data: _box(data, b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"),
        (
            "HEIC photos are not taken, and this browser cannot convert them. Save it as JPEG (iPhone: Settings, "
            "Camera, Formats, Most Compatible), then attach it again."
        ),
    ),
    (lambda data: data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")), f"This is a TIFF image. {_PICTURE}"),
    (lambda data: data.startswith(b"BM") and data[6:10] == b"\0\0\0\0", f"This is a BMP image. {_PICTURE}"),
    (lambda data: data.startswith(b"\0\0\1\0"), f"This is an icon file. {_PICTURE}"),
    (lambda data: data.startswith((b"\0\0\0\x0cJXL ", b"\xff\x0a")), f"This is a JPEG XL image. {_PICTURE}"),
    (
        lambda data: data.startswith(b"PK\3\4") and b"mimetypeapplication/vnd.oasis" in data[:200],
        "Models do not read office documents. Export it as PDF, then attach that.",
    ),
    (
        lambda data: data.startswith(b"PK\3\4") and any(part in data[:8192] for part in (b"word/", b"xl/", b"ppt/")),
        "Models do not read office documents. Export it as PDF (a table as CSV), then attach that.",
    ),
    (
        lambda data: data.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        "Models do not read office documents. Export it as PDF (a table as CSV), then attach that.",
    ),
    (
        lambda data: data.startswith(_ARCHIVES),
        "This is an archive. Unpack it, then attach the files you want read.",
    ),
    (
        lambda data: data.startswith((b"ID3", b"OggS", b"fLaC", b"\xff\xfb", b"\xff\xf3", b"\x1aE\xdf\xa3", b"FLV\1"))
        or (data[:4] == b"RIFF" and data[8:12] in {b"WAVE", b"AVI "})
        or data[4:8] == b"ftyp",
        "Sound and video are not read here. Attach text, or a picture of what it is about.",
    ),
    (
        lambda data: data.startswith(_PROGRAMS),
        "This is a program, which models cannot read. Attach its source text.",
    ),
    (
        lambda data: data.startswith(b"SQLite format 3\0"),
        "This is a database, which models cannot read. Export what you want read as text or CSV.",
    ),
)


def kind_of(data: bytes) -> str:
    """Return what a file is: PNG, JPEG, WEBP, GIF, PDF or TEXT. Raises NotTaken for anything else, and where too big.

    SVG and HTML are texts, and are never more than that.
    """
    if not data:
        raise NotTaken("This file is empty, so there is nothing to attach.", 422)
    kind = _known(data)
    most = MOST[KINDS[kind]]
    if len(data) > most:
        what = {FileKind.IMAGE: "An image", FileKind.PDF: "A PDF", FileKind.TEXT: "A text file"}[KINDS[kind]]
        raise NotTaken(
            f"{what} may have {most // MIB} MB, and this one has {len(data) / MIB:.1f}. Make it smaller, then attach "
            "it again.",
            413,
        )
    return kind


def _known(data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    if data.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if b"%PDF-" in data[:_PDF_HEAD]:
        return PDF
    for is_it, sentence in _FOREIGN:
        if is_it(data):
            raise NotTaken(sentence)
    # Not longer than a text may be: what is longer is refused for its size all the same.
    if b"\0" not in data[: MOST[FileKind.TEXT]] or data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return TEXT
    raise NotTaken("Lerix does not know what kind of file this is. It takes images, PDF, text and code.")


def text_of(data: bytes) -> str:
    """Return a text as characters, with line ends of LF: UTF-8, or UTF-16 with its mark. Raises NotTaken."""
    code = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(code)
    except UnicodeDecodeError:
        raise NotTaken(
            "This file is no text in Unicode. If it is a text, save it with the encoding UTF-8, then attach it again."
        ) from None
    if "\0" in text:
        raise NotTaken("This file holds bytes that no text has. Lerix takes images, PDF, text and code.")
    return text.replace("\r\n", "\n").replace("\r", "\n")

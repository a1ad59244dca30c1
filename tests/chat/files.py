"""Files as people attach them, and as nobody should."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image

PLACE = "47.3769N-8.5417E"


def png(width: int = 40, height: int = 30, colour: str = "navy", mode: str = "RGB") -> bytes:
    return _saved(Image.new(mode, (width, height), colour), "PNG")


def photo(width: int = 60, height: int = 40, *, turned: int = 6, noise: bool = False) -> bytes:
    """A JPEG as a telephone makes it: lying on its side, with where and by whom it was taken."""
    size = (width, height)
    image = Image.effect_noise(size, 90).convert("RGB") if noise else Image.new("RGB", size, "red")
    image.paste("blue", (0, 0, width // 4, height // 4))
    exif = Image.Exif()
    exif[0x0112] = turned
    exif[0x010F] = "SecretCamera"
    exif[0x010E] = PLACE
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (47.0, 22.0, 36.0)
    return _saved(image, "JPEG", exif=exif, comment=PLACE.encode())


def gif(frames: int = 3) -> bytes:
    pictures = [Image.new("P", (20, 10), number) for number in range(frames)]
    out = io.BytesIO()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=50)
    return out.getvalue()


def bmp() -> bytes:
    return _saved(Image.new("RGB", (30, 20), "olive"), "BMP")


def webp() -> bytes:
    return _saved(Image.new("RGBA", (30, 30), (10, 200, 30, 90)), "WEBP", lossless=True)


def bomb(width: int = 40_000, height: int = 40_000) -> bytes:
    """A PNG of a few kilobytes that says it has so many pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A PNG with a compressed text of a hundred megabytes beside its pixels."""
    packed = zlib.compressobj(9)
    much = b"".join(packed.compress(bytes(1 << 20)) for _ in range(100)) + packed.flush()
    text = _chunk(b"zTXt", b"Comment\0\0" + much)
    plain = png()
    return plain[:33] + text + plain[33:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _saved(image: Image.Image, form: str, **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **how)
    return out.getvalue()


def pdf(*pages: str, streams: tuple[bytes, ...] = (), filters: bytes = b"") -> bytes:
    """A PDF with a line of text on each page, or with these content streams as they are."""
    contents = streams or tuple(b"BT /F1 24 Tf 72 700 Td (" + page.encode("latin-1") + b") Tj ET" for page in pages)
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(contents)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, content in enumerate(contents):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), filters, content))
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, each in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(out)


def words(value: object) -> str:
    """The name of a test's case: only what is a word of it."""
    return value if isinstance(value, str) else type(value).__name__

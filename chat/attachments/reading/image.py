"""Reads an image: upright, in the colours of the web, and without anything but its pixels."""

from __future__ import annotations

import contextlib
import io
from typing import Any, Final, cast

from PIL import Image, ImageCms, ImageOps

from chat.attachments.reading.confined import MIB, Problem

#: A telephone's camera has 48 million.
MOST_PIXELS: Final = 64_000_000
LONGEST_SIDE: Final = 16_384
#: Sides in pixels: models look at no more than this of an image, and a page shows its thumbnail at a half of that.
SENT_SIDE, THUMB_SIDE = 2048, 512
#: Bytes above which an image is sent in a smaller form also where it has few pixels: ten of them fit into a request.
SENT_BYTES: Final = 3 * MIB // 2
# Sides and qualities, best first. The last one is small enough for whatever is in the picture.
_WAYS: Final = ((SENT_SIDE, 88), (SENT_SIDE, 70), (1280, 70), (1024, 60))
_MIME: Final = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_FORMS: Final = {"png": "PNG", "gif": "PNG", "jpeg": "JPEG", "webp": "WEBP"}
# What Pillow's decoders raise for files that are not what they say.
_BROKEN: Final = (OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, ArithmeticError, AttributeError)

# We count the pixels ourselves, before anything is unpacked.
Image.MAX_IMAGE_PIXELS = None


def read(data: bytes, kind: str) -> tuple[dict[str, Any], list[bytes]]:
    """Return an image upright, in the colours of the web and without anything but its pixels, in three sizes.

    The parts are the whole, the form that is sent where that is another one, and the thumbnail. Of what moves, the
    first picture is taken.
    """
    try:
        opened = Image.open(io.BytesIO(data), formats=[kind.upper()])
        width, height = opened.size
        if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
            raise Problem("pixels")
        moves = getattr(opened, "n_frames", 1) > 1
        profile = opened.info.get("icc_profile")
        opened.load()
        ImageOps.exif_transpose(opened, in_place=True)
        plain = _in_web_colours(_plain(opened), profile)
    except _BROKEN:
        raise Problem("damaged") from None
    lossless = kind in {"png", "gif"} or (kind == "webp" and b"VP8L" in data[:64])
    form = _FORMS[kind]
    whole = _saved(plain, form, lossless=lossless)
    sent, sent_type = b"", _MIME[form]
    if max(plain.size) > SENT_SIDE or len(whole) > SENT_BYTES:
        sent, sent_type = _smaller(plain)
    facts = {
        "media_type": _MIME[form],
        "sent_type": sent_type,
        "width": plain.width,
        "height": plain.height,
        "moves": moves,
    }
    return facts, [whole, sent, _saved(_fitted(plain, THUMB_SIDE), "WEBP", lossless=False)]


def _plain(picture: Image.Image) -> Image.Image:
    """In eight bits a colour, with transparency where there is some."""
    see_through = picture.mode in {"LA", "PA", "La", "RGBa"} or "transparency" in picture.info
    if picture.mode in {"RGB", "RGBA", "L", "CMYK"} and not see_through:
        return picture
    if picture.mode.startswith("I;16") or picture.mode in {"I", "F"}:
        low, high = cast(tuple[float, float], picture.getextrema())
        scale = 255.0 / high if high > 255 else 1.0
        return picture.point(lambda value: value * scale).convert("L") if low >= 0 else picture.convert("L")
    return picture.convert("RGBA" if see_through else "RGB")


def _in_web_colours(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """In sRGB, since the profile that says otherwise goes with all the rest."""
    bare = picture
    if profile and picture.mode in {"RGB", "RGBA", "CMYK"}:
        with contextlib.suppress(Exception):  # a profile that cannot be used is none
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            out = "RGB" if picture.mode == "CMYK" else picture.mode
            bare = ImageCms.profileToProfile(picture, own, ImageCms.createProfile("sRGB"), outputMode=out) or picture
    if bare.mode == "CMYK":
        bare = bare.convert("RGB")
    bare.info = {}
    return bare


def _saved(picture: Image.Image, form: str, *, lossless: bool) -> bytes:
    out = io.BytesIO()
    if form == "JPEG":
        picture.convert("RGB").save(out, "JPEG", quality=92)
    elif form == "WEBP":
        made = picture if picture.mode in {"RGB", "RGBA"} else picture.convert("RGB")
        made.save(out, "WEBP", quality=80 if lossless else 88, lossless=lossless, method=2)
    else:
        picture.save(out, "PNG", compress_level=5)
    return out.getvalue()


def _smaller(picture: Image.Image) -> tuple[bytes, str]:
    """In a form that travels with every question of its chat: the best that is not too long."""
    form = "WEBP" if picture.mode == "RGBA" else "JPEG"
    found = b""
    for side, quality in _WAYS:
        made = _fitted(picture, side)
        out = io.BytesIO()
        (made if form == "WEBP" else made.convert("RGB")).save(out, form, quality=quality)
        found = out.getvalue()
        if len(found) <= SENT_BYTES:
            break
    return found, _MIME[form]


def _fitted(picture: Image.Image, side: int) -> Image.Image:
    """As it is, or smaller: no side longer than that."""
    longest = max(picture.size)
    if longest <= side:
        return picture
    width, height = (max(1, round(each * side / longest)) for each in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)

"""The parts of a message: texts, images and files, and what is refused of them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from tests.upstream.refusal import Refusal, error

IMAGE_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"RIFF")
#: What a part may have, as the public API documents it.
KEYS = {
    "input_text": {"text"},
    "output_text": {"text", "annotations", "logprobs"},
    "refusal": {"refusal"},
    "input_image": {"image_url", "file_id", "detail"},
    "input_file": {"filename", "file_data", "file_id", "file_url", "detail"},
}
LARGEST_FILE = 50_000_000


def check_keys(part: Mapping[str, Any], place: str, *, lite: bool) -> None:
    """Refuse what a part of its type does not have; the Lite form takes no hint of detail (as others report)."""
    known = KEYS[part["type"]] - ({"detail"} if lite else set())
    for name in part.keys() - {"type"} - known:
        message = f"Unknown parameter: '{place}.{name}'."
        raise error(400, message, code="unknown_parameter", param=f"{place}.{name}")


def check_file(part: Mapping[str, Any], place: str) -> None:
    """A PDF in the request itself, with its name."""
    name, data = part.get("filename"), part.get("file_data")
    if not isinstance(name, str) or not name:
        message = f"Missing required parameter: '{place}.filename'."
        raise error(400, message, code="missing_required_parameter", param=f"{place}.filename")
    head, _, encoded = data.partition(",") if isinstance(data, str) else ("", "", "")
    if head != "data:application/pdf;base64":
        message = f"Invalid '{place}.file_data'. Expected a base64-encoded data URL with an application/pdf MIME type."
        raise error(400, message, code="invalid_value", param=f"{place}.file_data")
    try:
        content = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        content = b""
    if b"%PDF-" not in content[:1024] or len(content) > LARGEST_FILE:
        message = "The file could not be read. Please check your input and try again."  # ours
        raise error(400, message, code="invalid_value", param=f"{place}.file_data")


def check_image(url: object, where: str) -> None:
    if isinstance(url, str) and url.startswith("https://"):
        return
    if not isinstance(url, str) or not url.startswith("data:image/"):
        raise _bad_image(where)
    head, _, encoded = url.partition(",")
    try:
        data = base64.b64decode(encoded, validate=True) if head.endswith(";base64") else b""
    except binascii.Error:
        data = b""
    if not data.startswith(IMAGE_MAGIC):
        raise _bad_image(where)


def _bad_image(where: str) -> Refusal:
    message = (
        "The image data you provided does not represent a valid image. "
        "Please check your input and try again with one of the supported image formats: jpeg, png, gif, webp."
    )
    return error(400, message, code="invalid_value", param=where)

"""Lerix as an installed web app: what its manifests promise is there."""

import json
import struct
from pathlib import Path

import pytest
from django.test import AsyncClient

LERIX = Path(__file__).resolve().parents[2] / "static" / "lerix"
MANIFESTS = ("local.webmanifest", "remote.webmanifest")


def size(picture: Path) -> str:
    """Return the size that a PNG says it has, as manifests write it."""
    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:])
    return f"{width}x{height}"


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_has_what_browsers_ask_for_and_its_icons_are_there(name: str) -> None:
    manifest = json.loads((LERIX / name).read_text("utf-8"))
    assert (manifest["name"], manifest["display"], manifest["scope"]) == ("Lerix", "standalone", "/")
    assert manifest["start_url"] == manifest["id"]
    for icon in manifest["icons"]:
        # Beside the manifest, under whatever address this version's files have.
        path = LERIX / icon["src"]
        if path.suffix == ".png":
            assert size(path) == icon["sizes"]
        else:
            assert path.is_file()
    sizes = [(icon["sizes"], icon.get("purpose")) for icon in manifest["icons"]]
    assert {("192x192", None), ("512x512", None), ("512x512", "maskable")} <= set(sizes)
    assert all(shortcut["url"].startswith("/") for shortcut in manifest["shortcuts"])


def test_apple_devices_get_an_icon_of_their_own_size() -> None:
    assert size(LERIX / "icons" / "apple-touch.png") == "180x180"


async def test_the_pages_name_the_manifest(db: None) -> None:
    page = (await AsyncClient(headers={"host": "localhost"}).get("/")).content.decode()
    assert 'rel="manifest" href="/static/' in page
    assert 'lerix/local.webmanifest">' in page
    assert 'rel="apple-touch-icon"' in page

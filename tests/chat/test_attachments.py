"""Files are known by their content, cleaned, kept once and shown so that they can do nothing."""

from __future__ import annotations

import io
import uuid
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import pytest
from asgiref.sync import sync_to_async
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import AsyncClient
from PIL import Image

from chat.attachments import store
from chat.attachments.kinds import GIF, JPEG, MIB, PDF, PNG, TEXT, WEBP, NotTaken, kind_of, text_of
from chat.attachments.store import SENT, THUMB
from chat.attachments.taking import LONGEST_NAME, clean_name, take
from chat.models import Attachment, File
from tests.chat import files
from tests.chat.files import words
from tests.chat.tab import sentence

pytestmark = pytest.mark.usefixtures("home")


async def upload(browser: AsyncClient, name: str, data: bytes, **query: str) -> HttpResponse:
    sent: Any = await browser.post(
        "/attachments/", {"file": SimpleUploadedFile(name, data)}, query_params=query or None
    )
    return cast(HttpResponse, sent)


def on_disk(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (home / "attachments").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (files.png(), PNG),
        (files.photo(), JPEG),
        (files.webp(), WEBP),
        (files.gif(), GIF),
        (files.pdf("One"), PDF),
        (b"\n\n%PDF-1.7\n", PDF),
        (b"print('hello')\n", TEXT),
        ("Grüße".encode(), TEXT),
        ("Grüße".encode("utf-16"), TEXT),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", TEXT),
        (b"<!doctype html><script>alert(1)</script>", TEXT),
    ],
    ids=words,
)
def test_a_file_is_what_its_content_says(data: bytes, kind: str) -> None:
    assert kind_of(data) == kind


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "AVIF"),
        (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", "AVIF"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmiaf", "AVIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "video"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"PK\3\4" + b"\0" * 26 + b"word/document.xml", "office"),
        (b"PK\3\4" + b"\0" * 26 + b"a.txt", "archive"),
        (b"\x7fELF\2\1\1\0", "program"),
        (b"SQLite format 3\0", "database"),
        (b"ID3\4\0\0", "Sound"),
        (b"RIFF\0\0\0\0WAVEfmt ", "Sound"),
        (b"what\0is this", "does not know"),
    ],
    ids=words,
)
def test_what_is_not_taken_is_said_with_what_to_do(data: bytes, word: str) -> None:
    with pytest.raises(NotTaken, match=word) as refused:
        kind_of(data)
    assert refused.value.sentence.endswith(".")


@pytest.mark.parametrize(
    ("head", "most"), [(b"\xff\xd8\xff", 20), (b"%PDF-1.4", 32), (b"plain text", 2), (b"GIF89a", 20)],
    ids=words,
)
def test_how_long_a_file_may_be_depends_on_what_it_is(head: bytes, most: int) -> None:
    assert kind_of(head.ljust(most * MIB, b" "))
    with pytest.raises(NotTaken, match=f"may have {most} MB") as refused:
        kind_of(head.ljust(most * MIB + 1, b" "))
    assert refused.value.status == 413


@pytest.mark.parametrize("data", ["Grüße".encode("latin-1"), b"\xff\xfeG\0\0", b"abc\xc3\x28"])
def test_a_text_in_no_unicode_is_refused(data: bytes) -> None:
    with pytest.raises(NotTaken, match="UTF-8"):
        text_of(data)


def test_a_text_is_read_by_its_mark_and_has_plain_line_ends() -> None:
    for code in ("utf-8", "utf-8-sig", "utf-16"):
        assert text_of("a\r\nb\rc\n".encode(code)) == "a\nb\nc\n"
    with pytest.raises(NotTaken, match="no text has"):
        text_of("a\0b".encode("utf-16"))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd.jpg", "passwd.jpg"),
        ("C:\\fakepath\\a.jpg", "a.jpg"),
        ("moving.gif", "moving.jpg"),
        ("Photo of 3.5.2026", "Photo of 3.5.2026.jpg"),
        ("IMG_1.JPEG", "IMG_1.JPEG"),
        ("no ending", "no ending.jpg"),
        ("\u202egpj.jpg", "gpj.jpg"),
        ("a\0b\nc\t.jpg", "abc.jpg"),
        ("..", "file.jpeg"),
        ("", "file.jpeg"),
        ("  spaced   out .jpg ", "spaced out .jpg"),
    ],
)
def test_a_name_is_only_a_name(name: str, shown: str) -> None:
    assert clean_name(name, "image/jpeg") == shown


def test_a_long_name_keeps_its_ending() -> None:
    long = clean_name("x" * 300 + ".tar.gz")
    assert len(long) == LONGEST_NAME
    assert long.endswith(".tar.gz")


async def test_a_photo_is_turned_upright_and_all_that_is_not_picture_is_gone(home: Path) -> None:
    data = files.photo(60, 40, turned=6)
    assert files.PLACE.encode() in data
    made = await take("IMG_1.jpg", data)
    assert (made.file.kind, made.file.media_type, made.file.width, made.file.height) == ("image", "image/jpeg", 40, 60)
    kept = on_disk(home)
    assert len(kept) == 2
    for each in kept.values():
        assert b"SecretCamera" not in each
        assert b"Exif" not in each
        assert files.PLACE.encode() not in each
        picture = Image.open(io.BytesIO(each))
        assert not picture.getexif()
        assert not picture.info.get("comment")
        # The corner that was at the top left is now at the top right.
        assert _is_blue(picture.convert("RGB").getpixel((picture.width - 3, 3)))


def _is_blue(colour: object) -> bool:
    assert isinstance(colour, tuple)
    return bool(colour[2] > 150 > colour[0])


async def test_a_large_picture_has_a_smaller_form_for_models() -> None:
    made = await take("big.png", files.png(3000, 1000))
    assert (made.file.width, made.file.height) == (3000, 1000)
    assert Image.open(io.BytesIO(store.read(made.file, SENT))).size == (2048, 683)
    assert Image.open(io.BytesIO(store.read(made.file, THUMB))).size == (512, 171)
    small = await take("small.png", files.png(100, 100))
    assert store.read(small.file, SENT) == b""


@pytest.mark.parametrize(
    ("data", "media_type", "mode"),
    [
        (files.gif(), "image/png", "RGB"),
        (files.webp(), "image/webp", "RGBA"),
        (files.png(mode="RGBA", colour="#10203040"), "image/png", "RGBA"),
        (files.png(mode="1", colour="white"), "image/png", "RGB"),
        (files.png(mode="I;16", colour="white"), "image/png", "L"),
        (files.png(mode="LA", colour="white"), "image/png", "RGBA"),
    ],
    ids=words,
)
async def test_each_kind_of_picture_is_kept_as_one_that_every_model_takes(
    data: bytes, media_type: str, mode: str
) -> None:
    made = await take("x", data)
    assert made.file.media_type == media_type
    assert Image.open(io.BytesIO(store.read(made.file))).mode == mode


async def test_a_pdf_is_kept_as_it_is_beside_its_text() -> None:
    data = files.pdf("Hello", "Second page")
    made = await take("a.pdf", data)
    assert (made.file.kind, made.file.pages, made.file.size) == ("pdf", 2, len(data))
    assert made.file.text == "[Page 1]\nHello\n\n[Page 2]\nSecond page"
    assert store.read(made.file) == data
    assert made.needs == "text"
    assert (await take("scan.pdf", files.pdf(streams=(b"q Q",)))).needs == "pdf"


async def test_the_same_content_is_on_the_disk_once(home: Path) -> None:
    first, second = await take("a.txt", b"Hello"), await take("b.txt", b"Hello")
    assert first.file_id == second.file_id
    assert (first.name, second.name) == ("a.txt", "b.txt")
    assert list(on_disk(home).values()) == [b"Hello"]
    mode = {path.stat().st_mode & 0o777 for path in (home / "attachments").rglob("*")}
    assert mode == {0o700, 0o600}
    await Attachment.objects.filter(pk=first.pk).adelete()
    await sweep()
    assert store.read(second.file) == b"Hello"
    await Attachment.objects.filter(pk=second.pk).adelete()
    await sweep()
    assert not on_disk(home)
    assert not await File.objects.aexists()


async def sweep() -> None:


    await sync_to_async(store.sweep)()


async def test_an_upload_is_answered_with_its_chip(browser: AsyncClient) -> None:
    response = await upload(browser, "<b>.png", files.png())
    made = await Attachment.objects.select_related("file").aget()
    html = response.content.decode()
    assert response.status_code == 200
    assert f'data-file="{made.pk}"' in html
    assert f'src="/attachments/{made.pk}/thumb/"' in html
    assert "&lt;b&gt;.png" in html
    assert 'data-needs="image"' in html
    assert "PNG · 1 KB" in html


async def test_what_is_not_taken_leaves_nothing(browser: AsyncClient, home: Path) -> None:
    for name, data, status in (
        ("fake.png", b"\x89PNG\r\n\x1a\nnot really", 422),
        ("movie.jpg", b"\0\0\0\x18ftypisom\0\0\0\0isommp42", 415),
        ("empty.txt", b"", 422),
    ):
        response = await upload(browser, name, data)
        assert response.status_code == status
        assert sentence(response).endswith(".")
    assert (await browser.post("/attachments/", {})).status_code == 422
    broken = await browser.generic("POST", "/attachments/", b"nonsense", "multipart/form-data; boundary=x")
    assert broken.status_code in {400, 422}
    assert not on_disk(home)
    assert not await Attachment.objects.aexists()


@pytest.mark.parametrize(
    "name", ["page.html", "picture.svg", "a\u202e.txt", 'quo"te;.txt', "Grüße 😀.txt", "%2e%2e.txt"]
)
async def test_a_file_can_do_nothing_in_a_browser(browser: AsyncClient, name: str) -> None:
    data = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
    await upload(browser, name, data)
    made = await Attachment.objects.aget()
    answer = await browser.get(f"/attachments/{made.pk}/")
    assert answer.content == data
    assert answer["Content-Type"] == "text/plain"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    disposition = answer["Content-Disposition"]
    assert disposition.startswith('attachment; filename="')
    assert disposition.count('"') == 2
    assert unquote(disposition.rpartition("''")[2]) == made.name
    shown = (await browser.get(f"/attachments/{made.pk}/view/")).content.decode()
    assert "&lt;svg" in shown
    assert "<svg xmlns" not in shown
    assert (await browser.get(f"/attachments/{made.pk}/thumb/")).status_code == 404


async def test_a_picture_is_shown_small_and_large(browser: AsyncClient) -> None:
    await upload(browser, "a.png", files.png())
    made = await Attachment.objects.aget()
    small = await browser.get(f"/attachments/{made.pk}/thumb/")
    assert (small["Content-Type"], small["X-Content-Type-Options"]) == ("image/webp", "nosniff")
    large = await browser.get(f"/attachments/{made.pk}/")
    assert large["Content-Type"] == "image/png"
    assert f'src="/attachments/{made.pk}/"' in (await browser.get(f"/attachments/{made.pk}/view/")).content.decode()


async def test_a_file_that_is_removed_is_gone_from_the_disk(browser: AsyncClient, home: Path) -> None:
    await upload(browser, "a.txt", b"Hello")
    made = await Attachment.objects.aget()
    for _ in range(2):
        assert (await browser.post(f"/attachments/{made.pk}/remove/")).status_code == 204
    assert (await browser.get(f"/attachments/{made.pk}/")).status_code == 404
    assert not on_disk(home)
    for what in ("", "thumb/", "view/"):
        assert (await browser.get(f"/attachments/{uuid.uuid4()}/{what}")).status_code == 404


async def test_bytes_that_are_gone_are_missing_and_not_an_error(browser: AsyncClient, home: Path) -> None:
    await upload(browser, "a.txt", b"Hello")
    made = await Attachment.objects.aget()
    for path in (home / "attachments").rglob("*"):
        if path.is_file():
            path.unlink()
    assert (await browser.get(f"/attachments/{made.pk}/")).status_code == 404

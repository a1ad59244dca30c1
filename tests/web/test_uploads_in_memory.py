"""What is uploaded is in no file before it was looked at: Twisted and Django would both put it into one."""

from io import BytesIO

from django.conf import settings

from lerix_web.guard import BODY_LIMIT
from lerix_web.server import Factory, Request
from relay.host.adapter import MAX_UPLOAD


def test_the_server_keeps_a_long_body_in_memory() -> None:
    request = Request.__new__(Request)
    for length in (None, 100, BODY_LIMIT):
        request.gotLength(length)
        assert type(request.content) is BytesIO


def test_so_does_django() -> None:
    assert max(BODY_LIMIT, MAX_UPLOAD) < settings.FILE_UPLOAD_MAX_MEMORY_SIZE
    assert settings.FILE_UPLOAD_HANDLERS == ["django.core.files.uploadhandler.MemoryFileUploadHandler"]


def test_no_form_is_read_by_the_server_itself() -> None:
    made = Factory(None).buildProtocol(None).requestFactory
    assert (made.func, made.keywords) == (Request, {"parsePOSTFormSubmission": False})

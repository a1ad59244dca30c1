"""The two families of error bodies that OpenAI's servers answer with, as exceptions for the handlers."""

from __future__ import annotations

from collections.abc import Mapping


class Refusal(Exception):
    """Answer this request with ``status`` and the JSON ``payload`` instead."""

    def __init__(self, status: int, payload: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.payload = payload
        self.headers = dict(headers or {})


def detail(status: int, text: object) -> Refusal:
    """``{"detail": text}``: what the Codex backend itself says."""
    return Refusal(status, {"detail": text})


def error_body(
    message: str, *, code: str | None = None, param: str | None = None, kind: str = "invalid_request_error"
) -> dict[str, object]:
    """``{"error": {message, type, code, param}}``: what the API behind it says."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error(
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    kind: str = "invalid_request_error",
) -> Refusal:
    """A refusal with an `error_body`."""
    return Refusal(status, error_body(message, code=code, param=param, kind=kind))

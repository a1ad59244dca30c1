"""What each page of the account broker may do in a browser, beyond the headers that every answer gets.

The addresses stand in the policies in full, not as 'self': in a sandboxed document that is nobody, and WebKit has
taken it for that in other places too.

    vault   /app/     holds the device's keys and the channel; no markup from text, no scripts once it runs
    frame   /frame/   shows the Mac's pages in a sandbox, as nobody: it reaches nothing but its parent, by one port
    typed   pages on which a password is typed; their worker stretches it, with code in WebAssembly
    static  files, which the frame loads as nobody: so anybody may
"""

from collections.abc import Iterator
from typing import Final

from relay.api import PREFIX
from relay.protocol.link import PATH

APP: Final = "/app/"
FRAME: Final = "/frame/"
STATIC: Final = "/static/"
#: Below them passwords are typed.
TYPED: Final = ("/sign-in/", "/create/", "/recover/", "/devices/")
WORKER: Final = "-worker.js"

APP_POLICY: Final = (
    "default-src 'none'; script-src {origin}/static/; style-src {origin}/static/; img-src {origin}/static/; "
    "manifest-src {origin}/static/; connect-src {link} {origin}{api}; frame-src {origin}/frame/; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
FRAME_POLICY: Final = (
    "sandbox allow-scripts allow-forms allow-modals; default-src 'none'; script-src {origin}/static/; "
    "style-src {origin}/static/; img-src blob: data:; media-src blob:; font-src {origin}/static/; connect-src 'none'; "
    "form-action 'none'; base-uri {origin}; frame-src 'none'; worker-src 'none'; object-src 'none'; "
    "frame-ancestors {origin}; require-trusted-types-for 'script'; trusted-types lerix-frame"
)
TYPED_POLICY: Final = (
    "default-src 'none'; script-src {origin}/static/ 'wasm-unsafe-eval'; worker-src {origin}/static/; "
    "style-src {origin}/static/; img-src {origin}/static/; connect-src {origin}{api}; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lerix-password"
)
WORKER_POLICY: Final = "default-src 'none'; script-src {origin}/static/ 'wasm-unsafe-eval'"


def page_headers(path: str, origin: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield the headers of the page at `path`, for a browser that knows the broker as `origin`, without a slash."""
    if path.startswith(STATIC):
        yield b"cross-origin-resource-policy", b"cross-origin"
        # Modules are fetched by CORS, and the frame is nobody. Nothing here differs from reader to reader.
        yield b"access-control-allow-origin", b"*"
        if path.endswith(WORKER):
            yield b"content-security-policy", _filled(WORKER_POLICY, origin)
    elif path.startswith(APP):
        yield b"content-security-policy", _filled(APP_POLICY, origin)
        # The frame's files are not to learn which chat they are loaded for.
        yield b"referrer-policy", b"no-referrer"
    elif path == FRAME:
        yield b"content-security-policy", _filled(FRAME_POLICY, origin)
        yield b"x-frame-options", b"SAMEORIGIN"
        yield b"referrer-policy", b"no-referrer"
    elif path.startswith(TYPED):
        yield b"content-security-policy", _filled(TYPED_POLICY, origin)


def _filled(policy: str, origin: str) -> bytes:
    link = f"ws{origin.removeprefix('http')}{PATH}"
    return policy.format(origin=origin, link=link, api=PREFIX).encode("latin-1")

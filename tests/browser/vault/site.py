"""A tiny web site that serves the modules of static/lerix/vault to pages with the policies they will have."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[3]
FOLDERS = {"/static/lerix/": ROOT / "static" / "lerix", "/static/checks/": Path(__file__).parent}
PAGE = b"<!doctype html><html lang=en><meta charset=utf-8><title>Keys</title><body></body></html>"
#: The page with the keys; what `{channel}` is, a test says that opens one.
VAULT = (
    "default-src 'none'; script-src {site}/static/; style-src {site}/static/; connect-src {channel}; "
    "frame-src {site}/frame/; img-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
#: The pages on which a password is typed, and the worker that they start.
TYPED = (
    "default-src 'none'; script-src {site}/static/ 'wasm-unsafe-eval'; worker-src {site}/static/; "
    "connect-src {site}; img-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types lerix-password"
)
WORKER = "default-src 'none'; script-src {site}/static/ 'wasm-unsafe-eval'"


class Site(ThreadingHTTPServer):
    """Serves until the end of a `with`; `url` has no slash at its end."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.channel = "'none'"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        policy = {"/vault/": VAULT, "/typed/": TYPED}.get(self.path)
        if policy is not None:
            self._answer(200, "text/html; charset=utf-8", PAGE, policy)
            return
        for prefix, folder in FOLDERS.items():
            found = (folder / self.path.removeprefix(prefix)).resolve()
            if self.path.startswith(prefix) and folder in found.parents and found.is_file() and found.suffix == ".js":
                policy = WORKER if found.name.endswith("-worker.js") else "default-src 'none'"
                self._answer(200, "text/javascript; charset=utf-8", found.read_bytes(), policy)
                return
        self._answer(404, "text/plain", b"", "default-src 'none'")

    def _answer(self, status: int, kind: str, content: bytes, policy: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", policy.format(site=self.server.url, channel=self.server.channel))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the parent's name)
        """Say nothing."""

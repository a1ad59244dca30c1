"""``python -m tests.upstream``: try Lerix without an account."""

from __future__ import annotations

import argparse
import shlex
import signal
import ssl
import sys
import threading
from pathlib import Path

from tests.upstream.records import Outcome
from tests.upstream.replies import KEYWORD_HELP
from tests.upstream.server import Upstream

FOLDER = Path(".stand-in")
#: Seconds between two looks at the log.
TICK = 0.2


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.upstream",
        description="Starts a stand-in for OpenAI's servers on this machine, with a demo account signed in.",
        epilog=f"In the chat you choose what happens. {KEYWORD_HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8765, help="port on 127.0.0.1 (default: 8765)")
    parser.add_argument(
        "--codex-home",
        type=Path,
        help="folder for the demo session (default: .stand-in/codex in this folder)",
    )
    parser.add_argument("--delay", type=float, default=0.03, help="seconds before each piece of an answer (0.03)")
    parser.add_argument("--email", default="ada@example.com", help="who is signed in")
    parser.add_argument("--plan", default="plus", help="the plan of the account (default: plus)")
    parser.add_argument("--api-key", action="store_true", help="sign in with an API key instead")
    parser.add_argument("--signed-out", action="store_true", help="do not write a session")
    parser.add_argument("--hold-devices", action="store_true", help="device codes wait for /codex/device")
    parser.add_argument(
        "--for-the-cli",
        action="store_true",
        help="take the form that the real Codex CLI sends for older models",
    )
    parser.add_argument("--tls-certificate", type=Path, help="PEM file; serves https (the real CLI needs it)")
    parser.add_argument("--tls-key", type=Path, help="PEM file of the certificate's key")
    return parser.parse_args(arguments)


def demo_home(chosen: Path | None) -> Path:
    """The folder for the demo session; the default one is kept out of version control."""
    if chosen is not None:
        return chosen.resolve()
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
    return (FOLDER / "codex").resolve()


def introduce(up: Upstream, home: Path) -> None:
    """Print how to use it."""
    variables = {**up.environment(home), "LERIX_HOME": str(home.with_name(f"{home.name}-lerix"))}
    line = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    print(f"The stand-in is ready at {up.url}\n")
    print(f"Start Lerix in another terminal:\n\n{line} python3 manage.py serve\n")
    print(f"{KEYWORD_HELP}\n")
    print("Ctrl+C stops it. Requests:", flush=True)


def main(arguments: list[str]) -> int:
    """Run until interrupted."""
    options = parse(arguments)
    tls = None
    if options.tls_certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(options.tls_certificate, options.tls_key)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    home = demo_home(options.codex_home)
    try:
        with Upstream(port=options.port, delay=options.delay, keywords=True, tls=tls) as up:
            up.person = (options.email, options.plan)
            up.approve_devices = not options.hold_devices
            up.rules.instructions_required = not options.for_the_cli
            if options.signed_out:
                home.mkdir(parents=True, exist_ok=True)
            elif options.api_key:
                up.sign_in_with_api_key(home)
            else:
                up.sign_in(home, email=options.email, plan=options.plan)
            introduce(up, home)
            shown: set[int] = set()
            while not stop.wait(TICK):
                for request in up.requests:
                    if request.number not in shown and request.outcome is not Outcome.OPEN:
                        shown.add(request.number)
                        print(f"  {request.line()}", flush=True)
    except OSError as problem:
        print(f"The stand-in could not start: {problem}. Choose another --port.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

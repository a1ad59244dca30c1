"""Acts as `codex app-server`, well or badly. Run as a program: ``python fake_app_server.py FOLDER app-server ...``.

FOLDER/mode says what goes wrong, FOLDER/session what `getAuthStatus` answers (read anew by each child, and again
when it is asked to renew), FOLDER/log gets a line for each start, question and end.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import time
from pathlib import Path
from typing import Any


def install(folder: Path, mode: str = "well", **session: Any) -> Path:
    """Make a `codex` program in ``folder`` that behaves so, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "codex"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "{folder}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (folder / "mode").write_text(mode)
    tell(folder, **session)
    return program


def tell(folder: Path, method: str | None = None, token: str | None = None, **more: Any) -> None:
    """Set what it knows of the sign-in; ``renewed`` is the token it gives once it has renewed."""
    (folder / "session").write_text(json.dumps({"authMethod": method, "authToken": token, **more}))


def log(folder: Path) -> list[str]:
    """What it was asked so far."""
    try:
        return (folder / "log").read_text().splitlines()
    except FileNotFoundError:
        return []


def main(folder: Path) -> None:
    """Serve until stdin ends."""
    mode = (folder / "mode").read_text()
    with (folder / "log").open("a") as journal:

        def note(line: str) -> None:
            journal.write(f"{line}\n")
            journal.flush()

        def say(message: Any) -> None:
            sys.stdout.write((message if isinstance(message, str) else json.dumps(message)) + "\n")
            sys.stdout.flush()

        note(f"start {' '.join(sys.argv[2:])}")
        note(f"env {' '.join(sorted(os.environ))}")
        if mode == "no app-server":
            print("error: unrecognized subcommand 'app-server'", file=sys.stderr)
            sys.exit(2)
        if mode == "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        session = json.loads((folder / "session").read_text())
        for line in sys.stdin:
            asked = json.loads(line)
            method, number = asked.get("method"), asked.get("id")
            note(f"{method or 'answer'}{' renew' if (asked.get('params') or {}).get('refreshToken') else ''}")
            if number is None:
                continue
            if method == "initialize":
                if mode == "mute":
                    continue
                say({"id": number, "result": {"userAgent": "fake", "codexHome": os.environ.get("CODEX_HOME")}})
                say({"method": "configWarning", "params": {"summary": "this is a fake"}})
                continue
            if mode == "dies":
                sys.exit(1)
            if mode == "silent":
                continue
            if mode == "error":
                say({"id": number, "error": {"code": -32603, "message": "planted-secret in a message"}})
                continue
            if mode == "unknown":
                say({"id": number, "error": {"code": -32600, "message": "unknown variant"}})
                continue
            if mode == "noisy":
                say("this is no JSON {")
                say("[" * 50_000)
                say('"a text"')
                say("x" * (5 << 20))
                say({"id": number + 1000, "result": {"authToken": "of another question"}})
                say({"id": str(number), "result": {"authToken": "of a text id"}})
                say({"id": True, "result": {}})
                say({"method": "account/updated", "params": {"authMode": "chatgpt"}})
                say({"method": "account/updated"})
                say({"id": 77, "method": "item/tool/call", "params": {}})
                say({"id": number, "result": None, "error": None, "more": 1} if method == "empty" else "")
            if method == "getAuthStatus":
                if asked["params"].get("refreshToken"):
                    session = json.loads((folder / "session").read_text())
                    session["authToken"] = session.pop("renewed", session["authToken"])
                say({"id": number, "result": {key: session.get(key) for key in ("authMethod", "authToken")}})
            elif method == "account/read":
                account = session.get("account")
                if account is None:
                    say({"id": number, "error": {"code": -32603, "message": "workspace"}})
                else:
                    say({"id": number, "result": {"account": account}})
            else:
                say({"id": number, "result": None if method == "empty" else {"method": method}})
        note("end")
        if mode == "stubborn":
            time.sleep(60)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""A stand-in for `lerix broker --embedded`: says what its arguments tell it to, and ends with its stdin.

    python fake_embedded.py FOLDER WORD...

Leaves a file `start-N` in FOLDER for its nth start, and the line that it gets in `token-N`. Words: `ready`, `far` (an
address elsewhere), `mail=TICKET:CODE` (TICKET a digest, CODE `null` for none), `noise` (lines that mean nothing),
`long` (a line without end), `die` (ends at once), `deaf` (does not end with stdin, nor at SIGTERM).
"""

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    count = len(list(folder.glob("start-*"))) + 1
    (folder / f"start-{count}").write_text(str(os.getpid()))
    for each in words:
        word = each
        if word == "ready":
            say({"ready": f"http://localhost:{7000 + count}"})
        elif word == "far":
            say({"ready": "https://evil.example"})
        elif word == "noise":
            print("hello\n[1, 2]\n{\n" + "[" * 5000 + "\nnull\n{}", flush=True)
        elif word == "long":
            print("x" * 100_000, flush=True)
        elif word.startswith("mail="):
            ticket, _, word = word.removeprefix("mail=").partition(":")
            code = None if word == "null" else word
            mail = {"to": "ada@example.com", "purpose": "create", "ticket": ticket, "code": code, "minutes": 15}
            say({"mail": mail})
        elif word == "die":
            return
        elif word == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
    (folder / f"token-{count}").write_text(sys.stdin.readline())
    (folder / f"rest-{count}").write_text(sys.stdin.read())


def say(message: object) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()

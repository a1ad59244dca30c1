"""A stand-in for `lerix broker --embedded`: says what its arguments tell it to, and ends with its stdin.

    python fake_embedded.py FOLDER WORD...

Leaves a file `start-N` in FOLDER for its nth start. Words: `ready`, `far` (an address elsewhere), `mail=CODE` (`null`
for none), `noise` (lines that mean nothing), `long` (a line without end), `die` (ends at once), `deaf` (does not end
with stdin, nor at SIGTERM).
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
            word = word.removeprefix("mail=")
            code = None if word == "null" else word
            say({"mail": {"to": "ada@example.com", "purpose": "create", "code": code, "minutes": 15}})
        elif word == "die":
            return
        elif word == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
    sys.stdin.read()


def say(message: object) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()

"""Settings of the test run: those of ``local``, in a folder of their own."""

import os
import tempfile
from pathlib import Path

# Before ``local`` is read, so that a test never touches the data of whoever runs it. One folder per user, refused
# if it is not theirs: mypy reads the settings too, and would leave a new one behind each time.
os.environ.setdefault("LERIX_HOME", str(Path(tempfile.gettempdir()) / f"lerix-test-{os.geteuid()}"))

from lerix_web.settings.local import *  # noqa: F403
from lerix_web.settings.local import DATABASES, LERIX_HOME

SECRET_KEY = "only-for-tests-only-for-tests-only-for-tests"  # noqa: S105  (no secret: the same in each run)
# A file, as in the app: an in-memory database has neither WAL nor the same locks.
DATABASES["default"]["TEST"] = {"NAME": LERIX_HOME / "test.sqlite3"}
# Else a question more would be asked in each chat of a test; those of the titles set it themselves.
LERIX_TITLES = "words"

"""Settings of the app on this machine: loopback only, SQLite in the data folder."""

from lerix_web import paths
from lerix_web.settings.base import *  # noqa: F403  (a role is the base and its own differences)
from lerix_web.settings.base import LOCAL_APPS, MIDDLEWARE

LERIX_HOME = paths.data_folder()
SECRET_KEY = paths.secret(LERIX_HOME, "django.key").decode("ascii")

INSTALLED_APPS = LOCAL_APPS
ROOT_URLCONF = "lerix_web.urls.local"
ASGI_APPLICATION = "lerix_web.asgi.application"

MIDDLEWARE = [*MIDDLEWARE, "chat.temporary.requests.Databases"]

# What is uploaded is never put on the disk before it was looked at, and of temporary chats not afterwards either. The
# guard and the relay's host take no body that is longer.
FILE_UPLOAD_MAX_MEMORY_SIZE = 34 * 1024 * 1024
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]

DATABASE_ROUTERS = ["lerix_web.admin.router.NoUsers", "chat.database.Router"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": paths.database(LERIX_HOME),
        "ATOMIC_REQUESTS": False,
        "OPTIONS": {
            # A read transaction that upgrades fails at once under WAL, however long the time-out:
            # IMMEDIATE takes the write lock at BEGIN, where waiting works.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            # secure_delete: what is deleted or replaced is overwritten with zeros. Debian's SQLite does so anyway.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;",
        },
    },
    # Temporary chats: in the memory of this process, and nowhere else (see chat.temporary.memory).
    "temporary": {
        "ENGINE": "chat.temporary.memory",
        "NAME": "file:/temporary?vfs=memdb",
        "ATOMIC_REQUESTS": False,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            # 256 MiB at most. What is deleted is overwritten here too, for its memory is used again.
            "init_command": "PRAGMA temp_store=MEMORY; PRAGMA secure_delete=ON; PRAGMA max_page_count=65536;",
        },
    },
}

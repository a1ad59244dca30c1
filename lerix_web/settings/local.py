"""Settings of the app on this machine: loopback only, SQLite in the data folder."""

from lerix_web import paths
from lerix_web.settings.base import *  # noqa: F403  (a role is the base and its own differences)
from lerix_web.settings.base import LOCAL_APPS

LERIX_HOME = paths.data_folder()
SECRET_KEY = paths.secret(LERIX_HOME, "django.key").decode("ascii")

INSTALLED_APPS = LOCAL_APPS
ROOT_URLCONF = "lerix_web.urls.local"
ASGI_APPLICATION = "lerix_web.asgi.application"

DATABASE_ROUTERS = ["lerix_web.admin.router.NoUsers"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": paths.database(LERIX_HOME),
        "ATOMIC_REQUESTS": False,
        "OPTIONS": {
            # A read transaction that upgrades fails at once under WAL, however long the time-out:
            # IMMEDIATE takes the write lock at BEGIN, where waiting works.
            "transaction_mode": "IMMEDIATE",
            "timeout": 5,
            # secure_delete: what is deleted or replaced is overwritten with zeros. Debian's SQLite does so anyway.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;",
        },
    }
}

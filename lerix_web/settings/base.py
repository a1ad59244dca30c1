"""Settings that every role shares. Nothing here reads or writes the data folder."""

import contextlib
import os
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import django

from lerix_web import paths
from lerix_web.assets import content_hash
from lerix_web.settings.env import env_choice, env_int, env_path, env_url

DEBUG = False
#: Where templates/ and static/ lie, in a checkout and in a wheel.
ASSETS = paths.ASSETS
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = True

# Environment, in the order of the README's table.
LERIX_PORT = env_int("LERIX_PORT", 7717, low=0, high=65535)
LERIX_BROKER_URL = env_url("LERIX_BROKER_URL", "", example="https://broker.example.com", bare=True)
CODEX_HOME = env_path("CODEX_HOME", Path("~/.codex"))
LERIX_CODEX_BASE_URL = env_url("LERIX_CODEX_BASE_URL", "https://chatgpt.com/backend-api")
LERIX_CODEX_TOKEN_URL = env_url("LERIX_CODEX_TOKEN_URL", "https://auth.openai.com/oauth/token")
LERIX_OPENAI_BASE_URL = env_url("LERIX_OPENAI_BASE_URL", "https://api.openai.com/v1")
LERIX_TITLES = env_choice("LERIX_TITLES", "model", choices=("model", "words"))

#: The app on this machine. Named here, for `doctor` looks at its database with settings of its own.
LOCAL_APPS = [
    "django.contrib.staticfiles",
    # The admin's pages, and what they cannot be imported without.
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django_htmx",
    "lerix_web",
    "connections",
    "chat",
    "relay.account",
    "relay.switch",
]
# Nobody signs in to the admin, since the guard lets in only its owner: so there are no users, groups, passwords or
# logs of who did what, and no tables for them either (see lerix_web.admin.router).
MIGRATION_MODULES: dict[str, str | None] = {"auth": None, "admin": None}
# The admin's demands for what an admin with users needs: sessions, messages and sign-in as middleware of every page.
SILENCED_SYSTEM_CHECKS = [f"admin.E{number}" for number in (402, 404, 406, 408, 409, 410)]
CSRF_COOKIE_NAME = "lerix_csrf"  # set by the admin only
CSRF_COOKIE_PATH = "/admin/"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
MESSAGE_STORAGE = "lerix_web.admin.notes.Notes"

# The guard owns CSRF, framing and the other protective headers for every answer, Django's or not.
MIDDLEWARE = [
    "django.middleware.common.CommonMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ASSETS / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": ["django.template.context_processors.request", "lerix_web.context.look"],
        },
    }
]

STATICFILES_DIRS = [ASSETS / "static"] if (ASSETS / "static").is_dir() else []
#: What is served below STATIC_URL: our own files, and below admin/ those of Django's admin.
STATIC_FOLDERS = (ASSETS / "static", Path(django.__file__).parent / "contrib" / "admin" / "static")
# A new release, ours or Django's, has new addresses: so every asset may be kept by the browser for good.
STATIC_URL = f"/static/{content_hash(*STATIC_FOLDERS)}/"


def local_zone(localtime: Path = Path("/etc/localtime")) -> str:
    """Return the machine's time zone name, from TZ or from where ``localtime`` points; else "UTC"."""
    candidates = [os.environ.get("TZ", "").removeprefix(":")]
    with contextlib.suppress(OSError, RuntimeError):
        # macOS: /var/db/timezone/zoneinfo/Europe/Zurich, Linux: /usr/share/zoneinfo/Europe/Zurich.
        candidates.append(str(localtime.resolve(strict=True)).partition("zoneinfo/")[2])
    for name in candidates:
        try:
            if name:
                return ZoneInfo(name).key
        except (ValueError, OSError, KeyError):
            continue  # TZ may hold a POSIX rule or a path; Django needs a name.
    return "UTC"


LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = local_zone()

# Short lines on stderr: no bodies, headers or query strings, since those may carry a secret.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s", "datefmt": "%H:%M:%S"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        # Django's own configuration would mail the administrators and print access lines.
        "django": {"handlers": [], "level": "WARNING", "propagate": True},
        "django.request": {"handlers": [], "level": "ERROR", "propagate": True},
        "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
        "lerix_web": {"level": "INFO"},
        # httpx logs each address with its query string at INFO.
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
    },
}
LOGGING_CONFIG = "logging.config.dictConfig"

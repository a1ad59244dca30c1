"""Settings of the account broker: its own database, admin with staff, no page or table of the app on a Mac."""

import re

from django.core.exceptions import ImproperlyConfigured

from lerix_web import paths
from lerix_web.settings.base import *  # noqa: F403  (a role is the base and its own differences)
from lerix_web.settings.base import ALLOWED_HOSTS, ASSETS
from lerix_web.settings.env import env_str
from lerix_web.settings.mail import folder_from_environment, sender_from_environment, smtp_from_environment
from relay.api import MAX_REQUEST

LERIX_HOME = paths.data_folder()
#: Signs the admin's sessions, and what the database holds of keys and codes is made with it: see
#: relay.broker.digests. Whoever loses it has a broker that knows nobody's password any more.
SECRET_KEY = env_str("LERIX_SECRET_KEY", "") or paths.secret(LERIX_HOME, "broker.key").decode("ascii")
if len(SECRET_KEY) < 32:
    raise ImproperlyConfigured(
        "LERIX_SECRET_KEY is too short. Use at least 32 random characters, and keep them: passwords depend on them."
    )

# Environment, in the order of the README's table.
LERIX_ALLOWED_HOSTS = env_str("LERIX_ALLOWED_HOSTS", "").lower().replace(",", " ").split()
if not all(re.fullmatch(r"\.?[a-z0-9-]+(\.[a-z0-9-]+)*", name) for name in LERIX_ALLOWED_HOSTS):
    raise ImproperlyConfigured(
        "LERIX_ALLOWED_HOSTS must be host names without a port. For example: LERIX_ALLOWED_HOSTS=lerix.example.com"
    )
#: "" means the usual one: "free", and "pro" for the broker that the app runs itself.
LERIX_DEFAULT_PLAN = env_str("LERIX_DEFAULT_PLAN", "")
LERIX_SIGN_UP = env_str("LERIX_SIGN_UP", "yes")
if LERIX_SIGN_UP not in {"yes", "no"}:
    raise ImproperlyConfigured("LERIX_SIGN_UP must be yes or no. For example: LERIX_SIGN_UP=no")
LERIX_SMTP = smtp_from_environment()
LERIX_MAIL_FROM = sender_from_environment()
LERIX_MAIL_FOLDER = folder_from_environment()
if LERIX_SMTP is not None and not LERIX_MAIL_FROM:
    raise ImproperlyConfigured(
        "LERIX_MAIL_FROM must say who the mails come from. For example: LERIX_MAIL_FROM=lerix@example.com"
    )

ALLOWED_HOSTS = [*ALLOWED_HOSTS, *LERIX_ALLOWED_HOSTS]
ROOT_URLCONF = "lerix_web.urls.broker"
ASGI_APPLICATION = "lerix_web.asgi_broker.application"

BROKER_APPS = [
    "django.contrib.staticfiles",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "lerix_web",
    "relay.broker",
]
INSTALLED_APPS = BROKER_APPS
# Unlike the app on a Mac, this admin has users, groups and a log of who did what.
MIGRATION_MODULES = {}
SILENCED_SYSTEM_CHECKS = []
# The front owns the protective headers. All but the first leave alone what is not the admin's.
MIDDLEWARE = [
    "django.middleware.common.CommonMiddleware",
    "relay.broker.staff.middleware.Sessions",
    "relay.broker.staff.middleware.Csrf",
    "relay.broker.staff.middleware.Authentication",
    "relay.broker.staff.middleware.Messages",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Only the broker's: the Mac's pages and their admin's look have no place here.
        "DIRS": [ASSETS / "templates" / "broker"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
# The front adds Secure to both cookies where the browser came by https.
SESSION_COOKIE_NAME = "lerix_broker_session"
SESSION_COOKIE_PATH = "/admin/"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_COOKIE_NAME = "lerix_broker_csrf"
CSRF_COOKIE_PATH = "/admin/"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
# Only this machine can reach us, so the header is that of a proxy here.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# The front counts, and answers with the interface's own error.
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_REQUEST + 1

# What was signed within the last minute, so that it is not taken twice. Only proofs that hold come here.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 50_000},
    }
}

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": paths.database(LERIX_HOME, "broker.sqlite3"),
        "ATOMIC_REQUESTS": False,
        "OPTIONS": {
            # As for the app on a Mac: a read that becomes a write must wait for its turn, not fail.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}

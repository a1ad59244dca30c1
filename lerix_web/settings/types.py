"""Settings that only mypy reads: every role's apps at once, so that each model is known. Nothing runs with them."""

# The tests' first: they name a folder that whoever runs mypy may write, and the broker's read it.
from lerix_web.settings.test import *  # isort: skip  # noqa: F403
from lerix_web.settings.base import LOCAL_APPS  # isort: skip
from lerix_web.settings import broker  # isort: skip

LERIX_ALLOWED_HOSTS = broker.LERIX_ALLOWED_HOSTS
LERIX_DEFAULT_PLAN = broker.LERIX_DEFAULT_PLAN
LERIX_SIGN_UP = broker.LERIX_SIGN_UP
LERIX_SMTP = broker.LERIX_SMTP
LERIX_MAIL_FROM = broker.LERIX_MAIL_FROM
LERIX_MAIL_FOLDER = broker.LERIX_MAIL_FOLDER

INSTALLED_APPS = [*LOCAL_APPS, *(app for app in broker.BROKER_APPS if app not in LOCAL_APPS)]

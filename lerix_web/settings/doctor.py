"""Settings of `doctor`: those of the app on this machine, but nothing is made, and Django opens no database."""

import secrets

from lerix_web import paths
from lerix_web.settings.base import *  # noqa: F403  (as in local)
from lerix_web.settings.base import LOCAL_APPS

LERIX_HOME = paths.named_folder()
# Django insists on one; nothing is signed.
SECRET_KEY = secrets.token_urlsafe()

INSTALLED_APPS = LOCAL_APPS

"""The ASGI application of the app on this machine: the guard around static files, Django and sockets."""

import os
from typing import cast

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

from lerix_web import cli, paths
from lerix_web.assets import Application, StaticFiles
from lerix_web.guard import Guard
from lerix_web.launch import Doorkeeper

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lerix_web.settings.local")

#: Who may come in; the server's control socket asks it for launch links.
doorkeeper = Doorkeeper(paths.secret(settings.LERIX_HOME, "browser.key"), role="local")

# Django and Channels each describe ASGI in types of their own, which agree in substance only.
pages = StaticFiles(cast(Application, get_asgi_application()), settings.STATIC_FOLDERS, settings.STATIC_URL)
router = ProtocolTypeRouter({"http": pages, "websocket": URLRouter([])})

application = Guard(
    cast(Application, router),
    doorkeeper,
    open_command=f"{cli.program()} open",
)

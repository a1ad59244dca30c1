"""``serve``: start Lerix on this machine, or open the one that is running."""

import os
import resource
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connections

import lerix_web
from lerix_web import asgi, browser, cli, database, instance, launch, paths, server, sockets, wiring
from lerix_web.management.announce import announce, say


class Command(BaseCommand):
    """Serve until Ctrl-C or SIGTERM. The ready line is the only one on stdout."""

    help = "Start Lerix and open it in the browser."
    requires_system_checks = ()  # ``check`` runs them; a start should take a second

    def add_arguments(self, parser: ArgumentParser) -> None:
        cli.serve_options(parser)

    def handle(self, *args: Any, port: int | None, no_browser: bool, **options: Any) -> None:
        os.umask(0o077)
        # Should it crash, the system would write its memory to the disk: temporary chats, and opened keys.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        folder: Path = settings.LERIX_HOME
        with instance.Lock(folder) as lock:
            if not lock.taken:
                link = instance.link_of_running(folder)
                say(self, "Lerix is already running.")
                announce(self, folder, link, no_browser=no_browser)
                return
            self.serve(folder, settings.LERIX_PORT if port is None else port, no_browser=no_browser)

    def serve(self, folder: Path, port: int, *, no_browser: bool) -> None:
        """Listen, bring the database up to date, and serve. Raises LerixError before anything is served."""
        # First of all, so that a taken port is known before the database is touched.
        listening = sockets.listen(port)
        port = listening[0].getsockname()[1]
        browser.forget_all(folder)
        database.prepare(folder)
        tasks = wiring.background_tasks()
        # What was read so far belongs to no request; the server's threads open connections of their own.
        connections.close_all()
        keeper = asgi.doorkeeper
        keeper.on_used = lambda token: browser.forget(folder, token)

        def link(seconds: float | None) -> str:
            return f"http://localhost:{port}/?token={keeper.mint(seconds=seconds)}"

        facts = {"version": lerix_web.__version__, "port": port, "pid": os.getpid()}
        door = instance.Door(folder, facts, lambda: link(launch.LINK_SECONDS))

        async def ready() -> None:
            await door.open()
            paths.close_to_others(folder)
            announce(self, folder, link(None), no_browser=no_browser)

        async def stop() -> None:
            await door.close()
            await wiring.shutdown()

        server.run(asgi.application, sockets=listening, tasks=tasks, on_ready=ready, on_stop=stop)
        browser.forget_all(folder)

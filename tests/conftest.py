"""What every test runs under: Django set up, a data folder of its own, and no network beyond this machine.

Coroutine tests need no marker: they run under ``async_to_sync``, so the ORM stays on the test's own thread
and ``db`` rolls back what they did. Their fixtures are ordinary functions; what must be entered inside the
loop is an ``async with`` in the test.

The tests in tests/browser come last and must not touch the ORM: Playwright leaves an event loop running in
this thread, under which Django refuses to.

All of them together run in several processes (pytest-xdist), each of which takes whole files: what a module
shares, such as a running Lerix, is started once. Each process has a folder and a database of its own.
"""

import asyncio
import atexit
import contextlib
import inspect
import ipaddress
import os
import shutil
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import django
import pytest
from asgiref.sync import async_to_sync
from hypothesis import HealthCheck, settings

# Before anything reads the settings: neither the data nor the variables of whoever runs the tests may matter.
for name in [name for name in os.environ if name.startswith("LERIX_") or name == "CODEX_HOME"]:
    del os.environ[name]
HOME = Path(tempfile.mkdtemp(prefix="lerix-tests-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ["LERIX_HOME"] = str(HOME / "lerix")
os.environ["CODEX_HOME"] = str(HOME / "codex")
# Nobody's keyring is written to, nor asked.
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
os.environ["DJANGO_SETTINGS_MODULE"] = "lerix_web.settings.test"
# Here and not in a hook, so that the conftest.py of a folder below may import models.
django.setup()
# A loaded machine is slow at times, and the first text drawn builds a table of all characters: neither
# says anything about the code, so times are not judged.
settings.register_profile("lerix", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lerix")

from chat import generate  # noqa: E402  (models need the settings)

#: Beyond it there is little to share: the longest file takes as long as it takes.
MOST_PROCESSES = 4
#: Files that take longer than the number of their tests says, the longest first. The others follow by that number.
LONG = (
    "test_processes.py",
    "test_manage.py",
    "test_command.py",
    "test_serve.py",
    "test_interrupted.py",
    "test_cut_lines.py",
    "test_real_cli.py",
    "test_pacing.py",
    "test_clocks.py",
    "test_lasting.py",
    "test_keys.py",
    "test_cuts.py",
    "test_account.py",
    "test_hostile.py",
    "test_walls.py",
    "test_every_day.py",
    "test_people.py",
    "test_firefox.py",
    "test_mac_away.py",
    "test_frame.py",
    "test_account_devices.py",
    "test_settings.py",
    "test_errors.py",
    "test_frame_away.py",
    "test_people_broken_off.py",
    "test_history.py",
    "test_conversation.py",
    "test_relay.py",
    "test_axe.py",
    "test_temporary.py",
    "test_attachments.py",
    "test_frame_hostile.py",
    "test_cards.py",
    "test_layout.py",
    "test_long_chat.py",
)
#: What the tasks of the chat run in.
IN_WRITER: Final = generate._in_writer.__name__
#: What tried to leave this machine since the last look, as the address that was asked for.
refused: list[str] = []


class NetworkRefused(RuntimeError):
    """A test tried to reach another machine. Not an OSError, which the code under test would handle."""


def is_local(host: object) -> bool:
    """Say whether a socket's host is this machine: by name, by loopback address, or by an address of its own."""
    text = host.decode() if isinstance(host, bytes) else str(host)
    if host is None or text in {"", "localhost", socket.gethostname()}:
        return True
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if address.is_loopback:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.bind((text, 0))  # only possible with an address of this machine, and sends nothing
        return True
    return False


def refuse_network(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: stop connections and look-ups that leave this machine. Unix sockets have text addresses."""
    if event in {"socket.connect", "socket.sendto"}:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        host = arguments[0]
    else:
        return
    if not is_local(host):
        refused.append(str(host))
        raise NetworkRefused(f"a test tried to reach {host}")


sys.addaudithook(refuse_network)


@pytest.fixture(autouse=True)
def stays_on_this_machine() -> Iterator[None]:
    """Fail a test which tried to reach another machine, even where the code under test hid the refusal."""
    refused.clear()
    yield
    hosts = list(refused)
    refused.clear()
    assert not hosts, f"tried to reach {hosts}"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test in an event loop, with its ORM calls on this thread."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    async_to_sync(_to_the_end)(pyfuncitem.obj, arguments)
    return True


async def _to_the_end(test: Callable[..., Awaitable[None]], arguments: dict[str, object]) -> None:
    """Run a test, and what its answers left to be done: it would be in the way of a later test, in another loop."""
    try:
        await test(**arguments)
    finally:
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
            while left := _left_to_do():
                for task in left - generate._storing:
                    task.cancel()
                await asyncio.wait(left, timeout=1)  # what was cancelled in its last moment may go on
                await asyncio.sleep(0)  # what comes next is begun by their callbacks


def _left_to_do() -> set[asyncio.Task[Any]]:
    """Answers, also in the moment after their end, and what they leave to be done."""
    return {task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__name__", "") == IN_WRITER}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the browser tests last, after pytest-django has sorted by use of the database; of those, long files first.

    Several processes take file after file in this order, and end together where the last ones are short.
    """
    for item in items:
        _open_both_databases(item)
    browser = Path(__file__).parent / "browser"
    counts = Counter(item.path for item in items if browser in item.path.parents)

    def rank(item: pytest.Item) -> tuple[bool, int, int]:
        long = LONG.index(item.path.name) if item.path.name in LONG else len(LONG)
        return item.path in counts, long, -counts[item.path]

    items.sort(key=rank)


def _open_both_databases(item: pytest.Item) -> None:
    """Let a test that may use the database use the one of temporary chats as well: every query may go to either."""
    mark = item.get_closest_marker("django_db")
    if mark is not None or {"db", "transactional_db"} & set(getattr(item, "fixturenames", ())):
        asked = {"databases": "__all__", **(mark.kwargs if mark is not None else {})}
        item.add_marker(pytest.mark.django_db(**asked), append=False)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Share a run among processes; files that somebody names run in this one, where a debugger works."""
    # Two more than there are processors: half of the time a test waits for another program, or for time to pass.
    return 0 if any(".py" in name for name in config.args) else min((os.cpu_count() or 1) + 2, MOST_PROCESSES)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Let each of those processes read the settings when this file has made a folder for it, and not before."""
    del os.environ["DJANGO_SETTINGS_MODULE"]

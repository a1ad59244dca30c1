"""The app on a Mac and the broker are two programs that share no page and no table."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.serving import ROOT, LerixProcess

LOOK = """
import json
import django
django.setup()
from django.apps import apps
from django.urls import URLResolver, get_resolver

def names(resolver, prefix=""):
    for each in resolver.url_patterns:
        if isinstance(each, URLResolver):
            yield from names(each, prefix + str(each.pattern))
        else:
            yield prefix + str(each.pattern)

tables = [model._meta.db_table for model in apps.get_models(include_auto_created=True) if model._meta.managed]
print(json.dumps({"apps": [config.name for config in apps.get_app_configs()], "tables": tables,
                  "urls": list(names(get_resolver()))}))
"""


def look(role: str, folder: Path) -> dict[str, Any]:
    environment = {**LerixProcess(folder).environment, "DJANGO_SETTINGS_MODULE": f"lerix_web.settings.{role}"}
    answer = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What each role's settings load."""
    folder = tmp_path_factory.mktemp("roles") / "home"
    return look("local", folder), look("broker", folder)


def starting(names: list[str], *prefixes: str) -> list[str]:
    return [name for name in names if name.startswith(prefixes)]


def test_neither_role_has_the_others_urls_or_tables(roles: tuple[dict[str, Any], dict[str, Any]]) -> None:
    local, broker = roles
    assert "relay.broker" in broker["apps"]
    assert "relay.broker" not in local["apps"]
    assert not {"chat", "connections", "relay.account"} & set(broker["apps"])
    assert not starting(local["tables"], "broker_")
    assert not starting(broker["tables"], "chat_", "connections_", "account_")
    assert starting(broker["tables"], "broker_account", "broker_token")
    assert not starting(local["urls"], "api/")
    assert not starting(broker["urls"], "settings/", "chats/", "stream")
    shared = set(local["urls"]) & set(broker["urls"])
    assert {url for url in shared if not url.startswith("admin/")} <= {""}
    assert not starting(local["urls"], "admin/broker")
    assert not starting(broker["urls"], "admin/chat", "admin/connections")


def test_each_role_has_a_database_of_its_own(roles: tuple[dict[str, Any], dict[str, Any]]) -> None:
    local, broker = roles
    shared = set(local["tables"]) & set(broker["tables"])
    # Django's own, which the Mac's admin names but has no tables for.
    assert {name.partition("_")[0] for name in shared} <= {"django", "auth"}

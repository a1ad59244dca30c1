"""A real device asks a real Mac over the relay for everything that there is in the project, and gets almost nothing."""

import json
import re

import pytest
from django.urls import get_resolver

import lerix_web.urls.remote as remote_urls
from relay.answers import MODELS, RESPONSES, STATE
from relay.host.pages import UPLOAD
from relay.link.streams import StreamEnded
from relay.protocol.errors import FrameMalformed
from relay.protocol.headers import Request
from tests.relay.broker.test_roles import look
from tests.relay.host.test_allowed import FORGED, METHODS, addresses
from tests.relay.proof.computers import Household
from tests.relay.proof.device import device

ROLES = ("lerix_web.urls.local", "lerix_web.urls.remote")
FOR_LERIX = {("GET", STATE), ("GET", MODELS), ("POST", RESPONSES)}
#: Where nothing may ever be allowed.
CLOSED = ("/settings/", "/admin/", "/api/", "/static/")


def is_listed(method: str, path: str) -> bool:
    """Whether the project says that a remote may ask this."""
    bare = path.partition("?")[0]
    pages = any(method == allowed and rule.fullmatch(bare) for allowed, rule in remote_urls.PAGES)
    return (method, bare) in FOR_LERIX or pages


def every_address() -> list[str]:
    """All addresses of all roles, and such as look like one that is allowed."""
    found = {path for role in ROLES for path in addresses(get_resolver(role).url_patterns)}
    assert len(found) > 60
    return sorted(found | {*FORGED, STATE, MODELS, RESPONSES})


@pytest.fixture(scope="module")
def of_the_broker(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """All addresses of the broker, which another process has to tell: its models are not here."""
    names: list[str] = look("broker", tmp_path_factory.mktemp("role") / "home")["urls"]
    found = {re.sub(r"<\w+:\w+>", "1", "/" + re.sub(r"[\^$]|\\Z|\(\?P<\w+>.*?\)", "", name)) for name in names}
    assert len(found) > 30
    return sorted(found)


def test_nothing_of_the_settings_the_admin_or_the_broker_is_on_the_list() -> None:
    listed = {path for path in every_address() for method in METHODS if is_listed(method, path) and "?" not in path}
    assert {STATE, MODELS, RESPONSES} <= listed
    assert not [path for path in listed if path.startswith(CLOSED)]
    # Beside the three for other Lerix what a chat needs: no view of anything else.
    resolver = get_resolver("lerix_web.urls.remote")
    views = [resolver.resolve(path).func for path in listed - {STATE, MODELS, RESPONSES}]
    assert {view.__module__.split(".")[0] for view in views} == {"chat"}


def test_every_address_of_the_chat_is_on_the_list() -> None:
    """Else a page works at the computer and nowhere else."""
    patterns = addresses(get_resolver("lerix_web.urls.remote").url_patterns)
    assert [path for path in patterns if not any(is_listed(method, path) for method in (*METHODS, UPLOAD))] == []


async def test_whatever_is_not_on_the_list_is_not_there_by_any_method(
    home: Household, of_the_broker: list[str]
) -> None:
    asked = 0
    async with device(home) as mine:
        for path in sorted({*every_address(), *of_the_broker}):
            # A path is judged as it is written before any view is looked for, so a method of each kind is enough.
            for method in METHODS if path in {STATE, MODELS, RESPONSES, "/", "/admin/"} else ("GET", "POST", "DELETE"):
                if is_listed(method, path) or not is_path(path):
                    continue
                answer = await mine.ask(method, path)
                assert answer.status == 404, (method, path)
                asked += 1
        assert asked > 250
        found = {body for _, _, body in mine.answers}
        assert {json.loads(body)["lerix_error"]["code"] for body in found} == {"relay-unknown"}


def is_path(path: str) -> bool:
    """Whether a frame can hold it at all."""
    try:
        Request("GET", path).encode()
    except FrameMalformed:
        return False
    return True


async def test_headers_that_claim_something_change_nothing(home: Household) -> None:
    forged = (
        ("x-lerix-device", home.host),
        ("cookie", "lerix_local=1; sessionid=1"),
        ("host", "evil.example"),
        ("authorization", "Bearer x"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-host", "evil.example"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/settings/connections/"),
        ("x-rewrite-url", "/settings/connections/"),
        ("origin", "http://localhost:7717"),
        ("sec-fetch-site", "same-origin"),
        ("hx-request", "true"),
    )
    async with device(home) as mine:
        plain = [await mine.ask("GET", path) for path in (STATE, MODELS, "/settings/connections/", "/admin/")]
        claimed = [await mine.ask("GET", path, forged) for path in (STATE, MODELS, "/settings/connections/", "/admin/")]
    assert [answer.status for answer in plain] == [answer.status for answer in claimed] == [200, 200, 404, 404]
    bodies = [body for _, _, body in mine.answers]
    assert bodies[:4] == bodies[4:]
    names = {name for answer in (*plain, *claimed) for name, _ in answer.headers}
    assert not names & {"set-cookie", "server", "authorization", "www-authenticate", "location"}


async def test_a_turn_without_a_model_that_is_switched_on_is_refused(home: Household) -> None:
    before = home.asked()
    body = json.dumps(
        {
            "stream": True,
            "model": "gpt-6.1-sol",
            "prompt_cache_key": "c",
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}],
        }
    ).encode()
    async with device(home) as mine:
        answer = await mine.ask("POST", RESPONSES, (("content-type", "application/json"),), body)
        assert answer.status == 403
        with pytest.raises(StreamEnded):
            await mine.ask("POST", RESPONSES)
    assert home.asked() == before

"""What the tests of API keys share: a platform that knows some keys, and the keys of one process."""

from pathlib import Path

import httpx
from asgiref.sync import sync_to_async

from connections.keys import ApiKeys
from connections.models import ApiKey
from connections.openai import OpenAIPath
from connections.paths import paths
from tests.connections.far import COMPLETED, Far, delta, refusal, stream
from tests.connections.test_openai import UNKNOWN, listing

BASE = "https://api.openai.com/v1"
WORK, HOME, NEW = (f"sk-proj-planted-{name}-0123456789-{name}" for name in ("work", "home", "news"))
URL = "/settings/connections/keys/"


class Platform(Far):
    """The platform API: knows the keys it is told, and lists two models."""

    def __init__(self, *known: str) -> None:
        super().__init__(self.answer)
        self.known = set(known)

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers["authorization"].removeprefix("Bearer ") not in self.known:
            return refusal(401, UNKNOWN)
        if request.url.path.endswith("/models"):
            return listing("gpt-5.5", "gpt-4.1", "whisper-1")
        return stream(delta("ok"), COMPLETED)


async def again(tmp_path: Path, platform: Platform) -> ApiKeys:
    """The API keys as the next process finds them."""
    for each in paths.all():
        paths.remove(each.key)
    made = ApiKeys(tmp_path, BASE, "Lerix/0.1 (test)", transport=platform)
    await sync_to_async(made.load)()
    return made


def path_of(api_keys: ApiKeys, row: ApiKey) -> OpenAIPath:
    found = api_keys.path(row)
    assert found is not None
    return found


async def not_there(row: ApiKey) -> bool:
    return not await ApiKey.objects.filter(pk=row.pk).aexists()

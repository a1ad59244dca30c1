"""What the tests of temporary chats share."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

from django.db import connections
from django.test import AsyncClient

from chat.database import DISK
from chat.feed import feeds
from tests import disk
from tests.chat.conversing import at_rest

SECRET = "Quetzalcoatlus-zur-Nacht"


class Clock:
    """Seconds that the test moves on."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def complete() -> None:
    """Wait for every answer that is coming."""
    tasks = [answer.task for answer in feeds.live.values() if answer.task]
    if tasks:
        await asyncio.wait_for(asyncio.wait(tasks), 60)


async def begin(browser: AsyncClient, text: str = SECRET) -> uuid.UUID:
    """Begin a temporary chat; return its id once its first answer is there, and all that follows from it done."""
    response = await browser.post("/chats/?temporary=1", {"text": text, "key": str(uuid.uuid4())})
    assert response.status_code == 200, response.content
    await at_rest()
    return uuid.UUID(response.headers["HX-Push-Url"].split("/")[2])


def on_disk(text: str) -> list[str]:
    """The files of the test's database, and of its folder, that hold a text."""
    folder = Path(str(connections[DISK].settings_dict["NAME"])).parent
    return [path.name for path in disk.holding(disk.contents(folder), text)]

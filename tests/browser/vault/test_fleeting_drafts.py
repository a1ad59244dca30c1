"""What is written to a temporary chat from another device stays in its tab's memory, also while the Mac is away."""

from __future__ import annotations

from playwright.sync_api import BrowserContext

from tests.browser.vault.conftest import opened

KEPT = "/chats/0190d8e4-6a3e-4a52-9f6b-1c2d3e4f5a6b/messages/"
FLEETING = "/chats/0190d8e4-6a3e-8a52-9f6b-1c2d3e4f5a6b/messages/"
FIRST = "/chats/?temporary=1"
EMPTY = "/?temporary=1"


def test_only_what_belongs_to_no_temporary_chat_comes_to_the_disk(profile: BrowserContext) -> None:
    page = opened(profile, "/vault/", "drafts")
    paths = [KEPT, FLEETING, FIRST, EMPTY]
    found = page.call("kept", paths=paths)
    assert found["waiting"] == paths
    assert found["typed"] == [f"typed at {path}" for path in paths]
    assert found["later"] == [KEPT]
    assert found["laterTyped"] == [f"typed at {KEPT}", "", "", ""]
    assert sorted(found["onDisk"]) == [["message", "key-0"], ["typed", KEPT]]
    assert found["left"] == 0
    assert page.problems == []
    page.page.close()

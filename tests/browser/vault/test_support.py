"""A browser that cannot keep keys is told so, before anybody types anything."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext

ASK = """async () => (await import("/static/lerix/vault/support.js")).whyNot()"""
NO_X25519 = """(() => {
  const make = crypto.subtle.generateKey.bind(crypto.subtle);
  crypto.subtle.generateKey = (algorithm, ...rest) =>
    algorithm.name === NAME ? Promise.reject(new DOMException("no", "NotSupportedError")) : make(algorithm, ...rest);
})()"""
HIDE = "Object.defineProperty(globalThis, NAME, { value: undefined })"
NO_KEYS = """IDBObjectStore.prototype.put = () => { throw new DOMException("no keys", "DataCloneError"); }"""


def test_this_chromium_will_do(profile: BrowserContext) -> None:
    page = profile.new_page()
    page.goto("/vault/")
    assert page.evaluate(ASK) is None
    page.close()


NO_ANSWER = """IDBFactory.prototype.open = () => ({})"""


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (NO_X25519.replace("NAME", "'X25519'"), "Chrome 137, Edge 137, Firefox 130 or Safari 17"),
        (NO_X25519.replace("NAME", "'Ed25519'"), "Chrome 137, Edge 137, Firefox 130 or Safari 17"),
        (HIDE.replace("NAME", "'WebAssembly'"), "too old"),
        (HIDE.replace("NAME", "'isSecureContext'"), "https://"),
        (HIDE.replace("NAME", "'indexedDB'"), "does not keep data"),
        (NO_KEYS, "does not keep data"),
        (NO_ANSWER, "does not keep data"),
    ],
)
def test_a_browser_that_lacks_something_gets_a_sentence(script: str, words: str, profile: BrowserContext) -> None:
    page = profile.new_page()
    page.add_init_script(script)
    page.goto("/vault/")
    sentence = page.evaluate(ASK)
    assert words in sentence
    assert "Nothing was sent." in sentence
    page.close()

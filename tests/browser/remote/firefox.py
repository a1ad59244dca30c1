"""A Firefox that tests drive by Marionette, the protocol by which its own makers do: Debian brings no other driver.

Messages are JSON with their length before them, `LENGTH:JSON`; a command is [0, id, name, parameters], its answer
[1, id, error, result] (source: https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

NAMES = ("firefox-esr", "firefox")
#: The key under which an element's id stands (W3C WebDriver, section 12).
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
#: Only what fails waits so long.
SECONDS = 60.0
#: No page but ours, no updates, no reports; and every file of the profile in the test's own folder.
PREFERENCES = {
    "app.update.disabledForTesting": True,
    "browser.aboutwelcome.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "captivedetect.canonicalURL": "",
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "media.gmp-manager.url": "",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "services.settings.server": "http://127.0.0.1:9/",
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


class MarionetteError(AssertionError):
    """Firefox refused a command."""


def firefox_path() -> str | None:
    """Return a Firefox of this machine, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Firefox:
    """One headless Firefox with one window; a context manager. `folder` takes its profile."""

    def __init__(self, program: str, folder: Path, width: int = 1280, height: int = 900) -> None:
        self._program = program
        self._profile = folder / "profile"
        self._size = (width, height)
        self._number = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._data = b""

    def __enter__(self) -> Self:
        self._profile.mkdir(parents=True)
        # It takes a port that is free, and writes into a file which.
        wanted = {**PREFERENCES, "marionette.port": 0}
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in wanted.items()]
        (self._profile / "user.js").write_text("\n".join(lines) + "\n")
        width, height = self._size
        arguments = ["--headless", "--no-remote", "--marionette", "--width", str(width), "--height", str(height)]
        self._process = subprocess.Popen(
            [self._program, *arguments, "--profile", str(self._profile)],
            env={**os.environ, "HOME": str(self._profile), "MOZ_HEADLESS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._connect()
            self.command("WebDriver:NewSession", capabilities={"alwaysMatch": {"acceptInsecureCerts": False}})
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError, MarionetteError):
            self.command("Marionette:Quit", flags=["eForceQuit"])
        self._end()

    def _end(self) -> None:
        if self._socket is not None:
            self._socket.close()
        process = self._process
        if process is None:
            return
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _connect(self) -> None:
        end = time.monotonic() + SECONDS
        while True:
            try:
                port = int((self._profile / "MarionetteActivePort").read_text())
                self._socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
                self._read()  # who it is
                return
            except (OSError, ValueError):  # a file that is not there yet, or empty yet
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def _read(self) -> Any:
        assert self._socket is not None
        while True:
            length, found, rest = self._data.partition(b":")
            if found and len(rest) >= int(length):
                self._data = rest[int(length) :]
                return json.loads(rest[: int(length)])
            more = self._socket.recv(65536)
            if not more:
                raise ConnectionResetError
            self._data += more

    def command(self, name: str, **parameters: object) -> Any:
        """Give a command and return its result. Raises MarionetteError."""
        assert self._socket is not None
        self._number += 1
        message = json.dumps([0, self._number, name, parameters]).encode()
        self._socket.sendall(f"{len(message)}:".encode() + message)
        _, _, error, result = self._read()
        if error:
            raise MarionetteError(f"{name}: {error['error']}: {error['message']}")
        return result

    # What tests do with it.

    def go(self, url: str) -> None:
        """Open a page, and wait until it is loaded."""
        self.command("WebDriver:Navigate", url=url)

    def run(self, script: str, *arguments: object) -> Any:
        """Run the body of a function in the page and return its value; a promise is waited for."""
        return self.command("WebDriver:ExecuteScript", script=script, args=list(arguments), sandbox=None)["value"]

    def find(self, selector: str) -> str:
        """Wait for an element by a CSS selector, and return its id."""
        found = self.until(lambda: self.command("WebDriver:FindElements", using="css selector", value=selector))
        return str(found[0][ELEMENT])

    def click(self, selector: str) -> None:
        """Click an element."""
        self.command("WebDriver:ElementClick", id=self.find(selector))

    def type(self, selector: str, text: str) -> None:
        """Type into a field."""
        self.command("WebDriver:ElementSendKeys", id=self.find(selector), text=text)

    def text(self, selector: str) -> str:
        """What an element says, as one sees it."""
        return str(self.command("WebDriver:GetElementText", id=self.find(selector))["value"])

    def enter(self, selector: str) -> None:
        """Go into a frame."""
        frame = {ELEMENT: self.find(selector)}
        self.command("WebDriver:SwitchToFrame", element=frame[ELEMENT])

    def leave(self) -> None:
        """Go back to the page itself."""
        self.command("WebDriver:SwitchToFrame", id=None)

    @property
    def address(self) -> str:
        """What the address bar shows."""
        return str(self.command("WebDriver:GetCurrentURL")["value"])

    def picture(self, path: Path) -> None:
        """Keep a screenshot."""
        shot = self.command("WebDriver:TakeScreenshot", full=False, hash=False)
        path.write_bytes(base64.b64decode(shot["value"]))

    def until(self, look: Callable[[], Any], seconds: float = SECONDS) -> Any:
        """Look again and again until there is something, and return it."""
        end = time.monotonic() + seconds
        while True:
            try:
                if found := look():
                    return found
            except MarionetteError:
                if time.monotonic() > end:
                    raise
            assert time.monotonic() < end, "it did not come in time"
            time.sleep(0.05)

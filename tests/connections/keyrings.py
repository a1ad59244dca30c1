"""Keyrings for tests, in place of the system's."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import keyring
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked


class MemoryKeyring(KeyringBackend):
    """Keeps everything, until the test ends."""

    priority: float = 5

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


class ForgetfulKeyring(MemoryKeyring):
    """Takes everything and keeps nothing, as keyring's null backend."""

    def set_password(self, service: str, username: str, password: str) -> None:
        return


class PlainKeyring(MemoryKeyring):
    """Says of itself that it is no better than a plain file."""

    priority = 0.5


class LockedKeyring(MemoryKeyring):
    """Its owner has dismissed the question for the password."""

    locked = True

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringLocked("Failed to unlock the item, planted-words")
        return super().get_password(service, username)


class SilentKeyring(MemoryKeyring):
    """Answers when the test lets it, like one that asks a person, or a bus that hangs."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = threading.Event()
        self.asked = 0

    def get_password(self, service: str, username: str) -> str | None:
        self.asked += 1
        self.may_answer.wait(60)
        return super().get_password(service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        self.may_answer.wait(60)
        super().set_password(service, username, password)


@contextmanager
def using(backend: KeyringBackend) -> Iterator[None]:
    """Make `backend` the keyring of this process for a while."""
    before = keyring.get_keyring()
    keyring.set_keyring(backend)
    try:
        yield
    finally:
        if isinstance(backend, SilentKeyring):
            backend.may_answer.set()
        keyring.set_keyring(before)

"""What this broker is, told once by whoever starts it."""

from dataclasses import dataclass, field

from relay.broker.post import Post


@dataclass(frozen=True)
class House:
    """Facts of the running process.

    `default_plan` is the code of the plan that new accounts get, and that holds when a paid one has ended.
    `sign_up` says whether new accounts are taken; `post` sends the codes.
    `parent` is the secret that only the Lerix which started an embedded broker knows; "" elsewhere.
    """

    version: str
    embedded: bool
    sign_up: bool
    default_plan: str
    post: Post
    parent: str = field(default="", repr=False)


_installed: House | None = None


def install(house: House) -> None:
    """Say what this process is; before anything is served."""
    global _installed
    _installed = house


def installed() -> House:
    """Return what this process is. Raises RuntimeError where nobody has said."""
    if _installed is None:
        raise RuntimeError("The broker is used before house.install.")
    return _installed

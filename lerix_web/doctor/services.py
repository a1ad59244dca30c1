"""The Codex CLI and its session, the keyring, and the hosts that requests go to."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
from django.utils import timezone

import lerix_web
from connections.codex.cli import find_codex
from connections.codex.session import InKeyring, Session, SessionFiles
from connections.codex.states import OtherAccount, SessionState, state_at, status_of
from connections.errors import ConnectionCut, IdleTimedOut
from connections.network import error_from_network
from connections.sealing_keys import Place, SealingKeys
from lerix_web import facts
from lerix_web.doctor.database import Kept
from lerix_web.doctor.finding import Finding, Level, split

# Seconds for one host to be reached and to answer.
SECONDS: Final = 5.0


async def codex_cli() -> Finding:
    """Whether the CLI is installed, and its version."""
    name = "Codex CLI"
    program = find_codex()
    if program is None:
        return Finding(name, Level.WARN, "Not found.", "Run npm install -g @openai/codex, then codex login.")
    version = await facts.codex_version(program)
    if version is None:
        step = f"Run {program} --version and see what it says."
        return Finding(name, Level.WARN, f"{program} did not give its version.", step)
    return Finding(name, Level.OK, f"{version}, {program}")


def session(home: Path, known: Kept, now: datetime) -> Finding:
    """What the files of CODEX_HOME say of the session, as it stands: nothing is renewed or sent.

    Without a session but with API keys Lerix can be used, so that this is worth a word only.
    """
    name = "Codex session"
    content = SessionFiles(home).read()
    if isinstance(content, InKeyring) and content.store != "ephemeral" and find_codex() is not None:
        # The running Lerix asks the CLI for it; asking would start a program that may renew it.
        return Finding(
            name,
            Level.WARN,
            f'Codex keeps its sign-in outside auth.json ("{content.store}").',
            "Settings, Connections says how it stands.",
        )
    state: SessionState = state_at(content, now) if isinstance(content, Session) else content
    if isinstance(content, Session) and known.account and content.account.id != known.account:
        state = OtherAccount(content, known.account)
    status = status_of(state, now)
    if not status.ready:
        return split(name, Level.WARN if known.keys else Level.PROBLEM, status.sentence)
    ends = content.account.expires_at if isinstance(content, Session) else None
    until = f" Its access token runs until {timezone.localtime(ends):%Y-%m-%d %H:%M}." if ends and ends > now else ""
    return Finding(name, Level.OK, f"{status.sentence}{until}")


async def keyring(folder: Path, known: Kept) -> Finding:
    """Where the keys that seal API keys and the account are, or would be, kept."""
    name = "Keyring"
    usable = await SealingKeys(folder).expected() is Place.KEYRING
    if not usable and Place.KEYRING in known.places:
        return Finding(
            name,
            Level.PROBLEM,
            "What is stored here is sealed with a key in the system keyring, which does not answer now.",
            "Unlock the keyring, or sign in to the desktop.",
        )
    if usable:
        return Finding(name, Level.OK, "The system keyring is usable; it keeps the keys that seal what is stored")
    return Finding(name, Level.OK, "No usable system keyring; the keys that seal what is stored are kept in 0600 files")


async def host(name: str, address: str, *, seconds: float = SECONDS) -> Finding:
    """Whether the host of an address can be reached: one HEAD without credentials. Any answer but a fault will do."""
    place = urlsplit(address).netloc
    began = time.monotonic()
    headers = {"user-agent": f"Lerix/{lerix_web.__version__} doctor"}
    try:
        async with httpx.AsyncClient(timeout=seconds, headers=headers) as client:
            answer = await client.head(address)
    except (httpx.RequestError, httpx.InvalidURL) as failure:
        return Finding(name, Level.PROBLEM, f"{place}: {_why(failure)}", "Check the network, then run this again.")
    took = f"{1000 * (time.monotonic() - began):.0f} ms"
    if answer.status_code >= 500:
        return Finding(
            name, Level.WARN, f"{place} answers with a fault ({answer.status_code}).", "Wait a little, then try again."
        )
    return Finding(name, Level.OK, f"{place} answers ({took})")


def _why(failure: httpx.RequestError | httpx.InvalidURL) -> str:
    """The first sentence for the failure: what was lost, which follows, is about messages."""
    if isinstance(failure, httpx.InvalidURL):
        return "This is no web address."
    error = error_from_network(failure)
    if isinstance(error, ConnectionCut):
        return "The connection was cut."
    if isinstance(error, IdleTimedOut):
        return "It did not answer in time."
    return f"{error.sentence.partition('. ')[0]}."

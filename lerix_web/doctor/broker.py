"""The account broker: which one is used, whether it answers, and whether this device is in the account."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import lerix_web
from lerix_web import paths
from lerix_web.doctor.database import opened
from lerix_web.doctor.finding import Finding, Level, split
from relay.account.client import BrokerClient, Limits
from relay.account.errors import AccountError

NAME: Final = "Broker"
#: Seconds, as for the other hosts.
LIMITS: Final = Limits(connect=5.0, write=5.0, read=5.0, whole=6.0, retries=0)


@dataclass(frozen=True)
class Member:
    """What the database says of the account: `state` is "" where nobody is signed in, `broker` "" for our own one."""

    state: str = ""
    broker: str = ""


def member(path: Path) -> Member:
    """Read it. What is not there, damaged or of another version counts as nothing: `database` says it."""
    if not path.exists():
        return Member()
    try:
        with opened(path) as connection:
            rows = dict(connection.execute("SELECT state, broker FROM account_membership"))
            chosen = connection.execute("SELECT address FROM account_brokersetting").fetchone()
    except sqlite3.Error:
        return Member()
    for state in ("member", "joining"):
        if state in rows:
            return Member(state, rows[state])
    return Member("revoked" if "revoked" in rows else "", chosen[0] if chosen else "")


async def broker(folder: Path, fixed: str) -> Finding:
    """Say how it stands; `fixed` is what LERIX_BROKER_URL names, or "". Nothing is started for this."""
    found = member(paths.database_path(folder))
    signed_in = found.state in {"member", "joining"}
    address = found.broker if signed_in else fixed or found.broker
    said = await _other(address) if address else _own(folder, signed_in=signed_in)
    if said.level is not Level.OK:
        return said
    if signed_in and fixed and fixed != found.broker:
        words = f"{said.finding}. LERIX_BROKER_URL names {urlsplit(fixed).netloc}, which counts after signing out."
        return replace(said, level=Level.WARN, finding=words, next_step="Sign out in Settings, Account, or unset it.")
    match found.state:
        case "member":
            return replace(said, finding=f"{said.finding}; this device is signed in")
        case "joining":
            words = f"{said.finding}; a sign-in was interrupted"
            return replace(said, level=Level.WARN, finding=f"{words}.", next_step="Start Lerix to settle it.")
        case "revoked":
            words = f"{said.finding}; this device was removed from the account."
            return replace(said, level=Level.WARN, finding=words, next_step="Sign in again in Settings, Account.")
        case _:
            return replace(said, finding=f"{said.finding}; nobody is signed in")


async def _other(address: str) -> Finding:
    place = urlsplit(address).netloc
    client = BrokerClient(address, f"Lerix/{lerix_web.__version__} doctor", limits=LIMITS)
    began = time.monotonic()
    try:
        info = await client.info()
    except AccountError as error:
        reason = error.sentence.partition(". ")[0]
        return Finding(NAME, Level.PROBLEM, f"{place}: {reason}.", "Check the broker address and the network.")
    finally:
        await client.aclose()
    took = f"{1000 * (time.monotonic() - began):.0f} ms"
    # Its own words are a version only; whatever else it may say is not repeated.
    version = info.version if info.version.replace(".", "").isalnum() and info.version.isascii() else "unknown"
    return Finding(NAME, Level.OK, f"{place} answers ({took}, version {version})")


def _own(folder: Path, *, signed_in: bool) -> Finding:
    """Our own one has no address that is known from here, so its database is looked at."""
    path = paths.database_path(folder).with_name("broker.sqlite3")
    if not path.exists() or not path.stat().st_size:
        if signed_in:
            lost = f"{path} is not there, which holds the account of this computer."
            return Finding(NAME, Level.PROBLEM, lost, "Stop Lerix and put a backup in its place.")
        return Finding(NAME, Level.OK, "Lerix runs its own on this computer when it is first used")
    try:
        with opened(path) as connection:
            whole = connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    except sqlite3.Error:
        whole = False
    if not whole:
        return split(NAME, Level.PROBLEM, f"{path} is damaged. Stop Lerix and put a backup in its place.")
    return Finding(NAME, Level.OK, "Lerix runs its own on this computer")

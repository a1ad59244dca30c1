"""The access path of one host: its models over Codex Relay, and an honest word on whether it is there."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import httpx

from connections.catalogue import Catalogue, Model
from connections.changes import heard
from connections.client import Limits, ModelAPI
from connections.codex.usage import Usage
from connections.codex.watch import Broadcast, utc_now
from connections.errors import AccessError, CatalogueUnreadable, Unavailable
from connections.paths import RELAYED
from connections.refusals import clean_detail
from connections.responses import AnswerEvent, Ask, RequestForm, build_request
from connections.status import NextStep, Status
from relay.answers import MODELS, QUEUE, RESPONSES, STATE, USAGE, read_moment, read_step
from relay.client.transport import IDEM, RelayTransport
from relay.link.link import LinkState, Phase
from relay.link.remote import Remote
from relay.protocol.errors import HandshakeFailed
from relay.protocol.link import Code
from relay.protocol.presence import LAST_WORDS, Presence, Why

#: Seconds between two looks at what the host says of itself.
EVERY: Final = 30.0
#: Seconds that an interrupted way is waited for before nothing is sent.
REACH_SECONDS: Final = 15.0
STATE_SECONDS: Final = 15.0
_MOST_MODELS: Final = 200
_MOST_ETAG: Final = 200

# Pill and sentence where this device's own link is not ready, by the code it ended with.
_LINK: Final[Mapping[int, tuple[str, str]]] = {
    Code.NO_PLAN: ("Plan", "The account's plan has no Codex Relay."),
    Code.REVOKED: ("Removed", "This computer was removed from the account. Sign in again to use Codex Relay."),
    Code.REFUSED: ("Refused", "The broker does not let this computer in. Sign out of the account, then sign in again."),
    Code.SUPERSEDED: ("Elsewhere", "Another Lerix on this computer has taken over the relay. Quit it to go on here."),
    Code.RESTARTING: ("Restarting", "The broker is restarting. Lerix comes back by itself."),
}
# The same where there is no way to the host; {} is its name.
_ROUTE: Final[Mapping[int, tuple[str, str]]] = {
    Code.NO_HOST: ("Off line", "{} is not on line. It may be asleep or without a network, or Lerix is closed there."),
    Code.REVOKED: ("Removed", "{} does not let this computer in: one of the two was removed from the account."),
    Code.REFUSED: ("Refused", "{} could not let this computer in. Lerix tries again by itself."),
    Code.NO_PLAN: ("Plan", "The account's plan has no Codex Relay."),
    Code.OTHER_EPOCH: ("Updating", "The account's devices have changed. Lerix and {} fetch the newest list."),
    HandshakeFailed.code: ("Not trusted", "{} could not prove that it belongs to your account, so nothing is sent."),
    Code.TOO_MANY: ("Busy", "Too many devices use {} at once. Lerix tries again by itself."),
}
# The same by what the broker says of the host. When it went is shown beside it.
_AWAY: Final[Mapping[Why, tuple[str, str]]] = {
    Why.OFF: ("Off", "Codex Relay is switched off on {}. Switch it on there to use it from here."),
    Why.CLOSED: ("Closed", "Lerix was closed on {}. Open it there to use it from here."),
    Why.ASLEEP: ("Asleep", "{} is asleep. Lerix goes on by itself when it wakes up."),
    Why.SIGNED_OUT: ("Signed out", "{} has signed out of the account. Sign in there to use it from here."),
    Why.LOST: ("Off line", "{} is not on line. It may be asleep, switched off or without a network."),
    Why.RESTARTING: ("Connecting", "The broker has restarted. Lerix is connecting to {}."),
}
NOT_SET_UP: Final = "relay-not-set-up"
_NEVER: Final = ("Not set up", "{} has not offered Codex Relay yet. Switch it on there to use it from here.")
_CONNECTING: Final = ("Connecting", "Lerix is connecting to {}.")
_NO_BROKER: Final = ("Not connected", "The account's broker cannot be reached. Check the network.")


def key_of(host: bytes) -> str:
    """The key of the access path to a computer, by its device id."""
    return f"{RELAYED}{host.hex()}"


class RelayPath:
    """ChatGPT through another computer's Codex session.

    `host` is its device id, `name` what its owner calls it, `remote` the way to it, `link` gives the state of this
    device's own link. Call `noticed` after each change of the two, and run `follow` while the path is registered. To be
    used on one event loop.
    """

    provider = "ChatGPT"
    #: A message to a computer that is away waits for it.
    keeps_messages = True

    def __init__(
        self,
        host: bytes,
        name: str,
        remote: Remote,
        link: Callable[[], LinkState],
        user_agent: str,
        *,
        limits: Limits | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.key = key_of(host)
        self.name = name
        self.usage: Usage | None = None
        self.models_etag: str | None = None
        #: How many answers are before ours on the host, the newest word; 0 when none.
        self.position = 0
        self._remote = remote
        self._link = link
        self._now = now
        self._seen: datetime | None = None
        self._presence: Presence | None = None
        self._said: Mapping[str, Any] | None = None
        self._account = ""
        self._bell = asyncio.Event()
        self._looking = asyncio.Lock()
        self._statuses: Broadcast[Status] | None = None
        self._api = ModelAPI(
            # Nobody looks this name up: the transport knows the way.
            httpx.URL(f"http://{host.hex()}.relay.invalid/"),
            None,
            user_agent,
            transport=RelayTransport(remote, boot=lambda: self._boot, told=self._told),
            # The transport goes on by itself, and the host has tried again already.
            limits=replace(limits or Limits(), retries=0, connect=REACH_SECONDS),
            now=now,
        )

    @property
    def label(self) -> str:
        """What the model menu shows."""
        return f"Codex Relay · {self.name}"

    @property
    def runs(self) -> str:
        """Where its requests run."""
        return (
            f"Requests go encrypted to {self.name} and from there to OpenAI, with its Codex session. "
            "The broker between cannot read them."
        )

    @property
    def seen(self) -> datetime | None:
        """When the host was last known to be there; None before the first time."""
        return self._now() if self._remote.connected else self._seen

    def rename(self, name: str) -> None:
        """The host has another name."""
        self.name = name
        self._publish()

    # Status

    def status(self) -> Status:
        """The state at this moment, ready to show."""
        newest = self._status()
        published = self._statuses.value if self._statuses is not None else None
        # The same state is as old as it was, but where it is known better now.
        if published is not None and _same(published, newest) and newest.since in {None, published.since}:
            return published
        return newest

    def changes(self) -> AsyncGenerator[Status, None]:
        """The present status, then each newer one; a slow reader gets the newest only."""
        return self._publish().changes()

    def noticed(self) -> None:
        """The link or the way to the host is in another state."""
        if self._remote.connected:
            self._seen = self._now()
            self._bell.set()
        elif self._said is not None:
            self._said = None
            self._seen = self._now()
        self._publish()

    def present(self, presence: Presence | None) -> None:
        """What the broker says of the host now; None where it says nothing."""
        self._presence = presence
        self._publish()

    async def follow(self) -> None:
        """Ask the host how it is, at each change and now and then. Never ends: a task of the server's."""
        while True:
            if self._remote.connected:
                await self._look()
            await heard(self._bell, seconds=EVERY)

    def _status(self) -> Status:
        link, remote, since = self._link(), self._remote, self._seen
        if not remote.connected:
            if link.phase is not Phase.READY:
                title, sentence = _LINK.get(link.code or 0, _NO_BROKER if link.failures else _CONNECTING)
                return self._away("relay-no-link", title, sentence, None)
            title, sentence = self._why()
            if self._presence is not None and self._presence.since is not None:
                since = self._presence.since
            return self._away(f"relay-{(title.lower()).replace(' ', '-')}", title, sentence, since)
        said = self._said
        if said is None:
            return self._away("relay-connecting", *_CONNECTING, since)
        until = read_moment(said.get("until"))
        if said.get("ready") is True:
            sentence = f"{self.name} is on line."
            if self.position:
                sentence = f"{self.name} is answering others first: yours is number {self.position}."
            return Status(True, "ready", "Ready", sentence, None)
        sentence = clean_detail(_text(said.get("sentence"))) or "It cannot be asked now."
        step = read_step(said.get("next_step")) or NextStep.WAIT
        return Status(
            ready=False,
            code=clean_detail(_text(said.get("code")))[:40] or "relay-host",
            title=clean_detail(_text(said.get("title")))[:40] or "Not ready",
            sentence=f"{self.name} is on line, but cannot answer: {sentence}",
            next_step=step,
            since=read_moment(said.get("since")),
            until=until,
        )

    def _why(self) -> tuple[str, str]:
        """Pill and sentence where there is no way to the host, though the link is ready."""
        presence, code = self._presence, self._remote.code or 0
        if presence is not None and not presence.online:
            return _NEVER if presence.why is None else _AWAY[presence.why]
        if presence is not None and code == Code.NO_HOST:
            return _CONNECTING  # it is just coming
        if code in LAST_WORDS:
            return _AWAY[LAST_WORDS[code]]
        return _ROUTE.get(code, _CONNECTING)

    def _may_come(self) -> bool:
        """Whether it is worth the while to wait a moment for the host."""
        if self._link().phase is not Phase.READY:
            return False
        return self._why()[0] == _CONNECTING[0]

    def _away(self, code: str, title: str, sentence: str, since: datetime | None) -> Status:
        return Status(False, code, title, sentence.format(self.name), NextStep.WAIT, since)

    # Models and answers

    async def models(self) -> Catalogue:
        """What the host offers. Raises AccessError."""
        await self._arrive()
        _, content = await self._api.document(MODELS.lstrip("/"), {})
        try:
            entries = content["models"][:_MOST_MODELS]
            found = tuple(_as_relayed(Model.from_json(entry)) for entry in entries)
            etag = content["etag"]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise CatalogueUnreadable from None
        return Catalogue(found, etag[:_MOST_ETAG] if isinstance(etag, str) else None, chosen=True)

    async def answer(self, ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
        """The answer as it comes, ending with Completed. Raises AccessError.

        A cut of the way to the host does not end it. Closing it stops the turn on the host.
        """
        await self._arrive()
        headers, body = build_request(ask, RequestForm.PLATFORM)
        headers[IDEM] = secrets.token_hex(16)
        try:
            async with aclosing(self._api.answer(RESPONSES.lstrip("/"), headers, body)) as events:
                async for event in events:
                    self._queued(0)
                    yield event
        finally:
            self._queued(0)
            self._bell.set()  # what the host says of itself may be another now

    def replay_key(self, model: Model) -> str:
        """Reasoning items are sealed for the host's account, and made by one model."""
        return f"{self.key}:{self._account}:{model.slug}"

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def _arrive(self) -> None:
        """Be there, and know which process of the host is asked. Raises Unavailable."""
        remote = self._remote
        if not remote.connected and self._may_come():
            try:
                async with asyncio.timeout(REACH_SECONDS):
                    await remote.ready()
            except TimeoutError:
                raise Unavailable(self.status()) from None
        if not remote.connected:
            raise Unavailable(self.status())
        if self._said is None:
            await self._look()
        if self._said is None:
            raise Unavailable(self.status())

    # What the host says

    @property
    def _boot(self) -> str | None:
        boot = self._said.get("boot") if self._said is not None else None
        return boot if isinstance(boot, str) and len(boot) == 32 and boot.isalnum() else None

    async def _look(self) -> None:
        """Ask the host how it is; keeps what it said last where it does not answer."""
        async with self._looking:
            try:
                async with asyncio.timeout(STATE_SECONDS):
                    _, said = await self._api.document(STATE.lstrip("/"), {})
            except (AccessError, TimeoutError):
                return
            if not isinstance(said, dict) or not self._remote.connected:
                return
            self._said = said
            self._account = _text(said.get("account"))[:32]
            self.models_etag = _text(said.get("models_etag"))[:_MOST_ETAG] or self.models_etag
            self._told(USAGE, said)
            self._publish()

    def _told(self, kind: str, value: Any) -> None:
        if kind == QUEUE and type(value) is int:
            self._queued(max(0, min(value, 999)))
        elif kind == USAGE and isinstance(value, dict):
            self.usage = Usage.from_json(value.get("usage")) or self.usage

    def _queued(self, position: int) -> None:
        if position != self.position:
            self.position = position
            self._publish()

    def _publish(self) -> Broadcast[Status]:
        status = self.status()
        if self._statuses is None:
            self._statuses = Broadcast(status)
        elif not _same(status, self._statuses.value) and status.since is None and status.code != NOT_SET_UP:
            status = replace(status, since=self._now())
        self._statuses.publish(status)
        return self._statuses


def _as_relayed(model: Model) -> Model:
    """A host takes no files of a question (`relay.host.asking`), whatever its path does: their text goes instead."""
    return replace(model, modalities=tuple(name for name in model.modalities if name != "pdf"))


def _same(one: Status, other: Status) -> bool:
    return replace(one, since=None) == replace(other, since=None)


def _text(value: object) -> str:
    return value[:1000] if isinstance(value, str) else ""

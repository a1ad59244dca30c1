"""This computer as a remote: its link, and an access path for each other computer of the account."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from connections.changes import heard
from relay.account.keys.device import Role
from relay.account.keys.errors import KeysError
from relay.account.keys.log import LogDevice
from relay.client.path import RelayPath
from relay.link.link import Connect, Identity, Link, LinkState, Phase, Timing
from relay.link.remote import Remote, Terms
from relay.member import Member
from relay.protocol.link import Code, Message
from relay.protocol.presence import KIND, MOST_HOSTS, Presence, from_event
from relay.protocol.route import Log

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 30.0
#: A broker has so long to say who is on line before routes are opened all the same.
TOLD_SECONDS: Final = 1.0


class RelayClient:
    """The ways to the other computers of the account. Run `run` as background work; all on one event loop.

    `member` gives who is signed in, or None. `name` gives what the owner calls a device. `add` and `remove` are told of
    each path (by key) as its computer joins and leaves the account; `look_again` is called where another device has
    seen more of the account. Call `refresh` whenever the account has changed, and `wake` after a sleep.
    """

    def __init__(
        self,
        member: Callable[[], Member | None],
        name: Callable[[bytes], str],
        add: Callable[[RelayPath], None],
        remove: Callable[[str], None],
        *,
        look_again: Callable[[], None] = lambda: None,
        user_agent: str = "Lerix",
        timing: Timing | None = None,
        dial: Connect | None = None,
    ) -> None:
        self._member = member
        self._name = name
        self._add = add
        self._remove = remove
        self._look_again = look_again
        self._user_agent = user_agent
        self._timing = timing
        self._dial = dial
        self._bell = asyncio.Event()
        self._linked: _Linked | None = None

    def refresh(self) -> None:
        """Look now at who is signed in and which computers the account has."""
        self._bell.set()

    def wake(self) -> None:
        """Try now: the network is back, the computer woke up, a person asks."""
        if self._linked is not None:
            self._linked.wake()

    async def run(self) -> None:
        """Keep the ways until cancelled; then all end."""
        try:
            while True:
                self._bell.clear()
                await self._look()
                await heard(self._bell, seconds=LOOK_SECONDS)
        finally:
            await self._end()

    async def _look(self) -> None:
        member = self._member()
        if member is not None:
            try:
                member.check(Role.REMOTE)
            except KeysError:
                member = None
        if self._linked is not None and (member is None or not self._linked.member.is_same_device(member)):
            await self._end()
        if member is None:
            return
        if self._linked is None:
            self._linked = _Linked(member, self._look_again, self._user_agent, self._timing, self._dial)
        linked = self._linked
        linked.member = member
        linked.restart_if_failed()
        hosts = {device.id: device for device in member.others(Role.HOST)}
        for gone in set(linked.ways) - set(hosts):
            await self._leave(linked, gone)
        for device in hosts.values():
            name = self._name(device.id)
            way = linked.ways.get(device.id)
            if way is None:
                way = linked.ways[device.id] = _Way(linked, device, name, self._user_agent)
                self._add(way.path)
            elif way.path.name != name:
                way.path.rename(name)

    async def _leave(self, linked: "_Linked", host: bytes) -> None:
        way = linked.ways.pop(host)
        self._remove(way.path.key)
        await way.end()

    async def _end(self) -> None:
        linked, self._linked = self._linked, None
        if linked is None:
            return
        for host in list(linked.ways):
            await self._leave(linked, host)
        linked.task.cancel()
        await asyncio.wait({linked.task}, timeout=1)


class _Linked:
    """The link of one member."""

    def __init__(
        self,
        member: Member,
        look_again: Callable[[], None],
        user_agent: str,
        timing: Timing | None,
        dial: Connect | None,
    ) -> None:
        self.member = member
        self.look_again = look_again
        self.ways: dict[bytes, _Way] = {}
        #: A device numbers its own routes, over all hosts.
        self.numbers = itertools.count(1)
        #: What the broker says of each host; nothing while there is no link.
        self.presences: dict[bytes, Presence] = {}
        self._untold: asyncio.TimerHandle | None = None
        identity = Identity(member.broker, member.account, member.keys.device, Role.REMOTE, parent=member.parent)
        self.link = Link(
            identity,
            self._handle,
            user_agent=user_agent,
            told=self._told,
            changed=self._changed,
            timing=timing,
            dial=dial,
        )
        self.task = asyncio.get_running_loop().create_task(self.link.run())

    def state(self) -> LinkState:
        """Of the link, for the paths."""
        return self.link.state

    def wake(self) -> None:
        """Dial and open routes now."""
        self.link.wake()
        for way in self.ways.values():
            way.remote.wake()

    def restart_if_failed(self) -> None:
        """A link ends by itself only where there is an error of ours."""
        if self.task.done():
            if not self.task.cancelled() and (error := self.task.exception()) is not None:
                logger.error("The link to the broker failed and is begun again.", exc_info=error)
            self.task = asyncio.get_running_loop().create_task(self.link.run())

    async def _handle(self, message: Message) -> None:
        for way in self.ways.values():
            if way.remote.takes(message):
                return

    def _told(self, event: Mapping[str, Any]) -> None:
        for presence in from_event(event):
            way = self.ways.get(presence.host)
            if way is not None:
                way.present(presence)
            if presence.host in self.presences or len(self.presences) < MOST_HOSTS:
                self.presences[presence.host] = presence
        if event.get("kind") == KIND and self._untold is not None:
            self._try()

    def _changed(self) -> None:
        self._be_told(ready=self.link.state.phase is Phase.READY)
        if self.link.state.code in {Code.REVOKED, Code.REFUSED, Code.NO_PLAN}:
            self.look_again()  # the account's page should know as well
        for way in self.ways.values():
            if self.link.state.phase is not Phase.READY:
                way.remote.link_down(self.link.state.code)
                way.present(None)
            way.path.noticed()

    def _be_told(self, *, ready: bool) -> None:
        """After READY the broker says who is on line; until then a route would only be refused."""
        if self._untold is not None:
            self._untold.cancel()
            self._untold = None
        if ready:
            self._untold = asyncio.get_running_loop().call_later(TOLD_SECONDS, self._try)
        else:
            self.presences.clear()

    def _try(self) -> None:
        """Open the routes of which nothing speaks against it."""
        if self._untold is not None:
            self._untold.cancel()
            self._untold = None
        for host, way in self.ways.items():
            presence = self.presences.get(host)
            if presence is None or presence.online:
                way.remote.wake()


class _Way:
    """The way to one host, and its access path."""

    def __init__(self, linked: _Linked, device: LogDevice, name: str, user_agent: str) -> None:
        self._linked = linked
        self._device = device
        self.remote = Remote(
            linked.link, self._terms, numbers=linked.numbers, peer_log=self._peer_log, changed=self._changed
        )
        self.path = RelayPath(device.id, name, self.remote, linked.state, user_agent)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self.remote.run()), loop.create_task(self.path.follow())]
        self.present(linked.presences.get(device.id))

    def present(self, presence: Presence | None) -> None:
        """What the broker says of this host, or that it says nothing now."""
        self.path.present(presence)
        self.remote.present(online=None if presence is None else presence.online)

    async def end(self) -> None:
        """Close everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=1)
        await self.path.aclose()

    def _terms(self) -> Terms:
        member = self._linked.member
        return Terms(
            account=member.account,
            host=self._device.id,
            remote=member.keys.device.id,
            epoch=member.log.epoch,
            host_key=self._device.public.agreement,
            static=member.keys.device.agreement.reveal(),
            psk=member.psk,
            log=Log(member.log.n, member.log.head),
        )

    def _peer_log(self, log: Log) -> None:
        if log.n > self._linked.member.log.n:
            self._linked.look_again()

    def _changed(self) -> None:
        if self.remote.code == Code.OTHER_EPOCH:
            self._linked.look_again()
        self.path.noticed()

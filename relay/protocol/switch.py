"""The broker's part of the relay, without sockets: which message goes to whom, and who is held to what.

A link is a device's connection that has proved itself. A host's link waits; a remote's link opens routes to it, and the
switch passes DATA between the two without looking inside. What it holds everybody to:

    credit        a sender may have so many bytes under way as the receiver granted; more ends its link (4429).
                  Whatever the peers do, a route costs no more than what was granted in both directions
    bytes         an account's bytes a second: what is over is held back by passing CREDIT on later
    links, routes, openings      counted for each device and account

    join(link) → receive(link, message, now) ... → leave(link)      each gives what to send, and which links to end
    tick(now)                                                       passes on what was held back

A device that dials again supersedes its older link of the same role (4409). One that closes its link with a code passes
it on to the other ends of its routes: a host's last word says why it leaves.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from relay.protocol.errors import FrameMalformed
from relay.protocol.limits import Bucket
from relay.protocol.link import FIRST_CREDIT, Code, Credit, Message, Type, close, read_close
from relay.protocol.presence import LAST_WORDS

HOST: Final = 1
REMOTE: Final = 2
_CODES: Final = frozenset(map(int, Code))


@dataclass(frozen=True)
class SwitchLimits:
    """Counts at once, openings a second, bytes a second."""

    links_of_account: int = 32
    remotes_of_host: int = 8
    routes_of_link: int = 8
    opens: float = 0.5
    open_burst: float = 30.0
    bytes: float = 4.0 * 1024 * 1024
    byte_burst: float = 16.0 * 1024 * 1024


@dataclass(eq=False)
class Link:
    """A device on line. `role` is HOST or REMOTE; `epoch` counts all links of the broker, a newer one wins."""

    account: bytes
    device: bytes
    role: int
    epoch: int
    routes: dict[int, "Route"] = field(default_factory=dict)
    next_route: int = 1

    def __repr__(self) -> str:
        return f"<Link {self.epoch} {'host' if self.role == HOST else 'remote'} with {len(self.routes)} routes>"


@dataclass(eq=False)
class Route:
    """Two links, with the number that each of them calls the route by, and what each may send."""

    remote: Link
    remote_number: int
    host: Link
    host_number: int
    from_remote: Credit = field(default_factory=Credit)
    from_host: Credit = field(default_factory=Credit)

    def other(self, link: Link) -> tuple[Link, int]:
        """The other end, and its number for this route."""
        return (self.host, self.host_number) if link is self.remote else (self.remote, self.remote_number)


@dataclass(frozen=True, slots=True)
class Send:
    """Send this message over that link."""

    link: Link
    message: Message


@dataclass(frozen=True, slots=True)
class End:
    """End that link with this code, after what was sent before."""

    link: Link
    code: Code


Out = Send | End


class _Rate:
    """Bytes an account has left, in seconds of the caller's clock; may fall below zero once."""

    def __init__(self, limits: SwitchLimits) -> None:
        self._limits, self._left, self._then = limits, limits.byte_burst, 0.0

    def spend(self, count: int, now: float) -> None:
        self._refill(now)
        self._left -= count

    def has_some(self, now: float) -> bool:
        self._refill(now)
        return self._left > 0

    def _refill(self, now: float) -> None:
        passed = max(0.0, now - self._then)
        self._then = max(now, self._then)
        self._left = min(self._limits.byte_burst, self._left + passed * self._limits.bytes)


class Switch:
    """All links of one broker process."""

    def __init__(self, limits: SwitchLimits | None = None) -> None:
        self.limits = limits or SwitchLimits()
        self._links: dict[tuple[bytes, bytes, int], Link] = {}
        self._accounts: dict[bytes, set[Link]] = {}
        self._rates: dict[bytes, _Rate] = {}
        self._opens: dict[tuple[bytes, bytes], Bucket] = {}
        self._held: dict[bytes, deque[tuple[Link, Route, int]]] = {}
        self._epoch = 0

    def __len__(self) -> int:
        return len(self._links)

    def find(self, account: bytes, device: bytes, role: int = HOST) -> Link | None:
        """The link of a device, if it is on line."""
        return self._links.get((account, device, role))

    def links(self) -> tuple[Link, ...]:
        """All links."""
        return tuple(self._links.values())

    def of_account(self, account: bytes) -> tuple[Link, ...]:
        """All links of an account."""
        return tuple(self._accounts.get(account, ()))

    def join(self, account: bytes, device: bytes, role: int) -> tuple[Link | None, list[Out]]:
        """A device has proved itself. Returns its link, or None if the account has too many."""
        outs: list[Out] = []
        older = self._links.get((account, device, role))
        if older is not None:
            outs += [*self.leave(older), End(older, Code.SUPERSEDED)]
        if len(self._accounts.get(account, ())) >= self.limits.links_of_account:
            return None, outs
        self._epoch += 1
        link = Link(account, device, role, self._epoch)
        self._links[account, device, role] = link
        self._accounts.setdefault(account, set()).add(link)
        self._rates.setdefault(account, _Rate(self.limits))
        ready = self._epoch.to_bytes(8, "big") + FIRST_CREDIT.to_bytes(4, "big")
        return link, [*outs, Send(link, Message(Type.READY, 0, ready))]

    def leave(self, link: Link, code: Code = Code.DONE) -> list[Out]:
        """A link has gone; its routes end. Harmless for one that has left already."""
        if self._links.get((link.account, link.device, link.role)) is not link:
            return []
        outs = [out for route in list(link.routes.values()) for out in self._end_route(route, code, told=link)]
        del self._links[link.account, link.device, link.role]
        left = self._accounts[link.account]
        left.discard(link)
        if not left:
            del self._accounts[link.account]
            self._held.pop(link.account, None)
        return outs

    def expel(self, link: Link, code: Code) -> list[Out]:
        """End a link from here: a revoked device, a plan that ended."""
        return [*self.leave(link, code), End(link, code)]

    def receive(self, link: Link, message: Message, now: float) -> list[Out]:
        """Take a message of a link. One that breaks the rules ends its sender's link, and nobody else's."""
        if self._links.get((link.account, link.device, link.role)) is not link:
            return []
        try:
            if message.type is Type.DATA:
                return self._data(link, message, now)
            if message.type is Type.CREDIT:
                return self._credit(link, message, now)
            if message.type is Type.OPEN:
                return self._open(link, message, now)
            if message.type is Type.CLOSE:
                return self._closed(link, message)
        except FrameMalformed:
            return self.expel(link, Code.MALFORMED)
        if message.type is Type.PING:
            return [Send(link, Message(Type.PONG, 0, message.payload))]
        if message.type is Type.PONG:
            return []
        return self.expel(link, Code.MALFORMED)

    def tick(self, now: float) -> list[Out]:
        """Pass on the credit that was held back. To be called some times a second while `is_holding`."""
        outs: list[Out] = []
        for account in list(self._held):
            held = self._held[account]
            while held and self._rates[account].has_some(now):
                link, route, count = held.popleft()
                outs += self._pass_credit(link, route, count)
            if not held:
                del self._held[account]
        return outs

    @property
    def is_holding(self) -> bool:
        """Whether credit of some account is held back."""
        return bool(self._held)

    def forget_idle(self, now: float) -> None:
        """Drop the counters of accounts without links. To be called once in some minutes."""
        for account in [account for account in self._rates if account not in self._accounts]:
            del self._rates[account]
        for key in [key for key in self._opens if key[0] not in self._accounts]:
            del self._opens[key]

    # Inside

    def _data(self, link: Link, message: Message, now: float) -> list[Out]:
        route = link.routes.get(message.route)
        if route is None:
            return []  # it was closed while this was under way
        credit = route.from_remote if link is route.remote else route.from_host
        if not credit.spend(len(message.payload)):
            return self.expel(link, Code.CREDIT_EXCEEDED)
        self._rates[link.account].spend(len(message.payload), now)
        other, number = route.other(link)
        return [Send(other, Message(Type.DATA, number, message.payload))]

    def _credit(self, link: Link, message: Message, now: float) -> list[Out]:
        route, count = link.routes.get(message.route), int.from_bytes(message.payload, "big")
        if route is None:
            return []
        if not self._rates[link.account].has_some(now) or link.account in self._held:
            held = self._held.setdefault(link.account, deque())
            # An honest receiver grants what it was sent, so what waits is never more than was under way.
            if len(held) >= 4096 or count == 0:
                raise FrameMalformed
            held.append((link, route, count))
            return []
        return self._pass_credit(link, route, count)

    def _pass_credit(self, link: Link, route: Route, count: int) -> list[Out]:
        other, number = route.other(link)
        if other.routes.get(number) is not route:
            return []
        credit = route.from_host if link is route.remote else route.from_remote
        # Granted beyond what a route begins with: the receiver would make the broker hold it.
        if credit.left + count > FIRST_CREDIT:
            return self.expel(link, Code.CREDIT_EXCEEDED)
        credit.grant(count)
        return [Send(other, Message(Type.CREDIT, number, count.to_bytes(4, "big")))]

    def _open(self, link: Link, message: Message, now: float) -> list[Out]:
        if link.role != REMOTE or message.route in link.routes:
            raise FrameMalformed
        bucket = self._opens.setdefault((link.account, link.device), Bucket(self.limits.opens, self.limits.open_burst))
        host = self._links.get((link.account, message.payload[:16], HOST))
        code = None
        if not bucket.take(now) or len(link.routes) >= self.limits.routes_of_link:
            code = Code.TOO_MANY
        elif host is None:
            code = Code.NO_HOST
        elif len(host.routes) >= self.limits.remotes_of_host:
            code = Code.TOO_MANY
        if code is not None or host is None:
            return [Send(link, close(message.route, code or Code.NO_HOST))]
        route = Route(link, message.route, host, host.next_route)
        host.next_route = host.next_route % 0xFFFFFFFF + 1
        link.routes[message.route] = host.routes[route.host_number] = route
        return [
            Send(host, Message(Type.INCOMING, route.host_number, link.device + message.payload[16:])),
            Send(link, Message(Type.OPENED, message.route, FIRST_CREDIT.to_bytes(4, "big"))),
        ]

    def _closed(self, link: Link, message: Message) -> list[Out]:
        if message.route == 0:
            code = read_close(message.payload)[0]
            said = Code(code) if code in _CODES else Code.DONE
            return [*self.leave(link, said), End(link, said if said in LAST_WORDS else Code.DONE)]
        route = link.routes.get(message.route)
        if route is None:
            return []
        other, number = self._forget_route(route).other(link)
        return [Send(other, Message(Type.CLOSE, number, message.payload))]

    def _end_route(self, route: Route, code: Code, *, told: Link) -> list[Out]:
        other, number = self._forget_route(route).other(told)
        return [Send(other, close(number, code))]

    def _forget_route(self, route: Route) -> Route:
        route.remote.routes.pop(route.remote_number, None)
        route.host.routes.pop(route.host_number, None)
        return route

"""What is known of a request that came over the relay, besides what it says itself."""

from dataclasses import dataclass, field

from relay.host.budget import Lease
from relay.host.offer import Offer
from relay.host.turns import Turn


@dataclass
class Relayed:
    """`device` is the remote's 16 bytes, proved by its channel; `idem` and `digest` name the request (None: a GET).

    `lease` are the bytes it holds, which a turn may take over with `keep_lease`.
    """

    device: bytes
    idem: str | None
    digest: bytes
    offer: Offer
    lease: Lease | None = field(default=None, repr=False)
    #: The device wants no more of it.
    given_up: bool = False
    _turn: Turn | None = field(default=None, repr=False)

    def attach(self, turn: Turn) -> None:
        """From now on `turn` is what giving up stops."""
        self._turn = turn
        if self.given_up:
            turn.stop()

    def give_up(self) -> None:
        """The device pressed Stop. A device that is only gone does not come here."""
        self.given_up = True
        if self._turn is not None:
            self._turn.stop()

    def keep_lease(self) -> Lease | None:
        """The bytes of this request, which are the caller's to release from here on."""
        lease, self.lease = self.lease, None
        return lease

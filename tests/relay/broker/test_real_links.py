"""Two devices' own links over a real broker, and over its restart."""

import asyncio

from relay.account.keys.device import DeviceKeys, Role
from relay.link.link import Identity, Link, Phase, Timing
from relay.protocol.link import Message, Type
from tests.relay.broker.desk import Desk, Person
from tests.serving import BrokerProcess

TIMING = Timing(first_pause=0.05, longest_pause=0.3)


class Ours(Link):
    """A link that can be waited for, and that keeps what it was given."""

    def __init__(self, person: Person, keys: DeviceKeys, role: Role) -> None:
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._bell = asyncio.Event()
        who = Identity(person.desk.address, person.account, keys, role)
        super().__init__(who, self._take, timing=TIMING, changed=self._bell.set)

    async def _take(self, message: Message) -> None:
        self.inbox.put_nowait(message)

    async def at(self, phase: Phase) -> None:
        """Wait until it stands there."""
        async with asyncio.timeout(20):
            while self.state.phase is not phase:
                self._bell.clear()
                await self._bell.wait()


async def test_links_meet_and_come_back_after_the_broker_was_killed() -> None:
    with BrokerProcess() as broker:
        person = Desk(broker).create()
        phone = person.join().device
        broker.sql("UPDATE broker_account SET plan_id = 'pro'")
        host, remote = Ours(person, person.device, Role.HOST), Ours(person, phone, Role.REMOTE)
        running = [asyncio.create_task(link.run()) for link in (host, remote)]
        try:
            for attempt in range(2):
                await host.at(Phase.READY)
                await remote.at(Phase.READY)
                async with asyncio.timeout(20):
                    await remote.send(Message(Type.OPEN, attempt + 1, person.device.id + bytes(4)))
                    incoming = await host.inbox.get()
                    assert incoming.type is Type.INCOMING
                    assert (await remote.inbox.get()).type is Type.OPENED
                    for number in range(100):
                        await remote.send(Message(Type.DATA, attempt + 1, bytes([number]) * 5000))
                    for number in range(100):
                        assert (await host.inbox.get()).payload == bytes([number]) * 5000
                if attempt == 0:
                    port = broker.port
                    broker.kill()
                    broker.command[broker.command.index("--port") + 1] = str(port)
                    await host.at(Phase.WAITING)
                    await remote.at(Phase.WAITING)
                    await asyncio.to_thread(broker.start)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

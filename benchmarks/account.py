"""What an account costs, and whether a broker's answers tell by their time which addresses it knows.

    .venv/bin/python -m benchmarks.account               everything, some ten minutes
    .venv/bin/python -m benchmarks.account --quick       fewer repeats
    .venv/bin/python -m benchmarks.account --only NAME   one part (may be given more than once)

signin   a new device signs in, by parts: what its own processor does, and what the broker does
crowd    100 devices log in at once, each from a network of its own
memory   a broker that nobody asks anything, and the same after the crowd
timing   known against unknown addresses: Welch's t for each address of the interface that takes an e-mail, from
         1,000 pairs in random order; under 3.29, chance alone would give more once in a thousand times

A real `lerix broker` runs in a process of its own; everything stays on loopback. Needs Linux (/proc).
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.bed import Figure, ms, others_at_work, quantile
from benchmarks.streaming import report
from connections.secrets import Secret
from relay.account.keys import flows, password
from relay.account.keys.device import EVERY_ROLE
from relay.api import PREFIX, Purpose
from relay.api.fields import encode
from relay.api.messages import Login, Prelogin
from relay.api.states import Opened
from tests.relay.broker.desk import PASSWORD, Desk, Person, new_address
from tests.serving import PUBLIC, BrokerProcess

#: What chance alone exceeds once in a thousand times, of many degrees of freedom, on either side.
MOST_T = 3.29


class Stopwatch:
    """Seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure what is done within."""
        begun = time.perf_counter()
        yield
        self.seconds[name].append(time.perf_counter() - begun)

    def median(self, name: str) -> float:
        """The middle one, in seconds."""
        return statistics.median(self.seconds[name])


def sign_in_once(person: Person, watch: Stopwatch) -> None:
    """Do what a device does to join an account."""
    desk = person.desk
    with watch.part("broker: prelogin"):
        answer = desk.post("prelogin", {"email": person.email})
    prelogin = Prelogin.from_json(answer.json())
    with watch.part("device: stretch the password"):
        keys = password.stretch(Secret(PASSWORD), person.email, suite=prelogin.suite, salt=prelogin.salt)
    with watch.part("broker: log in"):
        answer = desk.post("login", Login(person.email, keys.auth).to_json())
    with watch.part("device: open the bundle, read the log, join"):
        opened = Opened.from_json(answer.json())
        before = flows.unlock(opened.copy, opened.entries, keys, account=person.account)
        joined = flows.add_device(before, "Another Mac", EVERY_ROLE)
    with watch.part("broker: take the update"):
        desk.update(joined.update, opened.unlock).raise_for_status()
    with watch.part("broker: prove the device"):
        desk.session(person.account, joined.device)


def signin(broker: BrokerProcess, *, quick: bool) -> list[Figure]:
    """A sign-in by its parts."""
    watch, times = Stopwatch(), 5 if quick else 20
    for _ in range(times):
        person = Desk(broker).create()
        sign_in_once(person, watch)
        broker.forget_limits()
    names = list(watch.seconds)
    whose = {who: sum(watch.median(name) for name in names if name.startswith(who)) for who in ("device", "broker")}
    return [
        Figure("Sign-in on a new device, its own work / the broker's, p50", " / ".join(map(ms, whose.values()))),
        *(Figure(f"of that, {name}", ms(watch.median(name))) for name in names),
    ]


def crowd(broker: BrokerProcess, *, quick: bool) -> list[Figure]:
    """Many log-ins at the same moment."""
    person, count = Desk(broker).create(), 100
    keys = person.created.after.keys
    if keys is None:
        raise RuntimeError("a new account has the keys of its password")
    login = Login(person.email, keys.auth).to_json()

    def once(number: int) -> float:
        desk = Desk(broker, f"10.200.{number}.1")
        begun = time.perf_counter()
        desk.post("login", login).raise_for_status()
        return time.perf_counter() - begun

    seconds = []
    for _ in range(1 if quick else 5):
        with ThreadPoolExecutor(count) as pool:
            begun = time.perf_counter()
            taken = list(pool.map(once, range(count)))
            seconds.append((time.perf_counter() - begun, quantile(taken, 0.5), max(taken)))
        broker.forget_limits()
    whole, middle, slowest = (statistics.median(column) for column in zip(*seconds, strict=True))
    return [Figure(f"{count} log-ins at once: all / p50 / slowest", " / ".join(map(ms, (whole, middle, slowest))))]


def memory(broker: BrokerProcess, *, quick: bool) -> list[Figure]:
    """Resident memory before anybody came, and after a crowd."""
    idle = resident(broker.pid)
    crowd(broker, quick=True)
    return [Figure("Memory of an idle broker / after 100 log-ins", f"{idle} / {resident(broker.pid)} MB")]


def resident(process: int) -> int:
    """Resident memory in MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024


def timing(broker: BrokerProcess, *, quick: bool) -> list[Figure]:
    """Known and unknown addresses, asked in turns whose order is left to chance."""
    known = Desk(broker).create().email
    pairs = 200 if quick else 1000
    nothing = encode(bytes(32))
    with httpx.Client(base_url=broker.url + PREFIX, timeout=30, trust_env=False) as client:

        def post(path: str, body: Mapping[str, Any]) -> Callable[[str, str], None]:
            def ask(email: str, network: str) -> None:
                headers = {"host": PUBLIC, "x-forwarded-proto": "https", "x-forwarded-for": network}
                answer = client.post(path, json={"email": email, **body}, headers=headers)
                if answer.status_code not in {200, 202, 401}:
                    raise RuntimeError(f"{path} answered {answer.status_code}: {answer.text}")

            return ask

        asked = {
            "prelogin": post("prelogin", {}),
            "login": post("login", {"auth": nothing}),
            **{f"tickets, {purpose}": post("tickets", {"purpose": purpose.value}) for purpose in Purpose},
        }
        return [_compare(name, ask, known, pairs, broker) for name, ask in asked.items()]


def _compare(name: str, ask: Callable[[str, str], None], known: str, pairs: int, broker: BrokerProcess) -> Figure:
    chance = random.Random(name)  # noqa: S311 - an order
    seconds: dict[bool, list[float]] = {True: [], False: []}
    # One unknown address as there is one known: both have rows of their own in what is counted.
    unknown = new_address()
    gc.disable()
    try:
        for number in range(pairs + 20):
            if number % 4 == 0:
                broker.forget_limits()
            for is_known in chance.sample((True, False), 2):
                network = f"10.{100 + is_known}.{number % 250}.1"
                begun = time.perf_counter()
                ask(known if is_known else unknown, network)
                if number >= 20:  # the first ones fill caches
                    seconds[is_known].append(time.perf_counter() - begun)
    finally:
        gc.enable()
        broker.forget_limits()
    t = welch(seconds[True], seconds[False])
    middle = " / ".join(ms(statistics.median(seconds[which])) for which in (True, False))
    value = f"{middle}, t = {t:+.2f}"
    return Figure(f"Known / unknown address, {name}, p50", value, f"\\|t\\| < {MOST_T}", abs(t) < MOST_T)


def welch(one: Sequence[float], other: Sequence[float]) -> float:
    """Welch's t of two samples, each without its slowest hundredth, which is the machine's."""
    trimmed = [sorted(each)[: max(2, len(each) * 99 // 100)] for each in (one, other)]
    means = [statistics.mean(each) for each in trimmed]
    errors = [statistics.variance(each) / len(each) for each in trimmed]
    return float((means[0] - means[1]) / sum(errors) ** 0.5)


PARTS: dict[str, Callable[..., list[Figure]]] = {
    "signin": signin,
    "crowd": crowd,
    "memory": memory,
    "timing": timing,
}


def main(arguments: Sequence[str]) -> int:
    """Measure and print; each part has a broker of its own."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.account", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=list(PARTS), metavar="NAME", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    options = parser.parse_args(arguments)
    figures: list[Figure] = []
    noise = []
    for name in options.only or list(PARTS):
        noise.append(others_at_work())
        print(f"{name} ... (processors {noise[-1]:.0%} in use by others)", file=sys.stderr, flush=True)
        with BrokerProcess() as broker:
            figures += PARTS[name](broker, quick=options.quick)
    return report(figures, noise)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

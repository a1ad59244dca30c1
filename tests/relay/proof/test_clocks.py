"""Computers whose clocks are a day off, one in each direction, do everything that others do."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from tests.relay.proof.computers import Computer, Household, until
from tests.upstream import Reply

DAY = 86_400
#: Runs Lerix with another time of day, as a computer with a wrong clock has. What measures time is not touched.
WRONG = """
import datetime, sys, time
real, right = time.time, datetime.datetime

class Kind(type):
    def __instancecheck__(cls, thing):
        return isinstance(thing, right)

class Wrong(right, metaclass=Kind):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds=OFF)

    @classmethod
    def utcnow(cls):
        return super().now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(seconds=OFF)

    @classmethod
    def today(cls):
        return cls.now()

time.time = lambda: real() + OFF
datetime.datetime = Wrong
from lerix_web.cli import main
sys.argv[0] = "lerix"
sys.exit(main())
"""


def restart(computer: Computer, command: list[str]) -> None:
    computer.terminate()
    computer.kill()
    computer.command = command
    computer.start()


def restart_both(home: Household, commands: list[list[str]]) -> None:
    with ThreadPoolExecutor() as both:
        list(both.map(restart, (home.mac, home.laptop), commands))
    home.ready()


def wrong(command: list[str], off: int) -> list[str]:
    return [sys.executable, "-c", WRONG.replace("OFF", str(off)), *command[command.index("serve") :]]


def test_with_clocks_a_day_off_answers_stream_and_presence_is_true(home: Household) -> None:
    right = [list(computer.command) for computer in (home.mac, home.laptop)]
    try:
        for mac, laptop in ((DAY, -DAY), (-DAY, DAY)):
            restart_both(home, [wrong(command, off) for command, off in zip(right, (mac, laptop), strict=True)])
            asked = home.asked()
            home.up.reply(Reply("All is well."))
            answer = home.ask()
            assert home.whole(answer) == "All is well."
            assert home.asked() == asked + 1
            ((written,),) = home.laptop.rows("SELECT created FROM chat_message WHERE id = ?", answer.id)
            # The clock is as wrong as it should be.
            moment = datetime.fromisoformat(f"{written}+00:00").timestamp()
            assert abs(moment - time.time() - laptop) < 3600
            home.switch(on=False)
            until(lambda: not home.is_ready())
            until(lambda: "switched off" in home.why())
            home.switch()
            home.ready()
    finally:
        restart_both(home, right)

"""Two real Lerix and a real broker: answers stream through, and killing or cutting any of the three loses nothing.

What an answer's sender is told is honest, and the service that costs money is asked once for each message.
"""

import signal
import time
import uuid

import pytest

from tests.relay.proof.computers import Household, until
from tests.serving import SLACK
from tests.upstream import RESPONSES, Gate, Outcome, Point, Reply

WORDS = [f"word{number} " for number in range(60)]
WHOLE = "".join(WORDS).strip()


def held(home: Household) -> Gate:
    """The next answer is ours to let go on, word by word."""
    gate = Gate(Point.DELTA)
    home.up.reply(Reply(chunks=WORDS, gate=gate))
    return gate


def test_an_answer_streams_through_while_it_is_made(home: Household) -> None:
    gate, before = held(home), home.asked()
    answer = home.ask()
    gate.wait_held(timeout=60)
    for count in (3, 7, 20):
        gate.step(count - len(home.said(answer).text.split()))
        until(lambda: len(home.said(answer).text.split()) == count)  # noqa: B023
        assert home.said(answer).state == "streaming"
    gate.open()
    assert home.whole(answer).strip() == WHOLE
    assert home.asked() == before + 1


def test_over_a_slow_line_it_is_whole_too(home: Household) -> None:
    home.laptop.line.delay = home.mac.line.delay = 0.03
    home.up.reply(Reply(chunks=WORDS))
    before = home.asked()
    assert home.whole(home.ask()).strip() == WHOLE
    assert home.asked() == before + 1


@pytest.mark.parametrize("when", ["while it is sent", "before the first word", "between the words", "at the end"])
def test_a_message_whose_line_is_cut_is_asked_once_and_answered_whole(home: Household, when: str) -> None:
    gate, before = held(home), home.asked()
    if when == "while it is sent":
        home.laptop.line.silent.set()
        answer = home.ask()
        time.sleep(0.2)
        home.laptop.line.cut()
        home.laptop.line.silent.clear()
    else:
        answer = home.ask()
    gate.wait_held(timeout=60)
    if when == "before the first word":
        home.laptop.line.cut()
    elif when == "between the words":
        gate.step(20)
        until(lambda: "word9" in home.said(answer).text)
        home.mac.line.cut()
        gate.step(20)
    elif when == "at the end":
        home.laptop.line.dead.set()
        home.laptop.line.cut()
        gate.open()
        # The Mac has it all, and nobody has fetched it.
        assert home.up.wait_outcome(home.up.to(RESPONSES)[-1], 60) is Outcome.ANSWERED
        assert home.said(answer).state == "streaming"
        home.laptop.line.dead.clear()
    gate.open()
    assert home.whole(answer).strip() == WHOLE
    assert home.asked() == before + 1


@pytest.mark.parametrize("which", ["mac", "laptop", "broker"])
def test_a_process_that_is_frozen_for_a_moment_goes_on_where_it_was(home: Household, which: str) -> None:
    process = {"mac": home.mac, "laptop": home.laptop, "broker": home.broker}[which]
    gate, before = held(home), home.asked()
    answer = home.ask()
    gate.wait_held(timeout=60)
    gate.step(10)
    until(lambda: "word9" in home.said(answer).text)
    process.signal(signal.SIGSTOP)
    try:
        gate.step(10)
        time.sleep(0.7)
    finally:
        process.signal(signal.SIGCONT)
    gate.open()
    assert home.whole(answer).strip() == WHOLE
    assert home.asked() == before + 1


def test_stop_on_the_laptop_ends_the_request_of_the_mac_within_a_second(home: Household) -> None:
    gate, before = held(home), home.asked()
    answer = home.ask()
    gate.wait_held(timeout=60)
    gate.step(10)
    until(lambda: "word9" in home.said(answer).text)
    ((chat,),) = home.laptop.rows("SELECT chat_id FROM chat_message WHERE id = ?", answer.id)
    begun = time.monotonic()
    home.laptop.post(f"/chats/{uuid.UUID(chat)}/stop/")
    assert home.up.wait_outcome(home.up.to(RESPONSES)[-1], 60) is Outcome.LEFT
    assert time.monotonic() - begun < 1 + SLACK
    until(lambda: home.said(answer).state == "stopped")
    assert home.said(answer).text.strip() == "".join(WORDS[:10]).strip()
    assert home.asked() == before + 1


def test_a_broker_that_is_killed_in_mid_stream_loses_no_turn_and_both_are_back_within_ten_seconds(
    home: Household,
) -> None:
    gate, before = held(home), home.asked()
    answer = home.ask()
    gate.wait_held(timeout=60)
    gate.step(10)
    until(lambda: "word5" in home.said(answer).text)
    port = home.broker.port
    killed = time.monotonic()
    home.broker.kill()
    until(lambda: not home.is_ready(), what="the laptop still shows the Mac as ready")
    gate.step(10)
    home.broker.command[home.broker.command.index("--port") + 1] = str(port)
    home.broker.start()
    # Whoever was away for long is looked for less often.
    away = time.monotonic() - killed
    assert home.ready(120) < 10 + SLACK + 2 * away
    gate.open()
    assert home.whole(answer).strip() == WHOLE
    assert home.asked() == before + 1


def test_a_laptop_that_is_killed_in_mid_stream_stops_no_turn_and_asks_nothing_twice(home: Household) -> None:
    gate, before = held(home), home.asked()
    answer = home.ask()
    gate.wait_held(timeout=60)
    gate.step(10)
    until(lambda: "word5" in home.said(answer).text)
    home.laptop.kill()
    gate.open()
    # The Mac has it read to its end all the same.
    assert home.up.wait_outcome(home.up.to(RESPONSES)[-1], 60) is Outcome.ANSWERED
    home.laptop.start()
    now = until(lambda: (now := home.said(answer)).state != "streaming" and now)
    assert now.state == "interrupted"
    assert WHOLE.startswith(now.text.strip())
    home.ready()
    assert home.asked() == before + 1
    home.up.reply(Reply(chunks=WORDS))
    home.laptop.post(f"/messages/{answer.id}/retry/")
    until(lambda: home.asked() == before + 2)
    until(lambda: home.laptop.answer().state == "complete")
    assert home.laptop.answer().text.strip() == WHOLE


def test_a_mac_that_is_killed_in_mid_stream_is_told_honestly_and_asks_nothing_twice_when_it_is_back(
    home: Household,
) -> None:
    gate, before = held(home), home.asked()
    answer = home.ask()
    gate.wait_held(timeout=60)
    gate.step(10)
    until(lambda: "word9" in home.said(answer).text)
    home.mac.kill()
    until(lambda: not home.is_ready())
    gate.open()
    home.mac.start()
    ended = until(lambda: (now := home.said(answer)).state != "streaming" and now)
    assert ended.state == "failed"
    assert ended.text.strip() == "".join(WORDS[:10]).strip()
    assert ended.error is not None
    assert ended.error["code"] == "relay-forgotten"
    assert "What had come is kept" in ended.error["sentence"]
    home.ready()
    time.sleep(0.5)
    assert home.asked() == before + 1


@pytest.mark.parametrize("what", ["quits", "is killed", "is switched off"])
def test_what_the_mac_has_asked_for_already_is_not_asked_again_when_it_goes_before_the_first_word(
    home: Household, what: str
) -> None:
    before, gate = home.asked(), home.up.gate(Point.HEADERS)
    answer = home.ask()
    gate.wait_held(timeout=60)
    if what == "quits":
        home.mac.terminate()
    elif what == "is killed":
        home.mac.kill()
    else:
        home.switch(on=False)
    until(lambda: not home.is_ready())
    if what != "is killed":
        # It said goodbye, so nobody waits for it.
        until(lambda: home.said(answer).state == "failed")
    gate.open()
    if what == "is switched off":
        home.switch()
    else:
        home.mac.kill()
        home.mac.start()
    home.ready()
    ended = until(lambda: (now := home.said(answer)).state not in {"streaming", "waiting"} and now)
    assert ended.state == "failed"
    assert ended.text == ""
    time.sleep(0.5)
    assert home.asked() == before + 1


def test_a_mac_that_quits_is_said_to_be_closed_and_its_message_is_kept_taken_back_and_sent_once(
    home: Household,
) -> None:
    before = home.asked()
    home.mac.terminate()
    until(lambda: not home.is_ready())
    until(lambda: "closed" in home.why())
    kept = home.ask("Do you hear me?")
    until(lambda: home.said(kept).state == "waiting")
    home.laptop.post(f"/messages/{kept.id}/take-back/")
    assert kept.id not in {said.id for said in home.laptop.messages()}
    again = home.ask("Are you there?")
    until(lambda: home.said(again).state == "waiting")
    # The laptop crashes meanwhile: the message waits on.
    home.laptop.kill()
    home.laptop.start()
    assert home.said(again).state == "waiting"
    home.up.reply(Reply(chunks=WORDS))
    home.mac.kill()
    home.mac.start()
    assert home.whole(again).strip() == WHOLE
    time.sleep(0.3)
    asked = home.up.to(RESPONSES)[before:]
    assert len(asked) == 1
    assert "Are you there?" in str(asked[0].json)
    assert "Do you hear me?" not in str(asked[0].json)

"""Frames, headers, messages and sessions in the browser: the same bytes and the same refusals as in Python."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from relay.protocol import frames, headers, link
from relay.protocol.frames import UNNUMBERED, Frame, Kind
from relay.protocol.headers import Answer, Request
from relay.protocol.limits import Limits
from tests.browser.vault.conftest import Vault
from tests.browser.vault.test_sessions import asked


def test_frames_are_written_as_python_writes_them(wires: Vault) -> None:
    cases = [
        Frame(Kind.DATA, 7, 2**40 + 3, 2**33, bytes(range(256)) * 64),
        Frame(Kind.DATA, 2**32 - 1, 0, 0, b"x"),
        Frame(Kind.CONFIRM, 0, UNNUMBERED, 5),
        Frame(Kind.WINDOW, 0, 9, 1, bytes(4)),
        *(Frame(Kind.DATA, 1, 1, 1, bytes(count)) for count in (0, 232, 233, 1000, 1001, 4072, 4073, 16384, 16385)),
    ]
    given = [
        {
            "kind": int(each.kind),
            "stream": each.stream,
            "seq": -1 if each.seq == UNNUMBERED else each.seq,
            "ack": each.ack,
            "payload": each.payload.hex(),
        }
        for each in cases
    ]
    expected = [asked(lambda frame=frame: frame.encode().hex()) for frame in cases]
    assert wires.call("encodeFrames", cases=given) == expected
    assert expected[-1] == {"error": 4404}


def test_frames_are_read_and_refused_as_python_does(wires: Vault) -> None:
    chance = random.Random(4)
    whole = [
        Frame(Kind.HEADERS, 1, 0, 0, b"{}").encode(),
        Frame(Kind.ACK, 0, UNNUMBERED, 2**53).encode(),
        Frame(Kind.RESET, 3, 2**60, 1, b"\0\1").encode(),
        Frame(Kind.END, 3, 1, UNNUMBERED).encode(),
        Frame(Kind.PING, 0, UNNUMBERED, UNNUMBERED, bytes(8)).encode(),
        Frame(Kind.GOAWAY, 0, 4, 1, bytes(6)).encode(),
        Frame(Kind.WINDOW, 0, 4, 1, bytes(4)).encode(),
        Frame(Kind.DATA, 5, 4, 1, bytes(240)).encode(),
    ]
    cases = list(whole)
    for frame in whole:
        for at in [*range(26), len(frame) - 1]:
            changed = bytearray(frame)
            changed[at] ^= chance.choice([1, 2, 128])
            cases.append(bytes(changed))
        cases += [frame[:-1], frame + b"\0", frame + bytes(1024 - len(frame)), b""]

    def read(data: bytes) -> Any:
        frame = asked(frames.decode, data)
        if isinstance(frame, dict):
            return frame
        seq, ack = ("far" if 2**53 <= each < UNNUMBERED else each for each in (frame.seq, frame.ack))
        numbers = {"seq": -1 if seq == UNNUMBERED else seq, "ack": ack}
        return {"kind": int(frame.kind), "stream": frame.stream, "payload": frame.payload.hex(), **numbers}

    expected = [read(each) for each in cases]
    assert sum("error" in each for each in expected) > len(expected) / 4
    assert wires.call("decodeFrames", cases=[each.hex() for each in cases]) == expected


def test_requests_are_written_and_refused_as_python_does(wires: Vault) -> None:
    idem = "0123456789abcdef" * 2
    cases: list[tuple[str, str, list[list[str]], str | None]] = [
        ("GET", "/", [], None),
        ("HEAD", "/a?b=c&d", [["accept", "*/*"]], None),
        ("POST", "/x", [["x-y", 'tab\t "quoted\\" é ÿ']], idem),
        ("POST", "/x", [], None),
        ("GET", "/x", [], idem),
        ("get", "/", [], None),
        ("GET", "//host/", [], None),
        ("GET", "https://host/", [], None),
        ("GET", "/a b", [], None),
        ("GET", "/é", [], None),
        ("GET", "/", [["Accept", ""]], None),
        ("GET", "/", [["a", "b\nc"]], None),
        ("GET", "/", [["a", "ā"]], None),
        ("GET", "/", [["a", "\x7f"]], None),
        ("GET", "/", [["a", "b"]] * 64, None),
        ("GET", "/", [["a", "b"]] * 65, None),
        ("GET", "/", [["a", "b" * 16384]], None),
        ("POST", "/", [], idem.upper()),
        ("POST", "/\n", [], idem),
        ("A" * 17, "/", [], idem),
    ]
    expected = [
        asked(lambda m=m, p=p, h=h, i=i: Request(m, p, tuple((n, v) for n, v in h), i).encode().hex())
        for m, p, h, i in cases
    ]
    given = [dict(zip(("method", "path", "headers", "idem"), each, strict=True)) for each in cases]
    assert {str(each) for each in expected if isinstance(each, dict)} == {"{'error': 4404}", "{'error': 4423}"}
    assert wires.call("encodeRequests", cases=given) == expected


def test_answers_are_read_and_refused_as_python_does(wires: Vault) -> None:
    cases = [
        Answer(200, (("content-type", "text/html; charset=utf-8"), ("set-cookie", 'é"\\'))).encode(),
        Answer(599).encode(),
        *(b'{"s":%s,"h":[]}' % status for status in (b"199", b"600", b'"200"', b"true", b"null")),
        *(b'{"s":200,"h":%s}' % each for each in (b"{}", b'[["a"]]', b'[["a",1]]', b'[["a","b","c"]]', b'[["A",""]]')),
        b'{"s":200}',
        b'{"s":200,"h":[],"x":1}',
        b'{"s":200,"h":[["a","\\ud800"]]}',
        *(b"[]", b"null", b"", b"x", b'"s,h"'),
        b'\xef\xbb\xbf{"s":200,"h":[]}',
        b'{"s":200,"h":[["a","\xff"]]}',
        json.dumps({"s": 200, "h": [["a", "b"]] * 65}).encode(),
        b" " * 9 + b'{"h": [], "s": 404}\n',
    ]

    def read(payload: bytes) -> Any:
        answer = asked(headers.decode_answer, payload)
        if isinstance(answer, dict):
            return answer
        return {"status": answer.status, "headers": [list(pair) for pair in answer.headers]}

    assert wires.call("decodeAnswers", cases=[each.hex() for each in cases]) == [read(each) for each in cases]


# Messages of the outer link


def test_the_numbers_of_messages_codes_and_limits_are_those_of_python(wires: Vault) -> None:
    named = wires.call("linkNames")
    assert named["type"] == {each.name: int(each) for each in link.Type}
    assert named["code"] == {each.name: int(each) for each in link.Code}
    assert (named["path"], named["credit"]) == (link.PATH, link.FIRST_CREDIT)
    limits = Limits()
    assert wires.call("limits") == {
        "streams": limits.streams,
        "streamWindow": limits.stream_window,
        "sessionWindow": limits.session_window,
        "kept": limits.kept,
        "keptFrames": limits.kept_frames,
        "ackEvery": limits.ack_every,
    }


def test_messages_are_written_read_and_refused_as_python_does(wires: Vault) -> None:
    chance = random.Random(6)
    whole = [
        link.Message(link.Type.HELLO, 0, bytes(range(32))),
        link.Message(link.Type.DATA, 2**32 - 1, b"x" * link.MAX_DATA),
        link.Message(link.Type.OPEN, 1, bytes(20)),
        link.Message(link.Type.CREDIT, 7, bytes(4)),
        link.Message(link.Type.EVENT, 0, b"{}"),
        link.Message(link.Type.CLOSE, 0, b"\x0f\xa0"),
        link.Message(link.Type.CLOSE, 3, b"\x0f\xa0why"),
        link.Message(link.Type.DATA, 3, b""),
        link.Message(link.Type.DATA, 1, b"x" * (link.MAX_DATA + 1)),
    ]
    written = [asked(lambda each=each: each.encode().hex()) for each in whole]
    given = [(int(each.type), each.route, each.payload.hex()) for each in whole]
    assert wires.call("encodeMessages", cases=given) == written
    cases = [bytes.fromhex(each) for each in written if isinstance(each, str)]
    for message in list(cases):
        for at in range(6):
            changed = bytearray(message)
            changed[at] ^= chance.choice([1, 2, 16])
            cases.append(bytes(changed))
        cases += [message[:5], message[:6], message + b"\0"]

    def read(data: bytes) -> Any:
        message = asked(link.decode, data)
        if isinstance(message, dict):
            return message
        return {"type": int(message.type), "route": message.route, "payload": message.payload.hex()}

    assert wires.call("decodeMessages", cases=[each.hex() for each in cases]) == [read(each) for each in cases]


def test_closes_and_events_are_read_and_refused_as_python_does(wires: Vault) -> None:
    closes = [b"", b"\x11", b"\x11\x31", b"\x11\x31" + b"x" * 120, b"\x11\x31" + b"x" * 121]
    expected = [asked(lambda each=each: link.read_close(each)[0]) for each in closes]
    assert wires.call("closes", cases=[each.hex() for each in closes]) == expected
    said = [b'{"kind": "presence", "hosts": []}', b"[]", b"1", b"", b"null", b"\xff", b'{"a": "\xc3\xa9"}']
    expected = [asked(link.read_event, each) for each in said]
    assert wires.call("events", cases=[each.hex() for each in said]) == expected


def test_credit_is_counted_as_python_counts_it(wires: Vault) -> None:
    steps = [("spend", 5), ("spend", 2**20), ("grant", 5), ("spend", 2**20), ("spend", 1), ("grant", 0)]
    steps += [("grant", 2**31 - 1), ("grant", 1), ("spend", 2**31 - 1)]
    credit = link.Credit()

    def step(name: str, count: int) -> Any:
        if name == "spend":
            return credit.spend(count)
        return asked(credit.grant, count) or credit.left

    expected = [step(*each) for each in steps]
    given = [(name, count if name == "spend" else count.to_bytes(4, "big").hex()) for name, count in steps]
    assert wires.call("credit", steps=given) == expected


# The payload of message 2


def second(**other: Any) -> bytes:
    said = {"v": 1, "log": [3, "ab" * 32], "session": "cd" * 16, "rx": 0, "resumed": False}
    return json.dumps({**said, **other}, separators=(",", ":")).encode().ljust(1024)


@pytest.mark.parametrize(
    "payload",
    [
        second(v=2),
        second(extra=1),
        second(log=[3]),
        second(log=[-1, "ab" * 32]),
        second(log=[1.5, "ab" * 32]),
        second(log=[3, "AB" * 32]),
        second(log=[3, "ab" * 31]),
        second(session="cd" * 15),
        second(session=7),
        second(rx=-1),
        second(rx="0"),
        second(resumed=1),
        second()[:-1],
        second() + b" ",
        b"[]".ljust(1024),
        "é".encode().ljust(1024),
        b"",
    ],
)
def test_a_second_message_that_says_something_else_is_refused(payload: bytes, wires: Vault) -> None:
    assert wires.call("second", payload=payload.hex(), resume=None, shake=True) == {"error": 4401}


def test_only_the_session_that_was_asked_for_is_resumed(wires: Vault) -> None:
    good = {"payload": second().hex(), "resume": None, "shake": True}
    log = {"n": 3, "head": "ab" * 32}
    assert wires.call("second", **good) == {"resumed": False, "session": "cd" * 16, "log": log}
    assert wires.call("second", **{**good, "shake": False}) == {"error": 4401}
    resumed = {**good, "payload": second(resumed=True).hex()}
    assert wires.call("second", **{**resumed, "resume": "cd" * 16})["resumed"] is True
    for wrong in ({"resume": None}, {"resume": "ab" * 16}):
        assert wires.call("second", **{**resumed, **wrong}) == {"error": 4426}
    ahead = {**resumed, "payload": second(resumed=True, rx=1).hex(), "resume": "cd" * 16}
    assert wires.call("second", **ahead) == {"error": 4426}

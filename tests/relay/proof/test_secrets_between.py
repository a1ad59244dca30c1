"""Whatever is said over the relay is nowhere between the two computers, and the Codex session never leaves its own.

Read are both lines as a thief has them, without TLS; the broker's folder, mails and log; the logs of both computers;
and, in plain, all that the Mac answers a device.
"""

import asyncio
import json
import uuid
from dataclasses import dataclass, field

import pytest

from relay.answers import MODELS, RESPONSES, STATE
from tests import disk
from tests.relay.broker.desk import PASSWORD
from tests.relay.broker.test_planted_secrets import found
from tests.relay.proof.computers import LAPTOP, MAC, MODEL, Household, until
from tests.relay.proof.device import device
from tests.upstream import Reply

TEXTS = {
    "question": "planted-question: where is the spare key hidden?",
    "second question": "planted-again: and the other one?",
    "answer": "planted-answer: under the third flower pot, Grüße 🌿",
    "second answer": "planted-second-answer: in the empty bird house",
    "reasoning": "planted-reasoning: nobody looks there",
    "question of a device": "planted-by-a-device: what do you see?",
    "label of an API key": "planted-label of a key",
    "password": PASSWORD,
    "name of the Mac": MAC,
    "name of the laptop": LAPTOP,
    "name of the first device": "Ada’s Mac",
}


@dataclass
class Read:
    """What everybody but the two computers could read, by where it stood; and what the Mac answered a device."""

    secrets: dict[str, bytes]
    tokens: dict[str, bytes]
    places: dict[str, bytes] = field(default_factory=dict)
    logs: dict[str, bytes] = field(default_factory=dict)
    answered: dict[str, bytes] = field(default_factory=dict)


def planted(house: Household) -> dict[str, bytes]:
    """The texts, and the keys that only devices have."""
    _, state = house.person.unlock()
    found = {name: text.encode() for name, text in TEXTS.items()}
    for epoch in range(len(state.workspace)):
        found[f"workspace key {epoch}"] = state.workspace[epoch].reveal()
        found[f"pre-shared key {epoch}"] = state.workspace.relay_psk(epoch).reveal()
    found["signing seed"] = state.bundle.signing_seed.reveal()
    assert state.keys is not None
    found["wrapping key"] = state.keys.wrap.reveal()
    keys, created = house.person.device, house.person.created
    found |= {"agreement key": keys.agreement.reveal(), "signing key": keys.signing.reveal()}
    found |= {
        "recovery key": created.recovery_key.reveal(),
        "recovery key on paper": created.recovery_key.text().reveal().encode(),
    }
    return found


def session_of(house: Household) -> dict[str, bytes]:
    """The Mac's Codex session, and an API key of its own."""
    auth = json.loads((house.mac.home.parent / "codex" / "auth.json").read_text())
    tokens = {f"codex {name}": text.encode() for name, text in auth["tokens"].items() if isinstance(text, str)}
    assert {"codex access_token", "codex refresh_token", "codex id_token"} <= set(tokens)
    key = house.up.add_api_key()
    house.mac.post("/settings/connections/keys/add/", label=TEXTS["label of an API key"], key=key, place="device")
    return {**tokens, "API key": key.encode(), "header of a request to OpenAI": b"Bearer ey"}


async def ask_as_a_device(house: Household) -> dict[str, bytes]:
    """A whole session in plain: everything that may be asked, and what may not."""
    words = [{"type": "input_text", "text": TEXTS["question of a device"]}]
    body = json.dumps(
        {
            "stream": True,
            "model": MODEL,
            "prompt_cache_key": str(uuid.uuid4()),
            "input": [{"type": "message", "role": "user", "content": words}],
        }
    ).encode()
    async with device(house) as mine:
        for path in (STATE, MODELS, "/", "/settings/connections/", "/admin/"):
            await mine.ask("GET", path)
        answer = await mine.ask("POST", RESPONSES, (("content-type", "application/json"),), body)
        assert answer.status == 200
        await mine.ask("POST", RESPONSES, (("content-type", "application/json"),), b"{}")
        return {
            f"answer to {request.method} {request.path} ({number})": repr(answer.headers).encode() + content
            for number, (request, answer, content) in enumerate(mine.answers)
        }


@pytest.fixture(scope="module")
def read(house: Household) -> Read:
    house.heal()
    for question, answer in (("question", "answer"), ("second question", "second answer")):
        house.up.reply(Reply(TEXTS[answer], reasoning=TEXTS["reasoning"]))
        assert house.whole(house.ask(TEXTS[question])) == TEXTS[answer]
    made = Read(planted(house), session_of(house))
    made.answered = asyncio.run(ask_as_a_device(house))
    until(lambda: house.asked() >= 3)
    for line, name in ((house.mac.line, "the Mac's line"), (house.laptop.line, "the laptop's line")):
        made.places[name] = line.heard()
    files = disk.contents(house.broker.home, house.broker.mails)
    made.places |= {path.name: data for path, data in files.items()} | {"broker's log": house.broker.stderr.encode()}
    for computer in (house.mac, house.laptop):
        made.logs[f"log of {computer.name}"] = "".join([*computer.logs, computer.stderr]).encode()
    return made


def test_at_least_twenty_secrets_were_planted(read: Read) -> None:
    assert len(read.secrets) + len(read.tokens) >= 24


def test_nothing_of_it_is_on_a_line_or_at_the_broker(read: Read) -> None:
    assert all(len(read.places[line]) > 20_000 for line in ("the Mac's line", "the laptop's line"))
    assert found(read.secrets | read.tokens, read.places) == []


def test_nothing_of_it_is_in_a_log(read: Read) -> None:
    assert found(read.secrets | read.tokens, read.logs | {"broker's log": read.places["broker's log"]}) == []


def test_the_codex_session_and_the_keys_of_the_mac_are_in_no_answer_to_a_device(read: Read) -> None:
    keys = {name: secret for name, secret in read.secrets.items() if name not in TEXTS}
    assert found(read.tokens | keys, read.answered) == []
    assert len(read.answered) == 7


def test_the_search_finds_what_is_there(house: Household, read: Read) -> None:
    assert found({"what a device is told": b"relay-unknown"}, read.answered)
    assert MODEL.encode() in b"".join(read.answered.values())
    for line in ("the Mac's line", "the laptop's line"):
        # The account's id is no secret, and is said by each link under the mask that clients' frames have.
        assert house.person.account in read.places[line]
    assert house.person.email.encode() in read.places["broker.sqlite3"] + b"".join(read.places.values())

"""The messages between a device and the broker: what is written is read again, and nothing else is."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.secrets import Secret
from relay.account.keys import flows
from relay.account.keys.device import EVERY_ROLE, Role
from relay.account.keys.holders import AuthKey, RecoveryAuth
from relay.account.keys.names import SEALED_NAME
from relay.account.keys.recovery import RecoveryKey
from relay.api import Purpose, fields, messages, states
from relay.api.fields import Fields, MessageMalformed, decode, encode

MOMENT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOKEN = encode(bytes(range(32)))
PLAN = states.PlanFacts(
    "free", "Free", sync_keys=True, sync_chats=False, sync_files=False, sync_settings=False, relay=False,
    quota=1 << 20, devices=3,
)  # fmt: skip
DEVICE = states.DeviceState(bytes(16), MOMENT, None, MOMENT, bytes(SEALED_NAME))
STATE = states.AccountState(bytes(16), "a@b.example", 3, 7, MOMENT, PLAN, MOMENT, 12, (DEVICE,))


@pytest.fixture(scope="module")
def created() -> flows.Created:
    return flows.create("a@b.example", Secret("a fairly long password"), "Mac", EVERY_ROLE)


MESSAGES: list[Any] = [
    messages.TicketRequest("a@b.example", Purpose.RECOVER),
    messages.Ticket(TOKEN),
    messages.Confirmation(TOKEN, "01234567"),
    messages.Prelogin(1, bytes(16)),
    messages.Login("a@b.example", AuthKey(bytes(32))),
    messages.Recovery(TOKEN, RecoveryAuth(bytes(32))),
    messages.DeviceName(bytes(16), bytes(16)),
    messages.Nonce(bytes(32)),
    messages.Proof(bytes(16), bytes(16), bytes(32), Role.HOST, bytes(64)),
    messages.Session(TOKEN, MOMENT),
    PLAN,
    DEVICE,
    STATE,
    states.Opened(TOKEN, STATE, b"copy", (b"one", b"two"), bytes(32)),
    states.Info("0.1.0", 1, embedded=True, sign_up=True, default_plan="free", plans=(PLAN,)),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_is_written_is_read_again(message: Any) -> None:
    assert type(message).from_json(json.loads(json.dumps(message.to_json()))) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_no_token_code_or_key_shows_in_a_repr(message: Any) -> None:
    shown = repr(message)
    for secret in (TOKEN, "01234567", encode(bytes(32))):
        assert secret not in shown


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
@given(data=st.data())
def test_a_field_of_another_kind_is_refused_and_its_content_not_named(message: Any, data: st.DataObject) -> None:
    written = message.to_json()
    name = data.draw(st.sampled_from(sorted(written)))
    wrong = data.draw(st.sampled_from([{"planted": 1}, 1.5, -1, "planted \0", ["planted"], "!" * 2000]))
    with pytest.raises(MessageMalformed) as caught:
        type(message).from_json({**written, name: wrong})
    assert "planted" not in str(caught.value)


def test_an_update_is_read_as_it_was_written(created: flows.Created) -> None:
    creation = messages.Creation(TOKEN, created.update)
    assert messages.Creation.from_json(json.loads(json.dumps(creation.to_json()))) == creation


def test_a_creation_without_a_login_key_or_a_recovery_key_is_refused(created: flows.Created) -> None:
    written = messages.Creation(TOKEN, created.update).to_json()
    for missing in ("auth", "recovery"):
        update = {name: value for name, value in written["update"].items() if name != missing}
        with pytest.raises(MessageMalformed):
            messages.Creation.from_json({**written, "update": update})


def test_a_recovery_key_never_travels(created: flows.Created) -> None:
    written = json.dumps(messages.Creation(TOKEN, created.update).to_json())
    key: RecoveryKey = created.recovery_key
    assert encode(key.reveal()) not in written
    assert key.text().reveal() not in written


@given(st.binary(max_size=200))
def test_bytes_have_one_spelling(data: bytes) -> None:
    text = encode(data)
    assert decode(text) == data
    for other in (text + "=", text + "\n", " " + text, text.replace("-", "+").replace("_", "/") + "A="):
        with pytest.raises(MessageMalformed):
            decode(other)


def test_bits_left_over_in_the_last_character_are_refused() -> None:
    assert decode("AA") == b"\0"
    with pytest.raises(MessageMalformed):
        decode("AB")


@pytest.mark.parametrize("value", [None, [], "text", 3, True])
@pytest.mark.parametrize("reader", [type(message).from_json for message in MESSAGES])
def test_what_is_no_object_is_refused(reader: Callable[[object], object], value: object) -> None:
    with pytest.raises(MessageMalformed):
        reader(value)


def test_a_log_longer_than_any_account_has_is_refused() -> None:
    with pytest.raises(MessageMalformed):
        states.entries_from_json({"entries": [""] * 8193})


@pytest.mark.parametrize("number", [True, 1.0, "1", -1, 2**53 + 1, None])
def test_numbers_are_whole_and_within_what_json_holds_exactly(number: object) -> None:
    with pytest.raises(MessageMalformed):
        Fields({"n": number}).number("n")


def test_times_beyond_the_calendar_are_refused() -> None:
    with pytest.raises(MessageMalformed):
        Fields({"t": 253402300800}).time("t")
    assert fields.seconds(Fields({"t": 0}).time("t")) == 0

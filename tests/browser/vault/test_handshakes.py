"""Live handshakes between the browser and Python's responder, and what must not open them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from relay.protocol.errors import HandshakeFailed, MessageForged
from relay.protocol.noise import SECOND_OVERHEAD, Cipher, Responder
from tests.browser.vault.conftest import Vault

HOST, DEVICE, PSK = bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 96))
PROLOGUE = b"lerix-relay/1 and who is who"


def public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def first(vault: Vault, name: str = "live", payload: bytes = b"hello", **other: Any) -> bytes:
    """Message 1 of a browser that means the host HOST."""
    given = {"own": DEVICE.hex(), "host": public(HOST).hex(), "psk": PSK.hex(), "prologue": PROLOGUE.hex()}
    return bytes.fromhex(vault.call("shake", name=name, payload=payload.hex(), **{**given, **other}))


def shaken(vault: Vault, name: str = "live") -> tuple[Cipher, Cipher]:
    """Shake hands; Python's ciphers to send and to receive with."""
    responder = Responder(static=HOST, prologue=PROLOGUE)
    assert responder.first(first(vault, name)) == b"hello"
    assert responder.remote == public(DEVICE)
    message, send, receive = responder.second(b"welcome", PSK)
    assert vault.call("shaken", name=name, message=message.hex()) == b"welcome".hex()
    return send, receive


def test_browser_and_python_shake_hands_and_talk_both_ways(vault: Vault) -> None:
    send, receive = shaken(vault)
    chance = random.Random(3)
    plain = [chance.randbytes(chance.choice([0, 1, 255, 256, 5000, 16416])) for _ in range(20)]
    sealed = vault.call("send", name="live", plain=[each.hex() for each in plain])
    assert [receive.decrypt(bytes.fromhex(each)) for each in sealed] == plain
    answers = [send.encrypt(each).hex() for each in plain]
    assert vault.call("receive", name="live", messages=answers) == [each.hex() for each in plain]


def test_no_two_handshakes_have_the_same_keys(vault: Vault) -> None:
    messages = [first(vault, f"handshake {number}") for number in range(5)]
    assert len({message[:32] for message in messages}) == 5


def test_a_changed_byte_anywhere_in_the_browsers_first_message_fails(vault: Vault) -> None:
    message = first(vault)
    for at in range(len(message)):
        changed = bytearray(message)
        changed[at] ^= 1
        responder = Responder(static=HOST, prologue=PROLOGUE)
        with pytest.raises(HandshakeFailed):
            responder.first(bytes(changed))


def test_a_changed_byte_anywhere_in_the_second_message_fails_in_the_browser(vault: Vault) -> None:
    for at in range(SECOND_OVERHEAD + 5):
        responder = Responder(static=HOST, prologue=PROLOGUE)
        responder.first(first(vault))
        message = bytearray(responder.second(b"hello", PSK)[0])
        message[at] ^= 1
        assert vault.call("shaken", name="live", message=message.hex()) == {"error": HandshakeFailed.code}


@pytest.mark.parametrize("length", [0, 1, 31, 32, 47, 65536])
def test_second_messages_of_impossible_length_are_refused(length: int, vault: Vault) -> None:
    first(vault)
    assert vault.call("shaken", name="live", message="00" * length) == {"error": HandshakeFailed.code}


def test_another_psk_prologue_or_host_fails(vault: Vault) -> None:
    responder = Responder(static=HOST, prologue=PROLOGUE)
    responder.first(first(vault))
    message, _, _ = responder.second(b"", bytes(32))
    assert vault.call("shaken", name="live", message=message.hex()) == {"error": HandshakeFailed.code}
    others: list[dict[str, Any]] = [{"prologue": "00"}, {"host": public(DEVICE).hex()}]
    for other in others:
        with pytest.raises(HandshakeFailed):
            Responder(static=HOST, prologue=PROLOGUE).first(first(vault, **other))


def test_a_second_message_is_taken_once(vault: Vault) -> None:
    responder = Responder(static=HOST, prologue=PROLOGUE)
    responder.first(first(vault))
    message, _, _ = responder.second(b"", PSK)
    changed = message[:-1] + bytes([message[-1] ^ 1])
    assert vault.call("shaken", name="live", message=changed.hex()) == {"error": HandshakeFailed.code}
    assert vault.call("shaken", name="live", message=message.hex()) == {"error": HandshakeFailed.code}


@pytest.mark.parametrize("point", ["00" * 32, "01" + "00" * 31, "00" * 31])
def test_a_host_or_an_answer_with_a_key_of_small_order_is_refused(point: str, vault: Vault) -> None:
    given = {"own": DEVICE.hex(), "psk": PSK.hex(), "prologue": PROLOGUE.hex(), "payload": ""}
    assert vault.call("shake", name="small", host=point, **given) == {"error": HandshakeFailed.code}
    first(vault)
    assert vault.call("shaken", name="live", message=point + "00" * 48) == {"error": HandshakeFailed.code}


def test_messages_lost_doubled_swapped_or_reflected_are_refused(vault: Vault) -> None:
    def fates(*order: int) -> list[object]:
        send, receive = shaken(vault)
        sealed = [send.encrypt(bytes([number])).hex() for number in range(3)]
        own = vault.call("send", name="live", plain=["00"])
        found: list[object] = vault.call("receive", name="live", messages=[(sealed + own)[each] for each in order])
        assert receive.decrypt(bytes.fromhex(own[0])) == b"\0"
        return found

    forged = {"error": MessageForged.code}
    assert fates(0, 1, 2) == ["00", "01", "02"]
    assert fates(1) == [forged]
    assert fates(0, 0, 2) == ["00", forged, "02"]
    assert fates(3) == [forged]
    send, _ = shaken(vault)
    changed = bytearray(send.encrypt(b"pay 10"))
    changed[3] ^= 1
    assert vault.call("receive", name="live", messages=[changed.hex(), "", "00" * 16]) == [forged] * 3


def test_a_key_is_given_up_long_before_its_numbers_end(vault: Vault) -> None:
    assert vault.call("usedUp", most=3) == {"error": 4403}

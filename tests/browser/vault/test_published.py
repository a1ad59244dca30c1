"""The browser's primitives, HPKE and handshake against the vectors that Python is held to, see tests/relay/vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from relay.account.keys import primitives
from relay.protocol import noise
from tests.browser.vault.conftest import Vault
from tests.relay.keys.fixed import hpke_seal

VECTORS = Path(__file__).parents[2] / "relay" / "vectors"
CASES: dict[str, list[dict[str, Any]]] = json.loads((VECTORS / "published.json").read_text("utf-8"))
NOISE: dict[str, Any] = json.loads((VECTORS / "noise.json").read_text("utf-8"))
ZERO = "00" * 32
unhex = bytes.fromhex


def test_hkdf_gives_what_rfc_5869_and_wycheproof_say(vault: Vault) -> None:
    cases = [(case["IKM"], case["info"], case["OKM"]) for case in CASES["rfc5869 hkdf-sha256"] if not case["salt"]] + [
        (case["ikm"], case["info"], case["okm"])
        for case in CASES["wycheproof hkdf-sha256"]
        if not case["salt"] and case["size"] >= 32 and case["result"] == "valid"
    ]
    assert len(cases) > 5
    derived = vault.call("hkdf", cases=[case[:2] for case in cases])
    assert derived == [case[2][:64] for case in cases]


def test_x25519_passes_wycheproof_and_zero_is_never_a_secret(vault: Vault) -> None:
    cases = CASES["wycheproof x25519"]
    found = vault.call("agree", cases=[(case["private"], case["public"]) for case in cases])
    for case, (can_agree, shared) in zip(cases, found, strict=True):
        assert can_agree is (case["shared"] != ZERO), case["id"]
        assert shared == (None if case["shared"] == ZERO else case["shared"]), case["id"]
    assert sum(case["shared"] == ZERO for case in cases) >= 7


def test_x25519_gives_what_rfc_7748_says(vault: Vault) -> None:
    cases = [case for case in CASES["rfc7748 x25519"] if "INPUT_SCALAR" in case]
    found = vault.call("agree", cases=[(case["INPUT_SCALAR"], case["INPUT_U"]) for case in cases])
    assert found == [[True, case["OUTPUT_U"]] for case in cases]


def test_ed25519_gives_what_rfc_8032_says(vault: Vault) -> None:
    cases = CASES["rfc8032 ed25519"]
    assert vault.call("sign", cases=[(case["seed"], case["msg"]) for case in cases]) == [
        [case["pk"], case["sig"]] for case in cases
    ]


def test_ed25519_passes_wycheproof_as_python_does(vault: Vault) -> None:
    cases = [
        case
        for case in CASES["wycheproof ed25519"]
        if case["flags"] != ["MixedOrderPublicKey"] or case["result"] != "acceptable"
    ]
    found = vault.call("signed", cases=[(case["pk"], case["sig"], case["msg"]) for case in cases])
    for case, holds in zip(cases, found, strict=True):
        assert holds is (case["result"] == "valid"), case["id"]
    assert len(set(found)) == 2


def test_a_key_of_small_order_is_no_signing_key(vault: Vault) -> None:
    small = [case["pk"] for case in CASES["wycheproof ed25519"] if case["flags"] == ["SmallOrderPublicKey"]]
    keys = [*small, *(key[:-2] + f"{int(key[-2:], 16) ^ 0x80:02x}" for key in small)]
    good = [case["pk"] for case in CASES["rfc8032 ed25519"]]
    assert vault.call("canSign", keys=[*keys, *good, "00" * 31]) == [False] * 16 + [True] * len(good) + [False]


def test_aes_256_gcm_passes_wycheproof(vault: Vault) -> None:
    cases = CASES["wycheproof aes-256-gcm"]
    given = [[case[name] for name in ("key", "iv", "aad", "msg")] + [case["ct"] + case["tag"]] for case in cases]
    for case, (sealed, opened) in zip(cases, vault.call("aes", cases=given), strict=True):
        if case["result"] == "valid":
            assert (sealed, opened) == (case["ct"] + case["tag"], case["msg"]), case["id"]
        else:
            assert opened is None, case["id"]


def test_hpke_is_that_of_rfc_9180(vault: Vault) -> None:
    (case,) = CASES["rfc9180 hpke"]
    public, info, plain = unhex(case["pkRm"]), unhex(case["info"]), b"wk" * 16
    (agreed,) = vault.call("agree", cases=[(case["skEm"], case["pkRm"])])
    scheduled = vault.call("schedule", agreed=agreed[1], context=case["enc"] + case["pkRm"], info=case["info"])
    assert scheduled == {"key": case["key"], "nonce": case["base_nonce"]}
    given = {"to": case["pkRm"], "info": case["info"], "plain": plain.hex()}
    assert vault.call("hpkeSeal", **given, once=case["skEm"]) == hpke_seal(
        public, info, plain, one_time=unhex(case["skEm"])
    ).hex()
    sealed = vault.call("hpkeSeal", **given)
    assert sealed != vault.call("hpkeSeal", **given)
    assert primitives.hpke_open(unhex(case["skRm"]), info, unhex(sealed)) == plain
    theirs = primitives.SYSTEM.seal(public, info, plain).hex()
    assert vault.call("hpkeOpen", secret=case["skRm"], info=case["info"], sealed=theirs) == plain.hex()
    assert vault.call("hpkeOpen", secret=case["skRm"], info=case["info"] + "00", sealed=theirs) is None


def test_each_byte_of_an_hpke_message_matters(vault: Vault) -> None:
    (case,) = CASES["rfc9180 hpke"]
    sealed = primitives.SYSTEM.seal(unhex(case["pkRm"]), b"info", b"x" * 32).hex()
    given = {"secret": case["skRm"], "info": b"info".hex()}
    assert vault.call("hpkeOpen", **given, sealed=sealed) == (b"x" * 32).hex()
    assert vault.call("hpkeFlipped", **given, sealed=sealed) == []


def test_all_messages_of_the_handshake_are_those_of_the_published_vector(vault: Vault) -> None:
    assert NOISE["name"].encode() == noise.NAME
    messages = NOISE["messages"]
    first = vault.call(
        "shake",
        name="published",
        own=NOISE["init_static"],
        host=NOISE["init_remote_static"],
        psk=NOISE["psk"],
        prologue=NOISE["prologue"],
        once=NOISE["init_ephemeral"],
        payload=messages[0][0],
    )
    assert first == messages[0][1]
    assert vault.call("shaken", name="published", message=messages[1][1]) == messages[1][0]
    sent, heard = messages[2::2], messages[3::2]
    assert vault.call("send", name="published", plain=[each[0] for each in sent]) == [each[1] for each in sent]
    assert vault.call("receive", name="published", messages=[each[1] for each in heard]) == [each[0] for each in heard]

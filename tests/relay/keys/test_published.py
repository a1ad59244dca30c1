"""The primitives against published vectors; vectors/README.md says whose."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from relay.account.keys import primitives
from tests.relay.keys.fixed import FixedRandomness, hpke_seal, schedule

PUBLISHED = Path(__file__).parents[1] / "vectors" / "published.json"
CASES: dict[str, list[dict[str, Any]]] = json.loads(PUBLISHED.read_text("utf-8"))
unhex = bytes.fromhex


def exchange(private: str, public: str) -> bytes:
    other = X25519PublicKey.from_public_bytes(unhex(public))
    return X25519PrivateKey.from_private_bytes(unhex(private)).exchange(other)


def test_argon2id_gives_what_rfc_9106_says() -> None:
    (case,) = CASES["rfc9106 argon2id"]
    argon2 = Argon2id(
        salt=unhex(case["salt"]),
        length=int(case["length"]),
        iterations=int(case["iter"]),
        lanes=int(case["lanes"]),
        memory_cost=int(case["memcost"]),
        ad=unhex(case["ad"]),
        secret=unhex(case["secret"]),
    )
    assert argon2.derive(unhex(case["pass"])).hex() == case["output"]


def test_hkdf_gives_what_rfc_5869_says() -> None:
    for case in CASES["rfc5869 hkdf-sha256"]:
        salt = unhex(case["salt"]) or None
        derived = HKDF(SHA256(), int(case["L"]), salt, unhex(case["info"])).derive(unhex(case["IKM"]))
        assert derived.hex() == case["OKM"]


def test_our_hkdf_is_the_one_with_an_empty_salt() -> None:
    cases = [
        (case["IKM"], case["info"], case["OKM"]) for case in CASES["rfc5869 hkdf-sha256"] if not case["salt"]
    ] + [
        (case["ikm"], case["info"], case["okm"])
        for case in CASES["wycheproof hkdf-sha256"]
        if not case["salt"] and case["size"] >= 32 and case["result"] == "valid"
    ]
    assert len(cases) > 5
    for material, info, derived in cases:
        assert primitives.hkdf(unhex(material), unhex(info)) == unhex(derived)[:32]


def test_hkdf_passes_wycheproof() -> None:
    for case in CASES["wycheproof hkdf-sha256"]:
        material, salt, info = unhex(case["ikm"]), unhex(case["salt"]) or None, unhex(case["info"])
        if case["result"] == "valid":
            assert HKDF(SHA256(), case["size"], salt, info).derive(material).hex() == case["okm"], case["id"]
        else:
            with pytest.raises(ValueError, match="larger than"):
                HKDF(SHA256(), case["size"], salt, info)


def test_x25519_gives_what_rfc_7748_says() -> None:
    for case in CASES["rfc7748 x25519"]:
        if "INPUT_SCALAR" in case:
            assert exchange(case["INPUT_SCALAR"], case["INPUT_U"]).hex() == case["OUTPUT_U"]


def test_x25519_passes_wycheproof_and_points_of_small_order_are_no_keys() -> None:
    zeros = 0
    for case in CASES["wycheproof x25519"]:
        if case["shared"] == "00" * 32:
            zeros += 1
            assert not primitives.can_agree(unhex(case["public"])), case["id"]
            with pytest.raises(ValueError, match="shared key"):
                exchange(case["private"], case["public"])
        else:
            assert primitives.can_agree(unhex(case["public"])), case["id"]
            assert exchange(case["private"], case["public"]).hex() == case["shared"], case["id"]
    assert zeros >= 7


def test_ed25519_gives_what_rfc_8032_says() -> None:
    for case in CASES["rfc8032 ed25519"]:
        seed, message = unhex(case["seed"]), unhex(case["msg"])
        assert primitives.signing_public(seed).hex() == case["pk"]
        assert primitives.sign(seed, message).hex() == case["sig"]
        assert primitives.signed(unhex(case["pk"]), unhex(case["sig"]), message)


def test_ed25519_passes_wycheproof() -> None:
    for case in CASES["wycheproof ed25519"]:
        holds = primitives.signed(unhex(case["pk"]), unhex(case["sig"]), unhex(case["msg"]))
        if case["flags"] == ["MixedOrderPublicKey"] and case["result"] == "acceptable":
            continue  # only who holds the key can make one, and programs differ about it
        assert holds == (case["result"] == "valid"), case["id"]


def test_a_key_of_small_order_is_no_signing_key() -> None:
    small = {case["pk"] for case in CASES["wycheproof ed25519"] if case["flags"] == ["SmallOrderPublicKey"]}
    assert len(small) == 8
    for public in map(unhex, small):
        other_sign = public[:-1] + bytes([public[-1] ^ 0x80])
        assert not primitives.can_sign(public)
        assert not primitives.can_sign(other_sign)
    for case in CASES["rfc8032 ed25519"]:
        assert primitives.can_sign(unhex(case["pk"]))


def test_aes_256_gcm_passes_wycheproof() -> None:
    for case in CASES["wycheproof aes-256-gcm"]:
        key, nonce, bound, plain = (unhex(case[name]) for name in ("key", "iv", "aad", "msg"))
        sealed = unhex(case["ct"] + case["tag"])
        if case["result"] == "valid":
            assert primitives.seal(key, nonce, plain, bound) == sealed, case["id"]
            assert primitives.unseal(key, nonce, sealed, bound) == plain, case["id"]
        else:
            assert primitives.unseal(key, nonce, sealed, bound) is None, case["id"]


def test_the_tests_own_hpke_gives_what_rfc_9180s_vectors_say() -> None:
    (case,) = CASES["rfc9180 hpke"]
    agreed = exchange(case["skEm"], case["pkRm"])
    key, nonce = schedule(agreed, unhex(case["enc"] + case["pkRm"]), unhex(case["info"]))
    assert (key.hex(), nonce.hex()) == (case["key"], case["base_nonce"])
    first = case["encryptions"][0]
    sealed = hpke_seal(
        unhex(case["pkRm"]),
        unhex(case["info"]),
        unhex(first["pt"]),
        one_time=unhex(case["skEm"]),
        bound=unhex(first["aad"]),
    )
    assert sealed.hex() == case["enc"] + first["ct"]


def test_our_hpke_is_that_of_rfc_9180() -> None:
    """Ours takes no aad and the published encryptions all have one: so by way of the tests' own."""
    (case,) = CASES["rfc9180 hpke"]
    private, public, info = unhex(case["skRm"]), unhex(case["pkRm"]), unhex(case["info"])
    sealed = hpke_seal(public, info, b"wk" * 16, one_time=unhex(case["skEm"]))
    assert sealed[:32].hex() == case["enc"]
    assert primitives.hpke_open(private, info, sealed) == b"wk" * 16
    again = primitives.SYSTEM.seal(public, info, b"wk" * 16)
    assert len(again) == 32 + primitives.HPKE_OVERHEAD
    assert primitives.hpke_open(private, info, again) == b"wk" * 16
    assert primitives.hpke_open(private, info + b"\0", again) is None
    assert again != primitives.SYSTEM.seal(public, info, b"wk" * 16)


def test_each_byte_of_an_hpke_message_matters() -> None:
    random = FixedRandomness("hpke")
    private = random.take(32)
    sealed = random.seal(primitives.agreement_public(private), b"info", b"x" * 32)
    for at in range(len(sealed)):
        for bit in (0x01, 0x80):
            changed = bytearray(sealed)
            changed[at] ^= bit
            assert primitives.hpke_open(private, b"info", bytes(changed)) is None
    for cut in range(len(sealed)):
        assert primitives.hpke_open(private, b"info", sealed[:cut]) is None

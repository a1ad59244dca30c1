"""Passwords in the browser: Argon2id in a worker, equal to Python's, and the flows that follow from a password."""

from __future__ import annotations

import random
import unicodedata
from typing import Any

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from connections.secrets import Secret
from relay.account.keys import bundle, flows, names, password, primitives
from relay.account.keys.device import EVERY_ROLE, Role
from relay.account.keys.errors import KeysError
from relay.account.keys.holders import AuthKey, WrapKey
from relay.account.keys.password import PasswordKeys
from relay.account.keys.recovery import RecoveryKey
from tests.browser.vault.conftest import Vault
from tests.browser.vault.vectors import ACCOUNT, FIXED, LAST, entries
from tests.relay.keys.story import EMAIL, MAC, PASSWORDS, PHONE, TABLET

ENTRIES = entries()
OPEN = {
    "update": LAST["by_password"],
    "keys": FIXED["passwords"][2],
    "entries": ENTRIES,
    "account": FIXED["account"],
}


def test_argon2id_gives_what_python_gives(typed: Vault) -> None:
    chance = random.Random(5)
    cases = [
        (chance.randbytes(chance.randrange(1, 80)), chance.randbytes(16), 1 + lanes % 3, lanes, 8 * lanes + extra)
        for lanes in (1, 2, 4)
        for extra in (0, 5, 100)
    ]
    expected = [
        Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory).derive(secret).hex()
        for secret, salt, passes, lanes, memory in cases
    ]
    assert typed.call("argon2id", cases=[(one.hex(), two.hex(), *rest) for one, two, *rest in cases]) == expected


def test_the_story_told_in_the_browser_is_the_one_of_the_vectors(typed: Vault) -> None:
    """The whole account, byte for byte, with suite 1 and the passwords typed decomposed; the page stays alive."""
    told = typed.call(
        "story",
        label="Ada",
        email=EMAIL,
        passwords=[unicodedata.normalize("NFD", each) for each in PASSWORDS],
        names=[unicodedata.normalize("NFD", each) for each in (MAC, PHONE, TABLET)],
        roles=[int(EVERY_ROLE), int(Role.REMOTE), int(Role.REMOTE)],
    )
    assert told["ticks"] > 5
    sealed_by = {"create": 0, "change password": 1, "rekey": 2}
    recovery_keys = {"create": 0, "rekey": 1}
    for change, fixed in zip(told["told"], FIXED["changes"], strict=True):
        for name in ("expected", "revision", "position", "entries"):
            assert change[name] == fixed[name], (fixed["name"], name)
        assert change["byPassword"] == fixed["by_password"], fixed["name"]
        assert change["byRecovery"] == fixed["by_recovery"], fixed["name"]
        assert (change["n"], change["head"], change["known"]) == (
            fixed["holds"]["n"],
            fixed["holds"]["head"],
            fixed["revision"],
        )
        number = sealed_by.get(fixed["name"])
        assert change.get("auth") == (None if number is None else FIXED["passwords"][number]["auth"])
        key = recovery_keys.get(fixed["name"])
        if key is not None:
            expected = FIXED["recovery_keys"][key]
            assert change["key"] == expected["text"]
            assert change["recovery"] == {
                "auth": expected["auth"],
                "publicKey": expected["public"],
                "anchor": expected["anchor"],
            }
    assert told["told"][-1]["digits"] == FIXED["rekey_digits"]
    assert set("".join(told["wiped"])) == {"0"}


def test_another_suite_or_salt_stops_before_anything_is_hashed(typed: Vault) -> None:
    prelogins = [(2, "00" * 16), (250, "00" * 16), (0, "00" * 16), (1, "00" * 8), (1, ""), (1, "00" * 17)]
    refused = typed.call("refusedBeforeHashing", prelogins=prelogins)
    assert refused == [[{"error": "suite-unknown"}, 0]] * 3 + [[{"error": "salt-malformed"}, 0]] * 3


def test_hashing_can_be_given_up(typed: Vault) -> None:
    assert typed.call("givenUp") == "AbortError"


def test_passwords_and_addresses_are_normalised_and_refused_as_python_does(typed: Vault) -> None:
    passwords = [*PASSWORDS, "", "x" * 1024, "x" * 1025, "é" * 512, "é" * 513, "ﬁ" * 500, "eleven char", "twelve chars"]
    passwords += ["🙂" * 11, "🙂" * 12, "e\u0301" * 12, "e\u0301" * 11, "\u0301a" * 6, "²" * 12, "ﷺ"]
    emails = [EMAIL, "", "A@B.C", "a@b", "a..b@c.d", ".a@b.c", "a@-b.c", "a@b-.c", "a@b..c", "a@b.c.", "@b.c", "a@"]
    emails += ["x" * 64 + "@b.c", "x" * 65 + "@b.c", "a@" + "b" * 63 + ".c", "a@" + "b" * 64 + ".c", "a@b@c.d"]
    emails += ["a+b@c.d", "ａ@ｂ.ｃ", "ä@b.c", "a@b.c\u00a0", "\u212a@b.c", "a@b.c\n", "a b@c.d", "'\"@b.c", "'a@b.c"]
    emails += ["a@" + ".".join(["b" * 60] * 4) + ".cdefgh"]

    def asked(work: Any, *given: Any) -> object:
        try:
            found = work(*given)
        except KeysError as error:
            return {"error": error.code}
        return found.hex() if isinstance(found, bytes) else found

    assert typed.call("emails", typed=emails) == [asked(password.normalise_email, each) for each in emails]
    secrets = [Secret(each) for each in passwords]
    assert typed.call("passwordBytes", typed=passwords) == [asked(password.password_bytes, each) for each in secrets]
    assert typed.call("newPasswords", typed=passwords) == [asked(password.check_new, each) for each in secrets]


def test_half_a_character_is_no_password(typed: Vault) -> None:
    # It cannot come from Python, nor travel as JSON.
    found = typed.page.evaluate(
        """async () => {
          const { passwordBytes } = await import("/static/lerix/vault/password.js");
          try { return passwordBytes("\\ud83d twelve chars"); } catch (error) { return error.code; }
        }"""
    )
    assert found == "password-unusable"


def test_what_the_browser_changes_with_its_own_randomness_opens_in_python(typed: Vault) -> None:
    phone = FIXED["devices"][1]["id"]
    joined, revoked, renewed = typed.call("changes", **OPEN, name="Safari", leaving=[phone])
    fixed = FIXED["passwords"][2]
    secrets = AuthKey(bytes(32)), WrapKey(bytes.fromhex(fixed["wrap"]))
    keys = PasswordKeys(*secrets, fixed["suite"], bytes.fromhex(fixed["salt"]))
    log = [bytes.fromhex(entry) for entry in ENTRIES]
    states = []
    for number, change in enumerate((joined, revoked, renewed)):
        assert (change["expected"], change["revision"]) == (6 + number, 7 + number)
        assert change["position"] == len(log)
        log += [bytes.fromhex(entry) for entry in change["entries"]]
        states.append(flows.unlock(bytes.fromhex(change["byPassword"]), log, keys, account=ACCOUNT))
    opened = states[-1]
    device = opened.log.devices[bytes.fromhex(joined["device"]["id"])]
    assert device.roles == Role.REMOTE
    assert names.open_name(device.name, opened.workspace, account=ACCOUNT, device=device.id) == "Safari"
    assert opened.log.devices[bytes.fromhex(phone)].revoked is not None
    assert opened.log.epoch == 3
    key = RecoveryKey.parse(renewed["key"])
    anchor = bytes.fromhex(renewed["recovery"]["anchor"])
    recovered = flows.recover(bytes.fromhex(renewed["byRecovery"]), log, key, account=ACCOUNT, anchor=anchor)
    assert recovered.workspace == opened.workspace


def test_changes_that_cannot_be_made_are_refused(typed: Vault) -> None:
    assert typed.call("refusedChanges", **OPEN, stranger="00" * 16) == [
        {"error": "device-not-listed"},
        {"error": "device-name-unusable"},
        {"error": "email-unusable"},
        {"error": "password-too-short"},
    ]


def test_a_bundle_and_a_log_that_do_not_end_together_are_refused(typed: Vault) -> None:
    assert typed.call("unlock", **OPEN)["n"] == 8
    before = FIXED["changes"][4]
    older = {**OPEN, "update": before["by_password"], "keys": FIXED["passwords"][1]}
    same_key = {**older, "entries": ENTRIES[:7]}
    assert typed.call("unlock", **same_key)["n"] == 6
    assert typed.call("unlock", **{**same_key, "entries": ENTRIES[:4]}) == {"error": "log-incomplete"}
    outdated = {**OPEN, "update": FIXED["changes"][0]["by_password"], "keys": FIXED["passwords"][0]}
    assert typed.call("unlock", **{**outdated, "entries": ENTRIES[:4]}) == {"error": "bundle-outdated"}
    assert typed.call("unlock", **older)["error"] == "signing-key-changed"


def test_a_bundle_whose_keys_are_not_those_of_the_log_is_refused(typed: Vault) -> None:
    copy, wrap = bytes.fromhex(LAST["by_password"]), bytes.fromhex(FIXED["passwords"][2]["wrap"])
    bound = bundle.read_header(copy).bound(ACCOUNT)
    plain = primitives.unseal(wrap, copy[30:42], copy[42:], bound)
    assert plain is not None
    for place, error in ((117, "bundle-not-opened"), (81, "log-forked"), (9, "log-forged")):
        changed = plain[:place] + bytes([plain[place] ^ 1]) + plain[place + 1 :]
        other = copy[:42] + primitives.seal(wrap, copy[30:42], changed, bound)
        assert typed.call("unlock", **{**OPEN, "update": other.hex()}) == {"error": error}


def test_a_recovered_account_needs_a_new_password_before_anything_else(typed: Vault) -> None:
    fixed = FIXED["recovery_keys"][1]
    recovered = typed.call(
        "recover",
        copy=LAST["by_recovery"],
        entries=ENTRIES,
        key=fixed["text"],
        account=FIXED["account"],
        anchor=fixed["anchor"],
    )
    assert recovered["known"]["n"] == 8
    assert recovered["again"] == {"error": "password-needed"}


def test_a_worker_that_cannot_be_had_is_told(typed: Vault) -> None:
    typed.page.route("**/password-worker.js", lambda route: route.abort())
    try:
        assert typed.call("stretched") == {"error": "stretching-failed"}
    finally:
        typed.page.unroute_all()
    assert all("ERR_FAILED" in problem for problem in typed.problems)
    typed.problems.clear()


SINKS = """() => {
  const script = document.createElement("script");
  const tries = [
    () => { document.body.innerHTML = "<b>x</b>"; },
    () => { script.src = "/static/lerix/vault/bytes.js"; },
    () => new Worker("/static/lerix/vault/password-worker.js"),
    () => trustedTypes.createPolicy("mine", {}),
  ];
  return tries.map((work) => {
    try {
      work();
      return "allowed";
    } catch (error) {
      return error.name;
    }
  });
}"""
FOREIGN = """(address) => new Promise((resolve) => {
  addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective), { once: true });
  import(address).then(() => resolve("allowed"), () => {});
})"""


@pytest.mark.parametrize("page", ["vault", "typed"])
def test_the_pages_of_these_tests_have_the_strict_policy(page: str, request: pytest.FixtureRequest) -> None:
    """Nothing here passes because a page is lax: no markup, script, worker or policy but ours, no foreign module."""
    found: Vault = request.getfixturevalue(f"{page}_page")
    assert found.page.evaluate(SINKS) == ["TypeError"] * 4
    assert found.page.evaluate(FOREIGN, "http://127.0.0.1:9/x.js") == "script-src-elem"
    found.problems.clear()

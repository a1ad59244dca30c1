"""Every way to change one byte, for tests that want all of them refused."""

from collections.abc import Iterator


def flips(data: bytes, bits: tuple[int, ...] = (0x01, 0x80)) -> Iterator[tuple[int, bytes]]:
    """Give the data with each byte changed, once for each of the bits, and the place."""
    for at in range(len(data)):
        for bit in bits:
            changed = bytearray(data)
            changed[at] ^= bit
            yield at, bytes(changed)

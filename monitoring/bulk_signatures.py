"""Signatures of many predictions at once: a hash of each row, hidden by a pad that is used once.

One keyed BLAKE2b for each row takes as long as reading the row's JSON. The construction of Wegman and Carter
("New hash functions and their use in authentication and set equality", 1981) needs a cryptographic function only for
the pads, so one call serves 64 rows; the hash is numpy's arithmetic: Multilinear of Lemire and Kaser ("Strongly
universal string hashing is fast", 2014), thrice, with 32 bits each. Whoever has not the key forges a row with
probability 2^-96.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

SIGNATURE_BYTES = 12
WORDS = 4
"""32-bit words of a row that are hashed. What rows share, and their number, is what their pad is made of."""

_LANES = SIGNATURE_BYTES // 4
BLOCK = 64
"""Rows whose pads are made by one call: those whose numbers differ in the last 6 bits only."""

_WORDS = struct.Struct(f"<{WORDS}I")
_LOW = (1 << 64) - 1

Array = npt.NDArray[Any]


class BulkSigner:
    """Signs rows that share a head and have numbers of 64 bits, and checks them. Safe to use from several threads.

    No two different rows may have the same head and number: numbers are drawn at random.

    Args:
        key: 16 to 64 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._pads = hashlib.shake_128(_derived(key, b"pad"))
        keys = np.frombuffer(hashlib.shake_128(_derived(key, b"hash")).digest((WORDS + 1) * _LANES * 8), "<u8")
        self._start, self._factors = keys[:_LANES], keys[_LANES:].reshape(WORDS, _LANES)
        self._lanes = [(int(start), *map(int, lane)) for start, lane in zip(self._start, self._factors.T, strict=True)]

    def many(self, head: bytes, first: int, words: Array) -> Array:
        """The signatures of n rows.

        Args:
            head: what they share, always as many bytes.
            first: the number of the first, divisible by 64; the others follow, and 2^64 is followed by 0.
            words: of type <u4, shape (n, WORDS).

        Returns:
            of type <u4, shape (n, 3).
        """
        count = len(words)
        blocks = range(first // BLOCK, first // BLOCK + -(-count // BLOCK))
        pads = b"".join([self._pad(head, block, BLOCK) for block in blocks])
        wide = [words[:, place].astype("<u8") for place in range(WORDS)]
        signatures = np.empty((count, _LANES), "<u4")
        for lane in range(_LANES):
            total = wide[0] * self._factors[0, lane]
            for place in range(1, WORDS):
                total += wide[place] * self._factors[place, lane]
            total += self._start[lane]
            signatures[:, lane] = total >> np.uint64(32)
        signatures ^= np.frombuffer(pads, "<u4").reshape(-1, _LANES)[:count]
        return signatures

    def one(self, head: bytes, number: int, words: bytes) -> bytes:
        """The signature of one row among those: `words` are its 16 bytes."""
        block, place = divmod(number, BLOCK)
        pad = self._pad(head, block, place + 1)[-SIGNATURE_BYTES:]
        row = _WORDS.unpack(words)
        hashed = [
            (start + sum(factor * word for factor, word in zip(factors, row, strict=True)) & _LOW) >> 32
            for start, *factors in self._lanes
        ]
        return bytes(a ^ b for a, b in zip(pad, struct.pack(f"<{_LANES}I", *hashed), strict=True))

    def _pad(self, head: bytes, block: int, rows: int) -> bytes:
        """The pads of the first rows of a block."""
        pads = self._pads.copy()
        pads.update(head + (block & _LOW // BLOCK).to_bytes(8, "little"))
        return pads.digest(rows * SIGNATURE_BYTES)


def _derived(key: bytes, purpose: bytes) -> bytes:
    """A key of 64 bytes for one purpose."""
    return hashlib.blake2b(key=key, person=b"rows " + purpose).digest()

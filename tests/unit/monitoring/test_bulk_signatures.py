"""Signatures of many rows: a row's is the same among others and alone, and nothing that differs has it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.bulk_signatures import SIGNATURE_BYTES, WORDS, BulkSigner

KEY, HEAD = b"k" * 32, b"a head of 12"
FIRST = st.integers(0, 2**58 - 1).map(lambda block: block * 64)


def words_of(count: int, seed: int = 1) -> np.ndarray[tuple[int, int], np.dtype[np.uint32]]:
    """Random words of that many rows."""
    return np.random.default_rng(seed).integers(0, 2**32, (count, WORDS), dtype=np.uint32)


@given(FIRST, st.integers(0, 200), st.integers(0, 10))
def test_a_row_among_others_is_signed_as_it_is_alone(first: int, count: int, seed: int) -> None:
    signer, words = BulkSigner(KEY), words_of(count, seed)
    many = signer.many(HEAD, first, words)
    alone = [signer.one(HEAD, (first + row) % 2**64, words[row].tobytes()) for row in range(count)]
    assert [row.tobytes() for row in many] == alone


def test_the_last_number_is_followed_by_the_first() -> None:
    signer, words = BulkSigner(KEY), words_of(65)
    many = signer.many(HEAD, 2**64 - 64, words)
    assert many[64].tobytes() == signer.one(HEAD, 0, words[64].tobytes())


def test_signatures_stay_what_they_are() -> None:
    """Ids live for months: those of an older release must be read by a newer one."""
    assert BulkSigner(KEY).one(HEAD, 12_345, bytes(range(16))).hex() == "c167da7ee2d61b5254eec1a9"


@given(st.integers(0, 2**64 - 1), st.binary(min_size=16, max_size=16), st.integers(0, 127))
def test_another_row_has_another_signature(number: int, words: bytes, bit: int) -> None:
    signer = BulkSigner(KEY)
    changed = (int.from_bytes(words, "little") ^ 1 << bit).to_bytes(16, "little")
    assert signer.one(HEAD, number, words) != signer.one(HEAD, number, changed)


@pytest.mark.parametrize(
    ("key", "head", "number"),
    [(b"l" * 32, HEAD, 7), (KEY, b"another head", 7), (KEY, HEAD, 6), (KEY, HEAD, 7 + 64)],
)
def test_the_signature_is_of_key_head_and_number(key: bytes, head: bytes, number: int) -> None:
    words = bytes(16)
    other = BulkSigner(key).one(head, number, words)
    signature = BulkSigner(KEY).one(HEAD, 7, words)
    assert len(signature) == SIGNATURE_BYTES
    assert all(other[lane : lane + 4] != signature[lane : lane + 4] for lane in (0, 4, 8))


def test_two_rows_that_differ_in_one_word_share_no_pad() -> None:
    signed = BulkSigner(KEY).many(HEAD, 0, np.zeros((128, WORDS), np.uint32))
    assert len({row.tobytes() for row in signed}) == 128

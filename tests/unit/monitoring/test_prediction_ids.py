"""Prediction ids: one and many write the same, what was written is read, and nothing else is believed."""

from __future__ import annotations

import json
import math
import os
import string
import warnings
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.prediction_ids import (
    TOKEN_LENGTH,
    IdReader,
    IdWriter,
    IssuedPrediction,
)

KEY, NEW_KEY = b"k" * 32, b"n" * 32
NOW = 1_700_000_000.7
NORMAL = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
SENSIBLE = NORMAL.filter(lambda number: not 0 < abs(number) < 1e-37)  # float32 has no smaller normal numbers


def ids(key: bytes = KEY, model: str = "houses", version: str = "v1") -> IdWriter:
    """A writer of one version's ids."""
    return IdWriter(key, model, version)


def reader(*keys: bytes) -> IdReader:
    """A reader that knows v1 of houses."""
    knowing = IdReader(keys or [KEY], "houses")
    knowing.know("v1")
    return knowing


def read(token: str) -> IssuedPrediction:
    """What a good token says."""
    found = reader().read(token)
    assert isinstance(found, IssuedPrediction)
    return found


def test_a_token_says_what_was_predicted() -> None:
    found = read(ids().one(512_345.678, 400_000.1, 600_000.2, NOW))
    assert found.version == "v1"
    assert found.issued_at == 1_700_000_000
    assert found.value == 512_345.678
    assert found.low is not None
    assert found.high is not None
    assert 400_000 < found.low <= 400_000.1
    assert 600_000.2 <= found.high < 600_000.4


def test_a_token_has_a_fixed_length_and_is_safe_in_a_url() -> None:
    for token in [ids().one(1.0, None, None, NOW), *ids().many([1.0, -math.pi, 1e300], None, None, NOW)]:
        assert len(token) == TOKEN_LENGTH
        assert set(token) <= set(string.ascii_letters + string.digits + "-_")


@given(st.lists(st.tuples(NORMAL, NORMAL, NORMAL), max_size=20), st.booleans(), st.floats(0, 2**32 - 1))
def test_one_and_many_say_the_same(rows: list[tuple[float, float, float]], whole: bool, now: float) -> None:
    single = [ids().one(v, lo if whole else None, hi if whole else None, now) for v, lo, hi in rows]
    value, low, high = ([row[place] for row in rows] for place in range(3))
    bulk = ids().many(value, low if whole else None, high if whole else None, now)
    assert [repr(said(token)) for token in bulk] == [repr(said(token)) for token in single]


def said(token: str) -> Sequence[object]:
    """A token's content but its nonce."""
    return read(token)[:-1]


@given(st.lists(SENSIBLE, min_size=3, max_size=3).map(sorted))
def test_the_ends_are_rounded_outwards(numbers: list[float]) -> None:
    low, value, high = numbers
    found = read(ids().one(value, low, high, NOW))
    assert found.low is not None
    assert found.high is not None
    assert found.low <= low <= found.value == value <= high <= found.high


@pytest.mark.parametrize(("low", "high"), [(None, None), (1.0, None), (None, 1.0)])
def test_without_both_ends_there_is_no_interval(low: float | None, high: float | None) -> None:
    found = read(ids().one(1.0, low, high, NOW))
    assert (found.low, found.high) == (None, None)


@pytest.mark.parametrize("now", [-5.0, 0.0, 2.0**32 + 7, 1e12])
def test_a_broken_clock_breaks_no_answer(now: float) -> None:
    assert read(ids().one(1.0, None, None, now)).issued_at == int(now) % 2**32
    assert read(ids().many([1.0], None, None, now)[0]).issued_at == int(now) % 2**32


def test_every_id_of_many_is_its_own() -> None:
    written = ids()
    tokens = [*written.many([1.0] * 3000, None, None, NOW)] + [written.one(1.0, None, None, NOW) for _ in range(3000)]
    assert len({read(token).nonce for token in tokens}) == 6000


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_many_are_a_list_in_json_and_members_of_objects(count: int) -> None:
    tokens = ids().many([1.0] * count, None, None, NOW)
    assert json.loads(tokens.json) == list(tokens)
    assert len(tokens) == count
    if count:
        assert tokens.as_members() == [f'"{token}",'.encode() for token in tokens]


def test_no_predictions_have_no_ids() -> None:
    assert list(ids().many([], None, None, NOW)) == []
    assert list(ids().many([], [], [], NOW)) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_worker_repeats_no_nonce_of_its_parent() -> None:
    written = ids()
    written.one(1.0, None, None, NOW)  # the block is drawn before the fork
    receiving, sending = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other tests may have left threads; the child needs none
        child = os.fork()
    if not child:
        os.write(sending, "".join(written.one(1.0, None, None, NOW) for _ in range(100)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    sent = os.read(receiving, 100 * TOKEN_LENGTH).decode()
    os.close(receiving)
    os.close(sending)
    tokens = [sent[at : at + TOKEN_LENGTH] for at in range(0, len(sent), TOKEN_LENGTH)]
    tokens += [written.one(1.0, None, None, NOW) for _ in range(100)]
    assert len({read(token).nonce for token in tokens}) == 200


@pytest.mark.parametrize(
    "token",
    [
        *("", "x", "A" * 63, "A" * 65, "A" * 10**6, "B" * 64, "0" * 32),
        *("A" * 63 + end for end in ("=", "+", "é", "\n", "\x00", "\ud800")),
    ],
)
def test_what_is_no_token_is_malformed(token: str) -> None:
    assert reader().read(token) == "malformed"


@pytest.mark.parametrize(
    "token",
    [
        ids().one(512_345.678, 400_000.1, 600_000.2, NOW),
        ids().many([512_345.678] * 100, [400_000.1] * 100, [600_000.2] * 100, NOW)[77],
    ],
    ids=["alone", "among many"],
)
def test_a_token_with_any_character_changed_is_not_believed(token: str) -> None:
    for place, character in enumerate(token):
        other = "B" if character == "A" else "A"
        assert reader().read(token[:place] + other + token[place + 1 :]) in ("forged", "malformed")


def test_another_key_is_forged() -> None:
    assert reader().read(ids(NEW_KEY).one(1.0, None, None, NOW)) == "forged"
    assert IdReader([], "houses").read(ids().one(1.0, None, None, NOW)) == "forged"


@pytest.mark.parametrize(("model", "version"), [("boats", "v1"), ("houses", "v2")])
def test_our_token_of_another_model_or_version_is_foreign(model: str, version: str) -> None:
    assert reader().read(ids(KEY, model, version).one(1.0, None, None, NOW)) == "foreign"


def test_a_version_is_known_from_when_it_is_named() -> None:
    token, asked = ids().one(1.0, None, None, NOW), IdReader([KEY], "houses")
    assert asked.read(token) == "foreign"
    asked.know("v1")
    assert isinstance(asked.read(token), IssuedPrediction)


def test_after_a_rotation_the_old_keys_tokens_are_still_read() -> None:
    both = reader(NEW_KEY, KEY)
    assert isinstance(both.read(ids(KEY).one(1.0, None, None, NOW)), IssuedPrediction)
    assert isinstance(both.read(ids(NEW_KEY).one(1.0, None, None, NOW)), IssuedPrediction)


@pytest.mark.parametrize("key", [b"", b"short", b"k" * 65])
def test_a_key_of_the_wrong_length_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="16 to 64 bytes"):
        ids(key)

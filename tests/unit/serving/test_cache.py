"""Keys that keep versions apart, values that survive nothing but themselves, and memory that stays within its limit."""

from __future__ import annotations

import math
import tracemalloc
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessors.encoding import RowEncoder
from schemas.house_prices import HouseFeatures
from schemas.predictions import PredictionWarning
from serving import cache
from serving.cache import MemoryCache, Nonsense, RowKeys, Value, pack, seal, unseal

KEY = bytes(range(16))
WARNING = PredictionWarning(code="outside_training_range", feature="größe", message="outside, 1 to 2")
PLAIN = Value(500_000.0, 400_000.0, 600_000.0)

finite = st.floats(allow_nan=False, allow_infinity=False)
warnings = st.builds(PredictionWarning, feature=st.text(max_size=40), message=st.text(max_size=40))
intervals = st.one_of(st.just((None, None)), st.tuples(finite, finite))
values = st.builds(
    lambda prediction, ends, found: Value(prediction, ends[0], ends[1], tuple(found)),
    finite,
    intervals,
    st.lists(warnings, max_size=3),
)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_equal_rows_have_equal_keys_however_they_are_encoded(row: dict[str, Any]) -> None:
    encoder, keys = RowEncoder(HouseFeatures), RowKeys("m", "v", "s")
    rows = [HouseFeatures.from_row(row), HouseFeatures.from_row({**row, "bedrooms": 4})]
    one_by_one = [keys.of(encoder.matrix([each]).tobytes()) for each in rows]
    assert keys.of_matrix(encoder.matrix(rows)) == one_by_one
    assert one_by_one[0] != one_by_one[1]
    assert {len(key) for key in one_by_one} == {cache.KEY_BYTES}


def test_missing_values_have_one_key_and_so_do_both_zeros() -> None:
    keys = RowKeys("m", "v", "s")
    assert keys.of(np.array([math.nan, 1.0]).tobytes()) == keys.of_matrix(np.array([[np.nan, 1.0]]))[0]


def test_models_versions_and_schemas_never_share_a_key() -> None:
    triples = [("m", "v", "s"), ("m2", "v", "s"), ("m", "v2", "s"), ("m", "v", "s2"), ("mv", "", "s"), ("m", "vs", "")]
    row = np.array([1.0, 2.0]).tobytes()
    assert len({RowKeys(*triple).of(row) for triple in triples}) == len(triples)


def test_another_format_has_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    before = RowKeys("m", "v", "s").of(b"row")
    monkeypatch.setattr(cache, "FORMAT", 2)
    assert RowKeys("m", "v", "s").of(b"row") != before


@given(values)
def test_a_value_comes_back_from_both_stores(value: Value) -> None:
    memory = MemoryCache(1 << 20, 60)
    memory.put(KEY, value)
    assert memory.get(KEY) == value
    assert unseal(KEY, seal(KEY, value)) == value


@pytest.mark.parametrize(
    "value",
    [
        Value(math.nan, None, None),
        Value(math.inf, 0.0, 1.0),
        Value(1.0, -math.inf, 1.0),
        Value(1.0, 0.0, None),
        Value(1.0, None, 2.0),
        Value(1.0, None, None, (PredictionWarning(code="never_seen_category", feature="f", message="m" * 70_000),)),
    ],
)
def test_what_is_no_answer_to_repeat_is_refused(value: Value) -> None:
    with pytest.raises(ValueError, match=r"finite|two ends|at most"):
        pack(value)


@given(st.binary(max_size=200))
def test_random_bytes_are_nonsense(data: bytes) -> None:
    with pytest.raises(Nonsense):
        unseal(KEY, data)


@pytest.mark.parametrize("data", [None, 1, "text", [], b"", bytes(1 << 20)])
def test_other_things_are_nonsense(data: object) -> None:
    with pytest.raises(Nonsense):
        unseal(KEY, data)


def test_every_changed_byte_and_every_length_is_noticed() -> None:
    sealed = seal(KEY, Value(1.0, 0.5, 2.0, (WARNING,)))
    for at in range(len(sealed)):
        with pytest.raises(Nonsense):
            unseal(KEY, sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :])
        with pytest.raises(Nonsense):
            unseal(KEY, sealed[:at])


def test_the_value_of_another_key_is_nonsense() -> None:
    with pytest.raises(Nonsense, match="checksum"):
        unseal(bytes(16), seal(KEY, PLAIN))


@pytest.mark.parametrize("tail", [b"[", b"{}", b'[{"code":"made_up","feature":"f","message":"m"}]', b'[1, "x"]'])
def test_a_right_checksum_over_wrong_warnings_is_nonsense(tail: bytes) -> None:
    packed = pack(PLAIN) + tail
    with pytest.raises(Nonsense, match="not a value"):
        unseal(KEY, bytes([cache.FORMAT]) + cache._checksum(KEY, packed) + packed)


def test_a_right_checksum_over_infinity_is_nonsense() -> None:
    packed = cache._NUMBERS.pack(1, math.inf, 0.0, 1.0)
    with pytest.raises(Nonsense, match="not a value"):
        unseal(KEY, bytes([cache.FORMAT]) + cache._checksum(KEY, packed) + packed)


def test_memory_forgets_by_age() -> None:
    clock = Clock()
    memory = MemoryCache(1 << 20, 10, clock)
    memory.put(KEY, PLAIN)
    clock.now = 9.9
    assert memory.get(KEY) == PLAIN  # reading it makes it no younger
    clock.now = 10.0
    assert memory.get(KEY) is None
    assert (len(memory), memory.used_bytes) == (0, 0)


def test_memory_forgets_what_was_used_longest_ago() -> None:
    room = MemoryCache(1 << 20, 60)
    room.put(KEY, PLAIN)
    memory = MemoryCache(3 * room.used_bytes, 60)
    a, b, c, d = (bytes([n]) * 16 for n in range(4))
    for key in (a, b, c):
        memory.put(key, PLAIN)
    assert memory.get(a) == PLAIN
    memory.put(d, PLAIN)
    assert memory.get(b) is None
    assert [memory.get(key) for key in (a, c, d)] == [PLAIN] * 3


def test_what_is_larger_than_the_whole_memory_is_not_kept() -> None:
    memory = MemoryCache(100, 60)
    memory.put(KEY, PLAIN)
    assert (len(memory), memory.used_bytes) == (0, 0)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 400), st.booleans()), max_size=120))
def test_memory_behaves_like_a_simple_model_of_it(steps: list[tuple[int, int, bool]]) -> None:
    limit, clock = 1500, Clock()
    memory, model = MemoryCache(limit, 20, clock), OrderedDict[bytes, tuple[float, int, Value]]()
    for number, length, reading in steps:
        key, clock.now = bytes([number]) * 16, clock.now + 1
        if key in model and model[key][0] <= clock.now and reading:
            del model[key]
        if reading:
            assert memory.get(key) == (model[key][2] if key in model else None)
            if key in model:
                model.move_to_end(key)
            continue
        value = Value(float(number), None, None, (WARNING.model_copy(update={"message": "m" * length}),))
        model.pop(key, None)
        model[key] = (clock.now + 20, 16 + 8 + len(pack(value)) + cache.OVERHEAD_BYTES, value)
        memory.put(key, value)
        while sum(size for _, size, _ in model.values()) > limit:
            model.popitem(last=False)
        assert memory.used_bytes == sum(size for _, size, _ in model.values()) <= limit
    assert len(memory) == len(model)


def test_counted_bytes_are_not_less_than_real_ones() -> None:
    keys = RowKeys("m", "v", "s")
    names = [keys.of(number.to_bytes(8, "big")) for number in range(20_000)]
    tracemalloc.start()
    memory = MemoryCache(1 << 30, 60)
    try:
        for key in names:
            memory.put(bytes(bytearray(key)), PLAIN)  # a key of its own, as in a request
        real, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.6 * memory.used_bytes < real <= memory.used_bytes

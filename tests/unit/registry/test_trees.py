"""The trees give the bits that XGBoost's own Python gives, and refuse what it would misread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from registry.trees import Trees

INPUTS = 5


def trained(**settings: object) -> xgboost.Booster:
    random = np.random.default_rng(1)
    inputs = random.normal(size=(500, INPUTS)).astype(np.float32)
    outputs = int(str(settings.get("num_class", 1)))
    target = random.integers(outputs, size=500) if outputs > 1 else inputs[:, 0] * 3 + random.normal(size=500)
    return xgboost.train({"max_depth": 5, "nthread": 1, **settings}, xgboost.DMatrix(inputs, target), 30)


BOOSTER = trained()
TREES = Trees(BOOSTER)


def rows(count: int, seed: int = 0) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    drawn = random.normal(size=(count, INPUTS)).astype(np.float32)
    drawn[random.random(drawn.shape) < 0.1] = np.nan
    return drawn


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 1000, 3001])
def test_the_same_bits_as_inplace_predict(count: int) -> None:
    inputs = rows(count)
    margin = np.linspace(-3, 3, count, dtype=np.float32)
    assert TREES.predict(inputs).tobytes() == BOOSTER.inplace_predict(inputs).astype(np.float64).tobytes()
    expected = BOOSTER.inplace_predict(inputs, base_margin=margin).astype(np.float64)
    assert TREES.predict(inputs, margin).tobytes() == expected.tobytes()


def test_a_margin_may_be_a_column_of_a_matrix() -> None:
    inputs = rows(50)
    expected = BOOSTER.inplace_predict(inputs, base_margin=inputs[:, 0].copy()).astype(np.float64)
    assert np.array_equal(TREES.predict(inputs, inputs[:, 0]), expected, equal_nan=True)


def test_a_margin_is_forgotten_with_its_batch() -> None:
    inputs = rows(10)
    before = TREES.predict(inputs)
    TREES.predict(inputs, np.full(10, 100, np.float32))
    assert np.array_equal(TREES.predict(inputs), before)


def test_answers_outlive_the_next_batch() -> None:
    first = TREES.predict(rows(10))
    kept = first.copy()
    TREES.predict(rows(10, seed=1))
    assert np.array_equal(first, kept)


def test_margins_of_any_sizes_follow_each_other() -> None:
    for count in (1000, 1, 64, 3, 2000):
        inputs, margin = rows(count), np.full(count, count, np.float32)
        assert np.array_equal(TREES.predict(inputs, margin), BOOSTER.inplace_predict(inputs, base_margin=margin))
    with pytest.raises(xgboost.core.XGBoostError):
        TREES.predict(rows(10), np.zeros(3, np.float32))
    assert np.array_equal(TREES.predict(rows(10)), BOOSTER.inplace_predict(rows(10)))
    assert np.array_equal(
        TREES.predict(rows(3), np.zeros(3, np.float32)), BOOSTER.inplace_predict(rows(3), base_margin=np.zeros(3))
    )


def test_threads_do_not_meet() -> None:
    batches = [rows(count, seed) for seed, count in enumerate([1, 40, 700, 3] * 25)]
    expected = [BOOSTER.inplace_predict(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for found, right in zip(pool.map(TREES.predict, batches), expected, strict=True):
            assert np.array_equal(found, right)


def test_several_outputs_have_a_column_each() -> None:
    booster = trained(objective="multi:softprob", num_class=3)
    found = Trees(booster).predict(rows(7))
    assert found.shape == (7, 3)
    assert np.array_equal(found, booster.inplace_predict(rows(7)))


@pytest.mark.parametrize(
    "inputs",
    [rows(4)[:, :-1], np.zeros((4, INPUTS + 1), np.float32), rows(4).astype(np.float64), rows(4)[0], rows(8)[::2]],
    ids=["too narrow", "too wide", "float64", "one dimension", "not contiguous"],
)
def test_what_would_be_misread_is_refused(inputs: NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="the trees take"):
        TREES.predict(inputs)


def test_xgboost_words_its_own_refusals() -> None:
    with pytest.raises(xgboost.core.XGBoostError, match=r"base_margin|size"):
        TREES.predict(rows(4), np.zeros(3, np.float32))

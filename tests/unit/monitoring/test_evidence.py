"""E-values: the supremum is exact, the expectation at most 1 where nothing moved, and no input gives NaN."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.evidence import Evidence, Reference, alternatives, log_sum, nearest_shares
from monitoring.movement import reference_shares
from monitoring.profile import ColumnProfile

TEN = np.full(10, 0.1)


def likelihood(shares: np.typing.NDArray[np.float64], counts: np.typing.NDArray[np.float64]) -> float:
    """Natural logarithm, by bins that have rows."""
    seen = counts > 0
    return float((counts[seen] * np.log(shares[seen])).sum())


def test_what_is_inside_is_its_own_nearest() -> None:
    counts = np.array([101.0, 99, *[100.0] * 8])
    assert nearest_shares(TEN, counts, np.array(0.02)) == pytest.approx(counts / 1000)


def test_what_is_outside_is_cut_by_as_much_as_may_be_ignored() -> None:
    counts = np.array([300.0, 0.0, 100, 100, 100, 100, 100, 100, 100, 0])
    counts[1] = counts[9] = 0.5
    nearest = nearest_shares(TEN, counts, np.array(0.05))
    assert nearest.sum() == pytest.approx(1)
    assert 0.5 * np.abs(nearest - TEN).sum() == pytest.approx(0.05)
    assert nearest[0] == pytest.approx(0.15)


small_counts = st.lists(st.integers(0, 60), min_size=3, max_size=6).filter(lambda counts: sum(counts) > 0)


@settings(max_examples=60, deadline=None)
@given(small_counts, st.floats(0.005, 0.6), st.integers(0, 2**32 - 1))
def test_no_shares_within_what_is_ignored_are_more_likely_than_the_nearest(
    counts: list[int], ignored: float, seed: int
) -> None:
    rng, seen = np.random.default_rng(seed), np.array(counts, float)
    reference = rng.dirichlet(np.ones(len(counts)))
    best = likelihood(nearest_shares(reference, seen, np.array(ignored)), seen)
    others = rng.dirichlet(np.maximum(seen, 0.3), 300)
    distance = 0.5 * np.abs(others - reference).sum(axis=1, keepdims=True)
    others = reference + (others - reference) * np.minimum(1, ignored / distance)  # the farthest that is allowed
    assert max(likelihood(np.maximum(one, 1e-300), seen) for one in others) <= best + 1e-9


def test_the_likelihood_at_the_nearest_is_reached_in_the_limit() -> None:
    # a bin without rows is emptied first; then what it had may be given to those that have too many
    nearest = nearest_shares(np.array([0.5, 0.3, 0.2]), np.array([80.0, 20.0, 0.0]), np.array(0.1))
    assert nearest[:2] == pytest.approx([0.6, 0.3])


def test_the_expectation_is_at_most_one_wherever_the_rows_may_come_from() -> None:
    rng, ignored = np.random.default_rng(0), 0.05
    evidence = Evidence([Reference(TEN, True, ignored)])
    for edge in (TEN, TEN + ignored * np.array([1, -1, *[0] * 8]), TEN + ignored / 5 * np.repeat([1, -1], 5)):
        values = np.exp(evidence.of(rng.multinomial(300, edge, size=4000))[0])
        assert values.mean() <= 1 + 3 * values.std() / np.sqrt(len(values))


def test_evidence_grows_with_drifted_rows_and_shrinks_with_others() -> None:
    evidence = Evidence([Reference(TEN, True, 0.02)])
    drifted = np.array([0.2, *[0.8 / 9] * 9])
    grown = evidence.of(np.array([np.round(rows * drifted) for rows in (100, 1000, 10_000)], np.int64))[0]
    assert grown[0] < grown[1] < grown[2]
    assert grown[2] > 100
    same = evidence.of(np.array([TEN * rows for rows in (100, 1000, 10_000)], np.int64))[0]
    assert same[0] > same[1] > same[2]
    assert same[0] < 0


def test_columns_of_different_sizes_are_computed_together_as_alone() -> None:
    rng = np.random.default_rng(0)
    references = [
        Reference(TEN, True, 0.02),
        Reference(reference_shares(np.array([50, 0, 7])), False, 0.1),
        Reference(rng.dirichlet(np.ones(23)), False, 0.03),
    ]
    counts = [rng.multinomial(400, reference.shares[::-1], size=5) for reference in references]
    together = Evidence(references).of(np.concatenate(counts, axis=1))
    for i, reference in enumerate(references):
        assert together[i] == pytest.approx(Evidence([reference]).of(counts[i])[0])


def test_alternatives_are_shares_and_differ_from_the_reference() -> None:
    for ordered in (True, False):
        shares, weights = alternatives(Reference(reference_shares(np.array([900, 50, 0, 50, 0])), ordered, 0.02))
        assert shares.sum(axis=1) == pytest.approx(1)
        assert (shares > 0).all()
        assert weights.sum() == pytest.approx(1)
        assert (weights > 0).all()


def test_the_shares_of_drifted_rows_are_near_what_they_were() -> None:
    evidence = Evidence([Reference(TEN, False, 0.02)])
    counts = np.array([3000, 0, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 0])
    assert evidence.drifted(0, counts) == pytest.approx(counts / counts.sum(), abs=0.02)


def test_where_everything_may_be_ignored_nothing_is_evidence() -> None:
    counts = np.array([[10_000, *[0] * 9], [0] * 10])
    assert (Evidence([Reference(TEN, True, 1.0)]).of(counts) <= 1e-9).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 10**9), min_size=2, max_size=30),
    st.lists(st.integers(0, 10**12), min_size=30, max_size=30),
    st.booleans(),
    st.sampled_from([1e-6, 0.02, 0.3, 0.99, 1.0]),
)
def test_no_counts_give_nan_or_infinity(trained: list[int], live: list[int], ordered: bool, ignored: float) -> None:
    column = ColumnProfile(
        name="x", kind="number" if ordered else "category", labels=[str(i) for i in range(len(trained))], counts=trained
    )
    evidence = Evidence([Reference.of(column, ignored)])
    counts = np.array([live[: len(trained)], [0] * len(trained)], np.int64)
    assert np.isfinite(evidence.of(counts)).all()
    drifted = evidence.drifted(0, counts[0])
    assert np.isfinite(drifted).all()
    assert (drifted > 0).all()


def test_sums_of_logarithms_do_not_overflow() -> None:
    assert log_sum(np.array([1000.0, 1000.0])) == pytest.approx(1000 + np.log(2))
    assert log_sum(np.array([-700.0, -700.0])) == pytest.approx(-700 + np.log(2))

"""The detector of shares: rarely wrong, soon right, and the same however outcomes are grouped."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitoring.share_detector import NOTHING, ShareDetector

LINE = math.log(1000)


def until(most: float, share: float, seed: int, length: int, step: int = 1) -> int | None:
    """After how many outcomes the line is reached; None: never."""
    detector = ShareDetector(most)
    hits = np.random.default_rng(seed).random(length) < share
    for at in range(0, length, step):
        detector.add(int(hits[at : at + step].sum()), len(hits[at : at + step]))
        if detector.evidence >= LINE:
            return at + step
    return None


@pytest.mark.parametrize("most", [0.5, 0.27, 0.12])
def test_at_the_edge_of_what_is_allowed_a_tenth_of_the_line_rarely_rings(most: float) -> None:
    """The chance within a tenth of the line is at most a tenth."""
    assert sum(until(most, most, seed, 100) is not None for seed in range(100)) <= 10


@pytest.mark.parametrize(("most", "share"), [(0.5, 0.4), (0.27, 0.2), (0.12, 0.07)])
def test_well_within_what_is_allowed_it_does_not_ring(most: float, share: float) -> None:
    assert not any(until(most, share, seed, 5000, 10) for seed in range(10))


@pytest.mark.parametrize(
    ("most", "share", "soon"), [(0.5, 0.65, 300), (0.5, 0.95, 30), (0.27, 0.4, 250), (0.12, 0.2, 500)]
)
def test_a_share_beyond_it_is_seen_soon(most: float, share: float, soon: int) -> None:
    delays = [until(most, share, seed, 3000) or 3000 for seed in range(15)]
    assert np.median(delays) <= soon


def test_long_good_times_do_not_drown_a_change() -> None:
    fresh, old = ShareDetector(0.5), ShareDetector(0.5)
    for _ in range(1000):
        old.add(3, 10)
    for _ in range(20):
        fresh.add(8, 10)
        old.add(8, 10)
    assert old.evidence >= fresh.evidence >= LINE


def test_one_look_at_many_outcomes_is_as_good_as_many_looks() -> None:
    single, bulk = ShareDetector(0.5), ShareDetector(0.5)
    for _ in range(100):
        single.add(7, 10)
    bulk.add(700, 1000)
    assert bulk.evidence == pytest.approx(single.evidence, rel=0.1)


def test_nothing_new_changes_nothing() -> None:
    detector = ShareDetector(0.5)
    detector.add(0, 0)
    assert detector.evidence == NOTHING
    detector.add(5, 10)
    before = detector.evidence
    detector.add(0, 0)
    assert detector.evidence == before


def test_huge_counts_stay_numbers() -> None:
    detector = ShareDetector(0.12)
    for hits in (10**12, 0, 10**12):
        detector.add(hits, 10**12)
        assert math.isfinite(detector.evidence)
        assert np.isfinite(detector.logs).all()


def test_held_evidence_goes_when_its_reason_has_gone() -> None:
    detector = ShareDetector(0.5)
    for _ in range(1000):
        detector.add(9, 10)
        detector.hold(LINE + math.log(16))
    assert detector.evidence >= LINE
    for _ in range(100):
        detector.add(4, 10)
    assert detector.evidence < LINE - math.log(10)


@pytest.mark.parametrize("most", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_a_share_that_cannot_be_watched_is_refused(most: float) -> None:
    with pytest.raises(ValueError, match="above 0 and below 1"):
        ShareDetector(most)

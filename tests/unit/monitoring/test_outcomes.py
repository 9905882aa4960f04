"""Judging outcomes: each refusal has its reason, the rest is counted exactly, and counts of parts add up."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from monitoring import outcomes
from monitoring.outcome_contract import OutcomeContract, Terms
from monitoring.outcome_errors import EDGES
from monitoring.outcome_reference import OutcomeReference, measure
from monitoring.outcomes import Judge, Judged, OutcomeFigures, pair_counts
from monitoring.prediction_ids import IdWriter
from monitoring.seen_ids import FILE, SeenIds

KEY = b"k" * 32
DAY = 86_400.0
NOW = 1_700_000_000.0
REFERENCE = OutcomeReference(rows=1400, unit=1.0, bias=-0.02, median_error=0.08, large_error=0.16, coverage=0.9)
TERMS = Terms.of("log", REFERENCE, 0.9, OutcomeContract())


def judge_at(path: Path) -> Judge:
    """Of versions v1 and v2; outcomes that were met are in the file."""
    judge = Judge([KEY], "houses", SeenIds(path, buckets=1 << 13), max_age_seconds=900 * DAY)
    judge.know("v1", TERMS)
    judge.know("v2", TERMS)
    return judge


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """With a memory of its own."""
    return judge_at(tmp_path / FILE)


def token(
    value: float = 100.0, low: float | None = 80.0, high: float | None = 120.0, version: str = "v1", now: float = NOW
) -> str:
    """The id of a prediction that was made a while ago."""
    return IdWriter(KEY, "houses", version).one(value, low, high, now)


def reasons(judged: Judged) -> list[tuple[int, str]]:
    """Places and reasons of refusals."""
    return [(one.index, one.reason) for one in judged.refused]


def test_an_outcome_is_counted_for_its_version(judge: Judge) -> None:
    judged = judge.judge([(token(110.0), 100.0), (token(90.0, version="v2"), 100.0), (token(104.0), 200.0)], NOW)
    assert (judged.accepted, judged.refused) == (3, [])
    assert set(judged.counts) == {"v1", "v2"}
    first = judged.counts["v1"]
    assert len(first) == outcomes.SLOTS
    assert first[: outcomes.FIRST_BIN].tolist() == [2, 1, 1, 1, 2, 1, 580_000]
    assert first[outcomes.FIRST_BIN :].sum() == 2
    assert judged.counts["v2"][: outcomes.FIRST_BIN].tolist() == [1, 1, 0, 0, 1, 1, 100_000]


@pytest.mark.parametrize(
    ("prediction_id", "actual", "reason"),
    [
        ("nonsense", 100.0, "malformed"),
        (IdWriter(b"x" * 32, "houses", "v1").one(1.0, None, None, NOW), 100.0, "forged"),
        (token(version="v9"), 100.0, "foreign"),
        (token(now=NOW + 301), 100.0, "future"),
        (token(now=NOW - 901 * DAY), 100.0, "too_old"),
        (token(), math.nan, "not_a_number"),
        (token(), math.inf, "not_a_number"),
        (token(), 0.0, "absurd"),
        (token(), -100.0, "absurd"),
        (token(), 0.9, "absurd"),
        (token(), 10_001.0, "absurd"),
    ],
)
def test_a_refused_outcome_has_its_reason_and_harms_no_other(
    judge: Judge, prediction_id: str, actual: float, reason: str
) -> None:
    judged = judge.judge([(token(), 100.0), (prediction_id, actual), (token(), 100.0)], NOW)
    assert judged.accepted == 2
    assert reasons(judged) == [(1, reason)]
    assert judged.counts["v1"][outcomes.OUTCOMES] == 2


def test_no_message_repeats_what_was_sent(judge: Judge) -> None:
    bad = [("nonsense", 77.7), (token(), -77.7), (token(value=77.7), 7e9), (token(now=NOW + 1e6), 77.7)]
    messages = [one.message for one in judge.judge(bad, NOW).refused]
    assert len(messages) == 4
    assert not any("77" in message or "nonsense" in message for message in messages)


def test_clocks_may_differ_a_little(judge: Judge) -> None:
    assert judge.judge([(token(now=NOW + 299), 100.0)], NOW).accepted == 1


def test_the_same_outcome_twice_is_counted_once(judge: Judge) -> None:
    same = token()
    judged = judge.judge([(same, 100.0), (token(), 100.0), (same, 100.0)], NOW)
    assert (judged.accepted, reasons(judged)) == (2, [(2, "duplicate")])
    assert reasons(judge.judge([(same, 110.0)], NOW)) == [(0, "duplicate")]


def test_two_workers_count_the_same_outcome_once(tmp_path: Path) -> None:
    mine, yours, same = judge_at(tmp_path / FILE), judge_at(tmp_path / FILE), token()
    assert mine.judge([(same, 100.0)], NOW).accepted == 1
    assert reasons(yours.judge([(same, 100.0)], NOW)) == [(0, "duplicate")]


def test_an_absurd_outcome_may_come_again_mended(judge: Judge) -> None:
    same = token()
    assert reasons(judge.judge([(same, 100_000.0)], NOW)) == [(0, "absurd")]
    assert judge.judge([(same, 100.0)], NOW).accepted == 1


def test_refusals_stand_in_the_order_of_the_request(judge: Judge) -> None:
    same = token()
    judged = judge.judge([(same, 1.0), (same, 1.0), ("x", 1.0), (token(), 0.0)], NOW)
    assert reasons(judged) == [(1, "duplicate"), (2, "malformed"), (3, "absurd")]


def test_an_empty_batch_counts_nothing(judge: Judge) -> None:
    assert judge.judge([], NOW) == Judged(0, [], {}, {})


def test_pairs_count_the_bin_of_the_prediction_and_of_the_actual_value(judge: Judge) -> None:
    found = pair_counts([10.0, 20.0], np.array([5.0, 10, 25, 25]), np.array([15.0, 10, math.inf, -math.inf]))
    assert found.reshape(3, 3).tolist() == [[0, 1, 0], [0, 1, 0], [1, 0, 1]]
    judge.know("v1", TERMS, [90.0, 110.0])
    judged = judge.judge([(token(100.0), 120.0), (token(100.0), 80.0), (token(100.0), 85.0)], NOW)
    assert judged.pairs["v1"].reshape(3, 3).tolist() == [[0, 0, 0], [2, 0, 1], [0, 0, 0]]


def test_without_intervals_coverage_is_not_counted(judge: Judge) -> None:
    counts = judge.judge([(token(100.0, None, None), 100.0)], NOW).counts["v1"]
    assert (counts[outcomes.WITH_INTERVAL], counts[outcomes.INSIDE]) == (0, 0)
    assert OutcomeFigures.of(counts).coverage is None


def test_counts_of_parts_add_up_to_those_of_the_whole_and_give_the_figures_of_training(judge: Judge) -> None:
    draw = np.random.default_rng(1)
    actual = np.exp(draw.normal(13, 0.5, 10_000))
    predicted = actual * np.exp(draw.normal(-0.05, 0.12, 10_000))
    written = IdWriter(KEY, "houses", "v1")
    tokens = written.many(predicted.tolist(), (predicted * 0.85).tolist(), (predicted * 1.2).tolist(), NOW)
    reports = list(zip(tokens, actual.tolist(), strict=True))
    parts = [judge.judge(reports[at : at + 777], NOW).counts["v1"] for at in range(0, 10_000, 777)]
    total = np.sum(parts, axis=0)
    figures = OutcomeFigures.of(total)
    inside = (predicted * 0.85 <= actual) & (actual <= predicted * 1.2)
    measured = measure("log", actual, predicted, inside)
    assert figures.outcomes == 10_000
    assert figures.bias == pytest.approx(measured.bias, abs=0.002)
    assert figures.median_error == pytest.approx(measured.median_error, abs=0.002)
    assert figures.mean_error == pytest.approx(float(np.abs(predicted / actual - 1).mean()), abs=1e-6)
    assert figures.coverage == measured.coverage
    errors = predicted / actual - 1
    assert total[outcomes.BELOW] == (errors < -TERMS.tolerated).sum()
    assert total[outcomes.LARGE] == (np.abs(errors) > REFERENCE.large_error).sum()


@pytest.mark.parametrize("at_once", [True, False])
def test_outcomes_of_true_probabilities_are_spread_evenly_however_they_were_asked_for(
    judge: Judge, at_once: bool
) -> None:
    judge.know("v1", Terms.of("logit", REFERENCE, None, OutcomeContract()))
    writer, share, number = IdWriter(KEY, "houses", "v1"), 0.3, 4_000
    one_by_one = (writer.one(share, None, None, NOW) for _ in range(number))
    tokens = writer.many([share] * number, None, None, NOW) if at_once else one_by_one
    truth = np.random.default_rng(3).uniform(size=number) < share
    judged = judge.judge(list(zip(tokens, truth.astype(float).tolist(), strict=True)), NOW)
    below = np.cumsum(judged.counts["v1"][outcomes.FIRST_BIN :])[:-1] / number
    assert below == pytest.approx(((1 + EDGES) / 2).clip(0, 1), abs=2.5 / math.sqrt(number))  # Kolmogorov's distance


def test_no_outcomes_have_no_figures() -> None:
    figures = OutcomeFigures.of(np.zeros(outcomes.SLOTS, np.int64))
    assert figures == OutcomeFigures(0, None, None, None, None)


def test_a_version_that_the_gate_let_pass_with_bias_is_held_to_that() -> None:
    biased = REFERENCE.model_copy(update={"bias": -0.05})
    assert Terms.of("log", REFERENCE, 0.9, OutcomeContract()).tolerated == 0.03
    assert Terms.of("log", biased, 0.9, OutcomeContract()).tolerated == pytest.approx(0.058)


def test_terms_allow_for_what_a_small_reference_leaves_unsure() -> None:
    small, large = (REFERENCE.model_copy(update={"rows": rows}) for rows in (200, 10**6))
    assert Terms.of("log", large, 0.9, OutcomeContract()).large_share == pytest.approx(0.27)
    assert (Terms.of("log", small, 0.9, OutcomeContract()).large_share or 0) > 0.32


def test_an_old_bundle_has_terms_without_a_reference() -> None:
    terms = Terms.of("log", None, None, OutcomeContract())
    assert (terms.tolerated, terms.large, terms.large_share, terms.outside_share) == (0.03, math.inf, None, None)


@pytest.mark.parametrize("link", ["log", "identity", "logit"])
def test_a_reference_can_be_measured_on_every_scale(link: str) -> None:
    actual = np.array([0.0, 1.0, 1.0, 0.0]) if link == "logit" else np.array([1.0, 2.0, 3.0, 4.0])
    predicted = np.array([0.1, 0.8, 0.7, 0.3]) if link == "logit" else actual + np.array([0.5, -0.5, 0.5, -1.0])
    reference = measure(link, actual, predicted, None)  # type: ignore[arg-type]
    assert reference.rows == 4
    assert reference.coverage is None
    assert reference == measure(link, actual, predicted, None)  # type: ignore[arg-type]


def test_a_model_without_error_has_a_reference() -> None:
    actual = np.array([1.0, 2.0])
    assert measure("identity", actual, actual, None).unit == 1.0

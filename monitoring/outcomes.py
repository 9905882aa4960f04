"""Judging outcomes: which are believed, and what they add to the counts of their versions.

Pure but for the memory of ids that were met. What comes out is a vector of integers for each version; such vectors add
up over workers, replicas and time, and every figure and alarm is computed from sums of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitoring.outcome_contract import Terms
from monitoring.outcome_errors import BINS, Vector, error_bins, median_absolute_of, median_of
from monitoring.prediction_ids import NONCE_BYTES, IdReader, IdRefusal, IssuedPrediction
from monitoring.seen_ids import SeenIds
from schemas.outcomes import RefusalReason

Counts = npt.NDArray[np.int64]

OUTCOMES, BELOW, ABOVE, LARGE, WITH_INTERVAL, INSIDE, ERROR_PPM = range(7)
"""Places of a count vector: outcomes; bias below and above what is tolerated; large errors; outcomes with an interval,
and inside it; sum of absolute errors in parts per million. The error bins follow."""

FIRST_BIN = 7
SLOTS = FIRST_BIN + BINS

CLOCKS_DIFFER_SECONDS = 300.0
"""How far the clocks of replicas may be apart."""

_ID_MESSAGES: dict[IdRefusal, str] = {
    "malformed": "is no prediction id; send it exactly as the answer gave it",
    "forged": "was not signed with a key of this service",
    "foreign": "belongs to a model or version that this service does not know",
}


@dataclass(frozen=True, order=True)
class Refused:
    """An outcome that is not counted: its place in the batch, why, and the same for people."""

    index: int
    reason: RefusalReason
    message: str


class Judged(NamedTuple):
    """A batch's verdicts. By version, what to add: `counts`, shape (SLOTS,), and `pairs`, as `pair_counts` has them."""

    accepted: int
    refused: list[Refused]
    counts: dict[str, Counts]
    pairs: dict[str, Counts]


class _Believed(NamedTuple):
    place: int
    issued: IssuedPrediction
    actual: float


class Judge:
    """Judges the outcomes of one model. Safe to use from several threads.

    Args:
        keys: all that may have signed its prediction ids (monitoring/signing_key.py).
        model: its name.
        seen: the ids that were met.
        max_age_seconds: predictions that are older are refused; None: none is too old.
    """

    def __init__(self, keys: Sequence[bytes], model: str, seen: SeenIds, max_age_seconds: float | None = None) -> None:
        self._reader, self._seen = IdReader(keys, model), seen
        self._terms: dict[str, Terms] = {}
        self._edges: dict[str, Sequence[float]] = {}
        self._max_age = math.inf if max_age_seconds is None else max_age_seconds

    def know(self, version: str, terms: Terms, edges: Sequence[float] = ()) -> None:
        """Judge outcomes of this version from now on; those of unknown versions are foreign.

        Args:
            terms: what they are held against.
            edges: of the bins in which predictions and actual values are paired.
        """
        self._terms[version], self._edges[version] = terms, edges
        self._reader.know(version)

    def judge(self, outcomes: Sequence[tuple[str, float]], now: float) -> Judged:
        """Judge a batch. An id is remembered only if its outcome is accepted, so a mended outcome may come again.

        Args:
            outcomes: prediction ids with actual values in the target's unit, n of them.
            now: Unix time in seconds.
        """
        believed: list[_Believed] = []
        refused: list[Refused] = []
        for index, (token, actual) in enumerate(outcomes):
            issued = self._reader.read(token)
            if isinstance(issued, str):
                refused.append(Refused(index, issued, f"the prediction_id {_ID_MESSAGES[issued]}"))
            elif reason := self._why_not(issued, actual, now):
                refused.append(Refused(index, *reason))
            else:
                believed.append(_Believed(index, issued, actual))
        new = self._seen.add([outcome.issued.nonce for outcome in believed])
        for outcome, is_new in zip(believed, new, strict=True):
            if not is_new:
                refused.append(Refused(outcome.place, "duplicate", "an outcome of this prediction was counted before"))
        accepted = [outcome for outcome, is_new in zip(believed, new, strict=True) if is_new]
        return Judged(len(accepted), sorted(refused), *self._counted(accepted))

    def _why_not(self, issued: IssuedPrediction, actual: float, now: float) -> tuple[RefusalReason, str] | None:
        age = now - issued.issued_at
        if age < -CLOCKS_DIFFER_SECONDS:
            return "future", f"the prediction is {-age:,.0f} s in the future; a clock is wrong"
        if age > self._max_age:
            return (
                "too_old",
                f"the prediction is {age / 86_400:,.0f} days old; at most {self._max_age / 86_400:g} count",
            )
        if not math.isfinite(actual):
            return "not_a_number", "actual must be a finite number"
        wrong = self._terms[issued.version].scale.absurd(issued.value, actual)
        return ("absurd", f"actual {wrong}; check its unit and which prediction it belongs to") if wrong else None

    def _counted(self, accepted: Sequence[_Believed]) -> tuple[dict[str, Counts], dict[str, Counts]]:
        by_version: dict[str, list[_Believed]] = {}
        for outcome in accepted:
            by_version.setdefault(outcome.issued.version, []).append(outcome)
        counts = {version: _counted(self._terms[version], found) for version, found in by_version.items()}
        pairs = {version: _paired(self._edges[version], found) for version, found in by_version.items()}
        return counts, pairs


def _counted(terms: Terms, outcomes: Sequence[_Believed]) -> Counts:
    issued = [outcome.issued for outcome in outcomes]
    nonces = np.frombuffer(b"".join(one.nonce for one in issued), f"<u{NONCE_BYTES}")
    return count(
        terms,
        predicted=np.array([one.value for one in issued]),
        actual=np.array([outcome.actual for outcome in outcomes]),
        low=np.array([math.nan if one.low is None else one.low for one in issued]),
        high=np.array([math.nan if one.high is None else one.high for one in issued]),
        draws=_draws(nonces),
    )


def _draws(nonces: npt.NDArray[np.uint64]) -> Vector:
    """Uniform on 0 to 1, shape (n,), one for each nonce and always the same.

    Nonces of one request follow one another, so they are scattered first, as SplitMix64 does it (Steele, Lea and Flood,
    Fast splittable pseudorandom number generators, OOPSLA 2014).
    """
    mixed = nonces * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ mixed >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ mixed >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ mixed >> np.uint64(31)) / 2.0**64


def _paired(edges: Sequence[float], outcomes: Sequence[_Believed]) -> Counts:
    predicted = np.array([outcome.issued.value for outcome in outcomes])
    return pair_counts(edges, predicted, np.array([outcome.actual for outcome in outcomes]))


def pair_counts(edges: Sequence[float], predicted: Vector, actual: Vector) -> Counts:
    """Predictions against actual values, both of shape (n,), in the same m - 1 edges; shape (m * m,), by prediction
    first. Such counts add up."""
    size = len(edges) + 1
    places = np.searchsorted(edges, predicted, side="right") * size + np.searchsorted(edges, actual, side="right")
    return np.bincount(places, minlength=size * size).astype(np.int64, copy=False)


def count(terms: Terms, predicted: Vector, actual: Vector, low: Vector, high: Vector, draws: Vector) -> Counts:
    """What outcomes that are not absurd add to the counts of their version, shape (SLOTS,).

    Args:
        terms: of the version.
        predicted, actual: shape (n,), in the target's unit.
        low, high: intervals, shape (n,); NaN without.
        draws: uniform on 0 to 1, shape (n,), one for each prediction.
    """
    errors = terms.scale.errors(predicted, actual, draws)
    counts = np.zeros(SLOTS, np.int64)
    counts[OUTCOMES] = len(errors)
    counts[BELOW] = (errors < -terms.tolerated).sum()
    counts[ABOVE] = (errors > terms.tolerated).sum()
    counts[LARGE] = (np.abs(errors) > terms.large).sum()
    counts[WITH_INTERVAL] = (~np.isnan(low)).sum()
    counts[INSIDE] = ((low <= actual) & (actual <= high)).sum()
    counts[ERROR_PPM] = np.rint(np.abs(errors) * 1e6).astype(np.int64).sum()
    counts[FIRST_BIN:] = np.bincount(error_bins(errors), minlength=BINS)
    return counts


@dataclass(frozen=True)
class OutcomeFigures:
    """How good a version is by the outcomes that came. Errors on the version's own scale; None where nothing came.

    Args:
        outcomes: how many.
        bias: signed median error.
        median_error: median absolute error.
        mean_error: mean absolute error; MAPE where errors are relative, as a share.
        coverage: share of outcomes inside their interval.
    """

    outcomes: int
    bias: float | None
    median_error: float | None
    mean_error: float | None
    coverage: float | None

    @classmethod
    def of(cls, counts: Counts) -> OutcomeFigures:
        """From summed counts, shape (SLOTS,)."""
        total, with_interval, bins = int(counts[OUTCOMES]), int(counts[WITH_INTERVAL]), counts[FIRST_BIN:]
        return cls(
            outcomes=total,
            bias=median_of(bins),
            median_error=median_absolute_of(bins),
            mean_error=float(counts[ERROR_PPM]) / 1e6 / total if total else None,
            coverage=float(counts[INSIDE]) / with_interval if with_interval else None,
        )

"""E-values of bin counts: how strongly do these rows speak against "as in training, but for what may be ignored"?

An e-value is the likelihood of the counts under a fixed mixture of alternatives, divided by the largest likelihood
under any shares within `ignored` of the reference (total variation: the share of rows that would have to change bins).
If the rows come from such shares, independently, its expectation is at most 1, however many rows there are and however
often it is looked at. Alternatives: shifts and spreads of a number in rank, one bin that grows or shrinks, rows
that go from one level to another, and two Dirichlet distributions for whatever else may happen.

Sources: Wasserman, Ramdas, Balakrishnan, Universal inference (2020), for the ratio to a supremum; Lindon, Malek,
Anytime-valid inference for multinomial counts (arXiv 2011.03567), for the Dirichlet mixture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, ndtri

from monitoring.movement import reference_shares, unsure_share
from monitoring.profile import ColumnProfile

Vector = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_TILTS = {0.15: 3.0, 0.3: 3.0, 0.6: 1.0, 1.2: 0.5}
"""Strengths of shifts and spreads, in standard deviations of a normal column, with their weights."""

_STEPS = {0.06: 4.0, 0.15: 2.0, 0.4: 1.0}
"""Shares of rows that one bin gains or loses, with their weights. Small ones weigh most: what is large is soon seen."""

_EXCHANGES = {0.05: 3.0, 0.12: 1.0}
"""Shares of rows that go from one bin to another where bins have no order, with their weights."""

_TOGETHER_WEIGHT = 0.5
"""Of all shifts and spreads together, or where bins have no order of all exchanges; the rest is of single bins."""

_CONCENTRATIONS = (30.0, 300.0)
"""Of the Dirichlet distributions around the reference: one wide, one narrow."""

_DIRICHLET_WEIGHT = 0.1
"""Of each of the two; what is left goes to the single alternatives."""

FOLLOWS_TIME = 0.5
"""A column that moved by more than this within the reference follows time itself, as a date does; that it goes on is no
news, and it is not watched."""

NOTHING = -700.0
"""The logarithm of no evidence; finite, so that it can be kept as JSON."""

_NO_WEIGHT = -1e9
"""Logarithm of the weight of a place that holds no alternative; finite, so that no NaN can come of it."""


@dataclass(frozen=True)
class Reference:
    """What one column is held against.

    Args:
        shares: of the rows by bin, shape (k,), all above 0.
        ordered: whether all bins but the last are in the order of their values.
        ignored: movement that is no news, as a share of the rows; with 1 nothing is ever news.
    """

    shares: Vector
    ordered: bool
    ignored: float

    @classmethod
    def of(cls, column: ColumnProfile, ignore_below: float) -> Reference:
        """The reference of a profiled column.

        What is ignored is the largest of the contract's share, what the finite number of training rows leaves unsure,
        and how far training rows moved themselves over time.
        """
        ordered = column.kind == "number"
        return cls._within(np.array(column.counts, np.int64), ordered, ignore_below, column.movement)

    @classmethod
    def of_absence(cls, column: ColumnProfile, ignore_below: float) -> Reference:
        """The same where only missing and never seen are told from the rest, which is the first bin."""
        counts = np.array(column.counts, np.int64)
        absent = np.append(counts[: -column.absent].sum(), counts[-column.absent :])
        return cls._within(absent, False, ignore_below, column.absent_movement)

    @classmethod
    def _within(cls, counts: Counts, ordered: bool, ignore_below: float, movement: float) -> Reference:
        movement = 1.0 if movement > FOLLOWS_TIME else movement
        return cls(reference_shares(counts), ordered, min(1.0, max(ignore_below, unsure_share(counts), movement)))


class Evidence:
    """Computes the e-values of all columns of a profile, for many runs of rows at once.

    Args:
        references: one for each column.
    """

    def __init__(self, references: Sequence[Reference]) -> None:
        sizes = [len(reference.shares) for reference in references]
        self._starts = np.cumsum([0, *sizes[:-1]])
        mixtures = [alternatives(reference) for reference in references]
        columns, width, most = len(sizes), max(sizes), max(len(weights) for _, weights in mixtures)
        self._shares = np.zeros((columns, width))
        self._log_ratios = np.zeros((columns, width, most))
        self._log_weights = np.full((columns, 1, most), _NO_WEIGHT)
        self._ignored = np.array([reference.ignored for reference in references])
        self._place = np.zeros((columns, width), np.intp)
        for i, (reference, (mixture, weights)) in enumerate(zip(references, mixtures, strict=True)):
            size = sizes[i]
            self._shares[i, :size] = reference.shares
            self._log_ratios[i, :size, : len(mixture)] = np.log(mixture / reference.shares).T
            self._log_weights[i, 0, : len(mixture)] = np.log((1 - 2 * _DIRICHLET_WEIGHT) * weights)
            self._place[i, :size] = self._starts[i] + np.arange(size)
        self._real = self._shares > 0
        self._log_shares = np.log(np.where(self._real, self._shares, 1.0))
        self._centres = [np.where(self._real, strength * self._shares, 1.0) for strength in _CONCENTRATIONS]

    def by_column(self, counts: Counts | Vector) -> Vector:
        """Flat counts (runs, bins), column after column, as (columns, runs, width); places without a bin are 0."""
        spread: Vector = np.where(self._real[:, None, :], counts[:, self._place].transpose(1, 0, 2), 0).astype(float)
        return spread

    def drifted(self, column: int, counts: Counts) -> Vector:
        """The shares that drifted rows have by these counts: the mean of the mixture, given them.

        Args:
            column: number of the column.
            counts: of its rows by bin, shape (k,).

        Returns:
            Shape (k,); all above 0.
        """
        size = len(counts)
        shares, ratios = self._shares[column, :size], self._log_ratios[column, :size]
        logs = [counts @ ratios + self._log_weights[column, 0]]
        means = [shares[:, None] * np.exp(ratios)]
        for strength in _CONCENTRATIONS:
            centre = strength * shares
            likelihood = _dirichlet(strength, centre, counts.astype(float)) - counts @ np.log(shares)
            logs.append(np.array([likelihood + np.log(_DIRICHLET_WEIGHT)]))
            means.append(((centre + counts) / (strength + counts.sum()))[:, None])
        weights = np.exp(np.concatenate(logs) - log_sum(np.concatenate(logs)))
        mean: Vector = np.concatenate(means, axis=1) @ weights
        return mean

    def of(self, counts: Counts | Vector) -> Vector:
        """Natural logarithm of the e-values.

        Args:
            counts: of runs of rows, shape (runs, bins), column after column.

        Returns:
            Shape (columns, runs); finite.
        """
        seen = self.by_column(counts)
        parts = [log_sum(seen @ self._log_ratios + self._log_weights)]
        at_reference = np.einsum("crk,ck->cr", seen, self._log_shares)
        for strength, centre in zip(_CONCENTRATIONS, self._centres, strict=True):
            likelihood = _dirichlet(strength, centre[:, None, :], seen)
            parts.append(likelihood - at_reference + np.log(_DIRICHLET_WEIGHT))
        nearest = nearest_shares(self._shares[:, None, :], seen, self._ignored[:, None])
        shares = self._shares[:, None, :]
        allowed = (seen * np.log(np.where(seen > 0, nearest, 1.0) / np.where(seen > 0, shares, 1.0))).sum(axis=2)
        return np.asarray(log_sum(np.stack(parts, axis=-1)) - allowed)


def _dirichlet(strength: float, centre: Vector, counts: Vector) -> Vector:
    """log likelihood of counts (..., k) under a Dirichlet distribution of shares, centre (..., k), in their order."""
    rows = counts.sum(axis=-1)
    terms = (gammaln(centre + counts) - gammaln(centre)).sum(axis=-1)
    return np.asarray(gammaln(strength) - gammaln(strength + rows) + terms)


def alternatives(reference: Reference) -> tuple[Vector, Vector]:
    """Shares that drifted rows may have, shape (alternatives, k), without zeros; and their weights, which sum to 1."""
    together = _tilted(reference.shares) if reference.ordered else _exchanged(reference.shares)
    stepped = _stepped(reference.shares)
    parts = ((together, _TOGETHER_WEIGHT), (stepped, 1 - _TOGETHER_WEIGHT if together else 1.0))
    weights = [weight * whole / sum(w for _, w in part) for part, whole in parts for _, weight in part]
    return np.array([shares for shares, _ in (*together, *stepped)]), np.array(weights)


def _tilted(shares: Vector) -> list[tuple[Vector, float]]:
    """Shifts and spreads of the bins before the last, which holds what is missing; none of a single one."""
    if len(shares) <= 2:
        return []
    within = shares[:-1] / shares[:-1].sum()
    score = ndtri(np.clip(np.cumsum(within) - within / 2, 0.001, 0.999))
    found = []
    for direction, share in ((score, 1.0), (-score, 1.0), (score**2 - 1, 0.5), (1 - score**2, 0.5)):
        for tilt, weight in _TILTS.items():
            moved = shares.copy()
            moved[:-1] *= np.exp(np.clip(tilt * direction, -4, 4))
            found.append((moved / moved.sum(), share * weight))
    return found


def _exchanged(shares: Vector) -> list[tuple[Vector, float]]:
    """Rows go from one bin to another, all else stays."""
    found = []
    for step, weight in _EXCHANGES.items():
        for giver, taker in permutations(range(len(shares)), 2):
            if shares[giver] > step:
                moved = shares.copy()
                moved[giver] -= step
                moved[taker] += step
                found.append((moved, weight))
    return found


def _stepped(shares: Vector) -> list[tuple[Vector, float]]:
    """One bin gains or loses, the others keep their proportions."""
    found = []
    for bin_, share in enumerate(shares.tolist()):
        for step, weight in _STEPS.items():
            found.append((_with_bin(shares, bin_, share + step * (1 - share)), weight))
            if share > step:
                found.append((_with_bin(shares, bin_, share - step), weight))
    return found


def _with_bin(shares: Vector, bin_: int, share: float) -> Vector:
    """The same with another share of one bin; the others keep their proportions. Nothing to do for a single bin."""
    others = 1 - shares[bin_]
    if others <= 0:
        return shares
    moved: Vector = shares * (1 - share) / others
    moved[bin_] = share
    return moved


def nearest_shares(reference: Vector, counts: Vector, ignored: Vector) -> Vector:
    """The most likely shares within `ignored` of the reference, by water-filling: exact, without iteration.

    Bins with more rows than the reference has are raised to a common fraction of their live share, others lowered to a
    common multiple of theirs, by `ignored` of the rows in all.

    Args:
        reference: shares (..., k); 0 where there is no bin.
        counts: rows by bin, shape (..., k).
        ignored: total variation that is allowed, shape (...).

    Returns:
        Shape (..., k). Bins without rows may be given less than they have, so the sum is at least 1 - ignored.
    """
    live = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    reference = np.broadcast_to(reference, live.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(live > 0, reference / live, np.inf)
    raised, lowered = _levels(reference, live, ratio, ignored)
    inside = 0.5 * np.abs(live - reference).sum(axis=-1) <= ignored
    held = np.minimum(np.maximum(reference, raised[..., None] * live), lowered[..., None] * live)
    held = np.where(live > 0, held, reference)
    return np.where(inside[..., None], live, held)


def _levels(reference: Vector, live: Vector, ratio: Vector, ignored: Vector) -> tuple[Vector, Vector]:
    """Where raising and lowering stop, as factors of the live shares; each shape (...)."""
    order = np.argsort(ratio, axis=-1)
    at, fed, owned = (np.take_along_axis(part, order, axis=-1) for part in (ratio, live, reference))
    at = np.where(np.isfinite(at), at, 0.0)  # bins without rows come last, and are never raised
    rows, shares = fed.cumsum(axis=-1), owned.cumsum(axis=-1)
    filled = (at * rows - shares <= ignored[..., None]) & (fed > 0)
    raised = _level(filled, rows, ignored[..., None] + shares, lowest=0.0)
    # lowering goes from the other end: first the bins without rows, which cost nothing, then the highest ratios
    rows_above, shares_above = fed.sum(-1, keepdims=True) - rows + fed, owned.sum(-1, keepdims=True) - shares + owned
    drained = (shares_above - at * rows_above <= ignored[..., None]) & (fed > 0)
    lowered = _level(drained, rows_above, shares_above - ignored[..., None], lowest=1e300, last=False)
    return raised, lowered


def _level(reached: npt.NDArray[np.bool_], rows: Vector, shares: Vector, lowest: float, last: bool = True) -> Vector:
    """The level at the last (or first) place that is reached; `lowest` where none is."""
    size = reached.shape[-1]
    place = size - 1 - np.argmax(reached[..., ::-1], axis=-1) if last else np.argmax(reached, axis=-1)
    top, bottom = (np.take_along_axis(part, place[..., None], axis=-1)[..., 0] for part in (shares, rows))
    return np.where(reached.any(axis=-1), top / np.where(bottom > 0, bottom, 1.0), lowest)


def log_sum(logs: Vector) -> Vector:
    """log of the sum of exp over the last axis, for finite values."""
    top = logs.max(axis=-1, keepdims=True)
    total: Vector = np.log(np.exp(logs - top).sum(axis=-1)) + top[..., 0]
    return total

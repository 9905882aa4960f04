"""What a contract is worth on a given reference: false alarms on replayed training rows, and delays of planted drift.

A replayed day is made of runs of consecutive training rows, drawn at random: rows that depend on their neighbours, as
those of a burst do, depend on them in the replay too. Older bundles hold no rows; theirs are drawn bin by bin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from monitoring.contract import Contract
from monitoring.drift import DriftMonitor
from monitoring.movement import reference_shares, sampling_movement
from monitoring.profile import ColumnProfile, Profile

Codes = npt.NDArray[np.uint8]
"""The bin of every training row in every column, shape (n, columns), in order of time."""

Bins = npt.NDArray[np.intp]

Kind = Literal["shift", "missing", "points"]

WARM_UP_LOOKS = 20
"""Looks without drift before drift is planted."""

SHORT_LOOKS, SHORT_ROWS = 300, 3_000_000
"""Looks that are replayed before a version is published, and the most rows in them."""

_REFERENCE_BINS = 256


class ContractUnsupported(ValueError):
    """The reference cannot keep the contract; the message says what is needed."""


@dataclass(frozen=True)
class Drift:
    """A planted change of one column.

    Args:
        kind: a shift of a number in normal scores, values gone missing, or rows that went from the most frequent bin
            of a category to its middle one.
        size: in standard deviations for a shift, else a share of the rows.
    """

    kind: Kind
    size: float


class Replay:
    """Draws rows like those of the reference.

    Args:
        profile: of the version.
        codes: its training rows; None draws each column by itself from its counts.
        run: so many consecutive rows are drawn together.
        seed: equal seeds give equal rows.
    """

    def __init__(self, profile: Profile, codes: Codes | None, run: int, seed: int) -> None:
        self._columns, self._codes, self._run = profile.columns, codes, run
        self._rng = np.random.default_rng(seed)

    def rows(self, number: int) -> Bins:
        """Bins of new rows, shape (number, columns)."""
        if self._codes is None or not len(self._codes):
            drawn = [self._rng.choice(len(column.counts), number, p=_shares(column)) for column in self._columns]
            return np.stack(drawn, axis=1)
        starts = self._rng.integers(0, len(self._codes), -(-number // self._run))
        places = (starts[:, None] + np.arange(self._run)).ravel()[:number] % len(self._codes)
        found: Bins = self._codes[places].astype(np.intp)
        return found

    def moved(self, bins: Bins, column: int, drift: Drift) -> Bins:
        """The same bins of one column, shape (n,), after a change."""
        profile, moved = self._columns[column], bins.copy()
        missing = len(profile.labels) - 1
        if drift.kind == "shift":
            present = bins < missing
            moved[present] = self._shifted(profile, bins[present], drift.size)
        elif drift.kind == "missing":
            moved[self._rng.random(len(bins)) < drift.size] = missing
        else:
            order = np.argsort(-np.array(profile.counts[:-3]), kind="stable")
            share = profile.counts[order[0]] / max(sum(profile.counts), 1)
            leave = (bins == order[0]) & (self._rng.random(len(bins)) < drift.size / max(share, drift.size))
            moved[leave] = order[len(order) // 2]
        return moved

    def _shifted(self, column: ColumnProfile, bins: Bins, size: float) -> Bins:
        """Each row gets a rank at random within its bin, which is shifted as a normal column's would be."""
        ends = np.cumsum(reference_shares(np.array(column.counts[:-1], np.int64)))
        ends[-1] = 1.0
        low = np.append(0.0, ends[:-1])
        rank = low[bins] + self._rng.random(len(bins)) * (ends - low)[bins]
        shifted = ndtr(ndtri(rank.clip(1e-9, 1 - 1e-9)) + size)
        found: Bins = np.searchsorted(ends, shifted).clip(max=len(ends) - 1)
        return found


def reference_codes(profile: Profile, columns: npt.NDArray[np.float64]) -> Codes:
    """The bins of values of shape (n, columns).

    Raises:
        ValueError: a column has more bins than a byte can number.
    """
    if max(len(column.labels) for column in profile.columns) > _REFERENCE_BINS:
        raise ValueError(f"a column has more than {_REFERENCE_BINS} bins")
    return np.stack([column.bins(columns[:, i]) for i, column in enumerate(profile.columns)], axis=1).astype(np.uint8)


def check(profile: Profile, codes: Codes | None, contract: Contract) -> None:
    """The short calibration before a version is published.

    Raises:
        ContractUnsupported: a column's reference is typically itself off by more than the contract ignores, or the
            training rows, replayed, ring the alarm.
    """
    for column in profile.columns:
        counts = np.array(column.counts, np.int64)
        rows = int(counts.sum())
        off = sampling_movement(reference_shares(counts), rows)[0]
        if off > contract.ignore_below:
            needed = int(np.ceil(rows * (off / contract.ignore_below) ** 2))
            raise ContractUnsupported(
                f"{column.name!r} has {rows:,} training rows, whose shares are off by {off:.1%} for want of rows: "
                f"ignore_below of {contract.ignore_below:.1%} needs about {needed:,} rows. Train on more rows, or set "
                f"ignore_below to {np.ceil(off * 1000) / 1000:g} or more"
            )
    looks = min(SHORT_LOOKS, 1 + SHORT_ROWS // contract.check_rows)
    if false_alarms(profile, codes, contract, looks, seed=0):
        raise ContractUnsupported(
            "training rows, replayed in runs of check_rows, ring the drift alarm: neighbours are too much alike. "
            f"Set check_rows above {contract.check_rows}, or ignore_below above {contract.ignore_below:g}"
        )


def false_alarms(profile: Profile, codes: Codes | None, contract: Contract, looks: int, seed: int) -> int:
    """How often the alarm rings on so many looks at replayed training rows."""
    monitor = DriftMonitor("calibration", profile, contract)
    replay = Replay(profile, codes, contract.check_rows, seed)
    changes = (monitor.look(counts, 0.0) for counts in _increments(replay, profile, contract.check_rows, looks))
    return sum(change is not None and change.state == "ringing" for change in changes)


def delay(
    profile: Profile, codes: Codes | None, contract: Contract, column: int, drift: Drift, most: int, seed: int
) -> int | None:
    """Rows from a planted change of one column to the alarm; None: not within `most` rows.

    The column is watched alone, at the line that it has among all: the others can only help.
    """
    alone = Profile(rows=profile.rows, columns=[profile.columns[column]])
    days = contract.false_alarm_days * len(profile.columns) * max(1.0, contract.threshold / _looks(contract))
    monitor = DriftMonitor("calibration", alone, contract.model_copy(update={"false_alarm_days": days}))
    replay = Replay(profile, codes, contract.check_rows, seed)
    size, step = len(profile.columns[column].labels), contract.check_rows
    for look in range(WARM_UP_LOOKS + -(-most // step)):
        bins = replay.rows(step)[:, column]
        if look >= WARM_UP_LOOKS:
            bins = replay.moved(bins, column, drift)
        change = monitor.look(np.bincount(bins, minlength=size), 0.0)
        if change is not None and look >= WARM_UP_LOOKS:
            return (look - WARM_UP_LOOKS + 1) * step
    return None


def _looks(contract: Contract) -> float:
    return contract.false_alarm_days * contract.checks_per_day


def _increments(replay: Replay, profile: Profile, step: int, looks: int) -> Iterator[npt.NDArray[np.int64]]:
    for _ in range(looks):
        rows = replay.rows(step)
        yield np.concatenate(
            [np.bincount(rows[:, i], minlength=len(column.labels)) for i, column in enumerate(profile.columns)]
        )


def _shares(column: ColumnProfile) -> npt.NDArray[np.float64]:
    counts = np.array(column.counts, np.float64)
    return counts / counts.sum() if counts.sum() else np.full(len(counts), 1 / len(counts))

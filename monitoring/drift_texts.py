"""A drift alarm in plain words: which features and bins moved, since when, on how many rows, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from monitoring.alarms import MovedBin, MovedFeature

Vector = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

MOST_BINS = 6
NAMED_FEATURES = 5
"""So many features are described in the text; the alarm itself has all of them."""

_NAMED_SHARE = 0.8
"""Bins are named, the farthest moved first, until they make up so much of the movement."""

_REMEDY = (
    "See whether a client, a unit or a default changed. If the world changed, look at the outcomes of this version, "
    "and train on newer data."
)


def moved_bins(labels: Sequence[str], reference: Vector, counts: Counts) -> list[MovedBin]:
    """The bins that moved, the farthest first.

    Args:
        labels: of all bins.
        reference: their shares in training, shape (k,).
        counts: rows since the change, shape (k,).
    """
    live = counts / max(int(counts.sum()), 1)
    moved = np.abs(live - reference)
    order = np.argsort(-moved, kind="stable")
    enough = int(np.searchsorted(moved[order].cumsum(), _NAMED_SHARE * moved.sum())) + 1
    return [
        MovedBin(label=labels[i], reference=float(reference[i]), live=float(live[i]))
        for i in order[: min(enough, MOST_BINS)].tolist()
    ]


def ringing_text(features: Sequence[MovedFeature], rows: int, since: float) -> str:
    """What a person is told.

    Args:
        features: what moved, the clearest first.
        rows: rows since the change.
        since: when it began, Unix time.
    """
    described = "; ".join(_described(feature) for feature in features[:NAMED_FEATURES])
    more = len(features) - NAMED_FEATURES
    others = f"; and {more} more feature{'s' if more > 1 else ''}" if more > 0 else ""
    return f"Traffic differs from training on {rows:,} rows since {moment(since)}: {described}{others}. {_REMEDY}"


def cleared_text(text: str, now: float) -> str:
    """The alarm's text, once the evidence is gone."""
    return (
        f"Over since {moment(now)}: rows look like training's again, or differ by less than is ignored. It was: {text}"
    )


def retired_text(text: str, now: float) -> str:
    """The text of any alarm, once its version serves no more."""
    return f"Over since {moment(now)}: the version serves no more. It was: {text}"


def moment(at: float) -> str:
    """A Unix time for people."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def _described(feature: MovedFeature) -> str:
    bins = ", ".join(f"{_bin(one.label)}: {one.reference:.1%} -> {one.live:.1%}" for one in feature.bins[:3])
    return f"{feature.name} ({bins})"


def _bin(label: str) -> str:
    """A bin's label in words."""
    if label.startswith("-inf to "):
        return f"below {label.removeprefix('-inf to ')}"
    if label.endswith(" to inf"):
        return f"{label.removesuffix(' to inf')} and more"
    return {"never_seen": "never seen"}.get(label, label)

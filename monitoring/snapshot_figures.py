"""From counts to what the dashboard shows. Pure functions: what comes in are sums over all workers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import pairwise

from monitoring.profile import ColumnProfile
from monitoring.snapshot import ColumnSnapshot, Stage, StageLatency, TrafficPoint
from schemas.features import Column, Features, Kind

RECENT_SECONDS = 300.0
"""Traffic shares are `recent` over this time."""


def shares(counts: Sequence[int]) -> list[float]:
    """Each count's share of their sum, shape (n,); all 0 where nothing was counted."""
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]


def traffic_shares(rows: Mapping[str, int]) -> dict[str, float | None]:
    """Each version's share of the rows; None for all while there are none."""
    total = sum(rows.values())
    return {version: count / total if total else None for version, count in rows.items()}


def recent_rows(history: Iterable[TrafficPoint], now: float, seconds: float = RECENT_SECONDS) -> dict[str, int]:
    """Rows by version in the last `seconds` of a history."""
    summed: dict[str, int] = {}
    for point in history:
        if now - seconds < point.at <= now:
            for version, rows in point.rows.items():
                summed[version] = summed.get(version, 0) + rows
    return summed


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float, lowest: float = 0.0) -> float | None:
    """A quantile of a histogram, interpolated within its bucket as Prometheus does it; None without any count.

    Args:
        bounds: upper bounds of the buckets, ascending, shape (n,). A last one of infinity may stand or be left out.
        counts: of each bucket alone, not cumulative; shape (n,), or one more for what is above the last bound.
        share: 0 to 1.
        lowest: where the first bucket begins.

    Raises:
        ValueError: the shapes do not fit, or `share` is out of its limits.
    """
    finite = [bound for bound in bounds if math.isfinite(bound)]
    if len(counts) not in (len(finite), len(finite) + 1) or not finite:
        raise ValueError(f"{len(counts)} counts do not fit {len(bounds)} bounds")
    if not 0 <= share <= 1:
        raise ValueError(f"share must be 0 to 1, not {share}")
    total = sum(counts)
    if not total:
        return None
    wanted, below, low = share * total, 0, lowest
    for bound, count in zip(finite, counts, strict=False):
        if count and below + count >= wanted:
            return low + (bound - low) * (wanted - below) / count
        below, low = below + count, bound
    return finite[-1]  # above the last bound nothing more is known


def stage_latency(stage: Stage, bounds: Sequence[float], counts: Sequence[int]) -> StageLatency:
    """P50, P95 and P99 of a stage from its histogram; shapes as in `quantile`, seconds."""
    found = [quantile(bounds, counts, share) for share in (0.5, 0.95, 0.99)]
    return StageLatency(stage=stage, count=sum(counts), p50=found[0], p95=found[1], p99=found[2])


def total_variation(reference: Sequence[int], live: Sequence[int]) -> float | None:
    """Share of rows in which two count vectors of shape (n,) differ; None where one of them is empty."""
    if not sum(reference) or not sum(live):
        return None
    return 0.5 * sum(abs(one - other) for one, other in zip(shares(reference), shares(live), strict=True))


def column_snapshot(
    profile: ColumnProfile,
    live: Sequence[int],
    column: Column | None = None,
    *,
    unit: str | None = None,
    floor: float | None = None,
    evidence: float | None = None,
    out_of_range: int = 0,
) -> ColumnSnapshot:
    """A column's live counts beside its reference.

    Args:
        live: counts in the bins of `profile`, shape (n,).
        column: the feature in the schema; None for the prediction.
        unit: of the prediction; a feature has its own.

    Raises:
        ValueError: `live` has another shape than the profile.
    """
    if len(live) != len(profile.counts):
        raise ValueError(f"{profile.name}: {len(live)} live counts for {len(profile.counts)} bins")
    kind: Kind = column.kind if column else profile.kind
    return ColumnSnapshot(
        name=profile.name,
        unit=column.unit if column else unit,
        kind=kind,
        labels=readable_labels(profile, kind),
        reference=shares(profile.counts),
        live=list(live),
        moved=total_variation(profile.counts, live),
        floor=floor,
        evidence=evidence,
        out_of_range=out_of_range,
    )


def readable_labels(profile: ColumnProfile, kind: Kind) -> list[str]:
    """A short name for each bin, for people: `under 5`, `5 to 7`, `7` for a bin of one value, `missing`.

    Dates are written as such (2016-09-30), flags as no and yes. The last bins of a category say other, never seen.
    """
    if profile.kind == "category":
        return [label.replace("never_seen", "never seen") for label in profile.labels]
    if not profile.edges:
        return ["given", "missing"]
    if kind == "flag":
        ends = [-math.inf, *profile.edges, math.inf]
        return [*(_flags(low, high) for low, high in pairwise(ends)), "missing"]
    write = _date if kind == "date" else _number
    inner = [
        write(low) if high == math.nextafter(low, math.inf) else f"{write(low)} to {write(high)}"
        for low, high in pairwise(profile.edges)
    ]
    return [f"under {write(profile.edges[0])}", *inner, f"{write(profile.edges[-1])} or more", "missing"]


def example_request(rows: type[Features]) -> str | None:
    """A body for `/predict` from the examples in the schema; None if a required field has none."""
    schema = rows.model_json_schema()
    fields = {name: field["examples"][0] for name, field in schema["properties"].items() if field.get("examples")}
    if not set(schema.get("required", [])) <= set(fields):
        return None
    return json.dumps({"features": fields})


def _number(value: float) -> str:
    return f"{value:.6g}"


def _date(value: float) -> str:
    ordinal = math.ceil(value)  # the first day of the bin
    return date.fromordinal(ordinal).isoformat() if 1 <= ordinal <= date.max.toordinal() else _number(value)


def _flags(low: float, high: float) -> str:
    """Which flags a bin holds."""
    return " or ".join(word for value, word in ((0.0, "no"), (1.0, "yes")) if low <= value < high) or "other"

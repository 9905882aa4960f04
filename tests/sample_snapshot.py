"""Snapshots as a busy service would give them, made from the house model's real profile (bins and counts only).

`python -m tests.sample_snapshot` prints one. Everything is drawn with a fixed seed at a fixed time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monitoring.alarms import Alarm, MovedBin, MovedFeature
from monitoring.outcomes import pair_counts
from monitoring.profile import ColumnProfile, Profile
from monitoring.snapshot import (
    ColumnSnapshot,
    MonitorSnapshot,
    OutcomePoint,
    OutcomesSnapshot,
    Pairs,
    Promise,
    Snapshot,
    Stage,
    Target,
    TrafficPoint,
    VersionSnapshot,
    WorkerSnapshot,
)
from monitoring.snapshot_figures import (
    column_snapshot,
    example_request,
    recent_rows,
    shares,
    stage_latency,
    traffic_shares,
)
from schemas.features import Column
from schemas.house_prices import HouseFeatures

NOW = 1_765_000_000.0
DAY = 86_400.0
LINE = 5.48  # log10 of 30 days of 10,000 rows, a look at every one

STABLE, CANARY, SHADOW = "20160930-f1fff52fdddf", "20161231-0d4f1c2ab9e3", "20170331-77c1e09bd2aa"
ROWS = {STABLE: 1_104_211, CANARY: 121_874, SHADOW: 18_020}
BOUNDS = [0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1.0]
STAGES: dict[Stage, float] = {
    "validate": 0.0003,
    "queue": 0.0012,
    "preprocess": 0.0008,
    "predict": 0.0016,
    "total": 0.0042,
}


def house_profile() -> Profile:
    """The real reference profile of the house model."""
    return Profile.model_validate_json((Path(__file__).parent / "sample_profile.json").read_text())


def moved(counts: Sequence[int], rows: int, tilt: float, random: np.random.Generator) -> list[int]:
    """Live counts: rows drawn from the reference, tilted towards its last bins by `tilt`."""
    reference = np.array(shares(counts))
    weights = reference * np.exp(tilt * np.linspace(-1, 1, len(counts)))
    return [int(count) for count in random.multinomial(rows, weights / weights.sum())]


def house_columns(rows: int, tilted: dict[str, float], random: np.random.Generator) -> list[ColumnSnapshot]:
    """Every column of the house model after some rows; the named ones have moved."""
    schema: dict[str, Column] = {column.name: column for column in HouseFeatures.columns()}
    columns = []
    for profile in house_profile().columns:
        tilt = tilted.get(profile.name, 0.0)
        columns.append(
            column_snapshot(
                profile,
                moved(profile.counts, rows, tilt, random),
                schema.get(profile.name),
                unit="USD",
                floor=0.02,
                evidence=float(random.normal(-0.8, 0.5) + 35 * tilt),
                out_of_range=int(random.poisson(3 + 900 * tilt)) if profile.name != "prediction" else 0,
            )
        )
    return columns


def outcomes(count: int, bias: float, random: np.random.Generator) -> OutcomesSnapshot:
    """Outcomes whose bias slides to twice the given one over 60 days."""
    edges = [float(edge) for edge in np.expm1(0.03 * np.sinh(np.linspace(-5.7, 5.7, 80)))]
    actual = np.exp(random.normal(13.05, 0.42, count))
    errors = np.exp(random.laplace(math.log1p(bias), 0.11, count)) - 1
    predicted = actual * (1 + errors)
    prices = house_profile().columns[-1].edges
    points = [
        OutcomePoint(
            at=NOW - (60 - day) * DAY,
            outcomes=int(random.poisson(count / 60)),
            bias=bias * 2 * day / 60 + float(random.normal(0, 0.006)),
            mean_error=0.118 + abs(bias) * day / 120 + float(random.normal(0, 0.004)),
            coverage=0.9 - abs(bias) * day / 90 + float(random.normal(0, 0.01)),
        )
        for day in range(1, 61)
    ]
    return OutcomesSnapshot(
        outcomes=count,
        with_interval=count,
        bias=float(np.median(errors)),
        mean_error=float(np.abs(errors).mean()),
        coverage=0.9 - abs(bias) / 2,
        promised=Promise(bias=-0.022, mean_error=0.1198, coverage=0.9, tolerated_bias=0.03),
        error_edges=edges,
        error_counts=np.bincount(np.searchsorted(edges, errors, side="right"), minlength=81).tolist(),
        history=points,
        pairs=Pairs(edges=prices, counts=pair_counts(prices, predicted, actual).reshape(len(prices) + 1, -1).tolist()),
    )


def version(name: str, variant: Any, weight: float, random: np.random.Generator, **more: Any) -> VersionSnapshot:
    """One version with latencies around its stages' medians."""
    rows = ROWS[name]
    requests = max(rows // 3, 1)
    stages = []
    for stage, median in STAGES.items():
        times = median * np.exp(random.normal(0, 0.55, 5000))
        counts = np.bincount(np.searchsorted(BOUNDS, times), minlength=len(BOUNDS) + 1)
        stages.append(stage_latency(stage, BOUNDS, [int(count) * requests // 5000 for count in counts]))
    columns: list[ColumnSnapshot] = more.pop("columns")
    return VersionSnapshot(
        version=name,
        variant=variant,
        weight=weight,
        calibrated_until="2016-09-30",
        rows=rows,
        batch_rows=7.4,
        latency=stages,
        reference_rows=43_313,
        columns=columns,
        feature_line=LINE + math.log10(len(columns)),
        **more,
    )


def monitors(
    drift: float = 0.4, bias: float = -0.2, error: float = 0.1, coverage: float = 0.6
) -> list[MonitorSnapshot]:
    """The monitors with such evidence."""
    figures: dict[Any, float] = {"drift": drift, "bias": bias, "error": error, "coverage": coverage}
    return [
        MonitorSnapshot(monitor=name, evidence=evidence, line=LINE, ringing=evidence >= LINE)
        for name, evidence in figures.items()
    ]


def history(now: float, random: np.random.Generator) -> list[TrafficPoint]:
    """Twenty minutes of traffic with one short trouble."""
    points = []
    for place in range(120):
        trouble = 70 <= place < 74
        rate = 820 + 120 * math.sin(place / 9) + float(random.normal(0, 25))
        rows = {STABLE: int(rate * 9), CANARY: int(rate), SHADOW: int(rate / 5)}
        points.append(
            TrafficPoint(
                at=now - (119 - place) * 10.0,
                seconds=10.0,
                rows=rows,
                errors=int(random.poisson(45 if trouble else 0.3)),
                p50=0.0041 + float(random.normal(0, 0.0002)) + 0.004 * trouble,
                p99=0.0135 + float(abs(random.normal(0, 0.0012))) + 0.06 * trouble,
            )
        )
    return points


def well() -> Snapshot:
    """All is well."""
    return _busy({}, -0.012, [], monitors())


def ringing() -> Snapshot:
    """Features moved, and the prices ran away from the stable version."""
    tilted = {"living_area_sqft": 0.35, "age_years": 0.2, "prediction": 0.12}
    columns = {name: 35 * tilt for name, tilt in tilted.items()}
    big = MovedFeature(
        name="living_area_sqft",
        evidence=columns["living_area_sqft"],
        bins=[MovedBin(label="2920 or more", reference=0.101, live=0.139)],
    )
    alarms = [
        Alarm(
            version=STABLE,
            monitor="bias",
            state="ringing",
            rang_at=NOW - 5.2 * DAY,
            since=NOW - 21 * DAY,
            rows=4_230,
            text="Predictions are 7.4 % too low (median of 4,230 outcomes), beyond the tolerated 3 %. "
            "Train on newer data and put the new version on trial as a canary.",
        ),
        Alarm(
            version=STABLE,
            monitor="drift",
            state="ringing",
            rang_at=NOW - 7_400,
            since=NOW - 9_100,
            rows=88_400,
            features=[big],
            text="living_area_sqft moved: 2920 sq ft or more 10.1 % in training, 13.9 % of 88,400 rows now. "
            "Look whether a new source of rows joined, or retrain.",
        ),
        Alarm(
            version=CANARY,
            monitor="coverage",
            state="cleared",
            rang_at=NOW - 3 * DAY,
            cleared_at=NOW - 1.5 * DAY,
            since=NOW - 4 * DAY,
            rows=1_900,
            text="85.1 % of 1,900 outcomes were inside their 90 % interval; since then the evidence has gone.",
        ),
    ]
    return _busy(tilted, -0.038, alarms, monitors(drift=7.9, bias=8.8, error=3.1, coverage=2.2))


def _busy(tilted: dict[str, float], bias: float, alarms: list[Alarm], of_stable: list[MonitorSnapshot]) -> Snapshot:
    random = np.random.default_rng(4)
    traffic = history(NOW, random)
    answered = {name: ROWS[name] for name in (STABLE, CANARY)}
    ever = traffic_shares(answered)
    recently = recent_rows(traffic, NOW)
    recent = traffic_shares({name: recently[name] for name in answered})
    return Snapshot(
        model="house_prices",
        target=Target(name="sale_price", unit="USD"),
        now=NOW,
        started_at=NOW - 9.3 * DAY,
        generation=17,
        planned_generation=17,
        workers=[
            WorkerSnapshot(worker=str(pid), started_at=NOW - 9.3 * DAY, generation=17, waiting_rows=waiting)
            for pid, waiting in ((4711, 3), (4712, 0))
        ],
        requests={"predict": 401_220, "predict_batch": 2_918},
        errors={"validation": 1_204, "overloaded": 31, "timeout": 2},
        cache={"memory": 201_411, "shared": 40_020, "joined": 3_310, "computed": 980_344, "unstorable": 0},
        swaps=6,
        refusals={"golden_mismatch": 1},
        outcomes_refused={"duplicate": 14, "forged": 1},
        prediction_log={"written": 1_226_001, "dropped": 84, "failed": 0, "sampled_out": 0},
        history=traffic,
        versions=[
            version(
                STABLE,
                "stable",
                0.9,
                random,
                loaded_at=NOW - 9.3 * DAY,
                cached_rows=231_001,
                share=ever[STABLE],
                recent_share=recent[STABLE],
                shed=31,
                timed_out=2,
                columns=house_columns(ROWS[STABLE], tilted, random),
                monitors=of_stable,
                out_of_range={"lot_ratio": 44, "km_to_downtown": 3},
                outcomes=outcomes(8_214, bias, random),
            ),
            version(
                CANARY,
                "canary",
                0.1,
                random,
                loaded_at=NOW - 5.1 * DAY,
                cached_rows=13_740,
                share=ever[CANARY],
                recent_share=recent[CANARY],
                columns=house_columns(ROWS[CANARY], {}, random),
                monitors=monitors(0.1, 0.2, -1.0, 1.1),
                outcomes=outcomes(902, 0.004, random),
            ),
            version(
                SHADOW,
                "shadow",
                0.0,
                random,
                loaded_at=NOW - 0.4 * DAY,
                shadow_rows={"predicted": ROWS[SHADOW], "dropped": 12, "failed": 0},
                columns=house_columns(ROWS[SHADOW], {}, random),
                monitors=monitors(-0.3),
            ),
        ],
        alarms=alarms,
    )


def no_traffic() -> Snapshot:
    """A service that has just started: one version, not one row."""
    columns = [
        column_snapshot(profile, [0] * len(profile.counts), floor=0.02, evidence=-math.inf)
        for profile in house_profile().columns
    ]
    only = VersionSnapshot(
        version=STABLE,
        variant="stable",
        weight=1.0,
        loaded_at=NOW - 40,
        rows=0,
        reference_rows=43_313,
        columns=columns,
        feature_line=LINE + math.log10(len(columns)),
        monitors=[MonitorSnapshot(monitor="drift", evidence=-math.inf, line=LINE)],
    )
    return Snapshot(
        model="house_prices",
        target=Target(name="sale_price", unit="USD"),
        now=NOW,
        started_at=NOW - 45,
        generation=0,
        planned_generation=0,
        versions=[only],
        example=example_request(HouseFeatures),
    )


def wide(features: int = 60, levels: int = 100) -> Snapshot:
    """A version with many features, each a category with many levels."""
    random = np.random.default_rng(5)
    labels = [f"level {level}" for level in range(levels)]
    columns = []
    for place in range(features):
        counts = random.multinomial(50_000, random.dirichlet(np.ones(levels)))
        profile = ColumnProfile(
            name=f"feature_{place}_with_a_rather_long_name", kind="category", labels=labels, counts=counts.tolist()
        )
        columns.append(column_snapshot(profile, moved(profile.counts, 20_000, 0.0, random), evidence=0.1, floor=0.02))
    return _with_columns(columns)


def narrow() -> Snapshot:
    """A version with one feature and its prediction, both constant."""
    profile = ColumnProfile(
        name="x", kind="number", edges=[3.0, math.nextafter(3.0, 4)], labels=list("abcd"), counts=[0, 9, 0, 0]
    )
    one, two = (
        column_snapshot(profile.model_copy(update={"name": name}), [0, 5, 0, 0]) for name in ("x", "prediction")
    )
    return _with_columns([one, two])


HOSTILE = '<script>window.pwned=1</script><img src=x onerror="window.pwned=1"><a href="https://evil.example/">%{x}'
"""A name that would like to be markup."""


def hostile() -> Snapshot:
    """Every text that could come from elsewhere holds markup."""
    busy = ringing()
    first = busy.versions[0]
    columns = [
        column.model_copy(
            update={
                "name": f"{HOSTILE}{place}",
                "unit": HOSTILE,
                "labels": [HOSTILE + label for label in column.labels],
            }
        )
        for place, column in enumerate(first.columns)
    ]
    renamed = first.model_copy(update={"version": HOSTILE, "columns": columns, "out_of_range": {HOSTILE: 5}})
    alarms = [alarm.model_copy(update={"version": HOSTILE, "text": HOSTILE}) for alarm in busy.alarms]
    return busy.model_copy(
        update={
            "model": HOSTILE,
            "target": Target(name=HOSTILE, unit=HOSTILE),
            "versions": [renamed, *busy.versions[1:]],
            "alarms": alarms,
            "errors": {HOSTILE: 3},
            "refusals": {HOSTILE: 1},
            "problem": HOSTILE,
            "history": [
                point.model_copy(update={"rows": {HOSTILE: sum(point.rows.values())}}) for point in busy.history
            ],
        }
    )


def _with_columns(columns: list[ColumnSnapshot]) -> Snapshot:
    busy = well()
    first = busy.versions[0].model_copy(
        update={"columns": columns, "outcomes": None, "feature_line": LINE + math.log10(len(columns))}
    )
    return busy.model_copy(update={"versions": [first]})


if __name__ == "__main__":
    print(ringing().model_dump_json(indent=1))  # noqa: T201 - for a person

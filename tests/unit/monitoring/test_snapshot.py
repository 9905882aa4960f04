"""The snapshot: built from plain counts, whole as JSON, and never taken away by one broken figure."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from monitoring.alarms import Alarm
from monitoring.outcome_history import OutcomeHistory, OutcomeTotals
from monitoring.profile import Profile, profile_category, profile_number
from monitoring.snapshot import (
    HISTORY_POINTS,
    MonitorSnapshot,
    Promise,
    Snapshot,
    Target,
    TrafficPoint,
    WorkerSnapshot,
)
from monitoring.snapshot_builder import MOST_ALARMS, build_snapshot, pair_edges
from monitoring.snapshot_counts import (
    DriftFigures,
    OutcomeState,
    ServiceCounts,
    ServiceInfo,
    VersionCounts,
    VersionState,
    by_column,
    traffic_totals,
)
from schemas.features import Column
from tests import sample_snapshot

NOW = 1_765_000_000.0
BOUNDS = [0.001, 0.01, 0.1]
EDGES = [-0.1, 0.0, 0.1]
PROFILE = Profile(
    rows=100,
    columns=[
        profile_number("area", np.arange(100.0)),
        profile_category("kind", np.repeat([0.0, 1.0], 50), ["a", "b"]),
        profile_number("prediction", np.arange(100.0)),
    ],
)
INFO = ServiceInfo(
    model="houses",
    target=Target(name="price", unit="USD"),
    latency_bounds=BOUNDS,
    schema=[Column("area", "number", "sq ft", True), Column("kind", "category", None, True, ("a", "b"))],
    started_at=NOW - 500,
    generation=3,
    planned_generation=4,
    problem="version x is refused",
    workers=[WorkerSnapshot(worker="7", started_at=NOW - 500, generation=3)],
)
COUNTS = VersionCounts(
    rows=300,
    cached=100,
    columns=[[30] * 10 + [0], [300, 0, 0, 0, 0], [0] * 10 + [0]],
    stages={"predict": [0, 10, 0, 0], "total": [0, 0, 10, 0]},
    batches=20,
    batched_rows=50,
    out_of_range={"area": 4, "area_squared": 9},
)
STABLE = VersionState("v1", "stable", 0.75, NOW - 400, PROFILE, COUNTS)
CANARY = VersionState("v2", "canary", 0.25, NOW - 300, PROFILE, replace(COUNTS, rows=100))
SHADOW = VersionState("v3", "shadow", 0.0, NOW - 200, PROFILE, replace(COUNTS, rows=999, stages={}))
IDLE = replace(STABLE, counts=VersionCounts(rows=0, cached=0, columns=[[0] * 11, [0] * 5, [0] * 11]))


def built(*versions: VersionState, **more: object) -> Snapshot:
    """A snapshot of these versions."""
    given = {"service": ServiceCounts(), "history": [], "alarms": [], **more}
    return build_snapshot(INFO, versions=versions, now=NOW, **given)  # type: ignore[arg-type]


def alarm(version: str, rang_at: float, cleared: bool = False) -> Alarm:
    """An alarm about drift."""
    ends = {"state": "cleared", "cleared_at": rang_at + 1} if cleared else {"state": "ringing"}
    return Alarm.model_validate(
        {"version": version, "monitor": "drift", "rang_at": rang_at, "since": rang_at, "rows": 9, "text": "t", **ends}
    )


def test_traffic_shares_are_those_of_the_versions_that_answer() -> None:
    point = TrafficPoint(at=NOW - 10, seconds=10, rows={"v1": 30, "v2": 30, "v3": 60}, errors=0)
    old = point.model_copy(update={"at": NOW - 9000, "rows": {"v1": 10_000}})
    found = built(STABLE, CANARY, SHADOW, history=[old, point])
    assert [version.share for version in found.versions] == [0.75, 0.25, None]
    assert [version.recent_share for version in found.versions] == [0.5, 0.5, None]


def test_figures_of_a_version_come_from_its_counts() -> None:
    (found,) = built(STABLE).versions
    assert (found.rows, found.cached_rows, found.batch_rows, found.reference_rows) == (300, 100, 2.5, 100)
    assert {stage.stage: stage.p50 for stage in found.latency} == pytest.approx({"predict": 0.0055, "total": 0.055})
    area, kind, prediction = found.columns
    assert (area.unit, area.moved, area.out_of_range) == ("sq ft", 0, 4)
    assert (kind.kind, kind.moved) == ("category", 0.5)
    assert (prediction.unit, prediction.moved) == ("USD", None)
    assert found.out_of_range == {"area_squared": 9}  # what is no feature of the row


def test_evidence_stands_at_its_column() -> None:
    drift = DriftFigures(evidence={"area": 7.5, "kind": -math.inf}, ignored={"area": 0.03}, line=6.0)
    (found,) = built(replace(STABLE, drift=drift)).versions
    assert [column.evidence for column in found.columns] == [7.5, None, None]
    assert [column.floor for column in found.columns] == [0.03, None, None]
    assert found.feature_line == 6.0


def test_a_service_without_traffic_has_a_whole_snapshot() -> None:
    found = built(IDLE)
    assert (found.versions[0].share, found.versions[0].batch_rows, found.versions[0].latency) == (None, None, [])
    assert {column.moved for column in found.versions[0].columns} == {None}


def test_a_service_without_versions_has_a_snapshot() -> None:
    found = built()
    assert (found.versions, found.problem) == ([], "version x is refused")


def test_outcomes_have_figures_history_and_pairs() -> None:
    totals = OutcomeTotals(
        outcomes=8, with_interval=4, inside=3, error_ppm=400_000, error_counts=(0, 8, 0, 0), pairs=(1, 2, 3, 4)
    )
    history = OutcomeHistory(EDGES, least=1)
    history.look(NOW - 9000, OutcomeTotals(outcomes=0, error_counts=(0, 0, 0, 0)))
    history.look(NOW, totals)
    state = OutcomeState(totals, Promise(coverage=0.9), EDGES, pair_edges=[100.0], points=history.points)
    found = built(replace(STABLE, outcomes=state)).versions[0].outcomes
    assert found is not None
    assert (found.bias, found.mean_error, found.coverage) == pytest.approx((-0.05, 0.05, 0.75))
    assert [point.outcomes for point in found.history] == [8]
    assert found.pairs is not None
    assert found.pairs.counts == [[1, 2], [3, 4]]


def test_pairs_that_are_not_counted_are_null() -> None:
    state = OutcomeState(OutcomeTotals(outcomes=0, error_counts=(0, 0, 0, 0)), Promise(), EDGES, pair_edges=[1.0])
    found = built(replace(STABLE, outcomes=state)).versions[0].outcomes
    assert found is not None
    assert (found.pairs, found.bias, found.coverage) == (None, None, None)


def test_pairs_are_counted_in_the_bins_of_the_predictions_in_training() -> None:
    assert pair_edges(PROFILE) == PROFILE.columns[-1].edges


def test_ringing_alarms_come_first_then_the_newest_and_not_all_of_many() -> None:
    many = [alarm("old", at, cleared=True) for at in range(MOST_ALARMS + 20)]
    found = built(STABLE, alarms=[*many, alarm("one", 5.0), alarm("two", 7.0)]).alarms
    assert [entry.version for entry in found[:3]] == ["two", "one", "old"]
    assert found[2].rang_at == MOST_ALARMS + 19
    assert len(found) == MOST_ALARMS


def test_only_the_newest_history_is_given() -> None:
    history = [TrafficPoint(at=float(at), seconds=1, rows={}, errors=0) for at in range(HISTORY_POINTS + 30)]
    found = built(STABLE, history=history).history
    assert (len(found), found[-1].at) == (HISTORY_POINTS, HISTORY_POINTS + 29)


@pytest.mark.parametrize(
    ("counts", "named"),
    [
        (replace(COUNTS, columns=COUNTS.columns[:2]), "2 columns were counted, the profile has 3"),
        (replace(COUNTS, columns=[[1], [1] * 5, [1] * 11]), "area: 1 live counts for 11 bins"),
        (replace(COUNTS, stages={"total": [1, 2]}), "2 counts do not fit 3 bounds"),
    ],
)
def test_counts_of_another_shape_are_refused_and_named(counts: VersionCounts, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        built(replace(STABLE, counts=counts))


def test_totals_for_the_history_leave_the_latency_of_shadows_out() -> None:
    shadow = replace(SHADOW, counts=COUNTS)
    totals = traffic_totals(ServiceCounts(errors={"validation": 2, "timeout": 1}), [STABLE, CANARY, shadow, IDLE], 4)
    assert (totals.latency, totals.errors) == ([0, 0, 20, 0], 3)
    assert traffic_totals(ServiceCounts(), [], 4).latency == [0, 0, 0, 0]


def test_a_flat_vector_of_counts_is_cut_into_columns() -> None:
    flat = np.arange(27)
    assert by_column(PROFILE, flat) == [list(range(11)), list(range(11, 16)), list(range(16, 27))]
    assert built(replace(IDLE, counts=VersionCounts(1, 0, by_column(PROFILE, flat)))).versions[0].columns[1].live == [
        *range(11, 16)
    ]
    with pytest.raises(ValueError, match=r"shape \(26,\), the profile has 27 bins"):
        by_column(PROFILE, flat[:-1])


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_figure_that_is_no_number_is_null_in_the_json(broken: float) -> None:
    text = built(replace(STABLE, monitors=[MonitorSnapshot(monitor="drift", evidence=broken)])).model_dump_json()
    assert json.loads(text)["versions"][0]["monitors"][0]["evidence"] is None


@pytest.mark.parametrize("name", ["well", "ringing", "no_traffic", "wide", "narrow", "hostile"])
def test_a_snapshot_survives_json(name: str) -> None:
    snapshot: Snapshot = getattr(sample_snapshot, name)()
    text = snapshot.model_dump_json()
    assert Snapshot.model_validate_json(text) == snapshot
    assert "NaN" not in text
    assert "Infinity" not in text


def test_a_snapshot_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="surprise"):
        Snapshot.model_validate({**built().model_dump(), "surprise": 1})

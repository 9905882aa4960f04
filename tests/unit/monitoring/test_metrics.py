"""The table of metrics, and where each count stands."""

from __future__ import annotations

import re

import numpy as np
import pytest

from monitoring.metrics import INTERNAL, MICRO, OPEN, OTHER, ROWS, SECONDS, TABLE, Layout, Metric, Metrics, Values
from monitoring.shared_counts import in_memory

REQUESTS: list[tuple[str, ...]] = [("/predict", "ok"), ("/predict", "validation"), (OTHER, OTHER)]
SERVICE: dict[str, Values] = {
    "requests_total": REQUESTS,
    "errors_total.code": ["validation", OTHER],
    "refused_versions_total.reason": ["corrupt", OTHER],
    "outcomes_refused_total.reason": ["forged"],
}
VERSION: dict[str, Values] = {
    "feature_bin_total": [("x", "low"), ("x", "high"), ("prediction", "all")],
    "out_of_range_total.feature": ["x", OTHER],
    "outcome_pairs.place": ["0", "1"],
}


def metrics(layout: Layout) -> Metrics:
    """Counts of one process."""
    return Metrics(layout, in_memory(layout.size, 1))


@pytest.mark.parametrize("metric", TABLE, ids=lambda metric: metric.name)
def test_each_metric_is_named_as_prometheus_has_it(metric: Metric) -> None:
    assert re.fullmatch("[a-z][a-z_]+[a-z]", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter") or metric.name in INTERNAL
    assert metric.help
    assert not metric.help.endswith(".")


def test_every_place_is_used_once() -> None:
    for layout in (Layout("service", SERVICE), Layout("version", VERSION)):
        places = [place for each in layout.combinations.values() for place in each.values()]
        assert len(places) == len(set(places))
        assert max(part.stop for part in layout.places.values()) == layout.size


def test_counts_add_up_by_label() -> None:
    counted = metrics(Layout("service", SERVICE))
    counted.add("requests_total", 2, "/predict", "ok")
    counted.add("requests_total", 1, "/predict", "validation")
    counted.add("requests_total", 1, "/predict", "ok")
    counted.add("requests_total", 5, "/unforeseen", "ok")
    assert counted.total("requests_total").tolist() == [3, 1, 5]
    counted.set("generation", 7)
    counted.set("generation", 8)
    assert counted.total("generation").tolist() == [8]


def test_all_bins_are_counted_at_once() -> None:
    counted = metrics(Layout("version", VERSION))
    counted.add_all("feature_bin_total", np.array([1, 2, 3]))
    counted.add_all("feature_bin_total", np.array([1, 0, 1]))
    assert counted.total("feature_bin_total").tolist() == [2, 2, 4]


def test_a_histogram_has_buckets_and_a_sum() -> None:
    counted = metrics(Layout("version", VERSION))
    counted.observe("stage_seconds", [0.0001, 0.00011, 10.0, 11.0], "queue")
    counted.observe("stage_seconds", [], "queue")
    found = counted.total("stage_seconds").reshape(5, len(SECONDS) + 2)[1]
    assert found[[0, 1, len(SECONDS) - 1, len(SECONDS)]].tolist() == [1, 1, 1, 1]
    assert found[-1] == round(21.00021 * MICRO)
    counted.observe("batch_rows", [1, 2, 3])
    assert counted.total("batch_rows")[: len(ROWS) + 1].sum() == 3


def test_another_layout_has_another_fingerprint() -> None:
    assert Layout("service", SERVICE).fingerprint == Layout("service", dict(SERVICE)).fingerprint
    assert Layout("service", SERVICE).fingerprint != Layout("service", {**SERVICE, "requests_total": []}).fingerprint


def test_labels_are_bounded() -> None:
    for metric in TABLE:
        assert all(values is OPEN or len(values) <= 100 for values in metric.labels.values())


def test_a_worker_begins_without_the_values_that_its_slots_last_owner_left() -> None:
    layout = Layout("version", VERSION)
    shared = in_memory(layout.size, 1)
    last = Metrics(layout, shared)
    last.set("waiting_rows", 77)
    last.add("shed_total", 3)
    again = Metrics(layout, shared)
    again.begin()
    assert again.total("waiting_rows").tolist() == [0]
    assert again.total("shed_total").tolist() == [3]

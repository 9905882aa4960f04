"""What Prometheus reads: every metric of the table, with the figures that were counted."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitoring.bin_counter import BinCounter, labels_of
from monitoring.contract import Contract
from monitoring.exposition import STALE_SECONDS, Everything, Exposition, VersionMetrics
from monitoring.metrics import INTERNAL, OTHER, PREFIX, TABLE, Layout, Metrics, Values
from monitoring.outcome_contract import OutcomeContract, Terms
from monitoring.profile import Profile
from monitoring.shared_counts import SharedCounts, mapped
from monitoring.watch import Watch, read_evidence
from tests.programs import program
from tests.unit.monitoring.streams import columns, profile_of
from tests.unit.monitoring.test_metrics import SERVICE
from tests.unit.monitoring.test_outcome_alarms import REFERENCE, stream

NOW = 1_700_000_000.0
ROWS = 700
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Host:
    """Workers that share a folder and count the same model."""

    def __init__(self, folder: Path) -> None:
        numbers, category = columns(2_000, seed=0)
        features = profile_of(numbers, category)
        self.profile = Profile(
            rows=2_000, columns=[*features.columns, features.columns[0].model_copy(update={"name": "prediction"})]
        )
        self.folder = folder
        labels: dict[str, Values] = {
            "feature_bin_total": labels_of(self.profile),
            "out_of_range_total.feature": ['a"\\\n', OTHER],
            "outcome_pairs.place": ["0", "1"],
        }
        self.layouts = Layout("service", SERVICE), Layout("version", labels)

    def worker(self, slot: int) -> tuple[Metrics, Metrics]:
        """Counts of the service and of the version, as one worker has them."""
        names = zip(("service", "version"), self.layouts, strict=True)
        service, version = (
            Metrics(layout, SharedCounts(mapped(self.folder / name, layout.size), slot)) for name, layout in names
        )
        return service, version

    def page(self, slot: int) -> bytes:
        """What this worker shows."""
        service, version = self.worker(slot)
        found = VersionMetrics("v1", version, self.profile, read_evidence(self.folder, "v1"))
        return Exposition(lambda: Everything("house", NOW, service, [found])).text()

    def count(self, slot: int, first: int, last: int) -> None:
        """One worker counts some of the rows and requests."""
        service, version = self.worker(slot)
        numbers, category = columns(ROWS, seed=5)
        rows = np.stack([*numbers.values(), category], axis=1)[first:last]
        version.add_all("feature_bin_total", BinCounter(self.profile).count(rows, rows[:, 0]))
        version.add("predictions_total", len(rows), "stable", "false")
        version.add("out_of_range_total", 3, 'a"\\\n')
        version.observe("stage_seconds", np.linspace(0.001, 0.002, last - first), "total")
        version.add_all("outcome_counts", stream(20, seed=slot).sum(axis=0))
        version.set("waiting_rows", 4 + slot)
        service.add("requests_total", len(rows), "/predict", "ok")
        service.set("worker_seen_timestamp_seconds", int(NOW))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Two workers that have counted."""
    found = Host(tmp_path)
    found.count(0, 0, 300)
    found.count(1, 300, ROWS)
    return found


def samples(page: bytes) -> Samples:
    """Every sample by name and labels."""
    families = list(text_string_to_metric_families(page.decode()))
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def value(found: Samples, name: str, **labels: str) -> float:
    """One sample."""
    return found[PREFIX + name, frozenset({"model": "house", **labels}.items())]


def test_the_figures_are_those_that_were_counted(host: Host) -> None:
    found = samples(host.page(0))
    assert value(found, "requests_total", endpoint="/predict", code="ok") == ROWS
    assert value(found, "predictions_total", version="v1", variant="stable", cached="false") == ROWS
    assert value(found, "stage_seconds_count", version="v1", stage="total") == ROWS
    assert value(found, "stage_seconds_bucket", version="v1", stage="total", le="0.001") >= 1
    assert value(found, "stage_seconds_bucket", version="v1", stage="total", le="+Inf") == ROWS
    assert value(found, "stage_seconds_sum", version="v1", stage="total") == pytest.approx(0.0015 * ROWS, rel=1e-3)
    assert value(found, "out_of_range_total", version="v1", feature='a"\\\n') == 6
    assert value(found, "outcomes_total", version="v1") == 40
    assert value(found, "reference_rows", version="v1") == 2_000
    assert 0.6 < value(found, "outcome_coverage_ratio", version="v1") <= 1
    bins = sum(
        v
        for (name, labels), v in found.items()
        if name.endswith("feature_bin_total") and ("feature", "first") in labels
    )
    assert bins == ROWS
    shares = [
        v for (name, labels), v in found.items() if name.endswith("reference_share") and ("feature", "first") in labels
    ]
    assert sum(shares) == pytest.approx(1)


def test_any_worker_shows_the_same(host: Host) -> None:
    assert host.page(0) == host.page(1) == host.page(5)


def test_two_workers_give_the_figures_of_one(host: Host, tmp_path: Path) -> None:
    alone = Host(tmp_path / "alone")
    (tmp_path / "alone").mkdir()
    alone.count(0, 0, ROWS)
    one, two = samples(alone.page(0)), samples(host.page(0))
    for (name, labels), counted in one.items():
        if "feature_bin_total" in name or "predictions_total" in name or "requests_total" in name:
            assert two[name, labels] == counted


def test_each_live_worker_shows_its_own_values(host: Host) -> None:
    found = samples(host.page(0))
    assert value(found, "waiting_rows", version="v1", worker="0") == 4
    assert value(found, "waiting_rows", version="v1", worker="1") == 5
    host.worker(1)[0].set("worker_seen_timestamp_seconds", int(NOW - STALE_SECONDS - 1))
    assert (
        PREFIX + "waiting_rows",
        frozenset({"model": "house", "version": "v1", "worker": "1"}.items()),
    ) not in samples(host.page(0))


def test_every_metric_of_the_table_is_there(host: Host) -> None:
    watch = Watch(host.folder, _Totals(), lambda: NOW)
    assert watch.lead()
    watch.know("v1", host.profile, Contract(), Terms.of("log", REFERENCE, 0.9, OutcomeContract()), 3_000)
    watch.look({"v1"})
    page = host.page(0).decode()
    shown = {sample[0] for sample in samples(page.encode())}
    for metric in TABLE:
        if metric.name in INTERNAL:
            assert PREFIX + metric.name not in page
        else:
            assert {PREFIX + metric.name, f"{PREFIX}{metric.name}_bucket"} & shown, metric.name
    assert "_created" not in page


def test_promtool_finds_nothing_wrong(host: Host) -> None:
    promtool = program("promtool", "prometheus")
    done = subprocess.run([promtool, "check", "metrics"], input=host.page(0), capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


class _Totals:
    def bins(self, _: str) -> None:
        """Nothing yet."""

    def outcomes(self, _: str) -> None:
        """Nothing yet."""

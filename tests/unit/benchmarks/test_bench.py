"""The benchmark's pure parts, and that the reference model is one model in both of its forms."""

from __future__ import annotations

import io
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBRegressor

from benchmarks import figures, load, rates, tables
from benchmarks.contestants import as_columns, v2
from benchmarks.reference_model import DEFINITION
from benchmarks.reference_pipeline import CATEGORIES, NUMBERS, ReferencePipeline
from preprocessors.encoding import Matrix
from registry import pipeline_file
from registry.bundle import ModelVersion
from registry.manifest import Target
from schemas.features import NEVER_SEEN
from schemas.house_prices import HouseFeatures

WRK = """Running 1s test @ http://127.0.0.1:1
  64 connections
RESULT {"requests": 1200, "microseconds": 2000000, "mean": 2500.0, "p50": 1500.0, "p99": 9000.0, "not_ok": 150, \
"lost": 50, "answers": 8, "cached": 2}
"""


def measured(per_second: list[float], p99_ms: float = 5.0) -> dict[str, Any]:
    """A server of results.json, measured at 64 connections."""
    one = {"p50_ms": 1.0, "p99_ms": p99_ms, "failures": 1, "cpu_us": 100.0, "others": 0.25}
    rounds = [
        {
            "ready_seconds": 2.0,
            "memory_mib": {"workers": 200, "arbiter": 100},
            "loads": {"64": {**one, "per_second": rate}},
        }
        for rate in per_second
    ]
    return {"title": "a server", "rounds": rounds}


RESULTS: figures.Results = {
    "environment": {"processor": "one", "cores": "2"},
    "options": {"rounds": 3, "seconds": 10, "connections": [64]},
    "servers": {"floor": measured([1000, 2000, 4000]), "plumbline": measured([500, 1200, 1600], p99_ms=10.0)},
    "bulk": {"in process": {"1000": [200.0, 400.0, 100.0]}, "plumbline: records": {"1000": [100.0, 240.0, 40.0]}},
    "turns": {"monitoring": [[90.0, 100.0], [180.0, 200.0], [95.0, 100.0], [80.0, 100.0]]},
    "absent": {"MLServer": "cannot be installed"},
}


def rows(count: int = 400) -> Matrix:
    """Encoded rows with missing values and with areas never seen."""
    random = np.random.default_rng(1)
    columns = []
    for column in HouseFeatures.columns():
        if column.kind == "category":
            columns.append(random.integers(0, len(column.levels), count).astype(np.float64))
        else:
            columns.append(random.normal(50, 20, count))
    matrix = np.column_stack(columns)
    names = HouseFeatures.names()
    matrix[::7, names.index("lot_area_sqft")] = np.nan
    matrix[::11, names.index("area_code")] = NEVER_SEEN
    return matrix


def test_wrk_output_is_read_and_failures_are_no_throughput() -> None:
    seen = load.parse(WRK)
    assert (seen.requests, seen.seconds, seen.p50_ms, seen.p99_ms, seen.failures) == (1200, 2.0, 1.5, 9.0, 200)
    assert (seen.per_second, seen.mean_ms, seen.cached_share) == (500, 2.5, 0.25)


def test_wrk_without_a_result_is_an_error_that_shows_its_output() -> None:
    with pytest.raises(AssertionError, match="unable to connect"):
        load.parse("unable to connect to 127.0.0.1:1")


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    assert figures.ratio(RESULTS, "plumbline", "floor", 64) == 0.5  # of .5, .6 and .4
    assert figures.ratio(RESULTS, "plumbline", "floor", 64, "p99_ms") == 2.0


def test_what_was_not_measured_has_no_ratio() -> None:
    assert figures.ratio(RESULTS, "plumbline", "mlserver", 64) is None
    assert figures.figure(RESULTS, "plumbline", 256, "per_second") is None


def test_failures_are_counted_over_all_rounds() -> None:
    assert figures.failures(RESULTS, "plumbline") == 3


def test_what_monitoring_costs_is_the_median_of_the_pairs() -> None:
    assert figures.by_turns(RESULTS, "monitoring")[1] == pytest.approx(0.9)  # of .9, .9, .95 and .8
    assert figures.by_turns({**RESULTS, "turns": {}}, "monitoring") == []
    assert "What monitoring costs" not in tables.page({**RESULTS, "turns": {}})


def test_the_page_names_figures_ratios_and_what_is_absent() -> None:
    page = tables.page(RESULTS)
    assert "| a server | 1,200 | 3 |" in page
    assert "| a server | 0.500 |" in page
    assert "| plumbline: records | 100 | 0.50 | - | - |" in page
    assert "took 25% of the server's core" in page
    assert "**10.0 %** of the throughput" in page
    assert "MLServer: cannot be installed" in page


def test_a_program_computes_what_a_line_asks_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = {10: 0, 20: 0}

    def compute(size: int) -> None:
        done[size] += 1

    monkeypatch.setattr("sys.stdin", io.StringIO("20 0\n20 0.001\n"))
    rates.take_turns({size: partial(compute, size) for size in done})
    none, some = map(float, capsys.readouterr().out.split())
    assert none == 0
    assert some > 0
    assert done[10] == 0
    assert done[20] > 2  # once to warm up in each turn


def test_large_requests_hold_every_value_once() -> None:
    columns = as_columns([{"a": 1, "b": "x"}, {"a": None, "b": "y"}])
    assert columns == {"a": [1, None], "b": ["x", "y"]}
    request = v2([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}])
    assert [tensor["data"] for tensor in request["inputs"]] == [[1.0, 2.0], ["x", "y"]]


def test_the_matrix_native_pipeline_equals_the_column_transformer() -> None:
    X, names = rows(), HouseFeatures.names()
    levels = [np.arange(len(found), dtype=np.float64) for found in CATEGORIES.values()]
    encoder = OneHotEncoder(categories=levels, handle_unknown="ignore", sparse_output=False)
    usual = ColumnTransformer(
        [
            ("numbers", StandardScaler(), [names.index(name) for name in NUMBERS]),
            ("categories", encoder, [names.index(name) for name in CATEGORIES]),
        ]
    )
    whole = make_pipeline(usual, XGBRegressor(n_estimators=20, max_depth=4, n_jobs=1))
    whole.fit(X, np.nan_to_num(X).sum(axis=1))
    native = ReferencePipeline().fit(X)
    np.testing.assert_array_equal(native.transform(X), usual.transform(X))
    model = ModelVersion(native, whole[-1].get_booster(), Target(name="price", unit="USD", link="identity"), None)
    np.testing.assert_array_equal(model.predict(model.transform(X)).value, whole.predict(X))


def test_the_reference_pipeline_survives_its_file() -> None:
    X = rows()
    native = ReferencePipeline().fit(X)
    data = pipeline_file.dump(native)
    assert not pipeline_file.untrusted_types(data, DEFINITION.trusted_types)
    np.testing.assert_array_equal(
        pipeline_file.load("v", data, DEFINITION.trusted_types).transform(X), native.transform(X)
    )
    assert native.transform(X).shape[1] == len(native.get_feature_names_out())

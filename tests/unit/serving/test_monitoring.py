"""What the monitors see of requests: counted once, cached or not, refused or answered, and shown to all who ask."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from registry.bundle import ModelDefinition
from serving.settings import Settings
from serving.wiring import Engine
from tests.conftest import EXAMPLE
from tests.inprocess import InProcess, in_process

Labels = frozenset[tuple[str, str]]


@pytest.fixture(scope="module")
def watched(home: Path) -> Iterator[InProcess]:
    """A service that logs every prediction and caches."""
    with in_process(PLUMBLINE_PREDICTION_LOG="1", PLUMBLINE_WATCH_SECONDS="0.1") as running:
        yield running


def samples(house: InProcess) -> dict[tuple[str, Labels], float]:
    """Everything that Prometheus would read, without the labels model and version."""
    answer = house.request("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = frozenset((name, text) for name, text in sample.labels.items() if name not in ("model", "version"))
            found[sample.name.removeprefix("plumbline_"), labels] = sample.value
    return found


class Grown:
    """By how much metrics have grown since this was made."""

    def __init__(self, house: InProcess) -> None:
        self._house, self._before = house, samples(house)

    def __call__(self, name: str, **labels: str) -> float:
        """The growth of one sample."""
        key = name, frozenset(labels.items())
        return samples(self._house)[key] - self._before.get(key, 0.0)


def row(**changed: Any) -> dict[str, Any]:
    """A request for one row."""
    return {"features": {**EXAMPLE, **changed}}


def test_answers_are_counted_by_variant_and_cache(watched: InProcess) -> None:
    grown = Grown(watched)
    for _ in range(3):
        assert watched.request("POST", "/predict", json=row(living_area_sqft=2_345)).status_code == 200
    assert grown("predictions_total", variant="stable", cached="false") == 1
    assert grown("predictions_total", variant="stable", cached="true") == 2
    assert grown("requests_total", endpoint="/predict", code="ok") == 3
    assert grown("cache_lookups_total", result="memory") == 2
    assert sum(_bins(watched, "living_area_sqft").values()) == sum(_bins(watched, "prediction").values())


def _bins(house: InProcess, feature: str) -> dict[Labels, float]:
    found = samples(house).items()
    return {labels: n for (name, labels), n in found if name == "feature_bin_total" and ("feature", feature) in labels}


def test_each_stage_is_timed(watched: InProcess) -> None:
    grown = Grown(watched)
    rows = [row(living_area_sqft=3_000 + n)["features"] for n in range(5)]
    assert watched.request("POST", "/predict_batch", json={"rows": rows}).status_code == 200
    for stage in ("validate", "queue", "preprocess", "predict", "total"):
        assert grown("stage_seconds_count", stage=stage) == 1
        assert grown("stage_seconds_sum", stage=stage) > 0
    assert grown("batch_rows_sum") == 5


def test_refusals_are_counted_by_code(watched: InProcess) -> None:
    grown = Grown(watched)
    watched.request("POST", "/predict", json=row(bedrooms=-1))
    watched.request("POST", "/predict", content=b"{", headers={"content-type": "application/json"})
    watched.request("GET", "/nothing/at/all")
    watched.request("GET", "/predict")
    assert grown("errors_total", code="validation") == 1
    assert grown("errors_total", code="malformed_json") == 1
    assert grown("requests_total", endpoint="/predict", code="method_not_allowed") == 1
    assert grown("requests_total", endpoint="other", code="not_found") == 1


def test_inputs_unlike_training_are_counted_by_feature(watched: InProcess) -> None:
    grown = Grown(watched)
    answer = watched.request("POST", "/predict", json=row(living_area_sqft=49_999)).json()
    assert answer["warnings"]
    assert grown("out_of_range_total", feature="living_area_sqft") == 1


def test_outcomes_are_counted_once_and_refused_with_their_reason(watched: InProcess) -> None:
    grown = Grown(watched)
    predicted = watched.request("POST", "/predict", json=row(living_area_sqft=1_999)).json()
    token, price = predicted["prediction_id"], predicted["prediction"]
    sent = [(token, price * 1.01), (token, price), (token[:-1] + "!", price), ("A" * 64, price)]
    body = {"outcomes": [{"prediction_id": name, "actual": actual} for name, actual in sent]}
    answer = watched.request("POST", "/outcomes", json=body)
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 1
    refused = {one["index"]: one["reason"] for one in answer.json()["refused"]}
    assert refused.keys() == {1, 2, 3}
    assert refused[1] == "duplicate"
    assert grown("outcomes_total") == 1
    assert grown("outcome_inside_total") == 1
    assert grown("outcomes_refused_total", reason="duplicate") == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "outcomes"),
        ({"outcomes": []}, "outcomes"),
        ({"outcomes": [{"prediction_id": "x"}]}, "outcomes.0.actual"),
        ({"outcomes": [{"prediction_id": "x", "actual": "1"}]}, "outcomes.0.actual"),
        ({"outcomes": [{"prediction_id": "x", "actual": 1}] * 10_001}, "outcomes"),
    ],
)
def test_outcomes_of_the_wrong_shape_are_422(watched: InProcess, body: dict[str, Any], field: str) -> None:
    answer = watched.request("POST", "/outcomes", json=body)
    assert answer.status_code == 422
    assert next(error["field"] for error in answer.json()["errors"]) == field


def test_ten_thousand_outcomes_at_once_are_judged(watched: InProcess) -> None:
    body = {"outcomes": [{"prediction_id": "x", "actual": 1.0}] * 10_000}
    answer = watched.request("POST", "/outcomes", json=body).json()
    assert (answer["accepted"], len(answer["refused"])) == (0, 10_000)


def test_the_dashboard_and_its_figures(watched: InProcess) -> None:
    watched.request("POST", "/predict", json=row(living_area_sqft=2_222))
    page = watched.request("GET", "/dashboard")
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert watched.request("GET", "/dashboard", headers={"if-none-match": page.headers["etag"]}).status_code == 304
    assert watched.request("GET", "/dashboard/dashboard.js").status_code == 200
    assert watched.request("GET", "/dashboard/../../etc/passwd").status_code == 404
    found = watched.request("GET", "/dashboard.json").json()
    (version,) = found["versions"]
    assert version["variant"] == "stable"
    assert version["rows"] == sum(version["columns"][-1]["live"]) > 0
    assert found["requests"]["/predict"] > 0
    assert found["example"]


def test_the_prediction_log_has_the_row_and_its_id(watched: InProcess, home: Path) -> None:
    predicted = watched.request("POST", "/predict", json=row(living_area_sqft=1_777)).json()
    folder = home / "plumbline" / "house_prices" / "predictions"

    def logged() -> list[dict[str, Any]]:
        lines = [json.loads(line) for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()]
        return [line for line in lines if line["prediction_id"] == predicted["prediction_id"]]

    watched.until(lambda: len(logged()) == 1)
    (line,) = logged()
    assert line["features"]["living_area_sqft"] == 1_777
    assert line["prediction"] == pytest.approx(predicted["prediction"])
    assert 0 < line["latency_ms"] < 30_000


def test_the_page_links_to_what_there_is(watched: InProcess) -> None:
    page = watched.request("GET", "/").text
    for path in ("docs", "docs.json", "dashboard", "metrics", "models", "rollout", "livez", "readyz", "startupz"):
        assert f'href="{path}"' in page
        assert watched.request("GET", f"/{path}").status_code == 200
    assert "http://" not in page
    assert "https://" not in page


def test_a_misspelt_personal_field_ends_the_start(definition: ModelDefinition) -> None:
    with pytest.raises(SystemExit, match="no feature is called bedroms"):
        Engine(definition, Settings(personal_fields="bedrooms, bedroms"))


def test_a_key_that_others_can_read_signs_nothing(home: Path, tmp_path: Path) -> None:
    key = tmp_path / "prediction_id.key"
    key.write_text("0" * 64)
    key.chmod(0o644)
    with in_process(PLUMBLINE_STATE_FOLDER=str(tmp_path)) as running:
        assert running.request("POST", "/predict", json=row()).status_code == 200
        (line,) = [line for line in running.log() if "prediction_id.key" in line["message"]]
        assert "chmod 600" in line["message"]
        assert "0000" not in line["message"]

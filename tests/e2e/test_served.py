"""The service as a user has it: really served, two workers."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bentoml
import httpx
import numpy as np
import psutil
import pytest

from registry.bundle import Bundle
from schemas.house_prices import HouseFeatures
from tests.served import Served, serve
from training.dataset import Split


def test_a_row_gets_a_price(served: Served, row: dict[str, Any], published: str) -> None:
    with served.client() as client:
        answer = client.post("/predict", json={"features": row}).json()
    assert answer["model"] == "house_prices"
    assert answer["version"] == published
    assert answer["variant"] == "stable"
    assert answer["warnings"] == []
    assert answer["interval"]["low"] < answer["prediction"] < answer["interval"]["high"]


def test_real_sales_get_the_answers_of_the_pipeline_bit_for_bit(served: Served, split: Split, bundle: Bundle) -> None:
    rows = [sale.model_dump(mode="json") for sale in split.test.rows[:200]]
    expected = bundle.model.predict(bundle.model.transform(split.test.raw[:200]))
    with served.client() as client:
        answers = client.post("/predict_batch", json={"rows": rows}).json()["predictions"]
    assert [answer["prediction"] for answer in answers] == expected.value.tolist()
    assert expected.low is not None
    assert [answer["interval"]["low"] for answer in answers] == expected.low.tolist()


def test_one_row_at_a_time_gives_the_answers_of_the_batch(served: Served, split: Split) -> None:
    rows = [sale.model_dump(mode="json") for sale in split.test.rows[:20]]
    with served.client() as client:
        batch = client.post("/predict_batch", json={"rows": rows}).json()["predictions"]
        alone = [client.post("/predict", json={"features": row}).json() for row in rows]
    assert [answer["prediction"] for answer in alone] == [answer["prediction"] for answer in batch]


def test_many_clients_at_once_get_their_own_answers(served: Served, split: Split, bundle: Bundle) -> None:
    sales = split.test.rows[:120]
    expected = bundle.model.predict(bundle.model.transform(split.test.raw[:120])).value.tolist()

    def ask(sale: HouseFeatures) -> float:
        with served.client() as client:
            answer = client.post("/predict", json={"features": sale.model_dump(mode="json")})
        return float(answer.json()["prediction"])

    with ThreadPoolExecutor(max_workers=16) as clients:
        assert list(clients.map(ask, sales)) == expected


def test_a_row_unlike_training_is_priced_with_a_warning(served: Served, row: dict[str, Any]) -> None:
    row.update(living_area_sqft=30_000, area_code="99")
    with served.client() as client:
        answer = client.post("/predict", json={"features": row}).json()
    found = {(warning["code"], warning["feature"]) for warning in answer["warnings"]}
    assert ("outside_training_range", "living_area_sqft") in found
    assert ("never_seen_category", "area_code") in found
    assert np.isfinite(answer["prediction"])


def test_a_bad_row_in_a_batch_is_named(served: Served, row: dict[str, Any]) -> None:
    rows = [row, {**row, "bedrooms": 21}, row, {key: value for key, value in row.items() if key != "age_years"}]
    with served.client() as client:
        answer = client.post("/predict_batch", json={"rows": rows})
    assert answer.status_code == 422
    assert [(error["row"], error["field"], error["limit"]) for error in answer.json()["errors"]] == [
        (1, "bedrooms", 20),
        (3, "age_years", None),
    ]


def test_more_rows_than_the_limit_are_refused(served: Served, row: dict[str, Any]) -> None:
    with served.client() as client:
        answer = client.post("/predict_batch", json={"rows": [row] * 10_001})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "rows", "rule": "too_long", "message": answer.json()["errors"][0]["message"], "limit": 10_000}
    ]


def test_two_workers_answer(served: Served) -> None:
    children = psutil.Process(served.process.pid).children(recursive=True)
    workers = [child for child in children if "_bentoml_impl.worker.service" in " ".join(child.cmdline())]
    assert len(workers) == 2


def test_bentoml_own_client_works(served: Served, row: dict[str, Any]) -> None:
    with bentoml.SyncHTTPClient(served.url) as client:
        answer = client.predict(features=row)
    assert answer["prediction"] > 0


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz", "/healthz", "/", "/docs", "/docs.json", "/metrics"])
def test_probes_and_pages_answer(served: Served, path: str) -> None:
    with served.client() as client:
        answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_load_nothing_from_other_hosts(served: Served, path: str) -> None:
    with served.client() as client:
        page = client.get(path).text
    assert "//" not in page.replace("<!doctype html>", "")


def test_the_log_is_json_and_holds_no_rejected_value(served: Served, row: dict[str, Any]) -> None:
    secret = "MY-SECRET-VALUE-4711"
    with served.client() as client:
        answer = client.post("/predict", json={"features": {**row, "area_code": secret, secret: 1, "bedrooms": secret}})
        request_id = answer.headers["x-request-id"]
    lines = served.log.read_text().splitlines()
    logged = [json.loads(line) for line in lines if line.startswith("{")]
    assert any(line.get("request_id") == request_id and line["code"] == "validation" for line in logged)
    assert secret not in served.log.read_text()


def test_an_empty_store_is_not_ready_and_says_what_to_do(home: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    (empty / "models").mkdir(parents=True)
    with (
        serve(empty, tmp_path / "served", wait=False) as running,
        httpx.Client(base_url=running.url, timeout=30) as client,
    ):
        answer = _first_answer(client, running)
    assert answer.status_code == 503
    assert answer.json()["code"] == "not_ready"


def test_a_wrong_setting_stops_the_start_with_a_sentence(home: Path, tmp_path: Path) -> None:
    with serve(home, tmp_path / "served", wait=False, PLUMBLINE_LOG_LEVEL="LOUD") as running:
        assert running.process.wait(timeout=60) != 0
    log = running.log.read_text()
    assert "PLUMBLINE_LOG_LEVEL" in log
    assert "Traceback" not in log


def _first_answer(client: httpx.Client, running: Served) -> httpx.Response:
    while running.process.poll() is None:
        try:
            return client.get("/readyz")
        except httpx.ConnectError:
            os.sched_yield()
    raise AssertionError(running.log.read_text())

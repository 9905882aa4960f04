"""Every query of the Grafana dashboard finds figures in a real Prometheus that scraped a real service under load."""

from __future__ import annotations

import json
import math
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitoring.grafana.panels import ROWS
from tests.conftest import EXAMPLE
from tests.prometheus_server import Prometheus, prometheus
from tests.served import Served, serve
from tests.versions import another_version

QUERIES = [query.expression for row in ROWS for panel in row.panels for query in panel.queries]
VARIABLES = {"$__rate_interval": "1m", "$model": "house_prices", "$version": ".*"}
"""What Grafana puts in their place."""

SETTINGS: dict[str, Any] = {"PLUMBLINE_WATCH_SECONDS": "0.2", "PLUMBLINE_PREDICTION_LOG": "1"}


class Users:
    """Somebody who asks for prices, new and old ones, tells what came true, and makes mistakes."""

    def __init__(self, url: str) -> None:
        self._url, self._random, self._stop = url, random.Random(7), threading.Event()  # not for secrets
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Users:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=20) as client:
            while not self._stop.is_set():
                rows = [{**EXAMPLE, "living_area_sqft": self._random.randint(700, 4_000)} for _ in range(20)]
                answers = [client.post("/predict", json={"features": row}).json() for row in rows]
                answers += client.post("/predict_batch", json={"rows": rows}).json()["predictions"]
                client.post("/predict", json={"features": {**EXAMPLE, "living_area_sqft": 49_000}})
                client.post("/predict", json={"features": {**EXAMPLE, "bedrooms": -1}})
                truths = [{"prediction_id": one["prediction_id"], "actual": one["prediction"]} for one in answers]
                client.post("/outcomes", json={"outcomes": [*truths, {"prediction_id": "x", "actual": 1.0}]})


@contextmanager
def _rolled_out(home: Path, bundle: Path, folder: Path) -> Iterator[Served]:
    """A service with a canary and a shadow version."""
    with serve(home, folder, **SETTINGS) as running:
        store = running.home / "models" / "house_prices"
        canary, shadow = (another_version(bundle, store, rounds) for rounds in (60, 50))
        plan = running.home / "plumbline" / "house_prices" / "rollout.json"
        changed = {"generation": 2, "canary": {"version": canary, "weight": 0.3}, "shadows": [shadow]}
        plan.write_text(json.dumps({**json.loads(plan.read_text()), **changed}))
        yield running


@pytest.fixture(scope="module")
def loaded(home: Path, bundle_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that watches it under load."""
    folder, watching = tmp_path_factory.mktemp("grafana"), tmp_path_factory.mktemp("prometheus")
    with (
        _rolled_out(home, bundle_directory, folder) as running,
        Users(running.url),
        prometheus(watching, running.url.removeprefix("http://")) as watched,
    ):
        yield watched


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_finds_series(loaded: Prometheus, query: str) -> None:
    for variable, value in VARIABLES.items():
        query = query.replace(variable, value)
    assert "$" not in query
    values = [float(series["value"][1]) for series in loaded.until(query)]
    assert any(map(math.isfinite, values))

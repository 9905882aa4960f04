"""Who takes part: how each server is started, asked and understood."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from benchmarks.load import Load, Target
from benchmarks.material import REPEATED, Material, Row

HERE = Path(sys.executable).parent

Prices = Callable[[Any], list[float]]
Bulk = tuple[str, str, Callable[[list[Row]], Any], Prices]
"""Title, path, request for many rows, predictions in the answer."""


@dataclass(frozen=True)
class Contestant:
    """One server, in one configuration.

    Args:
        title: as the table names it.
        command: how to start it; {port} stands for its port.
        path: where one row is predicted.
        body: the request for one row.
        prices: the predictions in an answer.
        bulk: ways to ask for many rows.
        mode: which bodies it gets: different rows, repeated ones, or each row once.
        exact: whether its answers are the reference model's.
    """

    name: str
    title: str
    command: list[str]
    path: str
    body: Callable[[Row], Any]
    prices: Prices
    environment: dict[str, str] = field(default_factory=dict)
    bulk: list[Bulk] = field(default_factory=list)
    mode: str = "different"
    exact: bool = True

    def bodies(self, material: Material) -> Path:
        """The file that wrk sends from."""
        rows = material.rows[:REPEATED] if self.mode == "repeated" else material.rows
        if self.mode == "unique":  # wrk counts up in the last of nine decimals
            return material.bodies(self.name, [_nine_decimals(self.body(row)) for row in rows])
        return material.bodies(self.name, [orjson.dumps(self.body(row)) for row in rows])

    def target(self, url: str, material: Material) -> Target:
        """Where wrk sends its requests, which are written to a file."""
        return Target(url, self.path, self.bodies(material), self.mode)

    def check_cache(self, seen: Load) -> None:
        """Hits must be hits, and misses misses. Raises AssertionError."""
        if self.mode == "different":
            return
        good = seen.cached_share < 0.001 if self.mode == "unique" else seen.cached_share > 0.99
        assert good, f"{self.name}: {seen.cached_share:.1%} of the answers came from the cache"


def _nine_decimals(body: Any) -> bytes:
    latitude = body["features"]["latitude"]
    whole = orjson.dumps(body)
    return whole.replace(f'"latitude":{latitude}'.encode(), f'"latitude":{latitude:.9f}'.encode())


def _features(row: Row) -> Row:
    return {"features": row}


def _one(answer: Any) -> list[float]:
    return [answer["prediction"]]


def _predictions(answer: Any) -> list[float]:
    return [one["prediction"] for one in answer["predictions"]]


def _v2_prices(answer: Any) -> list[float]:
    return list(answer["outputs"][0]["data"])


def as_columns(rows: list[Row]) -> dict[str, list[Any]]:
    """Rows turned into columns."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def _columns(rows: list[Row]) -> dict[str, Any]:
    return {"columns": as_columns(rows)}


def contestants(peers: Path | None, mlserver: Path | None, material: Material) -> list[Contestant]:
    """Everybody who can take part here, in the table's order."""
    found = [_floor(material), *_ours(material)]
    if peers is not None:
        found += _peers(peers.parent, {"BENCH_MODEL": str(material.folder / "pipeline.joblib")})
    if mlserver is not None:
        found.append(_mlserver(mlserver.parent, material))
    return found


def _floor(material: Material) -> Contestant:
    command = [*_uvicorn(HERE), "--loop", "uvloop", "--http", "httptools", "benchmarks.peers.floor:app"]
    environment = {"BENCH_ANSWER": str(material.folder / "answer.json")}
    title = "floor: bare uvicorn, constant JSON"
    return Contestant("floor", title, command, "/predict", _features, _one, environment, exact=False)


def _ours(material: Material) -> list[Contestant]:
    reference, published = "benchmarks.reference_service:Reference", "service:HousePrices"
    unwatched = "benchmarks.unwatched_service:Reference"
    bulk: list[Bulk] = [
        ("records", "/predict_batch", lambda rows: {"rows": rows}, _predictions),
        ("columns", "/predict_batch", _columns, _predictions),
        ("columns, answered in columns", "/predict_columns", _columns, lambda answer: list(answer["prediction"])),
    ]

    def ours(name: str, title: str, service: str, cache: str, mode: str = "different") -> Contestant:
        environment = {"PLUMBLINE_CACHE_URL": cache}
        command = _bentoml(HERE, service)
        many = bulk if name.startswith("plumbline") and cache == "off" else []
        exact = service in (reference, unwatched) and mode != "unique"
        return Contestant(name, title, command, "/predict", _features, _one, environment, many, mode, exact)

    found = [
        ours("plumbline", "this service", reference, "off"),
        ours("unwatched", "this service without monitoring", unwatched, "off"),
        ours("misses", "this service, cache on, every row new", reference, "memory", "unique"),
        ours("hits", "this service, cache on, rows repeated", reference, "memory", "repeated"),
    ]
    if material.published:
        found.append(ours("plumbline-published", "this service, published model", published, "off"))
    return found


def _peers(folder: Path, environment: dict[str, str]) -> list[Contestant]:
    fastapi = [*_uvicorn(folder), "benchmarks.peers.fastapi_usual:app"]
    usual = _bentoml(folder, "benchmarks.peers.bentoml_usual:HousePrices")
    batchable = _bentoml(folder, "benchmarks.peers.bentoml_batchable:HousePrices")
    return [
        Contestant(
            *("fastapi", "FastAPI + pipeline.predict", fastapi, "/predict", lambda row: row, _one, environment),
            bulk=[
                ("records", "/predict_batch", lambda rows: rows, lambda answer: [one["prediction"] for one in answer])
            ],
        ),
        Contestant(
            *("bentoml", "BentoML, the usual way", usual, "/predict", _features, _one, environment),
            bulk=[("records", "/predict_batch", lambda rows: {"rows": rows}, list)],
        ),
        Contestant(
            *("bentoml-batchable", "BentoML, batchable API", batchable, "/predict"),
            *(lambda row: {"rows": [row]}, lambda answer: list(answer), environment),
        ),
    ]


def _mlserver(folder: Path, material: Material) -> Contestant:
    repository = material.folder / "mlserver"
    repository.mkdir(exist_ok=True)
    settings = {
        "name": "reference",
        "implementation": "benchmarks.peers.mlserver_runtime.HousePrices",
        "max_batch_size": 64,
        "max_batch_time": 0.002,
    }
    (repository / "model-settings.json").write_text(json.dumps(settings))
    environment = {
        "BENCH_MODEL": str(material.folder / "pipeline.joblib"),
        "MLSERVER_HTTP_PORT": "{port}",
        "MLSERVER_GRPC_PORT": "{port1}",
        "MLSERVER_METRICS_PORT": "{port2}",
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_DEBUG": "false",
        "MLSERVER_PARALLEL_WORKERS": "0",  # in its one process: a second one would share the core
    }
    command = [str(folder / "mlserver"), "start", str(repository)]
    path = "/v2/models/reference/infer"
    return Contestant(
        *("mlserver", "MLServer, adaptive batching", command, path, lambda row: v2([row])),
        *(_v2_prices, environment),
        bulk=[("V2 columns", path, v2, _v2_prices)],
    )


def v2(rows: list[Row]) -> dict[str, Any]:
    """A request of the V2 protocol, a tensor a column, to be read as a DataFrame."""
    return {"parameters": {"content_type": "pd"}, "inputs": [_tensor(*item) for item in as_columns(rows).items()]}


def _tensor(name: str, values: list[Any]) -> dict[str, Any]:
    if isinstance(values[0], str):
        text = {"datatype": "BYTES", "parameters": {"content_type": "str"}}
        return {"name": name, "shape": [len(values), 1], "data": values, **text}
    numbers = [float(value) for value in values]
    return {"name": name, "shape": [len(values), 1], "datatype": "FP64", "data": numbers}


def _uvicorn(folder: Path) -> list[str]:
    return [
        str(folder / "uvicorn"),
        *("--host", "127.0.0.1", "--port", "{port}", "--no-access-log", "--log-level", "warning"),
    ]


def _bentoml(folder: Path, service: str) -> list[str]:
    return [str(folder / "bentoml"), "serve", service, "--host", "127.0.0.1", "--port", "{port}"]


def base_environment() -> dict[str, str]:
    """This process's environment without settings that would reach the servers."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PLUMBLINE_", "MLSERVER_"))}
    return {**kept, "OMP_NUM_THREADS": "1", "BENTOML_DO_NOT_TRACK": "True"}

"""What is sent and what is served: training data for the peers, the stores, request bodies."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.reference_model import TREES
from benchmarks.reference_pipeline import CATEGORIES, NUMBERS
from schemas.predictions import Prediction
from tests.served import ROOT
from training import fetch
from training.dataset import Dataset, validate
from training.house_prices import RECIPE

ROWS = 2000
REPEATED = 50
"""Different rows where the cache is to be hit."""

BULK_SIZES = (1_000, 10_000)

Row = dict[str, Any]


@dataclass(frozen=True)
class Material:
    """Where everything lies, and what is to be expected.

    Args:
        folder: holds what the peers load and what wrk sends.
        home: a BENTOML_HOME with the published and the reference model; servers get copies.
        rows: as sent.
        expected: the reference model's price of each.
        published: whether the house-price model is in the store.
        peers_python: the interpreter of the peers' environment.
    """

    folder: Path
    home: Path
    rows: list[Row]
    expected: list[float]
    published: bool
    peers_python: Path

    def bodies(self, name: str, bodies: list[bytes]) -> Path:
        """Write request bodies, one a line."""
        path = self.folder / f"{name}.jsonl"
        path.write_bytes(b"\n".join(bodies) + b"\n")
        return path

    def many(self, count: int) -> list[Row]:
        """Rows for one large request."""
        return [self.rows[number % len(self.rows)] for number in range(count)]

    def many_expected(self, exact: bool, count: int) -> list[float]:
        """The reference model's prices for `many`; none for a server of another model."""
        return [self.expected[number % len(self.expected)] for number in range(count)] if exact else []


def prepare(folder: Path, peers_python: Path) -> Material:
    """Train the peers' pipeline in their environment, publish the same trees here, compare the predictions.

    Raises:
        subprocess.CalledProcessError: a step failed; it has said why.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    data = validate(RECIPE.definition.rows, RECIPE.read(fetch.fetch(RECIPE.source)))[0]
    rows = _sample(data)
    (folder / "rows.json").write_bytes(orjson.dumps(rows))
    (folder / "training.json").write_bytes(orjson.dumps(_training(data)))
    (folder / "answer.json").write_bytes(_typical_answer())
    home = folder / "home"
    published = _copy_published(home)
    _python(peers_python, "benchmarks.peers.train", folder)
    _python(Path(sys.executable), "benchmarks.publish_reference", folder, BENTOML_HOME=str(home))
    expected = orjson.loads((folder / "expected.json").read_bytes())
    return Material(folder, home, rows, expected, published, peers_python)


def _sample(data: Dataset) -> list[Row]:
    """Rows spread over all years, away from the northern edge so that a shifted latitude stays in range."""
    north = np.nanquantile(data.column("latitude"), 0.99)
    inside = np.flatnonzero(data.column("latitude") < north)
    chosen = inside[np.linspace(0, len(inside) - 1, ROWS).astype(int)]
    return [data.rows[place].model_dump(mode="json") for place in np.random.default_rng(7).permutation(chosen)]


def _training(data: Dataset) -> dict[str, Any]:
    rows = [row.model_dump(mode="json") for row in data.rows]
    columns = {name: [row[name] for row in rows] for name in (*NUMBERS, *CATEGORIES)}
    target = data.target.tolist()
    return {"columns": columns, "target": target, "numbers": NUMBERS, "categories": CATEGORIES, "trees": TREES}


def _typical_answer() -> bytes:
    """An answer as the reference model gives it; the floor sends this one for ever."""
    version = "20161228-0123456789ab"
    parts = {"interval": None, "model": "house_prices_reference", "version": version, "variant": "stable"}
    return (
        Prediction.model_validate(
            {"prediction": 812345.6875, **parts, "warnings": [], "prediction_id": "0" * 32, "cached": False}
        )
        .model_dump_json()
        .encode()
    )


def _copy_published(home: Path) -> bool:
    source = Path(os.environ.get("BENTOML_HOME", Path.home() / "bentoml"))
    name = RECIPE.definition.name
    for part in (Path("models", name), Path("plumbline", name)):
        if (source / part).exists():
            shutil.copytree(source / part, home / part)
    return (home / "models" / name).exists()


def _python(python: Path, module: str, *arguments: Path, **environment: str) -> None:
    command = [str(python), "-m", module, *map(str, arguments)]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **environment})  # noqa: S603

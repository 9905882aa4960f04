"""Rows a second of a model alone, in this process: what large requests are compared with.

`python -m benchmarks.in_process MODEL ROWS SECONDS SIZE...` with BENTOML_HOME set, ROWS a JSON file; prints JSON.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.rates import rows_a_second
from benchmarks.reference_model import DEFINITION
from preprocessors.encoding import Matrix, RowEncoder
from preprocessors.house_prices import TRUSTED_TYPES
from registry import store
from registry.bundle import ModelDefinition, ModelVersion
from schemas.house_prices import HouseFeatures


def main(definition: ModelDefinition, file: Path, seconds: float, sizes: list[int]) -> dict[str, float]:
    """Encoded rows to answers, again and again."""
    bundle = store.open_version(definition)
    rows = [definition.rows.from_row(row) for row in json.loads(file.read_bytes())]
    encoded = RowEncoder(definition.rows).matrix(rows)
    found = {}
    for size in sizes:
        matrix = np.resize(encoded, (size, encoded.shape[1]))
        found[str(size)] = rows_a_second(partial(_predict, bundle.model, matrix), size, seconds)
    return found


def _predict(model: ModelVersion, matrix: Matrix) -> None:
    model.predict(model.transform(matrix))


DEFINITIONS = {
    "in process": DEFINITION,
    "in process, published model": ModelDefinition("house_prices", HouseFeatures, TRUSTED_TYPES),
}


if __name__ == "__main__":
    name, rows, seconds, *sizes = sys.argv[1:]
    sys.stdout.write(json.dumps(main(DEFINITIONS[name], Path(rows), float(seconds), [int(size) for size in sizes])))

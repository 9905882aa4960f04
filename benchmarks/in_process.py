"""Rows a second of a model alone, in this process: what large requests are compared with.

`python -m benchmarks.in_process MODEL ROWS SIZE...` with BENTOML_HOME set, ROWS a JSON file; takes turns as rates.py
says.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.figures import IN_PROCESS, IN_PROCESS_PUBLISHED
from benchmarks.rates import take_turns
from benchmarks.reference_model import DEFINITION
from preprocessors.encoding import Matrix, RowEncoder
from preprocessors.house_prices import TRUSTED_TYPES
from registry import store
from registry.bundle import ModelDefinition, ModelVersion
from schemas.house_prices import HouseFeatures


def main(definition: ModelDefinition, file: Path, sizes: list[int]) -> None:
    """Encoded rows to answers, again and again."""
    bundle = store.open_version(definition)
    rows = [definition.rows.from_row(row) for row in json.loads(file.read_bytes())]
    encoded = RowEncoder(definition.rows).matrix(rows)
    matrices = {size: np.resize(encoded, (size, encoded.shape[1])) for size in sizes}
    take_turns({size: partial(_predict, bundle.model, matrix) for size, matrix in matrices.items()})


def _predict(model: ModelVersion, matrix: Matrix) -> None:
    model.predict(model.transform(matrix))


DEFINITIONS = {
    IN_PROCESS: DEFINITION,
    IN_PROCESS_PUBLISHED: ModelDefinition("house_prices", HouseFeatures, TRUSTED_TYPES),
}


if __name__ == "__main__":
    name, rows, *sizes = sys.argv[1:]
    main(DEFINITIONS[name], Path(rows), [int(size) for size in sizes])

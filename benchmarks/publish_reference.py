"""Publishes the reference model into the store of BENTOML_HOME: a bundle like any other, with the peers' trees.

`python -m benchmarks.publish_reference FOLDER`; the folder holds what benchmarks/peers/train.py wrote.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import orjson
import xgboost

from benchmarks.reference_model import DEFINITION, TREES
from benchmarks.reference_pipeline import ReferencePipeline
from preprocessors.encoding import RowEncoder
from registry import bundle, store
from registry.bundle import ModelVersion
from registry.manifest import DataPart, Target
from training import fetch, package
from training.dataset import Dataset, validate
from training.house_prices import RECIPE
from training.recipe import Fitted

EQUAL_TO = 1e-6
"""Relative difference allowed between this service's model and the peers'."""


def main(folder: Path) -> None:
    """Make, compare and publish.

    Raises:
        AssertionError: the predictions are not those of the peers' pipeline.
    """
    data = validate(DEFINITION.rows, RECIPE.read(fetch.fetch(RECIPE.source)))[0]
    booster = xgboost.Booster()
    booster.load_model(folder / "trees.ubj")
    booster.feature_names = None  # the peers' pipeline names its columns in its own way
    recipe = dataclasses.replace(
        RECIPE, definition=DEFINITION, target=Target(name="price", unit="USD", link="identity")
    )
    fitted = Fitted(ReferencePipeline().fit(data.raw), booster, None, dict(TREES))
    model = ModelVersion(fitted.pipeline, booster, recipe.target, None)
    compare(model, folder)
    files = package.bundle_files(recipe, fitted, model, data)
    error = float(np.abs(model.predict(model.transform(data.raw)).value - data.target).mean())
    manifest = package.manifest(
        recipe, fitted, files, _data_part(data), {"model": {"mean_absolute_error": error}}, {}, {}
    )
    store.publish(manifest, files)


def compare(model: ModelVersion, folder: Path) -> None:
    """Check against the answers of the peers' pipeline for the rows of the requests."""
    rows = orjson.loads((folder / "rows.json").read_bytes())
    expected = np.array(orjson.loads((folder / "expected.json").read_bytes()))
    got = model.predict(
        model.transform(RowEncoder(DEFINITION.rows).matrix([DEFINITION.rows.from_row(row) for row in rows]))
    )
    worst = float(np.abs(got.value / expected - 1).max())
    assert worst <= EQUAL_TO, f"the reference model differs from the peers' pipeline by {worst:g}"


def _data_part(data: Dataset) -> DataPart:
    last = data.last
    digest = bundle.digest(data.raw.tobytes())
    days = {"first": data.first, "last": last, "fit_until": last, "calibrated_until": last, "tested_until": last}
    return DataPart(source="benchmark", sha256=digest, rows=len(data), refused=0, **days)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

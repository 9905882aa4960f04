"""Further versions for tests, made from a published one without training: fewer trees, other answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import xgboost

from preprocessors.encoding import RowEncoder
from preprocessors.house_prices import TRUSTED_TYPES
from registry import bundle, pipeline_file
from registry.bundle import GoldenSet, ModelVersion
from registry.manifest import Manifest
from schemas.house_prices import HouseFeatures


def another_version(source: Path, store: Path, rounds: int = 60, note: str = "") -> str:
    """Write a valid version with only the first rounds of another's trees.

    Args:
        source: a published version's folder.
        store: the model's folder in a BentoML store.
        rounds: how many rounds of trees it keeps; other rounds give other answers.
        note: text that makes an otherwise equal version another one.

    Returns:
        The version's name.
    """
    files = {path.name: path.read_bytes() for path in source.iterdir()}
    label, old = files.pop("model.yaml"), Manifest.model_validate_json(files.pop(bundle.MANIFEST))
    booster = xgboost.Booster()
    booster.load_model(bytearray(files[bundle.BOOSTER]))
    booster = booster[:rounds]
    files[bundle.BOOSTER] = bytes(booster.save_raw(raw_format="ubj"))
    model = ModelVersion(
        pipeline_file.load(source.name, files[bundle.PIPELINE], TRUSTED_TYPES), booster, old.target, old.interval
    )
    files[bundle.GOLDEN] = _answered(model, GoldenSet.model_validate_json(files[bundle.GOLDEN]))
    digests = {name: bundle.digest(content) for name, content in sorted(files.items())}
    parameters = {**old.parameters, "note": f"{rounds} rounds {note}"}
    manifest = old.model_copy(update={"files": digests, "parameters": parameters}).model_dump_json(indent=1).encode()
    name = bundle.version_name(manifest, f"{old.data.calibrated_until:%Y%m%d}")
    target = store / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file, content in {**files, bundle.MANIFEST: manifest}.items():
        (target / file).write_bytes(content)
    (target / "model.yaml").write_text(label.decode().replace(source.name, name))
    return name


def _answered(model: ModelVersion, golden: GoldenSet) -> bytes:
    raw = RowEncoder(HouseFeatures).matrix([HouseFeatures.from_row(row) for row in golden.rows])
    answers = model.predict(model.transform(raw))
    assert answers.low is not None
    assert answers.high is not None
    parts = {"value": answers.value.tolist(), "low": answers.low.tolist(), "high": answers.high.tolist()}
    return json.dumps({"rows": golden.rows, **parts}).encode()

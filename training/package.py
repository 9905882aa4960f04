"""From a fitted model to the files of a bundle."""

from __future__ import annotations

import io
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version as library_version
from typing import Any

import numpy as np
import xgboost

from deploy.code_version import ROOT, git
from monitoring import calibration
from monitoring.outcome_reference import OutcomeReference
from monitoring.profile import Profile, profile_category, profile_number
from preprocessors.encoding import Matrix, RowEncoder
from preprocessors.feature_check import TrainingRanges
from registry import bundle, pipeline_file
from registry.bundle import Answers, GoldenSet, ModelVersion
from registry.manifest import FORMAT, CodePart, DataPart, Manifest
from schemas.features import Features
from training.dataset import Dataset
from training.recipe import Fitted, Recipe

GOLDEN_ROWS = 48
LIBRARIES = ("bentoml", "numpy", "pydantic", "scikit-learn", "scipy", "skops")


def bundle_files(recipe: Recipe, fitted: Fitted, model: ModelVersion, seen: Dataset) -> dict[str, bytes]:
    """Every file but the manifest.

    Args:
        recipe: the recipe that was followed.
        fitted: what it gave.
        model: the version that predicts with it.
        seen: all rows of the run, in order of time; the reference for profile and ranges.
    """
    inputs = model.transform(seen.raw)
    answers = model.predict(inputs)
    bare = model.transform(without_optional(recipe.definition.rows, seen.raw))
    profile = reference_profile(recipe.definition.rows, seen.raw, answers)
    ranges = TrainingRanges.of(list(fitted.pipeline.get_feature_names_out()), np.vstack([inputs, bare]))
    return {
        bundle.PIPELINE: pipeline_file.dump(fitted.pipeline),
        bundle.BOOSTER: _raw(fitted.booster),
        bundle.RANGES: ranges.model_dump_json().encode(),
        bundle.PROFILE: profile.model_dump_json().encode(),
        bundle.REFERENCE: _npy(calibration.reference_codes(profile, np.column_stack([seen.raw, answers.value]))),
        bundle.GOLDEN: golden_set(recipe.definition.rows, model, seen).model_dump_json().encode(),
    }


def manifest(
    recipe: Recipe,
    fitted: Fitted,
    files: dict[str, bytes],
    data: DataPart,
    metrics: dict[str, dict[str, float]],
    slices: dict[str, dict[str, dict[str, float]]],
    gate: dict[str, Any],
    outcomes: OutcomeReference | None = None,
) -> Manifest:
    """The manifest over the files. Holds nothing that differs when the same is trained again, such as the time."""
    return Manifest(
        format=FORMAT,
        model=recipe.definition.name,
        schema_hash=recipe.definition.rows.schema_hash(),
        features=recipe.definition.rows.names(),
        inputs=list(fitted.pipeline.get_feature_names_out()),
        target=recipe.target,
        interval=fitted.interval,
        parameters=fitted.parameters,
        metrics=metrics,
        slices=slices,
        gate=gate,
        data=data,
        code=code_state(),
        libraries=libraries(),
        files={name: bundle.digest(content) for name, content in sorted(files.items())},
        outcomes=outcomes,
        contract=recipe.contract,
    )


def check_contract(recipe: Recipe, files: Mapping[str, bytes]) -> None:
    """The short calibration of the drift contract, on the reference of a bundle.

    Raises:
        ContractUnsupported: too few rows for it, or rows that ring the alarm when replayed.
    """
    profile = Profile.model_validate_json(files[bundle.PROFILE])
    codes = np.load(io.BytesIO(files[bundle.REFERENCE]), allow_pickle=False)
    calibration.check(profile, codes, recipe.contract)


def reference_profile(schema: type[Features], raw: Matrix, answers: Answers) -> Profile:
    """Bins for every feature and for the prediction, of rows in order of time."""
    columns = [
        profile_category(column.name, raw[:, i], column.levels)
        if column.kind == "category"
        else profile_number(column.name, raw[:, i])
        for i, column in enumerate(schema.columns())
    ]
    return Profile(rows=len(raw), columns=[*columns, profile_number("prediction", answers.value)])


def golden_set(schema: type[Features], model: ModelVersion, seen: Dataset) -> GoldenSet:
    """Rows spread over time, every second of them without its optional values, with the model's answers."""
    places = np.linspace(0, len(seen) - 1, GOLDEN_ROWS).astype(int)
    optional = [column.name for column in schema.columns() if not column.required and column.kind != "flag"]
    rows = []
    for number, place in enumerate(places):
        row = seen.rows[place].model_dump(mode="json")
        rows.append({key: value for key, value in row.items() if number % 2 == 0 or key not in optional})
    raw = RowEncoder(schema).matrix([schema.from_row(row) for row in rows])
    answers = model.predict(model.transform(raw))
    low, high = (None if part is None else part.tolist() for part in (answers.low, answers.high))
    return GoldenSet(rows=rows, value=answers.value.tolist(), low=low, high=high)


def without_optional(schema: type[Features], raw: Matrix) -> Matrix:
    """The same rows with every optional value missing: a request may always leave them out."""
    optional = [not column.required and column.kind != "flag" for column in schema.columns()]
    return np.where(optional, np.nan, raw)


def code_state() -> CodePart:
    """The commit of the code, and whether it was changed since; "unknown" outside a git checkout."""
    try:
        commit, changed = git(ROOT, "rev-parse", "HEAD"), git(ROOT, "status", "--porcelain", "--untracked-files=no")
        return CodePart(commit=commit, dirty=bool(changed))
    except (OSError, subprocess.CalledProcessError):
        return CodePart(commit="unknown", dirty=False)


def libraries() -> dict[str, str]:
    """Versions of what the bundle's files depend on."""
    found = {name: library_version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), "xgboost": xgboost.__version__, **found}


def _npy(codes: calibration.Codes) -> bytes:
    content = io.BytesIO()
    np.save(content, codes, allow_pickle=False)
    return content.getvalue()


def _raw(booster: xgboost.Booster) -> bytes:
    return bytes(booster.save_raw(raw_format="ubj"))

"""What a model version IS: the files of a bundle, how they are checked, and how they predict."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from pydantic import BaseModel, ConfigDict, ValidationError

from monitoring.profile import Profile
from preprocessors.encoding import Matrix, RowEncoder
from preprocessors.feature_check import TrainingRanges
from registry import booster_file, pipeline_file, signatures
from registry.errors import BundleCorrupt, GoldenMismatch, SchemaMismatch
from registry.manifest import IntervalPart, Manifest, ScalePart, Target
from registry.pipeline_file import Pipeline
from registry.trees import Trees
from schemas.features import Features, Vector

MANIFEST = "manifest.json"
PIPELINE = pipeline_file.FILE
BOOSTER = booster_file.FILE
GOLDEN = "golden.json"
RANGES = "ranges.json"
PROFILE = "profile.json"
REFERENCE = "reference.npy"
"""The bin of every training row in every column, for `python -m monitoring.calibrate`. Older bundles have none."""

MODEL_FILES = (PIPELINE, BOOSTER)

DIGEST_LENGTH = 12
"""Hexadecimal digits of the manifest's SHA-256 that end a version's name."""

GOLDEN_TOLERANCE = 1e-6
"""Relative difference allowed when a golden answer is repeated on another processor."""


@dataclass(frozen=True)
class ModelDefinition:
    """What the code knows of a model before any version exists; `service.py` holds one.

    Args:
        name: name in the BentoML model store and in answers.
        rows: the typed row.
        trusted_types: full names of our own classes that its pipeline may hold.
    """

    name: str
    rows: type[Features]
    trusted_types: frozenset[str]


@dataclass(frozen=True)
class Answers:
    """Predictions for a batch in the target's unit; `low` and `high` are None without an interval."""

    value: Vector
    low: Vector | None
    high: Vector | None

    def __len__(self) -> int:
        return len(self.value)


class GoldenSet(BaseModel):
    """Rows with the answers that the version gave when it was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: list[dict[str, Any]]
    value: list[float]
    low: list[float] | None
    high: list[float] | None


_INVERSE_LINK: dict[str, Callable[[Vector], Vector]] = {
    "identity": lambda x: x,
    "log": np.exp,
    "logit": lambda x: 1.0 / (1.0 + np.exp(-x)),
}


class ModelVersion:
    """A version that predicts. Immutable after loading and safe to use from several threads.

    Training makes one from what it has just fitted; serving gets one from `load`. Both predict with this code.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        booster: xgboost.Booster,
        target: Target,
        interval: IntervalPart | None,
    ) -> None:
        self._pipeline, self._trees, self._interval = pipeline, Trees(booster), interval
        self._inverse, self._offset = _INVERSE_LINK[target.link], target.offset

    def transform(self, raw: Matrix) -> Matrix:
        """Encoded rows (n, n_features) to model inputs (n, n_inputs)."""
        return self._pipeline.transform(raw)

    def predict(self, inputs: Matrix) -> Answers:
        """Model inputs (n, n_inputs) to predictions with intervals, in the target's unit."""
        seen = np.ascontiguousarray(inputs, dtype=np.float32)  # what the trees see
        if self._offset:
            center = self._trees.predict(np.ascontiguousarray(seen[:, :-1]), base_margin=seen[:, -1])
        else:
            center = self._trees.predict(seen)
        if self._interval is None:
            return Answers(self._inverse(center), None, None)
        reach = self._interval.reach * error_scale(self._interval.scale, inputs, center)
        return Answers(self._inverse(center), self._inverse(center - reach), self._inverse(center + reach))


def error_scale(part: ScalePart, inputs: Matrix, center: Vector) -> Vector:
    """Expected absolute error on the link scale, shape (n,), for inputs (n, n_inputs) and predictions (n,)."""
    # einsum, not @: the sum of a row must not depend on how many rows are computed with it
    weighted = np.einsum("ij,j->i", inputs, np.asarray(part.weights))
    log_scale = weighted + (part.intercept + part.linear * center + part.square * center**2)
    scale: Vector = np.exp(np.minimum(np.maximum(log_scale, part.low), part.high))
    return scale


@dataclass(frozen=True)
class Description:
    """What is known of a verified version where its model need not be: all but the model."""

    version: str
    manifest: Manifest
    ranges: TrainingRanges
    golden: GoldenSet
    profile: Profile

    def without_model(self) -> Description:
        """The same for whoever must not keep a model alive that serves no more."""
        return Description(self.version, self.manifest, self.ranges, self.golden, self.profile)


@dataclass(frozen=True)
class Bundle(Description):
    """A verified version with all that travels with it."""

    model: ModelVersion

    def replay_golden(self, rows: type[Features]) -> None:
        """Predict the golden rows and compare.

        Raises:
            GoldenMismatch: an answer differs by more than GOLDEN_TOLERANCE, is missing, or cannot be computed.
        """
        if not self.golden.rows:
            raise GoldenMismatch(f"version {self.version}: the golden set is empty and proves nothing")
        try:
            raw = RowEncoder(rows).matrix([rows.from_row(row) for row in self.golden.rows])
            answers = self.model.predict(self.model.transform(raw))
        except Exception as error:  # another pipeline, or rows that break the schema, fail in their own ways
            raise GoldenMismatch(
                f"version {self.version}: the golden rows cannot be predicted ({type(error).__name__}); train again"
            ) from error
        for name in ("value", "low", "high"):
            got, expected = getattr(answers, name), getattr(self.golden, name)
            if (got is None) != (expected is None):
                raise GoldenMismatch(f"version {self.version}: the golden set and the model disagree about intervals")
            if got is not None and not _same(got, np.asarray(expected)):
                raise GoldenMismatch(
                    f"version {self.version}: the golden rows do not give the answers that they gave in training; "
                    "train again here, or bring the code and the libraries that the manifest names"
                )


def _same(got: Vector, expected: Vector) -> bool:
    return got.shape == expected.shape and np.allclose(got, expected, rtol=GOLDEN_TOLERANCE, atol=0)


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def version_name(manifest: bytes, day: str) -> str:
    """A version's name: the last day before its test part and the start of its manifest's digest.

    The digest in the name makes a version immutable: another content has another name.
    """
    return f"{day}-{digest(manifest)[:DIGEST_LENGTH]}"


def load(version: str, directory: Path, definition: ModelDefinition, keys: Sequence[bytes] = ()) -> Bundle:
    """Read, verify and load one bundle. Nothing of it is used before digest and, with `keys`, signature are right.

    Raises:
        BundleUnsigned: none of the keys has signed it.
        BundleCorrupt: a file is missing, was added, changed, or cannot be read.
        SchemaMismatch: the bundle belongs to another schema or model.
        BundleForeignType: the pipeline holds a type outside the allow-list.
    """
    files = _read(version, directory)
    signatures.check(directory, definition.name, version, files.get(MANIFEST, b""), keys)
    described = _described(version, files, definition)
    pipeline = pipeline_file.load(version, files[PIPELINE], definition.trusted_types)
    manifest, booster = described.manifest, booster_file.load(version, files[BOOSTER])
    return Bundle(**vars(described), model=ModelVersion(pipeline, booster, manifest.target, manifest.interval))


def describe(version: str, directory: Path, definition: ModelDefinition, keys: Sequence[bytes] = ()) -> Description:
    """Read and verify all of a bundle but its model, which may be too large for this process. Raises as `load`."""
    files = _read(version, directory, without=MODEL_FILES)
    signatures.check(directory, definition.name, version, files.get(MANIFEST, b""), keys)
    return _described(version, files, definition, MODEL_FILES)


def whole_manifest(version: str, directory: Path) -> bytes:
    """The manifest of a bundle whose files are all as it says. Raises BundleCorrupt."""
    files = _read(version, directory)
    _check_digests(version, files, _manifest(version, files).files)
    return files[MANIFEST]


def _described(
    version: str, files: Mapping[str, bytes], definition: ModelDefinition, without: Collection[str] = ()
) -> Description:
    manifest = _manifest(version, files)
    _check_digests(version, files, {name: sha for name, sha in manifest.files.items() if name not in without})
    _check_complete(version, manifest.files)
    _check_schema(version, manifest, definition)
    try:
        return Description(
            version=version,
            manifest=manifest,
            ranges=TrainingRanges.model_validate_json(files[RANGES]),
            golden=GoldenSet.model_validate_json(files[GOLDEN]),
            profile=Profile.model_validate_json(files[PROFILE]),
        )
    except ValidationError as error:
        raise BundleCorrupt(f"version {version}: the bundle holds an unreadable file: {error}") from error


def _read(version: str, directory: Path, without: Collection[str] = ()) -> dict[str, bytes]:
    left_out = {"model.yaml", signatures.FILE, *without}  # BentoML's own label is not used to predict
    try:
        return {path.name: path.read_bytes() for path in directory.iterdir() if path.name not in left_out}
    except OSError as error:
        raise BundleCorrupt(f"version {version}: cannot read {directory}: {error.strerror}") from error


def _manifest(version: str, files: Mapping[str, bytes]) -> Manifest:
    if MANIFEST not in files:
        raise BundleCorrupt(f"version {version}: {MANIFEST} is missing; publish the version again")
    if not version.endswith("-" + digest(files[MANIFEST])[:DIGEST_LENGTH]):
        raise BundleCorrupt(f"version {version}: {MANIFEST} was changed; publish the version again")
    try:
        return Manifest.model_validate_json(files[MANIFEST])
    except ValidationError as error:
        raise BundleCorrupt(
            f"version {version}: {MANIFEST} is of another format; train again with this code: {error}"
        ) from error


def _check_digests(version: str, files: Mapping[str, bytes], expected: Mapping[str, str]) -> None:
    found = {name: digest(data) for name, data in files.items() if name != MANIFEST}
    if found != dict(expected):
        names = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        raise BundleCorrupt(
            f"version {version}: {', '.join(names)} differ from the manifest; publish the version again"
        )


def _check_complete(version: str, files: Collection[str]) -> None:
    missing = [name for name in (PIPELINE, BOOSTER, GOLDEN, RANGES, PROFILE) if name not in files]
    if missing:
        raise BundleCorrupt(f"version {version}: the bundle has no {', '.join(missing)}; train again")


def _check_schema(version: str, manifest: Manifest, definition: ModelDefinition) -> None:
    if manifest.model != definition.name:
        raise SchemaMismatch(f"version {version} belongs to the model {manifest.model!r}, not {definition.name!r}")
    if manifest.schema_hash != definition.rows.schema_hash():
        raise SchemaMismatch(
            f"version {version} was made for another schema of {definition.rows.__name__}: "
            f"{manifest.schema_hash[:12]}, and the code has {definition.rows.schema_hash()[:12]}; train again"
        )

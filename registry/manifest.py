"""The manifest of a model version: everything about it that is not weights, in one JSON document."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from monitoring.contract import Contract
from monitoring.outcome_errors import Link
from monitoring.outcome_reference import OutcomeReference

FORMAT = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Target(_Part):
    """What the model predicts. `link` is the scale on which the trees were fitted.

    With `offset`, the last model input is not a feature but where the trees start (XGBoost's base margin).
    """

    name: str
    unit: str
    link: Link
    offset: bool = False


class ScalePart(_Part):
    """How unsure the model is of a row: the log of the expected absolute error, linear in the model's inputs.

    log scale = intercept + inputs @ weights + linear * center + square * center^2, held between low and high, where
    center is the prediction on the link scale.
    """

    intercept: float
    weights: list[float]
    linear: float
    square: float
    low: float
    high: float


class IntervalPart(_Part):
    """A split-conformal interval on the link scale: center - reach * scale to center + reach * scale.

    Source: Lei et al., Distribution-free predictive inference for regression (2018), section 5.2.
    """

    coverage: float
    reach: float
    scale: ScalePart


class DataPart(_Part):
    """Which data the version was made from."""

    source: str
    sha256: str
    rows: int
    refused: int
    first: date
    last: date
    fit_until: date
    calibrated_until: date
    tested_until: date


class CodePart(_Part):
    """Which code made the version."""

    commit: str
    dirty: bool


class Manifest(_Part):
    """What a version is made of. `files` holds the SHA-256 of every other file of the bundle."""

    format: Literal[1]
    model: str
    schema_hash: str
    features: list[str]
    inputs: list[str]
    target: Target
    interval: IntervalPart | None
    parameters: dict[str, Any]
    metrics: dict[str, dict[str, float]]
    slices: dict[str, dict[str, dict[str, float]]]
    gate: dict[str, Any]
    data: DataPart
    code: CodePart
    libraries: dict[str, str]
    files: dict[str, str]
    outcomes: OutcomeReference | None = None  # bundles from before there was one have none
    contract: Contract = Contract()  # that of bundles from before there was one

"""What a model's training module must give; the rest of `training/` works on this and names no model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xgboost

from monitoring.contract import Contract
from registry.bundle import ModelDefinition
from registry.manifest import IntervalPart, Target
from registry.pipeline_file import Pipeline
from schemas.features import Mask
from training.dataset import Dataset, Record, Split
from training.fetch import WheelFile
from training.gate import Gate


@dataclass(frozen=True)
class Fitted:
    """What fitting gives. `parameters` holds all that is needed to fit the same again."""

    pipeline: Pipeline
    booster: xgboost.Booster
    interval: IntervalPart | None
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    """A model's training, from its source to its gate.

    Args:
        definition: the model that the versions belong to.
        source: the pinned data file.
        read: from that file to labelled records.
        target: what is predicted.
        calibration_days: length of the part between fit and test.
        fit: fits on the split without touching its test part; reports progress lines to the second argument.
        slices: groups of rows for which figures are reported, by kind and name.
        gate: thresholds for publishing.
        contract: how often the drift alarm may be wrong, and what it may overlook.
    """

    definition: ModelDefinition
    source: WheelFile
    read: Callable[[Path], Iterable[Record]]
    target: Target
    calibration_days: int
    fit: Callable[[Split, Callable[[str], None]], Fitted]
    slices: Callable[[Dataset], Mapping[str, Mapping[str, Mask]]]
    gate: Gate
    contract: Contract = field(default_factory=Contract)

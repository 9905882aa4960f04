"""What the model must beat: a ridge regression on the same rows, and the naive median."""

from __future__ import annotations

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from schemas.features import Vector
from training.dataset import Dataset


def ridge(train: Dataset, test: Dataset) -> Vector:
    """Ridge on the log target, numbers scaled, categories one-hot; in the target's unit, shape (n_test,)."""
    columns = type(train.rows[0]).columns()
    categories = [i for i, column in enumerate(columns) if column.kind == "category"]
    numbers = [i for i, column in enumerate(columns) if column.kind != "category"]
    encode = ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()),
                numbers,
            ),
            ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), categories),
        ]
    )
    model = make_pipeline(encode, Ridge(alpha=1.0)).fit(train.raw, np.log(train.target))
    predicted: Vector = np.exp(model.predict(test.raw))
    return predicted


def median(train: Dataset, test: Dataset) -> Vector:
    """The median target of the last year before the test, whatever the row. Shape (n_test,)."""
    recent = train.target[train.days > train.days[-1] - 365]
    return np.full(len(test), np.median(recent))

"""Any scikit-learn model as a pipeline: the prediction last, nothing missing before it."""

from __future__ import annotations

import numpy as np
from sklearn.dummy import DummyRegressor

from preprocessors.encoding import Matrix
from preprocessors.estimator import EstimatorPipeline


class FirstColumn(DummyRegressor):  # type: ignore[misc]
    """Predicts twice the first feature."""

    def predict(self, X: Matrix) -> Matrix:
        """Shape (n,)."""
        doubled: Matrix = 2 * X[:, 0]
        return doubled


X = np.array([[1.0, 5.0, np.nan], [2.0, np.nan, np.nan], [3.0, 7.0, np.nan]])


def test_missing_values_are_filled_with_the_usual_one_and_counted() -> None:
    pipeline = EstimatorPipeline(FirstColumn(), ["a", "b", "c"]).fit(X, np.zeros(3))
    assert pipeline.transform(X).tolist() == [[1, 5, 0, 1, 2], [2, 6, 0, 2, 4], [3, 7, 0, 1, 6]]
    assert pipeline.get_feature_names_out() == ["a", "b", "c", "values_missing", "estimator_output"]


def test_the_rows_are_left_as_they_were() -> None:
    before = X.copy()
    EstimatorPipeline(FirstColumn(), ["a", "b", "c"]).fit(X, np.zeros(3)).transform(X)
    assert np.array_equal(X, before, equal_nan=True)

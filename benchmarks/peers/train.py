# mypy: disable-error-code="import-not-found, import-untyped, unused-ignore"
# pandas and joblib live in the benchmark's own environment, which mypy does not see.
"""Fits the pipeline that every peer serves, as scikit-learn's documentation would write it.

`python -m benchmarks.peers.train FOLDER`, in the peers' environment. Reads training.json (columns and target) and
rows.json; writes pipeline.joblib, trees.ubj and expected.json, the answers for rows.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import joblib
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBRegressor


def main(folder: Path) -> None:
    """Fit and write."""
    given = json.loads((folder / "training.json").read_text())
    table = pd.DataFrame(given["columns"])
    prepare = ColumnTransformer(
        [
            ("numbers", StandardScaler(), given["numbers"]),
            (
                "categories",
                OneHotEncoder(
                    categories=list(given["categories"].values()), handle_unknown="ignore", sparse_output=False
                ),
                list(given["categories"]),
            ),
        ]
    )
    pipeline = make_pipeline(prepare, XGBRegressor(**given["trees"]))
    pipeline.fit(table, given["target"])
    joblib.dump(pipeline, folder / "pipeline.joblib")
    pipeline[-1].get_booster().save_model(folder / "trees.ubj")
    rows = pd.DataFrame(json.loads((folder / "rows.json").read_text()))
    (folder / "expected.json").write_text(json.dumps(pipeline.predict(rows).astype(float).tolist()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

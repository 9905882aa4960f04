"""Which model the benchmark compares everybody with. Imported by the served process: no training code here."""

from __future__ import annotations

from registry.bundle import ModelDefinition
from schemas.house_prices import HouseFeatures

DEFINITION = ModelDefinition(
    "house_prices_reference", HouseFeatures, frozenset({"benchmarks.reference_pipeline.ReferencePipeline"})
)

TREES = {"n_estimators": 200, "max_depth": 6, "learning_rate": 0.1, "tree_method": "hist", "n_jobs": 1}
"""Parameters of the peers' XGBRegressor, whose trees this service serves too."""

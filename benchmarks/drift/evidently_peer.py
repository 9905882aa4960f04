"""Runs in Evidently's own environment: the default drift preset on windows of streams that were written to files.

Arguments are .npz files: `live:NAME` and `reference:NAME` for each column, `categories` (names), and first, step,
window (rows). For each file a line of JSON tells at which row a column was flagged first, and which: null for never.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any


def main(paths: list[str]) -> None:
    """One line for each file."""
    import numpy as np
    import pandas as pd  # type: ignore[import-untyped]
    from evidently import DataDefinition, Dataset  # type: ignore[import-not-found]

    warnings.filterwarnings("ignore")
    for path in paths:
        job = np.load(path, allow_pickle=False)
        categories = [str(name) for name in job["categories"]]
        frames = {}
        for part in ("live", "reference"):
            columns = {name.partition(":")[2]: job[name] for name in job.files if name.startswith(part + ":")}
            frames[part] = pd.DataFrame(columns).astype({name: "string" for name in categories if name in columns})
        numbers = [name for name in frames["live"] if name not in categories]
        definition = DataDefinition(
            numerical_columns=numbers, categorical_columns=[name for name in frames["live"] if name in categories]
        )
        reference = Dataset.from_pandas(frames["reference"], data_definition=definition)
        first, step, window = (int(job[name]) for name in ("first", "step", "window"))
        found: dict[str, Any] = {"row": None, "columns": []}
        for seen in range(first, len(frames["live"]) + 1, step):
            live = Dataset.from_pandas(frames["live"].iloc[seen - window : seen], data_definition=definition)
            drifted = flagged(live, reference)
            if drifted:
                found = {"row": seen, "columns": drifted}
                break
        sys.stdout.write(json.dumps({"path": path, **found}) + "\n")
        sys.stdout.flush()


def flagged(live: Any, reference: Any) -> list[str]:
    """Columns that the default preset calls drifted."""
    from evidently import Report
    from evidently.presets import DataDriftPreset  # type: ignore[import-not-found]

    result = Report([DataDriftPreset()]).run(live, reference).dict()
    found: list[str] = []
    for metric in result["metrics"]:
        config = metric["config"]
        if "column" in config:
            by_p_value = "p_value" in config["method"]
            value, threshold = float(metric["value"]), float(config["threshold"])
            if value < threshold if by_p_value else value >= threshold:
                found.append(config["column"])
    return found


if __name__ == "__main__":
    main(sys.argv[1:])

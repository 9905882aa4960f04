# mypy: disable-error-code="import-not-found, import-untyped, unused-ignore"
# pandas and joblib live in the benchmark's own environment, which mypy does not see.
"""Rows a second of the pipeline as a notebook uses it: `pipeline.predict(DataFrame)`, the frame made beforehand.

`python -m benchmarks.peers.in_notebook FOLDER SECONDS SIZE...`, in the peers' environment; prints JSON.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import joblib
import pandas as pd

from benchmarks.rates import rows_a_second


def main(folder: Path, seconds: float, sizes: list[int]) -> dict[str, float]:
    """The same rows again and again, on one thread as a server has it."""
    pipeline, rows = joblib.load(folder / "pipeline.joblib"), json.loads((folder / "rows.json").read_text())
    found = {}
    for size in sizes:
        table = pd.DataFrame([rows[place % len(rows)] for place in range(size)])
        found[str(size)] = rows_a_second(partial(pipeline.predict, table), size, seconds)
    return found


if __name__ == "__main__":
    place, duration, *counts = sys.argv[1:]
    sys.stdout.write(json.dumps(main(Path(place), float(duration), [int(count) for count in counts])))

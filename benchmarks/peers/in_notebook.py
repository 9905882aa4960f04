# mypy: disable-error-code="import-not-found, import-untyped, unused-ignore"
# pandas and joblib live in the benchmark's own environment, which mypy does not see.
"""Rows a second of the pipeline as a notebook uses it: `pipeline.predict(DataFrame)`, the frame made beforehand.

`python -m benchmarks.peers.in_notebook FOLDER SIZE...`, in the peers' environment; takes turns as rates.py says.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import joblib
import pandas as pd

from benchmarks.rates import take_turns


def main(folder: Path, sizes: list[int]) -> None:
    """The same rows again and again, on one thread as a server has it."""
    pipeline, rows = joblib.load(folder / "pipeline.joblib"), json.loads((folder / "rows.json").read_text())
    tables = {size: pd.DataFrame([rows[place % len(rows)] for place in range(size)]) for size in sizes}
    take_turns({size: partial(pipeline.predict, table) for size, table in tables.items()})


if __name__ == "__main__":
    place, *counts = sys.argv[1:]
    main(Path(place), [int(count) for count in counts])

"""Who rings without drift, and how soon after a change: every detector on the same streams."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.drift.detectors import STEP, WINDOW, Bonferroni, Detector, Ours, Psi
from benchmarks.drift.streams import (
    CATEGORIES,
    CHANGE,
    MANY_LEVELS,
    REFERENCE_ROWS,
    SCENARIOS,
    Columns,
    Scenario,
    Source,
)

OURS, EVIDENTLY = "Plumbline", "Evidently, default preset"
DETECTORS: dict[str, Callable[[Columns], Detector]] = {
    OURS: Ours,
    "PSI > .1": lambda reference: Psi(reference, 0.1),
    "PSI > .2": lambda reference: Psi(reference, 0.2),
    "KS and chi2, Bonferroni": Bonferroni,
}

Results = dict[str, Any]
"""results.json: `quiet` by detector and `changes` by scenario and detector."""

PATIENCE = 12_000
"""Rows after a change within which a detector must see it; more is never."""


def quiet(streams: int, rows: int, tell: Callable[[str], None]) -> Results:
    """Streams without drift: how many ever rang, with and without the column of a hundred levels."""
    found: Results = {
        name: {"streams": streams, "rang": 0, "rang_without": 0, "first": [], "seconds": 0.0} for name in DETECTORS
    }
    for seed in range(streams):
        source = Source(seed)
        reference, stream = source.rows(REFERENCE_ROWS), source.rows(rows)
        for name, make in DETECTORS.items():
            begun = time.process_time()
            _note(found[name], *_first_flags(make(reference).flagged(stream)))
            found[name]["seconds"] += time.process_time() - begun
        tell(f"without drift: stream {seed + 1} of {streams}")
    return found


def changes(streams: int, tell: Callable[[str], None]) -> Results:
    """Streams with a change: rows from it until its column is flagged; None is never."""
    found: Results = {scenario.title: {name: [] for name in DETECTORS} for scenario in SCENARIOS}
    for scenario in SCENARIOS:
        for seed in range(streams):
            reference, stream = changing(scenario, seed)
            for name, make in DETECTORS.items():
                found[scenario.title][name].append(_delay(make(reference).flagged(stream), scenario))
            tell(f"{scenario.title}: stream {seed + 1} of {streams}")
    return found


def changing(scenario: Scenario, seed: int) -> tuple[Columns, Columns]:
    """A reference, and a stream that changes after CHANGE rows."""
    source = Source(10_000 + seed)
    reference, before = source.rows(REFERENCE_ROWS), source.rows(CHANGE)
    after = source.rows(PATIENCE, scenario)
    return reference, {name: np.concatenate([before[name], after[name]]) for name in before}


def evidently(python: Path, streams: int, rows: int, tell: Callable[[str], None]) -> tuple[Results, Results]:
    """The same of Evidently, which takes most of a second for a look: fewer and shorter streams, until first flagged.

    Without drift it gets all columns but that of a hundred levels, which it flags at once; of a change only the column
    that changes.
    """
    calm: Results = {"streams": streams, "rang": None, "rang_without": 0, "first": [], "seconds": None, "rows": rows}
    late: Results = {scenario.title: [] for scenario in SCENARIOS}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(streams):
            source = Source(seed)
            reference, stream = source.rows(REFERENCE_ROWS), source.rows(rows)
            job = _job(Path(folder), reference, stream, [name for name in stream if name != MANY_LEVELS], WINDOW)
            row = _peer(python, job)
            calm["rang_without"] += row is not None
            calm["first"] += [] if row is None else [row]
            tell(f"Evidently without drift: stream {seed + 1} of {streams}")
        for scenario in SCENARIOS:
            for seed in range(streams):
                reference, stream = changing(scenario, seed)
                row = _peer(python, _job(Path(folder), reference, stream, [scenario.column], CHANGE + STEP))
                late[scenario.title].append(None if row is None else row - CHANGE)
                tell(f"Evidently, {scenario.title}: stream {seed + 1} of {streams}")
    return calm, late


def middle(delays: Iterable[int | None]) -> float | None:
    """The median, where never is later than everything; None: never."""
    found = median(float("inf") if delay is None else float(delay) for delay in delays)
    return found if np.isfinite(found) else None


def _first_flags(looks: Iterator[tuple[int, set[str]]]) -> tuple[int | None, int | None]:
    """The row of the first flag of any column, and of one other than that of a hundred levels."""
    first: int | None = None
    for seen, columns in looks:
        if columns and first is None:
            first = seen
        if columns - {MANY_LEVELS}:
            return first, seen
    return first, None


def _note(figures: Results, first: int | None, without: int | None) -> None:
    figures["rang"] += first is not None
    figures["rang_without"] += without is not None
    figures["first"] += [] if without is None else [without]


def _delay(looks: Iterator[tuple[int, set[str]]], scenario: Scenario) -> int | None:
    return next((seen - CHANGE for seen, columns in looks if seen > CHANGE and scenario.column in columns), None)


def _job(folder: Path, reference: Columns, stream: Columns, names: list[str], first: int) -> Path:
    path = folder / "job.npz"
    arrays: dict[str, Any] = {f"live:{name}": stream[name] for name in names}
    arrays |= {f"reference:{name}": reference[name] for name in names}
    np.savez(path, first=first, step=STEP, window=WINDOW, categories=list(CATEGORIES), **arrays)
    return path


def _peer(python: Path, job: Path) -> int | None:
    script = Path(__file__).with_name("evidently_peer.py")
    done = subprocess.run([str(python), str(script), str(job)], capture_output=True, text=True, check=True)  # noqa: S603
    row: int | None = json.loads(done.stdout.splitlines()[-1])["row"]
    return row

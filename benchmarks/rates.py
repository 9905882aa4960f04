"""How many rows a second a computation gets through, whenever somebody asks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping


def take_turns(computations: Mapping[int, Callable[[], object]]) -> None:
    """For each line "ROWS SECONDS" of standard input compute so many rows for so long, and write rows a second."""
    for line in sys.stdin:
        rows, seconds = line.split()
        sys.stdout.write(f"{rows_a_second(computations[int(rows)], int(rows), float(seconds))}\n")
        sys.stdout.flush()


def rows_a_second(compute: Callable[[], object], rows: int, seconds: float) -> float:
    """Compute the same rows again and again for about so long, after once to warm up."""
    compute()
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        compute()
        done += rows
    return done / (time.perf_counter() - started)

"""How many rows a second a computation gets through."""

from __future__ import annotations

import time
from collections.abc import Callable


def rows_a_second(compute: Callable[[], object], rows: int, seconds: float) -> float:
    """Compute the same rows again and again for about so long, after once to warm up."""
    compute()
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        compute()
        done += rows
    return done / (time.perf_counter() - started)

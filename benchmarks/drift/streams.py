"""Streams of rows with eleven features, like those of many services, and what can happen to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from monitoring.profile import Profile, profile_category, profile_number

Vector = npt.NDArray[np.float64]
Columns = dict[str, Vector]

REFERENCE_ROWS = 20_000
NUMBERS = ("normal", "lognormal", "exponential", "gamma", "uniform", "heavy tailed", "counts", "mostly zero")
CATEGORIES = {"4 levels": 4, "10 levels": 10, "100 levels": 100}
MANY_LEVELS = "100 levels"

CHANGE = 5000
"""Rows before a change."""


@dataclass(frozen=True)
class Scenario:
    """A change of one column.

    Args:
        title: for people.
        column: what changes.
        kind: of the change.
        size: standard deviations, or a share of the rows.
        limit: rows within which half of the streams must have rung.
    """

    title: str
    column: str
    kind: Literal["shift", "missing", "points"]
    size: float
    limit: int


SCENARIOS = (
    Scenario(".25 sd in one of 11 features", "normal", "shift", 0.25, 1200),
    Scenario(".5 sd in one of 11 features", "normal", "shift", 0.5, 350),
    Scenario("nulls 0 to 5 %", "lognormal", "missing", 0.05, 1200),
    Scenario("five points in a 10-level categorical", "10 levels", "points", 0.05, 4000),
)


class Source:
    """Where the rows of one stream come from: equal seeds give equal rows.

    Args:
        seed: of levels' shares and rows.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._shares = {name: self._rng.dirichlet(np.full(levels, 3.0)) for name, levels in CATEGORIES.items()}

    def rows(self, number: int, change: Scenario | None = None) -> Columns:
        """New rows, independent of each other; each column has shape (number,)."""
        rng = self._rng
        found: Columns = {
            "normal": rng.normal(size=number),
            "lognormal": rng.lognormal(size=number),
            "exponential": rng.exponential(size=number),
            "gamma": rng.gamma(2.0, size=number),
            "uniform": rng.uniform(size=number),
            "heavy tailed": rng.standard_t(3, size=number),
            "counts": rng.poisson(3, number).astype(np.float64),
            "mostly zero": np.where(rng.random(number) < 0.6, 0.0, rng.exponential(size=number)),
        }
        for name, shares in self._shares.items():
            moved = _moved(shares, change) if change is not None and change.column == name else shares
            found[name] = rng.choice(len(shares), number, p=moved).astype(np.float64)
        if change is not None and change.kind == "shift":
            found[change.column] = found[change.column] + change.size
        if change is not None and change.kind == "missing":
            found[change.column] = np.where(rng.random(number) < change.size, np.nan, found[change.column])
        return found


def _moved(shares: Vector, change: Scenario) -> Vector:
    """Rows go from the most frequent level to the middle one."""
    order, moved = np.argsort(-shares), shares.copy()
    moved[order[0]] -= change.size
    moved[order[len(order) // 2]] += change.size
    return moved


def profile(reference: Columns) -> Profile:
    """The reference profile, as training makes it."""
    numbers = [profile_number(name, reference[name]) for name in NUMBERS]
    categories = [
        profile_category(name, reference[name], [str(level) for level in range(levels)])
        for name, levels in CATEGORIES.items()
    ]
    return Profile(rows=len(reference[NUMBERS[0]]), columns=[*numbers, *categories])

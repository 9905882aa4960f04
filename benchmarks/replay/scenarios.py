"""What is replayed: which sales, in which order, and which versions answer when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from monitoring.contract import Contract
from training.dataset import Record
from training.gate import Gate
from training.house_prices import RECIPE
from training.house_prices import read as read_sales
from training.recipe import Recipe

BEGIN, END = date(2013, 1, 1), date(2017, 1, 1)
OUTCOMES_LATE = timedelta(days=60)
"""How long after a prediction its truth comes: the sale is recorded."""

CONTRACT = Contract(false_alarm_days=3650, rows_per_day=20)
"""One false alarm in ten years, at the traffic of these sales: about 20 a day."""

HALF_YEARS = [date(year, month, 1) for year in range(BEGIN.year, END.year) for month in (1, 7)]

EVERYTHING_PASSES = Gate(max_mape=100, max_abs_bias=100, min_coverage=0, max_coverage=1, tolerance=100)
"""The question is what happens to a version afterwards, not whether it should have been published."""


@dataclass(frozen=True)
class Scenario:
    """One replay.

    Args:
        shuffled: whether each sale has the date of another one, so that nothing changes with time.
        swaps: when a version begins to answer; each has learnt from the sales whose truth was known by then.
    """

    name: str
    title: str
    shuffled: bool
    swaps: list[date]

    @property
    def recipe(self) -> Recipe:
        """The training of its versions."""
        read = _read_shuffled if self.shuffled else read_sales
        return replace(RECIPE, read=read, contract=CONTRACT, gate=EVERYTHING_PASSES)

    def known_until(self, swap: date) -> date:
        """The first day whose sales a version has not learnt from; the first version has all before the replay."""
        return swap if swap == BEGIN else swap - OUTCOMES_LATE


SCENARIOS = [
    Scenario("frozen", "One version, trained on 2010 to 2012 and never again", False, [BEGIN]),
    Scenario("retrained", "The same, and a new version every half-year", False, HALF_YEARS),
    Scenario("shuffled", "Dates shuffled: nothing changes with time", True, [BEGIN]),
]


def _read_shuffled(path: Path) -> Iterator[Record]:
    """The same sales with their dates dealt out anew."""
    records = list(read_sales(path))
    order = np.random.default_rng(7).permutation(len(records))
    for record, other in zip(records, order.tolist(), strict=True):
        day = records[other].day
        yield Record({**record.features, "valuation_date": day.isoformat()}, record.target, day)

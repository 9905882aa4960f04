"""A small schema, and data sets of it, for tests that need no real sales."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
from pydantic import Field

from schemas.features import Features, Vector
from training.dataset import Dataset, Record, validate


class Car(Features):
    """A small row."""

    colour: Literal["red", "green"]
    power: int = Field(ge=1, le=500)
    doors: int | None = Field(default=None, ge=0)


FIRST = date(2013, 1, 1)


def record(day: date, target: float = 1000.0, **features: Any) -> Record:
    """A labelled car."""
    return Record({"colour": "red", "power": 100, **features}, target, day)


def cars(days: Sequence[date], target: Vector | None = None, power: Sequence[int] | None = None) -> Dataset:
    """A validated data set with a car for each day."""
    prices = np.full(len(days), 1000.0) if target is None else target
    powers = [100] * len(days) if power is None else power
    records = [record(day, float(price), power=int(kw)) for day, price, kw in zip(days, prices, powers, strict=True)]
    return validate(Car, records)[0]


def every_day(first: date, last: date, step: int = 1) -> list[date]:
    """The days from first to last, both included."""
    return [first + timedelta(days=number) for number in range(0, (last - first).days + 1, step)]

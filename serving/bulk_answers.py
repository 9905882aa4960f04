"""The answers to many rows, written at once: the JSON of `BatchPrediction` without 10,000 objects on the way.

The pydantic models stay the contract: a test proves that both give the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import orjson
from pydantic import TypeAdapter

from schemas.predictions import BatchPrediction, Interval, Prediction, PredictionWarning, Variant
from serving.batch import Results
from serving.cached_answers import Answered

Warnings = dict[int, list[PredictionWarning]]
"""By row, for rows that have any."""

_WARNINGS = TypeAdapter(list[PredictionWarning])
_ID_BYTES = 16


class Origin(NamedTuple):
    """Where answers come from, the same for all rows of a request.

    Args:
        coverage: of the version's intervals, None if it has none.
    """

    model: str
    version: str
    variant: Variant
    coverage: float | None


class BulkAnswer(NamedTuple):
    """The answers to n rows, in their order.

    Args:
        value, low, high: n numbers each; low and high are None without intervals.
        cached: the rows whose answers were not computed for this request.
    """

    origin: Origin
    value: Sequence[float]
    low: Sequence[float] | None
    high: Sequence[float] | None
    warnings: Warnings
    cached: frozenset[int] = frozenset()

    @classmethod
    def computed(cls, origin: Origin, results: Results) -> BulkAnswer:
        """What a runner gave."""
        return cls(origin, results.value, results.low, results.high, warnings_of(results))

    @classmethod
    def answered(cls, origin: Origin, answered: Answered) -> BulkAnswer:
        """What came through the cache."""
        values, known = answered
        low = [value.low for value in values if value.low is not None]
        high = [value.high for value in values if value.high is not None]
        whole = len(low) == len(high) == len(values)
        warnings = {row: list(value.warnings) for row, value in enumerate(values) if value.warnings}
        cached = frozenset(row for row, found in enumerate(known) if found)
        prediction = [value.prediction for value in values]
        return cls(origin, prediction, low if whole else None, high if whole else None, warnings, cached)

    def predictions(self, ids: Sequence[str] | None = None) -> BatchPrediction:
        """As objects."""
        ids = ids or new_ids(len(self.value))
        return BatchPrediction(predictions=[self._prediction(row, ids[row]) for row in range(len(self.value))])

    def _prediction(self, row: int, prediction_id: str) -> Prediction:
        low, high, coverage = self.low, self.high, self.origin.coverage
        return Prediction(
            prediction=self.value[row],
            interval=None
            if low is None or high is None or coverage is None
            else Interval(low=low[row], high=high[row], coverage=coverage),
            model=self.origin.model,
            version=self.origin.version,
            variant=self.origin.variant,
            warnings=self.warnings.get(row, []),
            prediction_id=prediction_id,
            cached=row in self.cached,
        )

    def first_to_json(self, prediction_id: str | None = None) -> bytes:
        """The bytes of the first row's `Prediction` as JSON."""
        low, high, coverage = self.low, self.high, self.origin.coverage
        has_interval = low is not None and high is not None and coverage is not None
        warnings = self.warnings.get(0)
        answer = {
            "prediction": self.value[0],
            "interval": {"low": low[0], "high": high[0], "coverage": coverage} if has_interval else None,  # type: ignore[index]
            "model": self.origin.model,
            "version": self.origin.version,
            "variant": self.origin.variant,
            "warnings": [warning.model_dump() for warning in warnings] if warnings else [],
            "prediction_id": prediction_id or os.urandom(_ID_BYTES).hex(),
            "cached": 0 in self.cached,
        }
        return orjson.dumps(answer)

    def to_json(self, ids: Sequence[str] | None = None) -> bytes:
        """The bytes of `predictions(ids)` as JSON."""
        ids = ids or new_ids(len(self.value))
        pieces = [_numbers(self.value), *self._intervals(), self._middles()]
        pieces += [[name.encode() for name in ids], self._ends()]
        written = [b""] * (len(pieces) * len(ids))
        for place, column in enumerate(pieces):
            written[place :: len(pieces)] = column
        return b'{"predictions":[{"prediction":' + b"".join(written) + b"]}"

    def _intervals(self) -> list[list[bytes]]:
        count = len(self.value)
        if self.low is None or self.high is None or self.origin.coverage is None:
            return [[b',"interval":null'] * count]
        end = b',"coverage":' + orjson.dumps(self.origin.coverage) + b"}"
        return [
            *([b',"interval":{"low":'] * count, _numbers(self.low)),
            *([b',"high":'] * count, _numbers(self.high), [end] * count),
        ]

    def _middles(self) -> list[bytes]:
        """From the interval to the id."""
        names = ("model", "version", "variant")
        parts = [b',"%b":%b' % (name.encode(), orjson.dumps(getattr(self.origin, name))) for name in names]
        start = b"".join(parts) + b',"warnings":'
        middles = [start + b'[],"prediction_id":"'] * len(self.value)
        for row, found in self.warnings.items():
            middles[row] = start + _WARNINGS.dump_json(found) + b',"prediction_id":"'
        return middles

    def _ends(self) -> list[bytes]:
        """From the id to the next row's prediction."""
        ends = [b'","cached":false},{"prediction":'] * len(self.value)
        for row in self.cached:
            ends[row] = b'","cached":true},{"prediction":'
        ends[-1] = ends[-1].partition(b',{"')[0]
        return ends


def warnings_of(results: Results) -> Warnings:
    """What is strange about the rows, as clients are told."""
    warnings: Warnings = {}
    for found in results.strange:
        warning = PredictionWarning(code=found.code, feature=found.feature, message=found.message)
        warnings.setdefault(found.row, []).append(warning)
    return warnings


def new_ids(count: int) -> list[str]:
    """Prediction ids: as random as `uuid4`, and drawn once for all."""
    drawn, digits = os.urandom(_ID_BYTES * count).hex(), 2 * _ID_BYTES
    return [drawn[at : at + digits] for at in range(0, digits * count, digits)]


def _numbers(values: Sequence[float]) -> list[bytes]:
    """Each as JSON, as pydantic writes it."""
    return orjson.dumps(values)[1:-1].split(b",")

"""The answers to many rows, written at once: the JSON of `BatchPrediction` without 10,000 objects on the way.

The pydantic models stay the contract: a test proves that both give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from pydantic import TypeAdapter

from monitoring.prediction_ids import IdWriter, Tokens
from schemas.predictions import (
    BatchPrediction,
    ColumnsPrediction,
    Interval,
    Prediction,
    PredictionWarning,
    Variant,
)
from serving.batch import Results
from serving.cached_answers import Answered
from serving.observed import Observed

Warnings = dict[int, list[PredictionWarning]]
"""By row, for rows that have any."""

_WARNINGS = TypeAdapter(list[PredictionWarning])


class Origin(NamedTuple):
    """Where answers come from, the same for all rows of a request.

    Args:
        coverage: of the version's intervals, None if it has none.
        ids: signs the prediction ids.
        observed: of the version.
    """

    model: str
    version: str
    variant: Variant
    coverage: float | None
    ids: IdWriter
    observed: Observed


class BulkAnswer(NamedTuple):
    """The answers to n rows, in their order.

    Args:
        value, low, high: n numbers each; low and high are None without intervals.
        ids: n prediction ids.
        cached: the rows whose answers were not computed for this request.
    """

    origin: Origin
    value: Sequence[float]
    low: Sequence[float] | None
    high: Sequence[float] | None
    ids: Sequence[str]
    warnings: Warnings
    cached: frozenset[int] = frozenset()

    @classmethod
    def computed(cls, origin: Origin, results: Results, now: float) -> BulkAnswer:
        """What a runner gave, at the Unix time `now`."""
        value, low, high, _ = results
        return cls(origin, value, low, high, _ids(origin, value, low, high, now), warnings_of(results))

    @classmethod
    def answered(cls, origin: Origin, answered: Answered, now: float) -> BulkAnswer:
        """What came through the cache, at the Unix time `now`."""
        values, known = answered
        lows = [value.low for value in values if value.low is not None]
        highs = [value.high for value in values if value.high is not None]
        low, high = (lows, highs) if len(lows) == len(highs) == len(values) else (None, None)
        warnings = {row: list(value.warnings) for row, value in enumerate(values) if value.warnings}
        cached = frozenset(row for row, found in enumerate(known) if found)
        prediction = [value.prediction for value in values]
        return cls(origin, prediction, low, high, _ids(origin, prediction, low, high, now), warnings, cached)

    def predictions(self) -> BatchPrediction:
        """As objects."""
        return BatchPrediction(predictions=[self._prediction(row) for row in range(len(self.value))])

    def _prediction(self, row: int) -> Prediction:
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
            prediction_id=self.ids[row],
            cached=row in self.cached,
        )

    def columns(self) -> ColumnsPrediction:
        """As one object of columns."""
        return ColumnsPrediction(**self._columns(list(self.ids)))

    def columns_to_json(self) -> bytes:
        """The bytes of `columns()` as JSON."""
        ids = self.ids.json if isinstance(self.ids, Tokens) else orjson.dumps(self.ids)
        # numbers alone stand before the ids, and megabytes of these are copied once
        start, name, end = orjson.dumps(self._columns([])).partition(b'"prediction_id":')
        return b"".join([start, name, ids, end.removeprefix(b"[]")])

    def _columns(self, ids: list[str]) -> dict[str, Any]:
        """The fields of a `ColumnsPrediction`, in its order."""
        whole, origin, strange = self._has_intervals(), self.origin, sorted(self.warnings.items())
        return {
            "prediction": self.value,
            "low": self.low if whole else None,
            "high": self.high if whole else None,
            "coverage": origin.coverage if whole else None,
            "prediction_id": ids,
            "model": origin.model,
            "version": origin.version,
            "variant": origin.variant,
            "warnings": [{**warning.model_dump(), "row": row} for row, found in strange for warning in found],
            "cached_rows": sorted(self.cached),
        }

    def first_to_json(self) -> bytes:
        """The bytes of the first row's `Prediction` as JSON."""
        low, high, coverage = self.low, self.high, self.origin.coverage
        warnings = self.warnings.get(0)
        answer = {
            "prediction": self.value[0],
            "interval": {"low": low[0], "high": high[0], "coverage": coverage} if self._has_intervals() else None,  # type: ignore[index]
            "model": self.origin.model,
            "version": self.origin.version,
            "variant": self.origin.variant,
            "warnings": [warning.model_dump() for warning in warnings] if warnings else [],
            "prediction_id": self.ids[0],
            "cached": 0 in self.cached,
        }
        return orjson.dumps(answer)

    def to_json(self) -> bytes:
        """The bytes of `predictions()` as JSON."""
        pieces = [*self._numbers(), self._middles(), _members(self.ids), self._ends()]
        written = [b'{"predictions":[{"prediction":', *[b""] * (len(pieces) * len(self.ids)), b"]}"]
        for place, column in enumerate(pieces, 1):
            written[place : -1 : len(pieces)] = column
        return b"".join(written)  # all of it once: megabytes are not copied for an end more

    def _has_intervals(self) -> bool:
        return self.low is not None and self.high is not None and self.origin.coverage is not None

    def _numbers(self) -> list[list[bytes]]:
        if self.low is None or self.high is None or self.origin.coverage is None:
            return [_numbers(self.value)]
        low, high = ([text] * len(self.value) for text in (b',"interval":{"low":', b',"high":'))
        return [_numbers(self.value), low, _numbers(self.low), high, _numbers(self.high)]

    def _middles(self) -> list[bytes]:
        """From the last number to the id."""
        coverage, names = self.origin.coverage, ("model", "version", "variant")
        start = b',"coverage":%b}' % orjson.dumps(coverage) if self._has_intervals() else b',"interval":null'
        start += b"".join(b',"%b":%b' % (name.encode(), orjson.dumps(getattr(self.origin, name))) for name in names)
        middles = [start + b',"warnings":[],"prediction_id":'] * len(self.value)
        for row, found in self.warnings.items():
            middles[row] = b'%b,"warnings":%b,"prediction_id":' % (start, _WARNINGS.dump_json(found))
        return middles

    def _ends(self) -> list[bytes]:
        """From the id to the next row's prediction."""
        ends = [b'"cached":false},{"prediction":'] * len(self.value)
        for row in self.cached:
            ends[row] = b'"cached":true},{"prediction":'
        ends[-1] = ends[-1].partition(b',{"')[0]
        return ends


def warnings_of(results: Results) -> Warnings:
    """What is strange about the rows, as clients are told."""
    warnings: Warnings = {}
    for found in results.strange:
        warning = PredictionWarning(code=found.code, feature=found.feature, message=found.message)
        warnings.setdefault(found.row, []).append(warning)
    return warnings


def _ids(
    origin: Origin, value: Sequence[float], low: Sequence[float] | None, high: Sequence[float] | None, now: float
) -> Sequence[str]:
    if len(value) == 1:
        return [origin.ids.one(value[0], low[0] if low else None, high[0] if high else None, now)]
    return origin.ids.many(value, low, high, now)


def _members(ids: Sequence[str]) -> list[bytes]:
    return ids.as_members() if isinstance(ids, Tokens) else [b'"%b",' % name.encode() for name in ids]


def _numbers(values: Sequence[float]) -> list[bytes]:
    """Each as JSON, as pydantic writes it."""
    return orjson.dumps(values)[1:-1].split(b",")

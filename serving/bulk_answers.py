"""The answers to many rows, written at once: the JSON of `BatchPrediction` without 10,000 objects on the way.

The pydantic models stay the contract: a test proves that both give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import orjson
from pydantic import TypeAdapter

from monitoring.prediction_ids import TOKEN_LENGTH, IdWriter, Tokens
from schemas.predictions import BatchPrediction, Interval, Prediction, PredictionWarning, Variant
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

    def first_to_json(self) -> bytes:
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
            "prediction_id": self.ids[0],
            "cached": 0 in self.cached,
        }
        return orjson.dumps(answer)

    def to_json(self) -> bytes:
        """The bytes of `predictions()` as JSON."""
        numbers, rests = [_numbers(self.value)], self._rests()
        if self.low is not None and self.high is not None and self.origin.coverage is not None:
            count = len(rests)
            numbers += [
                [b',"interval":{"low":'] * count,
                _numbers(self.low),
                [b',"high":'] * count,
                _numbers(self.high),
            ]
        pieces = [*numbers, rests]
        written = [b""] * (len(pieces) * len(rests))
        for place, column in enumerate(pieces):
            written[place :: len(pieces)] = column
        return b'{"predictions":[{"prediction":' + b"".join(written) + b"]}"

    def _rests(self) -> list[bytes]:
        """What follows each row's numbers, up to the number of the next row. Most differ in their ids only."""
        before, between, after, following = (
            self._before(),
            b'"prediction_id":"',
            b'","cached":false}',
            b',{"prediction":',
        )
        ids = _joined(self.ids)
        rests = _framed(before + b'"warnings":[],' + between, ids, after + following)
        for row in {*self.warnings, *self.cached, len(rests) - 1}:
            found = _WARNINGS.dump_json(self.warnings.get(row, []))
            name = ids[row * TOKEN_LENGTH : (row + 1) * TOKEN_LENGTH]
            end = b'","cached":true}' if row in self.cached else after
            last = b"" if row == len(rests) - 1 else following
            rests[row] = b"".join([before, b'"warnings":', found, b",", between, name, end, last])
        return rests

    def _before(self) -> bytes:
        """From a row's last number to its warnings."""
        coverage, names = self.origin.coverage, ("model", "version", "variant")
        whole = self.low is not None and self.high is not None and coverage is not None
        interval = b',"coverage":%b},' % orjson.dumps(coverage) if whole else b',"interval":null,'
        return interval + b"".join(
            b'"%b":%b,' % (name.encode(), orjson.dumps(getattr(self.origin, name))) for name in names
        )


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


def _joined(ids: Sequence[str]) -> bytes:
    return ids.joined if isinstance(ids, Tokens) else "".join(ids).encode()


def _framed(before: bytes, ids: bytes, after: bytes) -> list[bytes]:
    """Each id between the same bytes."""
    start, count = len(before), len(ids) // TOKEN_LENGTH
    framed = np.empty((count, start + TOKEN_LENGTH + len(after)), np.uint8)
    framed[:, :start] = np.frombuffer(before, np.uint8)
    framed[:, start : start + TOKEN_LENGTH] = np.frombuffer(ids, np.uint8).reshape(count, TOKEN_LENGTH)
    framed[:, start + TOKEN_LENGTH :] = np.frombuffer(after, np.uint8)
    pieces: list[bytes] = framed.view(f"V{framed.shape[1]}")[:, 0].tolist()
    return pieces


def _numbers(values: Sequence[float]) -> list[bytes]:
    """Each as JSON, as pydantic writes it."""
    return orjson.dumps(values)[1:-1].split(b",")

"""What a line of the prediction log holds, and how a batch of predictions becomes lines.

Values are as the client gave them: a category's level, a date as YYYY-MM-DD, a flag as true or false, every other
number as a JSON number; null is a value that was not given. docs/prediction-log.md describes the line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from math import isnan
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from schemas.features import NEVER_SEEN, Column

UNSEEN = "never_seen"
"""Stands for a category's level that training has not seen; its text is not kept."""

HASH_BYTES = 16

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE

Record = dict[str, Any]
Decode = Callable[[Any], Any]


class LogBatch(NamedTuple):
    """The n predictions of one request, all by one version.

    Args:
        now: Unix time of the answer, in seconds.
        version, variant: who answered, and in which part of the rollout plan.
        rows: encoded rows, shape (n, n_features), as an array or as n tuples; nobody may change them afterwards.
        value: n predictions, in the unit of the target.
        low, high: n ends each of their intervals; None without intervals.
        coverage: what the intervals promise; None without.
        ids: n prediction ids.
        cached: the rows whose answers came from the cache.
        out_of_range: by row, the names of the model's inputs that training has not seen like this.
        seconds: how long the answer took; None if nobody measured.
    """

    now: float
    version: str
    variant: str
    rows: npt.NDArray[np.float64] | Sequence[Sequence[float]]
    value: Sequence[float]
    low: Sequence[float] | None
    high: Sequence[float] | None
    coverage: float | None
    ids: Sequence[str]
    cached: frozenset[int] | Mapping[int, Any] = frozenset()
    out_of_range: Mapping[int, Sequence[str]] = {}
    seconds: float | None = None

    def only(self, rows: Sequence[int]) -> LogBatch:
        """Some of the rows, free of the others' memory."""

        def some(column: Sequence[Any]) -> list[Any]:
            return [column[row] for row in rows]

        low, high, found = self.low, self.high, self.out_of_range
        return self._replace(
            rows=self.rows[list(rows)] if isinstance(self.rows, np.ndarray) else some(self.rows),
            value=some(self.value),
            low=None if low is None else some(low),
            high=None if high is None else some(high),
            ids=some(self.ids),
            cached=frozenset(place for place, row in enumerate(rows) if row in self.cached),
            out_of_range={place: found[row] for place, row in enumerate(rows) if row in found},
        )


class LineMaker:
    """Makes records of batches.

    Args:
        columns: the features, in the order of the rows.
        sampling: share of the ordinary rows that are in the log; a line says how many rows it stands for.
        personal_fields: features that are left out or hashed.
        hash_key: hashes personal fields, 16 to 64 bytes; None leaves them out.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        sampling: float = 1.0,
        personal_fields: Sequence[str] = (),
        hash_key: bytes | None = None,
    ) -> None:
        self._weight = 1.0 / sampling if sampling else 1.0
        self._personal, self._hash_key = frozenset(personal_fields), hash_key
        self._kept = [
            (place, column.name, _decoder(column))
            for place, column in enumerate(columns)
            if hash_key is not None or column.name not in self._personal
        ]

    def records(self, batch: LogBatch, first: int, last: int) -> Iterator[Record]:
        """The records of rows first to last (not included)."""
        time, latency = rfc3339(batch.now), None if batch.seconds is None else round(1000 * batch.seconds, 3)
        names = [name for _, name, _ in self._kept]
        for row, features in enumerate(self._features(batch.rows[first:last]), first):
            strange = batch.out_of_range.get(row)
            yield {
                "time": time,
                "prediction_id": batch.ids[row],
                "version": batch.version,
                "variant": batch.variant,
                "cached": row in batch.cached,
                "prediction": batch.value[row],
                "interval": _interval(batch, row),
                "latency_ms": latency,
                "weight": 1.0 if strange else self._weight,
                "out_of_range": strange or (),
                "features": dict(zip(names, features, strict=True)),
            }

    def free_record(self, now: float, values: Mapping[str, Any], roles: Mapping[str, str]) -> Record:
        """The record of what `bentoml.monitor` was given, one row of it.

        Args:
            values: by column.
            roles: by column: feature, prediction, target; another role counts as feature.
        """
        record: Record = {"time": rfc3339(now), "weight": self._weight, "features": {}}
        for name, value in values.items():
            if (role := roles.get(name)) in ("prediction", "target"):
                record[str(role)] = value
            elif name not in self._personal:
                record["features"][name] = value
            elif self._hash_key is not None:
                record["features"][name] = self._hashed(name, _json(value)[:-1])
        return record

    def _features(self, rows: npt.NDArray[np.float64] | Sequence[Sequence[float]]) -> Iterator[tuple[Any, ...]]:
        """Decoded column by column, which is faster, and given row by row."""
        columns = rows.T.tolist() if isinstance(rows, np.ndarray) else list(zip(*rows, strict=True))
        decoded = []
        for place, name, decode in self._kept:
            values = columns[place] if decode is None else map(decode, columns[place])
            decoded.append(map(partial(self._hash, name), values) if name in self._personal else values)
        return zip(*decoded, strict=True) if decoded else iter([()] * len(rows))

    def _hash(self, name: str, value: Any) -> str | None:
        missing = value is None or value != value
        return None if missing else self._hashed(name, _json(value)[:-1])

    def _hashed(self, name: str, value: bytes) -> str:
        """The name goes in too, so that equal values of two fields cannot be matched."""
        assert self._hash_key is not None
        text = name.encode() + b"\0" + value
        return hashlib.blake2b(text, key=self._hash_key, digest_size=HASH_BYTES).hexdigest()


def line(record: Record) -> bytes:
    """A record as JSON with its line end. NaN and infinity, which JSON has no word for, become null.

    Raises:
        TypeError: the record holds what JSON cannot: text that is no Unicode, an integer beyond 64 bits.
    """
    return _json(record)


def rfc3339(now: float) -> str | None:
    """A Unix time as RFC 3339 text in UTC, to the millisecond; None for a time that no calendar has."""
    try:
        return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def _json(value: Any) -> bytes:
    return orjson.dumps(value, default=str, option=_OPTIONS)


def _interval(batch: LogBatch, row: int) -> Record | None:
    if batch.low is None or batch.high is None:
        return None
    return {"low": batch.low[row], "high": batch.high[row], "coverage": batch.coverage}


def _decoder(column: Column) -> Decode | None:
    """From a float code back to what the client gave; None when that is the number itself."""
    if column.kind == "category":
        levels: dict[float, str] = {float(code): level for code, level in enumerate(column.levels)}
        levels[NEVER_SEEN] = UNSEEN
        return levels.get  # NaN is no key: missing
    if column.kind == "flag":
        return lambda value: None if isnan(value) else value != 0.0
    return _date if column.kind == "date" else None


def _date(value: float) -> str | None:
    return None if isnan(value) else date.fromordinal(int(value)).isoformat()

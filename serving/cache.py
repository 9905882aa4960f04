"""Cached answers in memory: the key of a row, the bytes of a value, and an LRU with a byte limit.

A version is immutable and its answer depends on nothing but the row, so a cached answer never becomes wrong: the
time to live only returns the space of rows that nobody asks for any more.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from math import isfinite
from struct import Struct
from typing import NamedTuple

import orjson
from pydantic import TypeAdapter, ValidationError

from preprocessors.encoding import Matrix
from schemas.predictions import PredictionWarning

FORMAT = 1
"""Format of keys and values. It is part of both, so that two releases can share one Redis."""

KEY_BYTES = 16

MOST_VALUE_BYTES = 64 * 1024
"""A longer value is neither stored nor believed."""

OVERHEAD_BYTES = 200
"""What one entry of `MemoryCache` costs beside the bytes of its key and value, as measured with tracemalloc."""

_NUMBERS = Struct("<B3d")  # whether there is an interval; prediction, low, high
_EXPIRY = Struct("<d")
_CHECKSUM_BYTES = 8
_HEAD_BYTES = 1 + _CHECKSUM_BYTES
_WARNINGS = TypeAdapter(tuple[PredictionWarning, ...])


class Value(NamedTuple):
    """What is needed to answer the same row again, in the unit of the target; no interval: low and high are None."""

    prediction: float
    low: float | None
    high: float | None
    warnings: tuple[PredictionWarning, ...] = ()


class Nonsense(Exception):
    """Bytes that are no value, or a value that belongs to another key."""


class RowKeys:
    """Makes the cache keys of one version's rows. Nothing of the request but the row itself is in them.

    Args:
        model, version, schema_hash: what the answer depends on beside the row.
    """

    def __init__(self, model: str, version: str, schema_hash: str) -> None:
        # JSON, so that no two triples run together into the same text
        self._start = blake2b(orjson.dumps([FORMAT, model, version, schema_hash]), digest_size=KEY_BYTES)

    def of(self, row: bytes) -> bytes:
        """The key of one row in canonical form, KEY_BYTES long."""
        hashed = self._start.copy()
        hashed.update(row)
        return hashed.digest()

    def of_matrix(self, rows: Matrix) -> list[bytes]:
        """The keys of encoded rows (n, n_features); each is that of the row's canonical form."""
        data, width = rows.tobytes(), rows.shape[1] * rows.itemsize
        return [self.of(data[at : at + width]) for at in range(0, len(data), width)]


def pack(value: Value) -> bytes:
    """A value as bytes.

    Raises:
        ValueError: it cannot be stored: a number is not finite, one end of the interval is missing, or it is too long.
    """
    prediction, low, high, warnings = value
    has_interval = low is not None and high is not None
    if not has_interval and low is not high:
        raise ValueError("an interval has two ends or none")
    numbers = (prediction, low, high) if low is not None and high is not None else (prediction, 0.0, 0.0)
    if not all(map(isfinite, numbers)):
        raise ValueError("only finite numbers are stored")
    packed = _NUMBERS.pack(has_interval, *numbers)
    if warnings:
        packed += _WARNINGS.dump_json(warnings)
    if len(packed) > MOST_VALUE_BYTES:
        raise ValueError(f"a value has at most {MOST_VALUE_BYTES} bytes")
    return packed


def _unpack(data: bytes, at: int) -> Value:
    """The value that `pack` wrote at this offset; for bytes that nobody else could have written."""
    has_interval, prediction, low, high = _NUMBERS.unpack_from(data, at)
    at += _NUMBERS.size
    warnings = _WARNINGS.validate_json(data[at:]) if len(data) > at else ()
    return Value(prediction, low, high, warnings) if has_interval else Value(prediction, None, None, warnings)


def seal(key: bytes, value: Value) -> bytes:
    """A value for a store that others can write to: format, checksum over key and value, value.

    Raises:
        ValueError: what `pack` raises.
    """
    packed = pack(value)
    return bytes([FORMAT]) + _checksum(key, packed) + packed


def unseal(key: bytes, data: object) -> Value:
    """The value that was sealed for this key.

    Raises:
        Nonsense: anything else, whatever it is.
    """
    if not isinstance(data, bytes) or not _HEAD_BYTES + _NUMBERS.size <= len(data) <= _HEAD_BYTES + MOST_VALUE_BYTES:
        raise Nonsense("wrong type or length")
    if data[0] != FORMAT:
        raise Nonsense("another format")
    if data[1:_HEAD_BYTES] != _checksum(key, data[_HEAD_BYTES:]):
        raise Nonsense("wrong checksum")  # also the answer to another key, should a connection ever mix them up
    try:
        value = _unpack(data, _HEAD_BYTES)
        pack(value)  # whoever wrote it, it must be a value that we would write
    except (ValueError, ValidationError):
        raise Nonsense("not a value") from None
    return value


def _checksum(key: bytes, packed: bytes) -> bytes:
    return blake2b(packed, digest_size=_CHECKSUM_BYTES, key=key).digest()


class MemoryCache:
    """The answers used last, up to a number of bytes. Every operation takes constant time and nothing waits.

    Args:
        max_bytes: most bytes of keys, values and OVERHEAD_BYTES each.
        ttl_seconds: age at which an entry is forgotten.
        clock: seconds that only go up.
    """

    def __init__(self, max_bytes: int, ttl_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes, self._ttl, self._clock = max_bytes, ttl_seconds, clock
        # bytes to bytes, for the garbage collector does not walk through these
        self._entries: OrderedDict[bytes, bytes] = OrderedDict()
        self.used_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> Value | None:
        """The value, unless it is unknown or too old."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if _EXPIRY.unpack_from(entry)[0] <= self._clock():
            self._forget(key)
            return None
        self._entries.move_to_end(key)
        return _unpack(entry, _EXPIRY.size)

    def put(self, key: bytes, value: Value) -> None:
        """Remember a value, and forget those used longest ago for it.

        Raises:
            ValueError: the value cannot be stored, see `pack`.
        """
        entry = _EXPIRY.pack(self._clock() + self._ttl) + pack(value)
        self._forget(key)
        size = _size(key, entry)
        if size > self._max_bytes:
            return
        self._entries[key] = entry
        self.used_bytes += size
        while self.used_bytes > self._max_bytes:
            oldest, dropped = self._entries.popitem(last=False)
            self.used_bytes -= _size(oldest, dropped)

    def _forget(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.used_bytes -= _size(key, entry)


def _size(key: bytes, entry: bytes) -> int:
    return len(key) + len(entry) + OVERHEAD_BYTES

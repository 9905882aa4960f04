"""Requests in columns as simdjson reads them: numbers go from its tape into arrays, without Python's objects between.

As everywhere on the fast way, a request is None here where it is not surely valid; pydantic is asked then.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import simdjson

from preprocessors.columns import Cells, ColumnReader
from schemas.features import Features
from schemas.predictions import BatchOptions
from serving.request_reader import NO_OPTIONS, Valid

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_OPTIONS = frozenset(BatchOptions.model_fields)
_OPENING = ord("[")

_NO_JSON = (ValueError, TypeError, RuntimeError, MemoryError)
"""What simdjson raises; RuntimeError where it has no other word, as for a number of more than 64 bits."""

Types = tuple[str, type[Any]]
"""How simdjson and numpy call the type of a column's numbers."""

_WHOLE: Types = ("i", np.int64)
_ANY: Types = ("d", np.float64)


class ColumnBodies:
    """Reads requests in columns. Safe to use from several threads.

    Args:
        rows: the feature class.
        reader: of its columns.
        max_rows: most rows in one request.
    """

    def __init__(self, rows: type[Features], reader: ColumnReader, max_rows: int) -> None:
        self._reader, self._max_rows = reader, max_rows
        readers = zip(rows.columns(), reader.readers or (), strict=False)
        self._types = {column.name: _types(reader.kinds) for column, reader in readers}
        self._required = {column.name for column in rows.columns() if column.required}

    def read(self, body: bytes) -> Valid | None:
        """The request, if all of it is surely valid."""
        if not self._types:
            return None  # of this class no row is ever sure
        try:
            request = simdjson.Parser().parse(body)  # a parser's objects are its own: one for each request
        except _NO_JSON:
            return None
        if not isinstance(request, simdjson.Object) or body.startswith(_BYTE_ORDER_MARK):
            return None
        names = _names(request)
        columns = request["columns"] if "columns" in names else None
        if not isinstance(columns, simdjson.Object) or not names <= _OPTIONS | {"columns"}:
            return None
        said = {name: request[name] for name in names & _OPTIONS}
        try:
            options = BatchOptions(**said) if said else NO_OPTIONS  # type: ignore[arg-type]
        except ValueError:
            return None
        found = self._columns(columns, body)
        if not found:
            return None
        count = len(next(iter(found.values())))
        if not 1 <= count <= self._max_rows or any(len(cells) != count for cells in found.values()):
            return None
        matrix, sure = self._reader.read(found, count)
        return Valid(matrix, options.version, options.routing_key) if sure.all() else None

    def _columns(self, columns: simdjson.Object, body: bytes) -> dict[str, Cells] | None:
        names = _names(columns)
        if not self._required <= names <= self._types.keys() or _lists(body) != len(names):
            return None  # simdjson would make one buffer of lists in lists
        found: dict[str, Cells] = {}
        for name in names:
            array = columns[name]
            if not isinstance(array, simdjson.Array):
                return None
            found[name] = _cells(array, self._types[name])
        return found


def _names(thing: simdjson.Object) -> frozenset[str]:
    """Of its members; none if one comes twice."""
    names = list(thing.keys())
    different = frozenset(names)
    return different if len(different) == len(names) else frozenset()


def _types(kinds: set[type]) -> Types | None:
    """None for what are no numbers."""
    if float in kinds:
        return _ANY
    return _WHOLE if int in kinds else None


def _cells(array: simdjson.Array, types: Types | None) -> Cells:
    """An array of numbers, where all are such; else a list."""
    if types is not None:
        name, kind = types
        try:
            return np.frombuffer(array.as_buffer(of_type=name), kind)  # type: ignore[arg-type]
        except _NO_JSON:  # one is null, or no number, or too large
            pass
    return array.as_list()


def _lists(body: bytes) -> int:
    """How many begin; brackets in strings count too."""
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == _OPENING))

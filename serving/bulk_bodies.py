"""Bodies of bulk requests, as rows or as columns, to a matrix.

A body of many rows is read by columns first (`preprocessors/columns.py`). Whatever that is not sure of is read again by
pydantic, which takes it or words the errors: how a body is read changes how long it takes and nothing else.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np
import orjson
from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from preprocessors.columns import Cells, ColumnReader
from preprocessors.encoding import Matrix, RowEncoder
from schemas.features import Features
from schemas.predictions import BatchOptions, batch_request, columns_request
from serving import problems

LEAST_BYTES = 32 * 1024
"""Smaller bodies, of 100 rows or so, are read faster row by row."""

_BOTH = {"type": "rows_or_columns", "loc": ("columns",), "msg": "Give either rows or columns, not both"}

Details = list[dict[str, Any]]
"""Broken fields as pydantic describes them."""


class Bulk(NamedTuple):
    """A valid bulk request; `matrix` has the encoded rows, shape (n, n_features)."""

    matrix: Matrix
    version: str | None
    routing_key: str | None


class BulkBodies:
    """Reads the bulk requests of one model. Safe to use from several threads.

    Args:
        rows: the model's feature class.
        max_rows: most rows in one request.
    """

    def __init__(self, rows: type[Features], max_rows: int) -> None:
        self._declared = rows.columns()
        self._reader, self._encoder = ColumnReader(rows), RowEncoder(rows)
        self._by_rows, self._by_columns = batch_request(rows, max_rows), columns_request(rows, max_rows)
        self._some_rows: TypeAdapter[list[Features]] = TypeAdapter(list[rows])  # type: ignore[valid-type]
        self._rows_allowed = TypeAdapter(Annotated[list[Any], Field(min_length=1, max_length=max_rows)])
        self._max_rows = max_rows

    def read(self, body: bytes) -> Bulk:
        """Validate and encode.

        Raises:
            MalformedJson: the body is not JSON.
            InvalidInput: it breaks the schema.
        """
        sure = self._sure(body) if len(body) >= LEAST_BYTES and self._reader.knows else None
        if sure is not None:
            return sure
        if b'"columns"' in body or b"\\u00" in body:  # the name itself may be written with escapes
            parsed = _parsed(body)
            if isinstance(parsed, dict) and "columns" in parsed:
                return self._read_columns(body, parsed)
        return self._read_rows(body)

    def _sure(self, body: bytes) -> Bulk | None:
        """The request, if all of it is surely valid.

        orjson is the fastest parser. It takes no NaN and makes floats of huge integers, but neither is ever sure.
        """
        try:
            parsed = orjson.loads(body)
            form = "columns" if "columns" in parsed else "rows"
            content = parsed.pop(form)
            options = BatchOptions.model_validate(parsed)  # refuses a second form too
            columns = content if form == "columns" else self._transposed(content)
            count = len(next(iter(columns.values())))
        except (ValueError, TypeError, AttributeError, KeyError, StopIteration):  # it has another shape
            return None
        if not 1 <= count <= self._max_rows or self._broken_columns(columns, count):
            return None
        matrix, sure = self._reader.read(columns, count)
        return Bulk(matrix, options.version, options.routing_key) if sure.all() else None

    def _transposed(self, rows: list[dict[str, Any]]) -> dict[str, Cells]:
        """Rows as columns.

        Raises:
            TypeError, AttributeError: the rows are not a list of objects.
            KeyError: a row has a name too few or too many.
        """
        if set(map(type, rows)) != {dict}:
            raise TypeError
        names = {column.name: not column.required for column in self._declared}
        if set(map(len, rows)) == {len(names)}:
            return {name: [row[name] for row in rows] for name in names}
        if not all(map(frozenset(names).issuperset, rows)):
            raise KeyError
        defaults = self._reader.defaults
        return {
            name: [row.get(name, defaults[name]) for row in rows] if optional else [row[name] for row in rows]
            for name, optional in names.items()
        }

    def _broken_columns(self, columns: Mapping[str, Any], count: int) -> bool:
        required = {column.name for column in self._declared if column.required}
        lists = all(type(cells) is list and len(cells) == count for cells in columns.values())
        return not (lists and required <= columns.keys() <= {column.name for column in self._declared})

    def _read_rows(self, body: bytes) -> Bulk:
        try:
            request: Any = self._by_rows.model_validate_json(body)
        except ValidationError as error:
            raise problems.from_validation(error) from None
        return Bulk(self._encoder.matrix(request.rows), request.version, request.routing_key)

    def _read_columns(self, body: bytes, parsed: Mapping[str, Any]) -> Bulk:
        """Columns that are not surely valid. `parsed` is the body; its parser is pydantic's own.

        Columns that do not make rows are named alone; else the errors are those of the rows, then of the options.
        """
        if "rows" in parsed:
            raise problems.invalid([_BOTH])
        details = _details(self._by_columns.model_validate_json, body)
        if any(detail["loc"][0] == "columns" for detail in details):
            raise problems.invalid([detail for detail in details if detail["loc"][0] == "columns"])
        columns = parsed["columns"]
        uneven = self._uneven(columns)
        if uneven:
            raise problems.invalid(uneven)
        matrix, broken = self._rows_of(columns)
        if broken or details:
            raise problems.invalid(broken + details)
        return Bulk(matrix, parsed.get("version"), parsed.get("routing_key"))

    def _uneven(self, columns: Mapping[str, Cells]) -> Details:
        """What is wrong with the columns' lengths: the length that most of them have is taken as meant."""
        lengths = {name: len(cells) for name, cells in columns.items()}
        expected = Counter(lengths.values()).most_common(1)[0][0] if lengths else 0
        wrong: Details = [
            {
                "type": "length_mismatch",
                "loc": ("columns", name),
                "msg": f"Every column should have the same length; most have {expected}",
                "ctx": {"expected": expected},
            }
            for name, length in lengths.items()
            if length != expected
        ]
        counted = _details(self._rows_allowed.validate_json, orjson.dumps([0] * expected))
        return wrong or [{**detail, "loc": ("columns",)} for detail in counted]

    def _rows_of(self, columns: Mapping[str, Cells]) -> tuple[Matrix, Details]:
        """The matrix, and what is wrong with the rows; those that are not sure are asked as rows."""
        count = len(next(iter(columns.values())))
        matrix, sure = self._reader.read(columns, count)
        asked = np.flatnonzero(~sure).tolist()
        if not asked:
            return matrix, []
        names = list(columns)
        cells = zip(*([column[row] for row in asked] for column in columns.values()), strict=True)
        written = json.dumps([dict(zip(names, row, strict=True)) for row in cells])
        try:
            matrix[asked] = self._encoder.matrix(self._some_rows.validate_json(written))
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            return matrix, [
                {**detail, "loc": ("rows", asked[int(detail["loc"][0])], *detail["loc"][1:])} for detail in found
            ]
        return matrix, []


def _parsed(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError:
        return None  # the one who validates it says why


def _details(validate: Any, body: bytes) -> Details:
    try:
        validate(body)
    except ValidationError as error:
        return [dict(detail) for detail in error.errors(include_url=False, include_input=False)]
    return []

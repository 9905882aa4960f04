"""Bodies of bulk requests, as rows or as columns, to a matrix.

Rows are read by msgspec, which builds nothing but the declared names and types, columns by simdjson; both are checked
by columns (`preprocessors/columns.py`). Whatever that is not sure of is read again by pydantic, which takes it or words
the errors: how a body is read changes how long it takes and nothing else.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import orjson
from msgspec import UNSET
from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from preprocessors.columns import Cells, ColumnReader
from preprocessors.encoding import Matrix, RowEncoder
from schemas.features import Features
from schemas.predictions import batch_request, columns_request
from serving import problems
from serving.column_bodies import ColumnBodies
from serving.request_reader import RequestReader, Valid

LEAST_BYTES = 10 * 1024
"""Rows in smaller bodies, 40 or so, are read faster one by one."""

_BOTH = {"type": "rows_or_columns", "loc": ("columns",), "msg": "Give either rows or columns, not both"}

Details = list[dict[str, Any]]
"""Broken fields as pydantic describes them."""


class BulkBodies:
    """Reads the bulk requests of one model. Safe to use from several threads.

    Args:
        rows: the model's feature class.
        max_rows: most rows in one request.
    """

    def __init__(self, rows: type[Features], max_rows: int) -> None:
        self._reader, self._encoder = ColumnReader(rows), RowEncoder(rows)
        row_type = self._reader.row_type()
        self._row_reader = None if row_type is None else RequestReader(rows=list[row_type])  # type: ignore[valid-type]
        self._column_bodies = ColumnBodies(rows, self._reader, max_rows)
        self._by_rows, self._by_columns = batch_request(rows, max_rows), columns_request(rows, max_rows)
        self._some_rows: TypeAdapter[list[Features]] = TypeAdapter(list[rows])  # type: ignore[valid-type]
        self._rows_allowed = TypeAdapter(Annotated[list[Any], Field(min_length=1, max_length=max_rows)])
        self._max_rows = max_rows

    def read(self, body: bytes) -> Valid:
        """Validate and encode.

        Raises:
            MalformedJson: the body is not JSON.
            InvalidInput: it breaks the schema.
        """
        sure = self._sure_rows(body) if len(body) >= LEAST_BYTES else None
        if sure is not None:
            return sure
        if b'"columns"' in body or b"\\u00" in body:  # the name itself may be written with escapes
            sure = self._column_bodies.read(body)
            if sure is not None:
                return sure
            parsed = _parsed(body)
            if isinstance(parsed, dict) and "columns" in parsed:
                return self._read_columns(body, parsed)
        return self._read_rows(body)

    def read_columns(self, body: bytes) -> Valid:
        """The same of a request that must have columns. Raises what `read` raises."""
        sure = self._column_bodies.read(body)
        if sure is not None:
            return sure
        parsed = _parsed(body)
        if not isinstance(parsed, dict) or "columns" not in parsed or "rows" in parsed:
            problems.validated(self._by_columns, body)  # raises
        return self._read_columns(body, parsed)

    def _sure_rows(self, body: bytes) -> Valid | None:
        """The request, if all of it is surely valid rows."""
        found = self._row_reader.read(body) if self._row_reader else None
        if found is None:
            return None
        request, options = found
        if request.rows is UNSET or not 1 <= len(request.rows) <= self._max_rows:
            return None
        matrix, sure = self._reader.read_rows(request.rows)
        return Valid(matrix, options.version, options.routing_key) if sure.all() else None

    def _read_rows(self, body: bytes) -> Valid:
        request = problems.validated(self._by_rows, body)
        return Valid(self._encoder.matrix(request.rows), request.version, request.routing_key)

    def _read_columns(self, body: bytes, parsed: Mapping[str, Any]) -> Valid:
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
        matrix, broken, count = self._rows_of(columns)
        if broken or details:
            raise problems.invalid(broken + details, count + len(details))
        return Valid(matrix, parsed.get("version"), parsed.get("routing_key"))

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

    def _rows_of(self, columns: Mapping[str, Cells]) -> tuple[Matrix, Details, int]:
        """The matrix, what is wrong with the rows, as far as it is listed, and how much that is in all.

        Rows that are not sure are asked as rows.
        """
        count = len(next(iter(columns.values())))
        matrix, sure = self._reader.read(columns, count)
        asked = np.flatnonzero(~sure).tolist()
        if not asked:
            return matrix, [], 0
        names = list(columns)
        cells = zip(*([column[row] for row in asked] for column in columns.values()), strict=True)
        written = json.dumps([dict(zip(names, row, strict=True)) for row in cells])
        try:
            matrix[asked] = self._encoder.matrix(self._some_rows.validate_json(written))
        except ValidationError as error:
            found: Details = problems.listed(error)
            for detail in found:
                at, *rest = detail["loc"]
                detail["loc"] = ("rows", asked[int(at)], *rest)
            return matrix, found, error.error_count()
        return matrix, [], 0


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

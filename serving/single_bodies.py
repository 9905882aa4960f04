"""The body of a request for one row, to a matrix of one row.

An ordinary row is read by msgspec (`preprocessors/rows.py`). Whatever that is not sure of is read again by pydantic,
which takes it or words the errors: how a body is read changes how long it takes and nothing else.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET
from pydantic import ValidationError

from preprocessors.columns import ColumnReader
from preprocessors.encoding import Matrix, RowEncoder
from preprocessors.rows import RowReader
from schemas.features import Features
from schemas.predictions import BatchOptions, one_request
from serving import problems


class Valid(NamedTuple):
    """A valid request; `matrix` has the encoded rows, shape (n, n_features)."""

    matrix: Matrix
    version: str | None
    routing_key: str | None


class SingleBodies:
    """Reads the requests for one row of one model. Safe to use from several threads.

    Args:
        rows: the model's feature class.
    """

    def __init__(self, rows: type[Features]) -> None:
        self.declared = one_request(rows)
        self._reader, self._encoder = RowReader(rows, ColumnReader(rows)), RowEncoder(rows)
        self._known = None if self._reader.row_type is None else _decoder(self._reader.row_type)

    def read(self, body: bytes) -> Valid:
        """Validate and encode.

        Raises:
            MalformedJson: the body is not JSON.
            InvalidInput: it breaks the schema.
        """
        return self._sure(body) or self._asked(body)

    def _sure(self, body: bytes) -> Valid | None:
        if self._known is None:
            return None
        try:
            request = self._known.decode(body)
        except (msgspec.DecodeError, ValueError, RecursionError):  # ValueError: text that is no UTF-8
            return None
        matrix = self._reader.encode(request.features)
        if matrix is None:
            return None
        if request.version is UNSET and request.routing_key is UNSET:
            return Valid(matrix, None, None)
        options = options_of(request)
        return None if options is None else Valid(matrix, options.version, options.routing_key)

    def _asked(self, body: bytes) -> Valid:
        try:
            request: Any = self.declared.model_validate_json(body)
        except ValidationError as error:
            raise problems.from_validation(error) from None
        return Valid(self._encoder.matrix([request.features]), request.version, request.routing_key)


def options_of(request: Any) -> BatchOptions | None:
    """What a request says beside its rows, if that is valid; what it does not say is UNSET."""
    said = {"version": request.version, "routing_key": request.routing_key}
    try:
        return BatchOptions(**{name: value for name, value in said.items() if value is not UNSET})
    except ValidationError:
        return None


def _decoder(row: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    """Of the request; what may be left out is UNSET then."""
    fields: list[tuple[str, Any, Any]] = [
        ("features", row, msgspec.NODEFAULT),
        ("version", Any, UNSET),
        ("routing_key", Any, UNSET),
    ]
    return msgspec.json.Decoder(msgspec.defstruct("PredictRequest", fields, forbid_unknown_fields=True, gc=False))

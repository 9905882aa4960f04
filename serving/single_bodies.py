"""The body of a request for one row, to a matrix of one row.

An ordinary row is read by msgspec (`preprocessors/rows.py`). Whatever that is not sure of is read again by pydantic,
which takes it or words the errors: how a body is read changes how long it takes and nothing else.
"""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from preprocessors.columns import ColumnReader
from preprocessors.encoding import RowEncoder
from preprocessors.rows import RowReader
from schemas.features import Features
from schemas.predictions import one_request
from serving import problems
from serving.request_reader import RequestReader, Valid


class SingleBodies:
    """Reads the requests for one row of one model. Safe to use from several threads.

    Args:
        rows: the model's feature class.
    """

    def __init__(self, rows: type[Features]) -> None:
        self.declared = one_request(rows)
        self._rows, self._encoder = RowReader(rows, ColumnReader(rows)), RowEncoder(rows)
        known = self._rows.row_type
        self._sure_reader = None if known is None else RequestReader(features=known | UnsetType)

    def read(self, body: bytes) -> Valid:
        """Validate and encode.

        Raises:
            MalformedJson: the body is not JSON.
            InvalidInput: it breaks the schema.
        """
        return self._sure(body) or self._asked(body)

    def _sure(self, body: bytes) -> Valid | None:
        found = self._sure_reader.read(body) if self._sure_reader else None
        if found is None:
            return None
        request, options = found
        matrix = None if request.features is UNSET else self._rows.encode(request.features)
        return None if matrix is None else Valid(matrix, options.version, options.routing_key)

    def _asked(self, body: bytes) -> Valid:
        request = problems.validated(self.declared, body)
        return Valid(self._encoder.matrix([request.features]), request.version, request.routing_key)

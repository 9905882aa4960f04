"""A request as msgspec reads it: what is to be predicted, beside version and routing key.

It is None where the request is not surely valid: then the pydantic class is asked, which takes it or words the errors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from preprocessors.columns import struct_of
from preprocessors.encoding import Matrix
from schemas.predictions import BatchOptions

NO_OPTIONS = BatchOptions()


class Valid(NamedTuple):
    """A valid request; `matrix` has the encoded rows, shape (n, n_features)."""

    matrix: Matrix
    version: str | None
    routing_key: str | None


class RequestReader:
    """Reads the requests of one form. Safe to use from several threads.

    Args:
        content: types of what is to be predicted, by name; what may be left out may be UNSET, and is so then.
    """

    def __init__(self, **content: Any) -> None:
        fields = [(name, kind, UNSET) for name, kind in {**content, "version": Any, "routing_key": Any}.items()]
        self._decoder = msgspec.json.Decoder(struct_of("Request", fields))

    def read(self, body: bytes) -> tuple[Any, BatchOptions] | None:
        """The content, as attributes, and the valid options; None if the body is not surely valid."""
        try:
            request: Any = self._decoder.decode(body)
            if request.version is UNSET and request.routing_key is UNSET:
                return request, NO_OPTIONS
            said = {"version": request.version, "routing_key": request.routing_key}
            return request, BatchOptions(**{name: value for name, value in said.items() if value is not UNSET})
        except (msgspec.DecodeError, ValueError, RecursionError):  # ValueError: no UTF-8, or options that break a rule
            return None

"""Calls and answers between a worker and the runner service, as bytes.

One call is one item of BentoML's batch, whichever worker it comes from. So everything that must not be mixed up
travels inside the item: the version, the deadline, and an id that comes back with the answer. BentoML itself would
apply the parameters of one request to the whole batch, and does not notice answers that are lost or swapped.
"""

from __future__ import annotations

import time
from dataclasses import astuple

import numpy as np
import orjson

from preprocessors.encoding import Matrix
from preprocessors.feature_check import Strange
from schemas.errors import Internal, PlumblineError, all_errors
from serving.batch import Results
from serving.guilty_rows import named, row_of

_ERRORS = {cls.code: cls for cls in all_errors()}


class RemoteCause(Exception):
    """What was raised in the runner service, as text: the exception itself stayed there, and its log has it."""


class Call:
    """Rows of one request on their way through the runner service.

    Args:
        number: comes back with the answer.
        version: which version is to compute them.
        deadline: on the clock `time.monotonic`, which all processes of one machine share.
        rows: encoded rows, shape (n, n_features).
    """

    __slots__ = ("deadline", "number", "rows", "version")

    def __init__(self, number: str, version: str, deadline: float, rows: Matrix) -> None:
        self.number, self.version, self.deadline, self.rows = number, version, deadline, rows

    def gone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return time.monotonic() > self.deadline


def write_call(call: Call) -> bytes:
    """The call as bytes: a line of JSON, then the matrix; JSON would lose NaN, which means a missing value."""
    head = orjson.dumps([call.number, call.version, call.deadline, call.rows.shape])
    return head + b"\n" + np.ascontiguousarray(call.rows, dtype=np.float64).tobytes()


def read_call(frame: bytes) -> Call:
    """The inverse of `write_call`."""
    head, _, body = frame.partition(b"\n")
    number, version, deadline, shape = orjson.loads(head)
    return Call(number, version, deadline, np.frombuffer(body, dtype=np.float64).reshape(shape))


def write_answer(number: str, outcome: Results | PlumblineError | None) -> bytes:
    """The answer to the call of that number; None says that its version is not held."""
    if outcome is None:
        return orjson.dumps([number, "not_held", None])
    if isinstance(outcome, PlumblineError):
        cause = outcome.__cause__
        text = None if cause is None else f"{type(cause).__name__}: {cause}"
        return orjson.dumps([number, "error", [outcome.code, outcome.detail, text, row_of(outcome)]])
    value, low, high, strange = outcome
    return orjson.dumps([number, "results", [value, low, high, [astuple(found) for found in strange]]])


def read_answer(frame: bytes) -> tuple[str, Results | PlumblineError | None]:
    """The inverse of `write_answer`."""
    number, kind, content = orjson.loads(frame)
    if kind == "not_held":
        return number, None
    if kind == "error":
        return number, _error(*content)
    value, low, high, strange = content
    return number, Results(value, low, high, [Strange(*found) for found in strange])


def _error(code: str, detail: str, cause: str | None, row: int | None) -> PlumblineError:
    error = _ERRORS.get(code, Internal)(detail)
    if cause is not None:
        error.__cause__ = RemoteCause(cause)
    return error if row is None else named(error, row)

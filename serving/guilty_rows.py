"""Which row of a request made it fail: found by halving, and named in the error as broken fields are.

A row that is named fails by itself. What fails only together, such as more rows than there is memory for, names none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from preprocessors.encoding import Matrix
from schemas.errors import FieldError, PlumblineError

MESSAGE = "The first row that fails by itself; those after it were not all tried"


def first_guilty(
    rows: Matrix,
    error: PlumblineError,
    attempt: Callable[[Matrix], PlumblineError | None],
    wanted: Callable[[], bool],
) -> int | None:
    """The first row that fails by itself as all do together; at most log2(n) + 2 attempts, on n rows in all.

    Args:
        rows: what failed together, shape (n, n_features).
        error: how they failed.
        attempt: computes some of them; gives their error, if any.
        wanted: whether anybody still waits to hear of it.

    Returns:
        Its index; None if none fails by itself, as far as was looked.
    """
    if isinstance(error.__cause__, MemoryError):  # no row's fault, and no time to compute more
        return None
    first, end, certain = 0, len(rows), True
    while end - first > 1:
        if not wanted():
            return None
        middle = (first + end) // 2
        certain = _is_same(error, attempt(rows[first:middle]))
        first, end = (first, middle) if certain else (middle, end)
    return first if certain or _is_same(error, attempt(rows[first:end])) else None


def _is_same(error: PlumblineError, other: PlumblineError | None) -> bool:
    return type(other) is type(error) and type(other.__cause__) is type(error.__cause__)


def named(error: PlumblineError, row: int | None) -> PlumblineError:
    """The same error, of that row; None names no row."""
    extension: dict[str, Any] = {name: value for name, value in error.extension.items() if name != "errors"}
    if row is not None:
        extension["errors"] = [FieldError(row=row, field="", rule=error.code, message=MESSAGE, limit=None)]
    found = type(error)(error.detail, extension=extension, headers=error.headers)
    found.__cause__ = error.__cause__
    return found


def row_of(error: BaseException) -> int | None:
    """The row that an error of `named` names, if any."""
    if not isinstance(error, PlumblineError):
        return None
    row: int | None = next((listed["row"] for listed in error.extension.get("errors", ()) if "row" in listed), None)
    return row


def renumbered(error: BaseException, rows: Sequence[int]) -> BaseException:
    """The same error, where the rows that were computed have these numbers in the request."""
    row = row_of(error)
    return error if row is None or not isinstance(error, PlumblineError) else named(error, rows[row])

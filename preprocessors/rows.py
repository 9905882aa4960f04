"""One row of JSON values to the float matrix, by the rules of the row's class, in half of the class's time.

msgspec reads the row with the types and limits of its fields; the rules across fields are the class's own functions.
As with columns (preprocessors/columns.py) nothing here says that a row is wrong: one that is not sure must be asked of
the class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import numpy as np
from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from pydantic.fields import FieldInfo

from preprocessors.columns import EXACT, CellReader, ColumnReader, Texts, cell_type, struct_of
from preprocessors.encoding import Matrix
from schemas.features import Features, Unit


class RowReader:
    """Reads single rows of one feature class. Safe to use from several threads.

    Args:
        rows: the feature class.
        columns: knows the class and its texts.
    """

    def __init__(self, rows: type[Features], columns: ColumnReader) -> None:
        hooks = rows.__pydantic_decorators__.model_validators.values()
        self._rules: list[Callable[[Any], Any]] = [hook.func for hook in hooks]
        readers = columns.readers if all(hook.info.mode == "after" for hook in hooks) else None
        self._texts = [(i, reader) for i, reader in enumerate(readers or ()) if isinstance(reader, Texts)]
        self._floats = [i for i, reader in enumerate(readers or ()) if float in reader.kinds]
        self.row_type = None if readers is None else _row_type(rows, readers)
        """What msgspec reads; None for a class with a rule that is not known here."""

    def encode(self, row: msgspec.Struct) -> Matrix | None:
        """A row of `row_type` as `RowEncoder` has it, shape (1, n_features); None if it is not surely valid."""
        try:
            if any(rule(row) is not row for rule in self._rules):
                return None
        except Exception:  # the class itself says what is wrong, or knows what a plain row does not
            return None
        values = list(msgspec.structs.astuple(row))
        for place, texts in self._texts:
            values[place] = code = texts.code(values[place])
            if code is None:
                return None
        for place in self._floats:
            if values[place] == 0.0:
                values[place] = 0.0  # not -0.0: equal rows have equal bytes
        return np.array([values], dtype=np.float64)  # None becomes NaN


def _row_type(rows: type[Features], readers: list[CellReader]) -> type[msgspec.Struct] | None:
    fields = list[tuple[str, Any, Any]]()
    for column, reader in zip(rows.columns(), readers, strict=True):
        field = rows.model_fields[column.name]
        limits = _limits(field, reader.kinds) if column.kind == "number" else {}
        if limits is None:
            return None
        kinds = {date if kind is str and column.kind == "date" else kind for kind in reader.kinds}
        cell = cell_type(kinds, *([msgspec.Meta(**limits)] if limits else []))
        fields.append((column.name, cell, msgspec.NODEFAULT if column.required else field.default))
    return struct_of(rows.__name__, fields)


def _limits(field: FieldInfo, kinds: set[type]) -> dict[str, Any] | None:
    """The limits of a number as msgspec names them; None if it has others. Those of a text are kept by its codes."""
    found: dict[str, Any] = {}
    for part in field.metadata:
        match part:
            case Unit():
                continue
            case Ge() | Gt() | Le() | Lt() | MultipleOf():
                found |= dataclasses.asdict(part)
            case _:
                return None
    doubled = {"ge", "gt"} <= found.keys() or {"le", "lt"} <= found.keys()
    if doubled or (float not in kinds and any(type(limit) is not int for limit in found.values())):
        return None  # msgspec has one limit a side, and whole ones for whole numbers
    low, high = (
        ({} if {"ge", "gt"} & found.keys() else {"ge": -EXACT}),
        ({} if {"le", "lt"} & found.keys() else {"le": EXACT}),
    )
    return {**found, **low, **high}

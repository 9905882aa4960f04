"""The base of every typed row. A subclass is the one list of its model's features.

Column order, category codes, canonical form, schema hash, the OpenAPI document and the training columns all
derive from the subclass, so that they cannot disagree.
"""

from __future__ import annotations

import hashlib
import json
import math
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Literal, Self, Union, get_args, get_origin

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

NEVER_SEEN = -1.0
"""Code of a well-formed category that the schema does not list."""

MISSING = math.nan
"""Code of an optional value that was not given."""

Kind = Literal["number", "flag", "date", "category"]

Vector = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Unit:
    """Marks a field's unit: `Annotated[int, Unit("sq ft"), Field(...)]`. Shown as `x-unit` in the OpenAPI."""

    name: str

    def __get_pydantic_json_schema__(self, core: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Add the unit to the field's JSON schema."""
        return {**handler(core), "x-unit": self.name}


@dataclass(frozen=True)
class Levels:
    """Marks a text field as an open category: these levels have codes, other well-formed ones are NEVER_SEEN."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """One feature as the model's matrix sees it."""

    name: str
    kind: Kind
    unit: str | None
    required: bool
    levels: tuple[str, ...] = ()

    @property
    def encode(self) -> Callable[[Any], float]:
        """The function from a validated value to its float code (None becomes MISSING)."""
        if self.kind == "category":
            codes: dict[str | None, float] = {level: float(i) for i, level in enumerate(self.levels)}
            codes[None] = MISSING
            return lambda value: codes.get(value, NEVER_SEEN)
        if self.kind == "date":
            return lambda value: MISSING if value is None else float(value.toordinal())
        # + 0.0 turns -0.0 into 0.0, so that equal rows have equal canonical bytes
        return lambda value: MISSING if value is None else float(value) + 0.0


def iso_date(value: Any) -> Any:
    """Text of the form YYYY-MM-DD as a date; use as a "before" validator of date fields.

    pydantic alone also takes the digits of a Unix timestamp for a date, even when strict.

    Raises:
        PydanticCustomError: another text.
    """
    if not isinstance(value, str):
        return value
    try:
        if (value[4:5], value[7:8], len(value)) == ("-", "-", 10):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise PydanticCustomError("date_parsing", "Input should be a valid date in the format YYYY-MM-DD")


class Features(BaseModel):
    """A validated row. Strict types, no unknown fields, no NaN or infinity; None means missing."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    @cache
    def columns(cls) -> tuple[Column, ...]:
        """The features in matrix order.

        Raises:
            TypeError: a field has a type that no column kind stands for.
        """
        return tuple(_column(name, field) for name, field in cls.model_fields.items())

    @classmethod
    def names(cls) -> list[str]:
        """Feature names in matrix order."""
        return [column.name for column in cls.columns()]

    @classmethod
    @cache
    def schema_hash(cls) -> str:
        """SHA-256 over everything that changes what a value means: order, types, units, limits and levels.

        Titles, descriptions and examples may change freely.
        """
        properties = cls.model_json_schema()["properties"]
        meaning = [
            [column.name, column.kind, column.levels, _without_prose(properties[column.name])]
            for column in cls.columns()
        ]
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()

    @classmethod
    def columns_agree(cls, columns: Mapping[str, Vector]) -> Mask | None:
        """The rules across fields, for many rows at once: True only where a row keeps all of them.

        Define it beside your model validators, and bulk requests need not ask them row by row; a row that is not
        True is asked, and gets its error from there. Without it, every row is.

        Args:
            columns: by feature, the encoded values of shape (n,); missing ones are NaN.
        """
        return None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Validate a JSON-like mapping as a request body would be (dates are ISO 8601 text).

        Raises:
            pydantic.ValidationError: the row breaks the schema.
        """
        return cls.model_validate_json(json.dumps(row))


def _column(name: str, field: FieldInfo) -> Column:
    markers = {type(marker): marker for marker in field.metadata}
    unit = markers[Unit].name if Unit in markers else None
    levels = markers[Levels].values if Levels in markers else ()
    kind, literal_levels = _kind(_without_none(field.annotation), bool(levels))
    if kind is None:
        raise TypeError(
            f"feature {name!r} has type {field.annotation}: use int, float, bool, date, Literal or str + Levels"
        )
    return Column(name, kind, unit, field.is_required(), levels or literal_levels)


def _kind(annotation: Any, has_levels: bool) -> tuple[Kind | None, tuple[str, ...]]:
    if get_origin(annotation) is Literal:
        return "category", get_args(annotation)
    if annotation is str and has_levels:
        return "category", ()
    kinds: dict[Any, Kind] = {bool: "flag", int: "number", float: "number", date: "date"}
    return kinds.get(annotation), ()


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [part for part in get_args(annotation) if part is not type(None)]
        return rest[0] if len(rest) == 1 else annotation
    return annotation


def _without_prose(schema: Any) -> Any:
    if isinstance(schema, dict):
        prose: Iterable[str] = ("title", "description", "examples", "default")
        return {key: _without_prose(value) for key, value in schema.items() if key not in prose}
    return [_without_prose(item) for item in schema] if isinstance(schema, list) else schema

"""A row that is sure is one that the class takes, encoded as the class would; of others the reader is never sure."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Annotated, Any, Self

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, model_validator

from preprocessors.columns import ColumnReader
from preprocessors.encoding import Matrix, RowEncoder
from preprocessors.rows import RowReader
from schemas.features import Features, Mask, Vector
from schemas.house_prices import HouseFeatures
from tests.unit.preprocessors.test_columns import (
    ALMOST,
    CELLS,
    GOOD,
    Agreeing,
    Changed,
    Checked,
    Dated,
    Defaults,
    Every,
    Hooked,
    Late,
    Made,
    Named,
    Stricter,
    asked,
)


def read(rows: type[Features], row: dict[str, Any]) -> Matrix | None:
    """The encoded row, or None when the reader is not sure."""
    reader = RowReader(rows, ColumnReader(rows))
    assert reader.row_type is not None
    try:
        return reader.encode(msgspec.json.decode(json.dumps(row), type=reader.row_type))
    except msgspec.DecodeError:
        return None


@pytest.mark.parametrize(("name", "cell"), [(name, cell) for name, cells in CELLS.items() for cell in cells], ids=repr)
def test_a_single_cell_is_sure_only_where_the_class_takes_it(name: str, cell: Any) -> None:
    row = {**GOOD, name: cell}
    matrix, right = read(Every, row), asked(Every, row)
    doubtful = cell in (ALMOST, 2**53 + 1, 10**30, 1e308) and not isinstance(cell, bool)
    assert (matrix is not None) == (right is not None and not doubtful)
    assert matrix is None or matrix.tobytes() == right


@settings(deadline=None, max_examples=1000, derandomize=True)
@given(st.fixed_dictionaries({}, optional={name: st.sampled_from(cells) for name, cells in CELLS.items()}))
def test_a_sure_row_is_valid_and_encoded_as_the_class_would(row: dict[str, Any]) -> None:
    matrix = read(Every, row)
    assert matrix is None or matrix.tobytes() == asked(Every, row)


@settings(deadline=None, max_examples=1000, derandomize=True)
@given(st.integers(0, 2**64 - 1))
def test_every_number_is_read_to_the_same_bits(bits: int) -> None:
    (number,) = struct.unpack("<d", struct.pack("<Q", bits))
    if not math.isfinite(number):
        return
    row = {**GOOD, "free": number}
    matrix = read(Every, row)
    assert (matrix is None) == (abs(number) > 2**53)
    assert matrix is None or matrix.tobytes() == asked(Every, row)


@pytest.mark.parametrize("rows", [Every, Defaults])
def test_defaults_are_those_of_the_class(rows: type[Features]) -> None:
    given = {**GOOD, **({"last": 3} if rows is Defaults else {})}
    matrix = read(rows, given)
    assert matrix is not None
    assert matrix.tobytes() == RowEncoder(rows).matrix([rows.model_validate_json(json.dumps(given))]).tobytes()


class Backwards(Features):
    """A rule that is asked before validation."""

    low: int

    @model_validator(mode="before")
    @classmethod
    def _any(cls, row: Any) -> Any:
        return row

    @classmethod
    def columns_agree(cls, columns: Mapping[str, Vector]) -> Mask:
        """All of them."""
        every: Mask = np.ones_like(columns["low"], dtype=np.bool_)
        return every


class Fractional(Features):
    """A whole number with a limit that is written as a fraction."""

    low: int = Field(ge=1.0)


class Doubled(Features):
    """Two lower limits."""

    low: Annotated[int, Field(gt=0)] = Field(ge=3)


@pytest.mark.parametrize(
    "rows",
    [Checked, Hooked, Agreeing, Stricter, Changed, Late, Named, Made, Dated, Backwards, Fractional, Doubled],
)
def test_a_class_with_an_unknown_rule_is_never_read(rows: type[Features]) -> None:
    assert RowReader(rows, ColumnReader(rows)).row_type is None


class Odd(Features):
    """Rules across fields that need more than the fields, or give back another row."""

    low: int
    high: int = 0

    @property
    def width(self) -> int:
        """A property, which a plain row has not."""
        return self.high - self.low

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.low == 1 and self.width < 0:
            raise ValueError("high must be at least low")
        return self if self.low != 2 else self.model_copy(update={"high": 7})

    @classmethod
    def columns_agree(cls, columns: Mapping[str, Vector]) -> Mask:
        """The first rule for many rows at once."""
        agree: Mask = columns["low"] <= 0
        return agree


def test_a_rule_that_needs_more_than_the_fields_is_asked_of_the_class() -> None:
    assert read(Odd, {"low": 1, "high": 5}) is None  # AttributeError inside the rule
    assert read(Odd, {"low": 2}) is None  # another row
    sure = read(Odd, {"low": 0, "high": 3})
    assert sure is not None
    assert np.array_equal(sure, [[0.0, 3.0]])


def test_the_house_model_is_read() -> None:
    assert RowReader(HouseFeatures, ColumnReader(HouseFeatures)).row_type is not None

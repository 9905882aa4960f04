"""Columns are read as rows are: the same matrix, and never sure of a row that the class refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from preprocessors import columns
from preprocessors.columns import ColumnReader
from preprocessors.encoding import RowEncoder
from schemas.features import Features, Levels, Mask, Vector, iso_date


class Every(Features):
    """Every kind of column, with every limit."""

    whole: int = Field(gt=-5, lt=50)
    free: float
    step: Annotated[float | None, Field(ge=-1, le=1, multiple_of=0.25)] = None
    even: int = Field(default=2, multiple_of=2)
    flag: bool | None = None
    size: Literal["s", "m"] = "s"
    code: Annotated[str | None, Levels(("a", "b"))] = Field(default="b", pattern=r"^\w$", max_length=1)
    day: date = Field(ge=date(2000, 2, 29), lt=date(2001, 1, 1))
    before: date | None = None

    _iso = field_validator("day", "before", mode="before")(iso_date)

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        if self.step is not None and self.free < self.step:
            raise ValueError("free must be at least step")
        return self

    @classmethod
    def columns_agree(cls, columns: Mapping[str, Vector]) -> Mask:
        """`_fields_agree` for many rows at once."""
        agree: Mask = ~(columns["free"] < columns["step"])
        return agree


ALMOST = 0.25 + 1e-12
"""pydantic forgives so small a difference from a step."""

CELLS: dict[str, list[Any]] = {
    "whole": [-4, 0, 49, -5, 50, 1.0, True, None, 2**53, 2**53 + 1, 10**400, "1", []],
    "free": [0, -0.0, 1.5, 10**30, -(10**400), 1e308, float("nan"), float("inf"), None, False, "x", {}],
    "step": [None, 0.25, -0.5, ALMOST, -1, 1, 0.15, 1.25, float("nan"), "0.25"],
    "even": [0, 2, -4, 3, 2.0, None],
    "flag": [None, True, False, 0, 1, "true"],
    "size": ["s", "m", "S", "", None, 1],
    "code": ["a", "b", "c", "ä", "ab", "", None, 1, ["a"], "\N{GRINNING FACE}"],
    "day": ["2000-02-29", "2000-12-31", "2001-01-01", "2000-02-30", "20000229", "951782400", 951782400, None, ""],
    "before": [None, "0001-01-01", "9999-12-31", "2000-1-1", "x", 0],
}
GOOD: dict[str, Any] = {"whole": 1, "free": 2.5, "day": "2000-06-01"}
READER, ENCODER = ColumnReader(Every), RowEncoder(Every)


def asked(rows: type[Features], row: dict[str, Any]) -> bytes | None:
    """The encoded row, or None if the class refuses it."""
    try:
        return ENCODER.matrix([rows.model_validate_json(json.dumps(row))]).tobytes()
    except ValidationError:
        return None


@settings(deadline=None, max_examples=500, derandomize=True)
@given(st.lists(st.fixed_dictionaries({name: st.sampled_from(cells) for name, cells in CELLS.items()}), min_size=1))
def test_a_sure_row_is_valid_and_encoded_as_the_class_would(rows: list[dict[str, Any]]) -> None:
    matrix, sure = READER.read({name: [row[name] for row in rows] for name in CELLS}, len(rows))
    for row, values, is_sure in zip(rows, matrix, sure, strict=True):
        assert not is_sure or values.tobytes() == asked(Every, row)


@pytest.mark.parametrize(("name", "cell"), [(name, cell) for name, cells in CELLS.items() for cell in cells], ids=repr)
def test_a_single_cell_is_sure_only_where_the_class_takes_it(name: str, cell: Any) -> None:
    row = {**GOOD, name: cell}
    matrix, sure = READER.read({key: [value] for key, value in row.items()}, 1)
    right = asked(Every, row)
    doubtful = cell in (ALMOST, 2**53 + 1, 10**30, 1e308) and not isinstance(cell, bool)  # inexact: sure of nothing
    assert sure[0] == (right is not None and not doubtful)
    assert not sure[0] or matrix.tobytes() == right


def test_absent_columns_have_their_defaults() -> None:
    matrix, sure = READER.read({name: [value] * 3 for name, value in GOOD.items()}, 3)
    assert sure.all()
    assert matrix.tobytes() == (asked(Every, GOOD) or b"") * 3


def test_texts_are_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, cells = ColumnReader(Every), {name: [value] * 5 for name, value in GOOD.items()}
    assert reader.read(cells, 5).sure.all()
    monkeypatch.setattr(columns.Texts, "_learned", lambda _, texts: {} if not texts else pytest.fail(str(texts)))
    assert reader.read(cells, 5).sure.all()


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MOST_KNOWN", 2)
    reader, codes = ColumnReader(Every), list("abcdefgh")
    cells: dict[str, list[Any]] = {**{name: [value] * len(codes) for name, value in GOOD.items()}, "code": codes}
    for _ in range(3):
        matrix, sure = reader.read(cells, len(codes))
        assert sure.all()
        assert matrix[:, 6].tolist() == [0, 1] + [-1] * 6
    for known in reader.readers or ():
        assert len(getattr(known, "_codes", ())) <= 2


class Checked(Features):
    """A rule that only Python knows."""

    odd: Annotated[int, AfterValidator(lambda value: value | 1)]


class Hooked(Features):
    """A field validator."""

    odd: int

    @field_validator("odd")
    @classmethod
    def _odd(cls, value: int) -> int:
        return value | 1


class Agreeing(Features):
    """A rule across fields without its form for columns."""

    low: int

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        return self


class Stricter(Every):
    """A rule across fields below the class that speaks for columns."""

    @model_validator(mode="after")
    def _whole_is_odd(self) -> Self:
        return self


class Changed(Every):
    """A rule across fields that is changed below."""

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        return self


class Late(Features):
    """Something is done after validation."""

    low: int

    def model_post_init(self, _: Any) -> None:
        """Whatever."""


class Named(Features):
    """Another name in JSON."""

    low: int = Field(alias="Low")


class Made(Features):
    """A default that is made."""

    low: int = Field(default_factory=lambda: 3)


class Dated(Features):
    """A date with a limit on a number."""

    huge: int = Field(le=2**60)


@pytest.mark.parametrize("rows", [Checked, Hooked, Agreeing, Stricter, Changed, Late, Named, Made, Dated])
def test_a_class_with_an_unknown_rule_is_never_sure(rows: type[Features]) -> None:
    reader = ColumnReader(rows)
    assert reader.readers is None
    assert not reader.read({name: [1, 1] for name in rows.names()}, 2).sure.any()


def test_a_subclass_without_new_rules_is_known() -> None:
    class Same(Every):
        more: int = 3

    assert ColumnReader(Same).readers
    assert np.array_equal(ColumnReader(Same).read({k: [v] for k, v in GOOD.items()}, 1).matrix[0, -1], 3.0)


class Defaults(Every):
    """Defaults of every kind, before fields without one."""

    since: date = date(2000, 3, 1)
    name: Literal["x", "y"] = "y"
    share: float = 0.5
    last: int


@pytest.mark.parametrize(("name", "cell"), [(name, cell) for name, cells in CELLS.items() for cell in cells], ids=repr)
@pytest.mark.parametrize("rows", [Every, Defaults])
def test_what_msgspec_reads_has_the_types_that_the_class_takes(rows: type[Features], name: str, cell: Any) -> None:
    given = {**GOOD, **({"last": 3} if rows is Defaults else {}), name: cell}
    row_type = ColumnReader(rows).row_type()
    assert row_type is not None
    try:
        row = msgspec.json.decode(json.dumps(given), type=row_type)
    except msgspec.DecodeError:
        return  # it is not sure
    matrix, sure = ColumnReader(rows).read_rows([row])
    if sure[0]:
        validated = rows.model_validate_json(json.dumps(given))
        assert matrix.tobytes() == RowEncoder(rows).matrix([validated]).tobytes()


@pytest.mark.parametrize("rows", [Every, Defaults])
def test_a_row_of_its_defaults_is_sure(rows: type[Features]) -> None:
    given = {**GOOD, **({"last": 3} if rows is Defaults else {})}
    row_type = ColumnReader(rows).row_type()
    assert row_type is not None
    row = msgspec.json.decode(json.dumps(given), type=row_type)
    matrix, sure = ColumnReader(rows).read_rows([row])
    assert sure.all()
    assert matrix.tobytes() == RowEncoder(rows).matrix([rows.model_validate_json(json.dumps(given))]).tobytes()

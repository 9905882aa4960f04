"""Columns of JSON values to the float matrix, many rows at once, by the rules of the row's class.

Nothing here says that a row is wrong. A row is sure when it keeps every rule and the matrix holds what `RowEncoder`
would have made of it; any other row must be asked of the class itself, which then takes it or words the error. So
columns and rows have the same rules and the same errors, and only good rows are fast.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from operator import itemgetter
from types import NoneType
from typing import Annotated, Any, NamedTuple, Protocol

import msgspec
import numpy as np
from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from preprocessors.encoding import Matrix
from schemas.features import MISSING, Column, Features, Mask, Unit, Vector, iso_date

EXACT = 2**53
"""Whole numbers below this one are exact floats."""

MOST_KNOWN = 50_000
"""Texts of one column whose codes are remembered."""

Listed = Sequence[Any]
Cells = Listed | Vector
"""An array has what `CellReader.encode` gives, or numbers of the column's type; NaN is a missing value."""

_PART_ROWS = 1024
"""So many rows are taken apart at a time: their cells are in the processor's cache still when they are encoded."""

Text = str | date | None
"""A category, or a date as it was written or read; a date as text is its ISO 8601."""


class Read(NamedTuple):
    """Encoded rows (n, n_features), and for each whether it is sure; the values of an unsure row mean nothing."""

    matrix: Matrix
    sure: Mask


class CellReader(Protocol):
    """Reads the cells of one column; `kinds` are the Python types that their JSON values have."""

    kinds: set[type]

    def read(self, cells: Cells) -> tuple[Vector, Mask]:
        """The cells as floats, and which of them are surely valid."""

    def encode(self, cells: Listed) -> Vector:
        """Cells of these kinds as floats, whether they keep the column's limits or not.

        Raises:
            KeyError: a text that is not valid.
            OverflowError: a whole number beyond any float.
        """


class ColumnReader:
    """Reads the columns of one feature class.

    Args:
        rows: the feature class.
    """

    def __init__(self, rows: type[Features]) -> None:
        self._rows = rows
        self._defaults = {name: field.default for name, field in rows.model_fields.items()}
        self.readers = _readers(rows)
        """One for each column; None for a class with a rule that is not known here, of which no row is ever sure."""

    def row_type(self) -> type[msgspec.Struct] | None:
        """A row for msgspec to read: cells of exactly the declared types, in their order. None if no row is sure."""
        if self.readers is None:
            return None
        fields = list[tuple[str, Any, Any]]()
        for column, reader in zip(self._rows.columns(), self.readers, strict=True):
            default = msgspec.NODEFAULT if column.required else self._defaults[column.name]
            written = default.isoformat() if isinstance(default, date) else default
            fields.append((column.name, cell_type(reader.kinds), written))
        return struct_of(self._rows.__name__, fields)

    def read_rows(self, rows: Sequence[msgspec.Struct]) -> Read:
        """Encode rows of `row_type`, at least one. The cells are taken out by column, a part of the rows at a time."""
        readers, names = self.readers or (), self._rows.names()
        parts: list[list[Vector]] = [[] for _ in readers]
        try:
            for start in range(0, len(rows), _PART_ROWS):
                columns = zip(*map(msgspec.structs.astuple, rows[start : start + _PART_ROWS]), strict=True)
                for part, reader, cells in zip(parts, readers, columns, strict=True):
                    part.append(reader.encode(cells))
        except (KeyError, OverflowError):
            return Read(np.full((len(rows), len(names)), MISSING), np.zeros(len(rows), dtype=np.bool_))
        return self.read(dict(zip(names, map(np.concatenate, parts), strict=True)), len(rows))

    def read(self, columns: Mapping[str, Cells], count: int) -> Read:
        """Encode columns of `count` cells each; one that is absent has its default in every row."""
        declared = self._rows.columns()
        matrix = np.full((count, len(declared)), MISSING)
        if self.readers is None:
            return Read(matrix, np.zeros(count, dtype=np.bool_))
        sure = np.ones(count, dtype=np.bool_)
        for index, (column, reader) in enumerate(zip(declared, self.readers, strict=True)):
            if column.name in columns:
                matrix[:, index], valid = reader.read(columns[column.name])
                sure &= valid
            else:
                matrix[:, index] = column.encode(self._defaults[column.name])
        agree = self._rows.columns_agree({column.name: matrix[:, i] for i, column in enumerate(declared)})
        return Read(matrix, sure if agree is None else sure & agree)


class _Numbers:
    """Cells of a number or a flag."""

    def __init__(self, kinds: set[type], optional: bool, rules: Sequence[Callable[[Vector], Mask]]) -> None:
        self.kinds, self._optional, self._rules = kinds, optional, rules
        self._whole = float not in kinds

    def read(self, cells: Cells) -> tuple[Vector, Mask]:
        if isinstance(cells, np.ndarray):
            values = cells + 0.0  # -0.0 becomes 0.0
            return values, self._valid(values) | (np.isnan(values) if self._optional else False)
        cells, fits = _of_kinds(cells, self.kinds)
        try:
            values = self.encode(cells) + 0.0
        except OverflowError:
            fits &= np.array([cell is None or abs(cell) < EXACT for cell in cells])
            values = np.array([cell if fit else None for cell, fit in zip(cells, fits, strict=True)], dtype=np.float64)
        valid = self._valid(values)
        if self._optional:
            missing = np.isnan(values)
            if missing.sum() != cells.count(None):  # a NaN that was sent is no missing value
                fits &= np.array([cell is None or cell == cell for cell in cells])
            valid |= missing
        return values, valid & fits

    def encode(self, cells: Listed) -> Vector:
        return _whole(cells) if self._whole else _floats(cells)

    def _valid(self, values: Vector) -> Mask:
        valid: Mask = np.abs(values) < EXACT  # a larger whole number may have been rounded to it
        with np.errstate(invalid="ignore"):  # an infinity breaks the line above already
            for rule in self._rules:
                valid &= rule(values)
        return valid


class Texts:
    """Cells of a category or a date: each text is asked of pydantic once."""

    def __init__(self, column: Column, adapter: TypeAdapter[Any], optional: bool) -> None:
        self._encode, self._adapter = column.encode, adapter
        self.kinds: set[type] = {str, NoneType} if optional else {str}
        self._codes: dict[Text, float] = {}

    def code(self, text: Text) -> float | None:
        """The code of one text; None if it is not surely valid."""
        code = self._codes.get(text)
        return self._known({text}).get(text) if code is None else code

    def read(self, cells: Cells) -> tuple[Vector, Mask]:
        fits = np.ones(len(cells), dtype=np.bool_)
        if isinstance(cells, np.ndarray):
            return cells, fits
        try:
            return self.encode(cells), fits
        except (KeyError, TypeError):  # no valid text, or no text at all: no dict has a list as its key
            cells, fits = _of_kinds(cells, self.kinds)
        codes = list(map(self._known(set(cells)).get, cells))
        if None in codes:
            fits &= np.array([code is not None for code in codes])
        return np.array(codes, dtype=np.float64), fits

    def encode(self, cells: Listed) -> Vector:
        try:
            return _codes(self._codes, cells)
        except KeyError:  # a new text
            return _codes(self._known(set(cells)), cells)

    def _known(self, texts: set[Text]) -> Mapping[Text, float]:
        """The codes of all known texts, which now hold those of these texts that are valid."""
        known = self._codes
        learned = self._learned(texts - known.keys())
        if learned:
            known = known | learned  # a new dict: another thread may be reading the old one
            self._codes = known if len(known) <= MOST_KNOWN else {}
        return known

    def _learned(self, texts: set[Text]) -> dict[Text, float]:
        learned: dict[Text, float] = {}
        for text in texts:
            try:
                learned[text] = self._encode(self._adapter.validate_json(json.dumps(text, default=str)))
            except ValidationError:
                continue  # its row will be asked, and gets the error in its place
        return learned


def _of_kinds(cells: Listed, kinds: set[type]) -> tuple[Listed, Mask]:
    """The cells, None for those of another type, and which are of these types. True is no number: types are exact."""
    if kinds.issuperset(map(type, cells)):
        return cells, np.ones(len(cells), dtype=np.bool_)
    fits = [type(cell) in kinds for cell in cells]
    return [cell if fit else None for cell, fit in zip(cells, fits, strict=True)], np.array(fits)


def _codes(known: Mapping[Text, float], cells: Listed) -> Vector:
    """Raises KeyError if one is not known."""
    return _floats(itemgetter(*cells)(known) if len(cells) > 1 else [known[cell] for cell in cells])


def _floats(cells: Listed) -> Vector:
    """Numbers as floats, None as NaN. Raises OverflowError for a whole number beyond any float."""
    try:
        return np.frombuffer(_packer(f"{len(cells)}d")(*cells))  # a third of the time of np.array
    except struct.error:  # None
        return np.array(cells, dtype=np.float64)


def _whole(cells: Listed) -> Vector:
    """The same of whole numbers and flags, in half of that time."""
    try:
        return np.frombuffer(_packer(f"{len(cells)}q")(*cells), np.int64).astype(np.float64)
    except struct.error:  # None, or more than 64 bits
        return _floats(cells)


@lru_cache(maxsize=256)
def _packer(form: str) -> Callable[..., bytes]:
    """`struct.pack` of one form; that one copies its arguments."""
    return struct.Struct(form).pack


def cell_type(kinds: set[type], *limits: Any) -> Any:
    """These kinds for msgspec, which knows that a float may be written without a point; with limits of the value."""
    plain: Any = float if float in kinds else next(kind for kind in kinds if kind is not NoneType)
    cell = Annotated[(plain, *limits)] if limits else plain
    return cell | None if NoneType in kinds else cell


def struct_of(name: str, fields: Sequence[tuple[str, Any, Any]]) -> type[msgspec.Struct]:
    """A class for msgspec to read that takes these fields (name, type, default) and no others."""
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, kw_only=True, gc=False)


def _readers(rows: type[Features]) -> list[CellReader] | None:
    """A reader for each column, or None when the class has a rule that is not known here."""
    if not _only_known_hooks(rows):
        return None
    readers = [_reader(rows, column, rows.model_fields[column.name]) for column in rows.columns()]
    known = [reader for reader in readers if reader is not None]
    return known if len(known) == len(readers) else None


def _only_known_hooks(rows: type[Features]) -> bool:
    hooks = rows.__pydantic_decorators__
    known = all(hook.func is iso_date and hook.info.mode == "before" for hook in hooks.field_validators.values())
    own = {name for cls in rows.mro()[: rows.mro().index(BaseModel)] for name in vars(cls)}
    foreign = hooks.root_validators or hooks.validators or own & {"__init__", "__get_pydantic_core_schema__"}
    return known and not foreign and rows.__pydantic_post_init__ is None and _agreement_is_whole(rows)


def _agreement_is_whole(rows: type[Features]) -> bool:
    """Whether `columns_agree` speaks for every rule across fields: none was added or changed in a class below it."""
    family = rows.mro()
    speaker = next(i for i, cls in enumerate(family) if "columns_agree" in vars(cls))
    rules = rows.__pydantic_decorators__.model_validators.keys()
    below = {name for cls in family[:speaker] for name in vars(cls)}
    return not rules if family[speaker] is Features else not rules & below


def _reader(rows: type[Features], column: Column, field: FieldInfo) -> CellReader | None:
    if field.alias or field.validation_alias or field.default_factory is not None or field.validate_default:
        return None
    optional = NoneType in getattr(field.annotation, "__args__", ())
    if column.kind in ("category", "date"):
        hooks = rows.__pydantic_decorators__.field_validators.values()
        before = [BeforeValidator(iso_date)] if any(column.name in hook.info.fields for hook in hooks) else []
        adapter: TypeAdapter[Any] = TypeAdapter(
            Annotated[field.annotation, Field(), *field.metadata, *before],  # type: ignore[arg-type]
            config=rows.model_config,
        )
        return Texts(column, adapter, optional)
    rules = [_rule(part) for part in field.metadata if not isinstance(part, Unit)]
    known = [rule for rule in rules if rule is not None]
    kinds = _kinds(column, field) | ({NoneType} if optional else set())
    return _Numbers(kinds, optional, known) if len(known) == len(rules) else None


def _kinds(column: Column, field: FieldInfo) -> set[type]:
    """The Python types that JSON's values have for a number or a flag: a float may be written without a point."""
    if column.kind == "flag":
        return {bool}
    plain = {field.annotation, *getattr(field.annotation, "__args__", ())}
    return {int, float} if float in plain else {int}


def _rule(limit: Any) -> Callable[[Vector], Mask] | None:
    """A limit as a vectorised rule; None for one that is not known. A NaN keeps no rule."""
    match limit:
        case Ge(ge=int() | float() as bound) if abs(bound) <= EXACT:
            return lambda values: values >= bound
        case Gt(gt=int() | float() as bound) if abs(bound) <= EXACT:
            return lambda values: values > bound
        case Le(le=int() | float() as bound) if abs(bound) <= EXACT:
            return lambda values: values <= bound
        case Lt(lt=int() | float() as bound) if abs(bound) <= EXACT:
            return lambda values: values < bound
        case MultipleOf(multiple_of=int() | float() as step) if 0 < step <= EXACT:
            # pydantic forgives a little rounding; what is exact is sure, the rest is asked
            return lambda values: np.fmod(values, step) == 0
    return None

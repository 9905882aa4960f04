"""Bodies of one row: however they are read, the same rows and the same errors come out."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import PlumblineError
from schemas.house_prices import HouseFeatures
from serving.request_reader import Valid
from serving.single_bodies import SingleBodies
from tests.conftest import EXAMPLE
from tests.unit.serving.test_bulk_bodies import BAD, GOOD, OPTIONS

BODIES = SingleBodies(HouseFeatures)


def outcome(read: Callable[[bytes], Valid], body: bytes) -> tuple[Any, ...]:
    """What comes of a body, comparable."""
    try:
        valid = read(body)
    except PlumblineError as error:
        return error.code, error.detail, error.extension
    return valid.matrix.shape, valid.matrix.tobytes(), valid.version, valid.routing_key


@st.composite
def rows(draw: st.DrawFn) -> str:
    """A row as JSON, with a fault in some of them."""
    source = random.Random(draw(st.integers(0, 2**32)))
    names = [name for name in GOOD if source.random() < 0.97]
    source.shuffle(names)
    harm = source.choice([0.0, 0.0, 0.05, 0.3])
    cells = {name: source.choice(BAD[name] if source.random() < harm else GOOD[name]) for name in names}
    return "{" + ",".join(f'"{name}":{cell}' for name, cell in cells.items()) + "}"


@settings(deadline=None, max_examples=5000, derandomize=True)
@given(rows(), OPTIONS)
def test_a_body_is_read_as_pydantic_does(row: str, options: str) -> None:
    body = ('{"features":' + row + options + "}").encode()
    assert outcome(BODIES.read, body) == outcome(BODIES._asked, body)


@settings(deadline=None, max_examples=2000, derandomize=True)
@given(st.integers(0, 500), st.binary(max_size=3), st.booleans())
def test_a_damaged_body_is_read_as_pydantic_does(place: int, damage: bytes, instead: bool) -> None:
    whole = json.dumps({"features": EXAMPLE}).encode()
    body = whole[:place] + damage + whole[place + instead :]
    assert outcome(BODIES.read, body) == outcome(BODIES._asked, body)


def test_ordinary_rows_need_no_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BODIES, "_asked", lambda _: pytest.fail("asked"))
    for extra in ({}, {"version": "a"}, {"routing_key": "k"}, {"version": None}):
        assert BODIES.read(json.dumps({"features": EXAMPLE, **extra}).encode()).version == extra.get("version")


@pytest.mark.parametrize(
    "body",
    ["", "null", "[]", "{}", '{"features":null}', '{"features":{}}', "[" * 5000, '{"features":' + "[" * 5000, "\ud83d"],
)
def test_what_is_no_row_is_refused_alike(body: str) -> None:
    data = body.encode("utf-8", "surrogatepass")
    assert outcome(BODIES.read, data) == outcome(BODIES._asked, data)


def test_equal_names_count_as_pydantic_counts_them() -> None:
    row = json.dumps(EXAMPLE)
    for body in (
        '{"features":' + row[:-1] + ',"bedrooms":2}}',
        '{"features":' + row[:-1] + ',"bedrooms":"x"}}',
        '{"features":{"bedrooms":"x",' + row[1:] + "}",
        '{"features":3,"features":' + row + "}",
        '{"features":' + row + ',"features":3}',
        '{"features":' + row + ',"version":3,"version":"a"}',
    ):
        assert outcome(BODIES.read, body.encode()) == outcome(BODIES._asked, body.encode())

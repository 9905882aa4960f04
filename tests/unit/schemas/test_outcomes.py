"""The outcomes request is strict, and its refusals name field and limit."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.outcomes import MAX_OUTCOMES, OutcomesRequest, OutcomesResponse, RefusedOutcome

GOOD = {"prediction_id": "A" * 64, "actual": 512_000.0}


def refused(body: Any) -> tuple[tuple[int | str, ...], str]:
    """Place and rule of the first error."""
    with pytest.raises(ValidationError) as caught:
        OutcomesRequest.model_validate(body)
    first = caught.value.errors()[0]
    return first["loc"], first["type"]


def test_outcomes_of_whole_and_broken_numbers_are_taken() -> None:
    request = OutcomesRequest.model_validate_json(
        b'{"outcomes":[{"prediction_id":"x","actual":1},{"prediction_id":"y","actual":-2.5}]}'
    )
    assert [outcome.actual for outcome in request.outcomes] == [1.0, -2.5]


@pytest.mark.parametrize("count", [1, MAX_OUTCOMES])
def test_one_to_ten_thousand_are_taken(count: int) -> None:
    assert len(OutcomesRequest.model_validate({"outcomes": [GOOD] * count}).outcomes) == count


@pytest.mark.parametrize(
    ("body", "place", "rule"),
    [
        ({"outcomes": []}, ("outcomes",), "too_short"),
        ({"outcomes": [GOOD] * (MAX_OUTCOMES + 1)}, ("outcomes",), "too_long"),
        ({}, ("outcomes",), "missing"),
        ({"outcomes": [GOOD], "more": 1}, ("more",), "extra_forbidden"),
        ({"outcomes": [{**GOOD, "more": 1}]}, ("outcomes", 0, "more"), "extra_forbidden"),
        ({"outcomes": [{"actual": 1.0}]}, ("outcomes", 0, "prediction_id"), "missing"),
        ({"outcomes": [{**GOOD, "actual": "1"}]}, ("outcomes", 0, "actual"), "float_type"),
        ({"outcomes": [{**GOOD, "actual": None}]}, ("outcomes", 0, "actual"), "float_type"),
        ({"outcomes": [{**GOOD, "actual": True}]}, ("outcomes", 0, "actual"), "float_type"),
        ({"outcomes": [{**GOOD, "actual": float("nan")}]}, ("outcomes", 0, "actual"), "finite_number"),
        ({"outcomes": [{**GOOD, "actual": float("inf")}]}, ("outcomes", 0, "actual"), "finite_number"),
        ({"outcomes": [GOOD, {**GOOD, "prediction_id": 7}]}, ("outcomes", 1, "prediction_id"), "string_type"),
        ({"outcomes": [{**GOOD, "prediction_id": ""}]}, ("outcomes", 0, "prediction_id"), "string_too_short"),
        ({"outcomes": [{**GOOD, "prediction_id": "x" * 257}]}, ("outcomes", 0, "prediction_id"), "string_too_long"),
    ],
)
def test_what_breaks_the_schema_is_named(body: Any, place: tuple[int | str, ...], rule: str) -> None:
    assert refused(body) == (place, rule)


def test_a_number_too_large_for_a_float_is_refused() -> None:
    with pytest.raises(ValidationError):
        OutcomesRequest.model_validate_json(b'{"outcomes":[{"prediction_id":"x","actual":1e999}]}')


def test_the_answer_tells_places_and_reasons() -> None:
    answer = OutcomesResponse(accepted=2, refused=[RefusedOutcome(index=1, reason="duplicate", message="m")])
    assert answer.model_dump_json() == '{"accepted":2,"refused":[{"index":1,"reason":"duplicate","message":"m"}]}'

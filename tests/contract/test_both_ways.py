"""The hot route and BentoML's own typed route answer alike."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.house_prices import AREA_CODES
from tests.inprocess import InProcess

ROW = st.fixed_dictionaries(
    {
        "building_type": st.sampled_from(["single_family", "townhouse"]),
        "area_code": st.one_of(st.sampled_from(AREA_CODES), st.sampled_from(["1", "99"])),
        "living_area_sqft": st.integers(100, 50_000),
        "bedrooms": st.integers(0, 20),
        "building_grade": st.integers(1, 13),
        "age_years": st.integers(100, 200),
        "valuation_date": st.dates(date(2010, 1, 1), date(2017, 12, 31)).map(str),
    },
    optional={
        "lot_area_sqft": st.none() | st.integers(100, 5_000_000),
        "bathrooms": st.none() | st.integers(0, 80).map(lambda quarters: quarters / 4),
        "waterfront": st.booleans(),
        "effective_age_years": st.none() | st.integers(0, 100),
    },
)

BAD: dict[str, list[Any]] = {
    "bedrooms": [-1, 21, 1.5, "3", True, None, [3], 10**30],
    "living_area_sqft": [99, 50_001, "x", {}],
    "area_code": ["", "00", "100", 19, "x" * 500],
    "valuation_date": ["2009-12-31", "2018-01-01", "yesterday", 0, "2016-02-30"],
    "latitude": [47.5, 50.0],  # without a longitude
    "effective_age_years": [201, 200.5],
    "bathrooms": [0.3, -0.25],
    "waterfront": [1, "no"],
    "unknown": [1],
}
WRONG = st.sampled_from([{name: value} for name, values in BAD.items() for value in values])

QUICK = settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(row=ROW)
def test_a_valid_row_gets_the_same_answer(door: InProcess, typed: InProcess, row: dict[str, Any]) -> None:
    body = {"features": row}
    answers = [app.request("POST", "/predict", json=body) for app in (door, typed)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    ours, theirs = (_lasting(answer.json()) for answer in answers)
    assert ours == theirs
    assert list(ours) == list(theirs)


@settings(QUICK, max_examples=50)
@given(rows=st.lists(ROW, min_size=1, max_size=8))
def test_valid_rows_get_the_same_answers(door: InProcess, typed: InProcess, rows: list[dict[str, Any]]) -> None:
    ours, theirs = (app.request("POST", "/predict_batch", json={"rows": rows}).json() for app in (door, typed))
    assert len(ours["predictions"]) == len(rows)
    assert [_lasting(one) for one in ours["predictions"]] == [_lasting(one) for one in theirs["predictions"]]


@QUICK
@given(row=ROW, wrong=WRONG)
def test_a_wrong_row_is_refused_both_ways(
    door: InProcess, typed: InProcess, row: dict[str, Any], wrong: dict[str, Any]
) -> None:
    body = {"features": {**row, **wrong}}
    assert door.request("POST", "/predict", json=body).status_code == 422
    assert typed.request("POST", "/predict", json=body).status_code == 400


@settings(QUICK, max_examples=50)
@given(row=ROW, wrong=WRONG)
def test_one_wrong_row_among_right_ones_is_refused_both_ways(
    door: InProcess, typed: InProcess, row: dict[str, Any], wrong: dict[str, Any]
) -> None:
    body = {"rows": [row, {**row, **wrong}]}
    answer = door.request("POST", "/predict_batch", json=body)
    assert answer.status_code == 422
    assert {error["row"] for error in answer.json()["errors"]} == {1}
    assert typed.request("POST", "/predict_batch", json=body).status_code == 400


def _lasting(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in ("prediction_id", "cached")}

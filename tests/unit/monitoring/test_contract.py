"""The drift contract: what it promises in looks, and what it refuses to promise."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from monitoring.contract import Contract


def test_the_threshold_is_looks_between_false_alarms() -> None:
    contract = Contract(false_alarm_days=30, rows_per_day=10_000, check_rows=100)
    assert contract.checks_per_day == 100
    assert contract.threshold == 3000


def test_the_threshold_of_very_little_traffic_is_still_one_in_a_hundred_looks() -> None:
    assert Contract(rows_per_day=10).threshold == 100


def test_a_contract_survives_json() -> None:
    contract = Contract(false_alarm_days=7, ignore_below=0.05)
    assert Contract.model_validate_json(contract.model_dump_json()) == contract


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("false_alarm_days", 0),
        ("false_alarm_days", float("inf")),
        ("false_alarm_days", float("nan")),
        ("ignore_below", 0),
        ("ignore_below", 0.5),
        ("ignore_below", float("nan")),
        ("rows_per_day", 0),
        ("check_rows", 0),
        ("check_rows", 1.5),
        ("never", 1),
    ],
)
def test_what_cannot_be_promised_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(ValidationError, match=field):
        Contract.model_validate({field: value})

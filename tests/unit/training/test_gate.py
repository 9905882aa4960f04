"""The gate: each condition refuses on its own, at its limit it does not."""

from __future__ import annotations

import pytest

from training.evaluate import Figures
from training.gate import Check, Gate, check, summary

GATE = Gate()
GOOD: Figures = {"mape": 12.0, "bias": -2.0, "coverage": 0.9}
RIDGE: Figures = {"mape": 15.0}


def failed(model: Figures, ridge: Figures = RIDGE, published: Figures | None = None) -> list[str]:
    """Names of the conditions that were not met."""
    return [item.name for item in check(GATE, model, ridge, published) if not item.passed]


def test_good_figures_pass_every_condition() -> None:
    checks = check(GATE, GOOD, RIDGE, {"mape": 12.0})
    assert [item.name for item in checks] == ["mape", "bias", "mape beside ridge", "coverage", "mape beside published"]
    assert all(item.passed for item in checks)


@pytest.mark.parametrize(
    ("changed", "ridge", "published", "name"),
    [
        ({"mape": 13.51}, 15.0, None, "mape"),
        ({"bias": 6.01}, 15.0, None, "bias"),
        ({"bias": -6.01}, 15.0, None, "bias"),
        ({}, 11.99, None, "mape beside ridge"),
        ({}, 12.0, None, "mape beside ridge"),
        ({"coverage": 0.8699}, 15.0, None, "coverage"),
        ({"coverage": 0.9301}, 15.0, None, "coverage"),
        ({}, 15.0, 11.69, "mape beside published"),
    ],
)
def test_each_condition_refuses_on_its_own(changed: Figures, ridge: float, published: float | None, name: str) -> None:
    assert failed({**GOOD, **changed}, {"mape": ridge}, None if published is None else {"mape": published}) == [name]


@pytest.mark.parametrize(
    "changed", [{"mape": 13.5}, {"bias": 6.0}, {"bias": -6.0}, {"coverage": 0.87}, {"coverage": 0.93}]
)
def test_a_figure_at_its_limit_passes(changed: Figures) -> None:
    assert failed({**GOOD, **changed}) == []


@pytest.mark.parametrize("name", ["mape", "bias", "coverage"])
def test_a_figure_that_is_no_number_never_passes(name: str) -> None:
    assert name in failed({**GOOD, name: float("nan")})


def test_a_version_may_be_worse_than_the_published_one_by_the_tolerance() -> None:
    assert failed(GOOD, published={"mape": 11.71}) == []
    (beside,) = [item for item in check(GATE, GOOD, RIDGE, {"mape": 11.0}) if item.name == "mape beside published"]
    assert beside == Check("mape beside published", 12.0, "at most 11.30 %", False)


def test_without_intervals_coverage_is_no_condition() -> None:
    assert "coverage" not in [item.name for item in check(GATE, {"mape": 12.0, "bias": 0.0}, RIDGE, None)]


def test_thresholds_are_those_of_the_gate_that_is_given() -> None:
    strict = Gate(max_mape=11.0, max_abs_bias=1.0, min_coverage=0.91)
    assert [item.name for item in check(strict, GOOD, RIDGE, None) if not item.passed] == ["mape", "bias", "coverage"]


def test_the_summary_holds_verdict_thresholds_and_every_condition() -> None:
    found = summary(GATE, check(GATE, GOOD, RIDGE, None))
    assert found["passed"] is True
    assert found["thresholds"] == {
        "max_mape": 13.5,
        "max_abs_bias": 6.0,
        "min_coverage": 0.87,
        "max_coverage": 0.93,
        "tolerance": 0.3,
    }
    assert found["checks"][0] == {"name": "mape", "figure": 12.0, "limit": "at most 13.5 %", "passed": True}
    assert summary(GATE, check(GATE, {**GOOD, "bias": 9.0}, RIDGE, None))["passed"] is False


def test_without_relative_errors_the_conditions_are_asked_of_the_absolute_one() -> None:
    model: Figures = {"mae": 1.0, "coverage": 0.9}
    names = ["mae beside ridge", "coverage", "mae beside published"]
    checks = check(GATE, model, {"mae": 1.1}, {"mae": 0.998})
    assert [(item.name, item.passed) for item in checks] == [(name, True) for name in names]
    assert failed(model, {"mae": 1.0}) == ["mae beside ridge"]
    assert failed(model, {"mae": 1.1}, {"mae": 0.996}) == ["mae beside published"]  # worse by more than 0.3 %

"""Outcome alarms in plain words: what, how much, since when, on how many outcomes, and what to do."""

from __future__ import annotations

from datetime import UTC, datetime

from monitoring.outcome_contract import Terms
from monitoring.outcomes import LARGE, OUTCOMES, WITH_INTERVAL, Counts, OutcomeFigures

_REMEDY = (
    "Roll back if it began with a rollout. See whether the outcomes are right: their unit, typing errors, which "
    "predictions they are sent for. If they are, train on newer data."
)


def bias_text(terms: Terms, counts: Counts, since: float) -> str:
    """Of counts since the change began, shape (SLOTS,)."""
    bias = OutcomeFigures.of(counts).bias or 0.0
    way = "too low" if bias < 0 else "too high"
    return (
        f"Predictions come out {_amount(terms, abs(bias))} {way} (median) {_on(counts[OUTCOMES], since)}; tolerated "
        f"is at most {_amount(terms, terms.tolerated)}. {_REMEDY}"
    )


def error_text(terms: Terms, counts: Counts, since: float) -> str:
    """Of counts since the change began, shape (SLOTS,)."""
    figures = OutcomeFigures.of(counts)
    return (
        f"{counts[LARGE] / max(1, counts[OUTCOMES]):.0%} of predictions are wrong by more than "
        f"{_amount(terms, terms.large)}, which 25% were in the test of training "
        f"({_on(counts[OUTCOMES], since)}; the median error is {_amount(terms, figures.median_error or 0.0)}). "
        f"{_REMEDY}"
    )


def coverage_text(terms: Terms, counts: Counts, since: float) -> str:
    """Of counts since the change began, shape (SLOTS,)."""
    return (
        f"The intervals hold {OutcomeFigures.of(counts).coverage or 0.0:.0%} of the actual values "
        f"{_on(counts[WITH_INTERVAL], since)}; promised are {terms.promised or 0.0:.0%}. {_REMEDY}"
    )


def cleared_text(text: str, now: float) -> str:
    """The alarm's text, once the evidence is gone."""
    return f"Over since {_day(now)}. It was: {text}"


def _amount(terms: Terms, error: float) -> str:
    if terms.scale.kind == "relative":
        return f"{100 * error:.3g} %"
    return f"{error:.2g} usual errors" if terms.scale.kind == "typical" else f"{error:.2g} quantiles"


def _on(rows: int, since: float) -> str:
    return f"on {rows:,} outcomes since {_day(since)}"


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"

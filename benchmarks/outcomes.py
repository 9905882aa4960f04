"""Proof of the outcome alarms: how often they are wrong, how soon they see, and when they ring on real sales.

`make proof-outcomes`. Streams are drawn; the real part trains on the sales until 2013 in memory, predicts those from
2013 on, and lets each outcome arrive 60 days after its sale through signed ids and the judge, one look a day.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from monitoring.alarms import Alarm, MonitorName
from monitoring.outcome_alarms import OutcomeMonitor
from monitoring.outcome_contract import OutcomeContract, Terms
from monitoring.outcome_errors import Vector
from monitoring.outcome_reference import OutcomeReference
from monitoring.outcomes import SLOTS, Counts, Judge, OutcomeFigures, count
from monitoring.prediction_ids import IdWriter
from monitoring.seen_ids import SeenIds
from registry.bundle import Answers, ModelVersion
from training import fetch
from training.dataset import Dataset, split_by_time, validate
from training.evaluate import outcome_reference
from training.house_prices import RECIPE

SPREAD = 0.12
"""Standard deviation of the drawn errors, in log price."""

PROMISED = 0.9
CONTRACT = OutcomeContract()
DAY_SECONDS = 86_400.0
LATE_DAYS = 60
UNTIL = date(2013, 1, 1)


def terms_of_drawn_errors() -> Terms:
    """The terms of a version whose reference is what is drawn without a change, on 1,400 rows as of a quarter."""
    size = np.abs(np.expm1(np.random.default_rng(0).normal(0, SPREAD, 1_000_000)))
    half, large = (float(np.quantile(size, share)) for share in (0.5, 0.75))
    reference = OutcomeReference(rows=1400, unit=1.0, bias=0.0, median_error=half, large_error=large, coverage=PROMISED)
    return Terms.of("log", reference, PROMISED, CONTRACT)


def drawn(rng: np.random.Generator, bias: Vector, spread: float, coverage: float) -> tuple[Vector, Vector, Vector]:
    """Predictions of 1 with a median error, and interval ends, each shape (n,)."""
    predicted = (1 + bias) * np.exp(rng.normal(0, spread, len(bias)))
    inside = rng.random(len(bias)) < coverage
    return predicted, np.where(inside, 0.5, 2.0), np.full(len(bias), 3.0)


def first_alarms(terms: Terms, stream: tuple[Vector, Vector, Vector], step: int) -> dict[str, int]:
    """After how many outcomes each monitor first rang; those that did not are left out."""
    monitor, totals = OutcomeMonitor("drawn", terms, CONTRACT.threshold), np.zeros(SLOTS, np.int64)
    rang: dict[MonitorName, int] = {}
    for at in range(0, len(stream[0]), step):
        predicted, low, high = (part[at : at + step] for part in stream)
        totals += count(terms, predicted, np.ones(len(predicted)), low, high, predicted)
        for alarm in monitor.look(totals, float(at)):
            rang.setdefault(alarm.monitor, at + len(predicted))
        if len(rang) == len(monitor.evidence):
            break
    return {str(name): at for name, at in rang.items()}


def show_false_alarms(console: Console, terms: Terms, streams: int, length: int) -> None:
    """Streams without a change, and streams at the very edge of what is allowed.

    Beside how many streams rang: outcomes watched for each alarm, which the contract promises to be at least the line.
    """
    assert terms.large_share is not None
    cases = {
        "nothing changes": (0.0, SPREAD, PROMISED),
        "bias at the edge (-3 %)": (-terms.tolerated, SPREAD, PROMISED),
        "coverage at the edge (88 %)": (0.0, SPREAD, PROMISED - CONTRACT.ignore_below),
        "errors at the edge": (0.0, _spread_at(terms), PROMISED),
    }
    table = Table(title=f"{streams} streams of {length:,} outcomes, a look every 5; line {CONTRACT.threshold:,.0f}")
    for name in ("stream", "bias rang in", "error rang in", "coverage rang in"):
        table.add_column(name)
    for name, (bias, spread, coverage) in cases.items():
        rng = np.random.default_rng(1)
        drawings = (drawn(rng, np.full(length, bias), spread, coverage) for _ in range(streams))
        rang = [first_alarms(terms, stream, 5) for stream in drawings]
        table.add_row(name, *(_rarely(rang, monitor, length) for monitor in ("bias", "error", "coverage")))
    console.print(table)


def _rarely(rang: list[dict[str, int]], monitor: str, length: int) -> str:
    alarms = sum(monitor in first for first in rang)
    watched = sum(first.get(monitor, length) for first in rang)
    return f"{alarms} (one in {watched / alarms:,.0f})" if alarms else "0"


def _spread_at(terms: Terms) -> float:
    """The spread at which exactly the allowed share of errors is large."""
    draws = np.random.default_rng(2).normal(0, 1, 200_000)
    spreads = np.linspace(SPREAD, 1.3 * SPREAD, 200)
    shares = [float((np.abs(np.expm1(draws * spread)) > terms.large).mean()) for spread in spreads]
    return float(spreads[int(np.searchsorted(shares, terms.large_share or 0.25)) - 1])


def show_delays(console: Console, terms: Terms, streams: int) -> None:
    """Streams that change at their first outcome, or after 1,000 good ones."""
    length = 4000
    slide = -0.005 * np.arange(length) / 100
    cases = {
        "bias -8 %": ("bias", np.full(length, -0.08), SPREAD, PROMISED),
        "bias +8 %": ("bias", np.full(length, 0.08), SPREAD, PROMISED),
        "bias -5 %": ("bias", np.full(length, -0.05), SPREAD, PROMISED),
        "bias sliding by -0.5 % per 100": ("bias", slide, SPREAD, PROMISED),
        "errors a third larger": ("error", np.zeros(length), SPREAD * 4 / 3, PROMISED),
        "coverage 90 -> 80 %": ("coverage", np.zeros(length), SPREAD, 0.8),
        "coverage 90 -> 85 %": ("coverage", np.zeros(length), SPREAD, 0.85),
    }
    table = Table(title=f"Outcomes until the alarm; {streams} streams each")
    for name in ("change", "at once: median", "90 % of them", "after 1,000 good ones: median", "90 % of them"):
        table.add_column(name, justify="right")
    for name, (monitor, bias, spread, coverage) in cases.items():
        cells = []
        for good in (0, 1000):
            rng, delays = np.random.default_rng(3), []
            for _ in range(streams):
                before = drawn(rng, np.zeros(good), SPREAD, PROMISED)
                after = drawn(rng, bias, spread, coverage)
                whole = tuple(np.concatenate(parts) for parts in zip(before, after, strict=True))
                rang = first_alarms(terms, (whole[0], whole[1], whole[2]), 5)
                delays.append(rang.get(monitor, np.inf) - good)
            cells += [f"{np.quantile(delays, share, method='higher'):,.0f}" for share in (0.5, 0.9)]
        table.add_row(name, *cells)
    console.print(table)


class FrozenModel:
    """Trained on what was known at UNTIL; predicts all later sales."""

    def __init__(self) -> None:
        data, _ = validate(RECIPE.definition.rows, RECIPE.read(fetch.fetch(RECIPE.source)))
        split = split_by_time(data.before(UNTIL), RECIPE.calibration_days)
        fitted = RECIPE.fit(split, lambda text: None)
        assert fitted.interval is not None
        model = ModelVersion(fitted.pipeline, fitted.booster, RECIPE.target, fitted.interval)
        answers = model.predict(model.transform(split.test.raw))
        self.reference = outcome_reference(RECIPE.target.link, split.test.target, answers)
        self.promised = fitted.interval.coverage
        self.later: Dataset = data.where(data.days >= UNTIL.toordinal())
        self.answers: Answers = model.predict(model.transform(self.later.raw))

    @property
    def terms(self) -> Terms:
        """What its outcomes are held against."""
        return Terms.of(RECIPE.target.link, self.reference, self.promised, CONTRACT)

    def days(self) -> Iterator[tuple[float, list[tuple[str, float]]]]:
        """Each day's outcomes with the moment of their arrival; ids as the service would have written them."""
        written, answers = IdWriter(b"k" * 32, "house_prices", "frozen"), self.answers
        assert answers.low is not None
        assert answers.high is not None
        for day in np.unique(self.later.days):
            sold = (date.fromordinal(int(day)) - date(1970, 1, 1)).days * DAY_SECONDS
            mask = self.later.days == day
            parts = [part[mask].tolist() for part in (answers.value, answers.low, answers.high)]
            tokens = written.many(parts[0], parts[1], parts[2], sold)
            yield sold + LATE_DAYS * DAY_SECONDS, list(zip(tokens, self.later.target[mask].tolist(), strict=True))


def show_real_sales(console: Console) -> None:
    """When each alarm rings on a model that is never trained again."""
    frozen = FrozenModel()
    console.print(f"Frozen at {UNTIL}; its last quarter before: {frozen.reference}")
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge([b"k" * 32], "house_prices", SeenIds(Path(folder) / "seen"))
        judge.know("frozen", frozen.terms)
        monitor = OutcomeMonitor("frozen", frozen.terms, CONTRACT.threshold)
        totals: Counts = np.zeros(SLOTS, np.int64)
        refused = 0
        for now, outcomes in frozen.days():
            judged = judge.judge(outcomes, now)
            refused += len(judged.refused)
            totals += judged.counts.get("frozen", 0)
            for alarm in monitor.look(totals, now):
                _show_alarm(console, alarm)
    console.print(f"All of it, {refused} refused: {OutcomeFigures.of(totals)}")


def _show_alarm(console: Console, alarm: Alarm) -> None:
    moment = alarm.rang_at if alarm.cleared_at is None else alarm.cleared_at
    console.print(
        f"[bold]{datetime.fromtimestamp(moment, UTC):%Y-%m-%d} {alarm.monitor} {alarm.state}[/]: {alarm.text}"
    )


def main(arguments: list[str] | None = None) -> None:
    """Print all three parts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outcomes", description=__doc__)
    parser.add_argument("--streams", type=int, default=60, help="streams of each kind")
    options = parser.parse_args(arguments)
    console, terms = Console(soft_wrap=True), terms_of_drawn_errors()
    show_real_sales(console)
    show_delays(console, terms, options.streams)
    show_false_alarms(console, terms, options.streams, int(CONTRACT.threshold))


if __name__ == "__main__":
    main()

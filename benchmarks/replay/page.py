"""The page of a replay: a chart, and a table of when each alarm rang."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import matplotlib as mpl
import numpy as np
import orjson
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter, YearLocator, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from benchmarks.replay.player import Played
from benchmarks.replay.scenarios import BEGIN, CONTRACT, END
from monitoring.alarms import Alarm

QUARTER = 13
"""Weeks over which errors are shown."""

COLOURS = {"drift": "#7f7f7f", "bias": "#d62728", "error": "#ff7f0e", "coverage": "#1f77b4"}

_HEAD = """# Four years of sales

`make replay` trains on 2010 to 2012, serves, and plays the sales of 2013 to 2016 to the real service in the order of
their dates: predictions when a house is sold, the price 60 days later. The service is told the time. Its contract: one
false alarm in {years:g} years at {rows} sales a day, for drift and for each outcome monitor.

![Bias and evidence over time](replay.svg)
"""


def write(played: Sequence[Played], folder: Path) -> None:
    """README.md, replay.svg and results.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(_page(played))
    (folder / "results.json").write_bytes(orjson.dumps([_result(one) for one in played], option=orjson.OPT_INDENT_2))
    draw(played, folder / "replay.svg")


def alarm_line(alarm: Alarm) -> str:
    """One alarm as a row of the table."""
    cleared = _day(alarm.cleared_at) if alarm.cleared_at is not None else "rings on"
    moved = ", ".join(feature.name for feature in alarm.features) or _figure(alarm)
    cells = [
        alarm.version[:8],
        alarm.monitor,
        _day(alarm.rang_at),
        _day(alarm.since),
        f"{alarm.rows:,}",
        cleared,
        moved,
    ]
    return " | ".join(cells)


def _figure(alarm: Alarm) -> str:
    """What an outcome alarm says, without what to do."""
    return alarm.text.split("It was: ")[-1].split(". ")[0].replace("|", "/")


def _page(played: Sequence[Played]) -> str:
    parts = [_HEAD.format(years=CONTRACT.false_alarm_days / 365, rows=CONTRACT.rows_per_day)]
    for one in played:
        parts.append(f"## {one.scenario.title}\n\n{one.predicted:,} predictions, {one.accepted:,} outcomes.\n")
        parts.append(_by_year(one))
        parts.append(_table(one))
    return "\n".join(parts)


def _table(played: Played) -> str:
    if not played.alarms:
        return "No alarm rang.\n"
    head = "| version | monitor | rang | since | rows | cleared | what |\n|---|---|---|---|---|---|---|"
    return "\n".join([head, *(f"| {alarm_line(alarm)} |" for alarm in played.alarms)]) + "\n"


def _by_year(played: Played) -> str:
    lines = ["| | median error | mean absolute error |", "|---|---|---|"]
    for year in range(BEGIN.year, END.year):
        errors = np.array([error for week in played.weeks if week.day.year == year for error in week.errors])
        if len(errors):
            lines.append(f"| {year} | {np.median(errors):+.1%} | {np.abs(errors).mean():.1%} |")
    return "\n".join(lines) + "\n"


def _result(played: Played) -> dict[str, object]:
    return {
        "scenario": played.scenario.name,
        "versions": played.versions,
        "predicted": played.predicted,
        "accepted": played.accepted,
        "alarms": [alarm.model_dump() for alarm in played.alarms],
        "weeks": [
            {"day": week.day.isoformat(), "version": week.version, "evidence": week.evidence, "sales": len(week.errors)}
            for week in played.weeks
        ],
    }


def draw(played: Sequence[Played], path: Path) -> None:
    """Above, the error that nobody knows yet; below, what the monitors of the version that answers know."""
    mpl.rcParams["svg.hashsalt"] = "plumbline"
    canvas = Figure(figsize=(4.6 * len(played), 5.6), layout="constrained")
    grid = canvas.subplots(2, len(played), sharex=True, sharey="row", squeeze=False)
    for column, one in enumerate(played):
        _draw_errors(grid[0][column], one)
        _draw_evidence(grid[1][column], one)
    grid[0][0].set_ylabel("signed median error, a quarter")
    grid[1][0].set_ylabel("evidence / line (log10 of each)")
    handles, labels = grid[1][0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    canvas.savefig(path, format="svg", metadata={"Date": None})


def _draw_errors(axes: Axes, played: Played) -> None:
    weeks = [week for week in played.weeks if week.errors]
    shown = [
        np.median([e for week in weeks[max(0, i - QUARTER + 1) : i + 1] for e in week.errors])
        for i in range(len(weeks))
    ]
    days = [_number_of(week.day) for week in weeks]
    axes.axhspan(-0.03, 0.03, color="#2ca02c", alpha=0.12)
    axes.plot(days, shown, color="#222222")
    axes.set_title(played.scenario.title, fontsize=9)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid(alpha=0.3)
    for alarm in played.alarms:
        axes.axvline(_number(alarm.rang_at), color=COLOURS[alarm.monitor], linewidth=1.2)


def _draw_evidence(axes: Axes, played: Played) -> None:
    days = [_number_of(week.day + timedelta(days=7)) for week in played.weeks]
    for monitor, colour in COLOURS.items():
        line = played.lines.get(monitor)
        if line:
            shown = [min(week.evidence.get(monitor, 0.0) / line, 2.0) for week in played.weeks]
            axes.plot(days, shown, color=colour, label=monitor, linewidth=1.2)
    axes.axhline(1.0, color="#222222", linestyle="--", linewidth=1, label="alarm line")
    axes.xaxis.set_major_locator(YearLocator())  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(DateFormatter("%Y"))  # type: ignore[no-untyped-call]
    axes.grid(alpha=0.3)


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def _number(at: float) -> float:
    return _number_of(datetime.fromtimestamp(at, UTC).date())


def _number_of(day: date) -> float:
    return float(date2num(day))  # type: ignore[no-untyped-call]

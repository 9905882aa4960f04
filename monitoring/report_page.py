"""The report as a page: what the figures say, in the order in which one asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from monitoring import page
from monitoring.log_reader import Reading
from monitoring.report_features import LogFeatures
from monitoring.report_figures import ERROR, LATENCY, OTHERS, PREDICTION, Figures, OutcomeFigures
from monitoring.sketches import Cell
from monitoring.svg_charts import (
    Line,
    Steps,
    line_chart,
    number_text,
    percent_text,
    scatter_chart,
    stacked_chart,
    time_text,
)

MOST_STEPS = 60
"""Steps of time in a chart: on a phone more are a blur."""


class Report(NamedTuple):
    """All that a report says.

    Args:
        figures: of the log, and of the outcomes if there are any.
        features: the distributions; None without any row.
        reference: what the distributions stand beside, in a few words.
        reading: how the log read.
    """

    figures: Figures
    features: LogFeatures | None
    reference: str
    reading: Reading


def render(report: Report) -> bytes:
    """The report as one HTML file."""
    figures = report.figures
    span = f"{time_text(figures.first)} to {time_text(figures.last)} UTC" if figures.lines else "no rows"
    body = f'<header><h1>Prediction log</h1><p class="quiet">{span}</p></header><main>'
    body += "".join(map(page.notice, _notices(report))) + _glance(report)
    body += _traffic(figures) + _outcomes(figures) + _features(report) + _strange(figures) + "</main>"
    return page.page("Prediction log", body)


def _notices(report: Report) -> list[str]:
    figures, reading, said = report.figures, report.reading, []
    if not figures.lines:
        said.append("The log holds no rows.")
    if reading.bad:
        said.append(f"{reading.bad:,} lines of the log could not be read and are left out.")
    if reading.unreadable_files:
        said.append(f"{reading.unreadable_files:,} files of the log could not be opened and are left out.")
    if figures.outcomes is not None:
        said += _outcome_notices(figures)
    return said


def _outcome_notices(figures: Figures) -> list[str]:
    outcomes, said = figures.outcomes, []
    assert outcomes is not None
    if outcomes.reading.bad:
        said.append(f"{outcomes.reading.bad:,} outcomes could not be read and are left out.")
    if outcomes.doubled:
        said.append(f"{outcomes.doubled:,} outcomes came for a prediction that had one; the first counts.")
    if not figures.all_outcomes.count:
        said.append("No outcome belongs to a row of the log.")
    elif outcomes.not_in_log:
        said.append(
            f"{outcomes.not_in_log:,} of {outcomes.reading.rows:,} outcomes belong to predictions that are not in the "
            "log: not sampled, deleted by rotation, or of another log."
        )
    return said


def _glance(report: Report) -> str:
    figures = report.figures
    if not figures.lines:
        return ""
    sampled = figures.rows > 1.001 * figures.lines
    lines = f"of which {figures.lines:,} are in the log" if sampled else "each of them in the log"
    moved = [name for name, count in _moved(report) if count]
    told = [
        ("Predictions", f"{figures.rows:,.0f}", lines),
        ("Versions", f"{len({version for version, _ in figures.versions}):,}", "that answered"),
        ("Cached", percent_text(figures.cached / figures.rows), "of the answers"),
        ("Unlike training", f"{figures.strange_rows:,}", "rows, all of them logged"),
        ("Moved", f"{len(moved)} of {len(_moved(report))}", "distributions, the prediction included"),
    ]
    if figures.latency.total:
        told.append(("Latency P95", f"{number_text(figures.latency.quantile(0.95))} ms", "from rows to predictions"))
    if (judged := figures.all_outcomes).count:
        told.append(
            ("Median error", _error_text(figures, judged.errors.quantile(0.5)), f"of {judged.count:,} outcomes")
        )
    return page.glance(told)


def _traffic(figures: Figures) -> str:
    cells = figures.timeline.cells(MOST_STEPS)
    if not cells:
        return ""
    steps = Steps([start for start, _ in cells], figures.timeline.width)
    shown = _versions(figures)
    parts = [
        Line(name, [_rows_of(cell, name, shown) for _, cell in cells], f"s{shade}") for shade, name in enumerate(shown)
    ]
    value = {share: [cell.sketches[PREDICTION].quantile(share) for _, cell in cells] for share in (0.1, 0.5, 0.9)}
    charts = [
        page.card(
            f"Predictions per {_width_text(steps.width)}, by version",
            stacked_chart("Predictions over time by version", steps, parts, number_text),
            key=[(part.name, part.style) for part in parts],
        ),
        page.card(
            "Value of the predictions",
            line_chart(
                "Value over time", steps, [Line("median", value[0.5], "s0")], number_text, (value[0.1], value[0.9])
            ),
            key=[("median", "s0"), ("the middle 80 %", "soft")],
        ),
        _latency(cells, steps),
    ]
    shares = page.table(("Version", "Variant", "Predictions", "Share"), _shares(figures))
    return page.section("Predictions over time", "", page.cards(charts) + page.wide_card(shares))


def _latency(cells: Sequence[tuple[float, Cell]], steps: Steps) -> str:
    lines = [
        Line(f"P{100 * share:g}", [cell.sketches[LATENCY].quantile(share) for _, cell in cells], f"s{shade}")
        for shade, share in enumerate((0.5, 0.95, 0.99))
    ]
    chart = line_chart("Latency over time", steps, lines, number_text, None)
    return page.card("Latency, in milliseconds", chart, key=[(line.name, line.style) for line in lines])


def _versions(figures: Figures) -> list[str]:
    """The versions that have a colour of their own, those with most rows first; the rest share one."""
    rows: dict[str, float] = {}
    for (version, _), weight in figures.versions.items():
        rows[version] = rows.get(version, 0.0) + weight
    names = sorted(rows, key=lambda name: -rows[name])
    return names if len(names) <= page.SHADES else [*names[: page.SHADES - 1], OTHERS]


def _rows_of(cell: Cell, name: str, shown: Sequence[str]) -> float:
    if name != OTHERS:
        return cell.sums.get(name, 0.0)
    return sum(weight for version, weight in cell.sums.items() if version == OTHERS or version not in shown)


def _shares(figures: Figures) -> list[tuple[str, str, str, str]]:
    ordered = sorted(figures.versions.items(), key=lambda item: -item[1])
    return [
        (version, variant, f"{weight:,.0f}", percent_text(weight / figures.rows))
        for (version, variant), weight in ordered
    ]


def _outcomes(figures: Figures) -> str:
    cells = figures.outcome_timeline.cells(MOST_STEPS)
    if not cells:
        return ""
    steps = Steps([start for start, _ in cells], figures.outcome_timeline.width)
    error = {share: [cell.sketches[ERROR].quantile(share) for _, cell in cells] for share in (0.25, 0.5, 0.75)}
    zero = Line("no error", [0.0] * len(cells), "guide")
    text = percent_text if figures.relative else number_text
    charts = [
        page.card(
            "Predicted (up) against actual (across)",
            scatter_chart(
                "Predicted against actual", [pair[::-1] for pair in figures.points], number_text, _is_log(figures)
            ),
            note=f"{len(figures.points):,} outcomes, chosen by chance"
            if figures.all_outcomes.count > len(figures.points)
            else "",
            key=[("both equal", "guide")],
        ),
        page.card(
            "Signed error, by the time of the prediction",
            line_chart(
                "Signed error over time",
                steps,
                [zero, Line("median", error[0.5], "s0")],
                text,
                (error[0.25], error[0.75]),
            ),
            key=[("median", "s0"), ("the middle half", "soft"), ("no error", "guide")],
        ),
        _coverage(figures, cells, steps),
    ]
    head = ("Version", "Outcomes", "Median error", "Mean size", "Median size", "Inside", "Promised")
    rows = [_judged(figures, name, found) for name, found in sorted(figures.by_version.items())]
    if len(rows) > 1:
        rows.append(_judged(figures, "all", figures.all_outcomes))
    kind = "predicted / actual - 1" if figures.relative else "predicted - actual"
    note = (
        f"An error is {kind}: below zero the prediction is too low. Inside: share of actual values in their interval."
    )
    return page.section("Outcomes", note, page.cards(charts) + page.wide_card(page.table(head, rows)))


def _coverage(figures: Figures, cells: Sequence[tuple[float, Cell]], steps: Steps) -> str:
    judged = figures.all_outcomes
    if not judged.with_interval:
        return ""
    share = [_ratio(cell.sums.get("inside", 0.0), cell.sums.get("with_interval", 0.0)) for _, cell in cells]
    promise = Line("promised", [judged.promised / judged.with_interval] * len(cells), "guide")
    chart = line_chart("Coverage over time", steps, [promise, Line("inside", share, "s0")], percent_text, None)
    return page.card("Actual values inside their interval", chart, key=[("inside", "s0"), ("promised", "guide")])


def _judged(figures: Figures, name: str, found: OutcomeFigures) -> tuple[str, ...]:
    return (
        name,
        f"{found.count:,}",
        _error_text(figures, found.errors.quantile(0.5)),
        _error_text(figures, _ratio(found.absolute, found.weight)),
        _error_text(figures, found.sizes.quantile(0.5)),
        percent_text(_ratio(found.inside, found.with_interval)),
        percent_text(_ratio(found.promised, found.with_interval)),
    )


def _error_text(figures: Figures, error: float) -> str:
    return percent_text(error) if figures.relative else number_text(error)


def _is_log(figures: Figures) -> bool:
    """Whether the pairs are positive and span so much that a linear scale would hide most of them."""
    values = [value for pair in figures.points for value in pair]
    return bool(values) and min(values) > 0 and max(values) > 8 * min(values)


def _moved(report: Report) -> list[tuple[str, int]]:
    """Each distribution with the number of its bins that moved."""
    columns = report.features.columns if report.features else []
    return [(counts.column.name, sum(bin_.moved for bin_ in counts.bins())) for counts in columns if counts.rows]


def _features(report: Report) -> str:
    if report.features is None:
        return ""
    drawn = []
    for counts in report.features.columns:
        bins = counts.bins()
        distance = sum(abs(bin_.live - bin_.reference) for bin_ in bins) / 2
        moved = sum(bin_.moved for bin_ in bins)
        mark = f"{percent_text(distance)} moved" if moved else f"{percent_text(distance)} differ"
        note = "" if not counts.unreadable else f"{counts.unreadable:,} values could not be read (are they hashed?)"
        if not bins:
            continue
        drawn.append((bool(moved), distance, page.card(counts.column.name, page.bins_table(bins), note, mark=mark)))
    drawn.sort(key=lambda part: part[:2], reverse=True)
    unseen = [counts.column.name for counts in report.features.columns if not counts.rows]
    note = (
        f"Pale bars: {report.reference}. Strong bars and figures: this log. The share of rows that differs "
        "stands beside the name. ▲ and ▼ mark bins whose share moved by more than 2 points and 4 standard errors."
    )
    if unseen:
        note += f" Not in the log: {', '.join(unseen)}."
    return page.section("Features and prediction", note, page.cards([part[2] for part in drawn], are_equal=False))


def _strange(figures: Figures) -> str:
    rows = [
        (name, f"{count:,}", percent_text(count / figures.rows) if figures.rows else "-")
        for name, count in figures.strange.most_common(50)
    ]
    note = (
        "Model inputs outside their range in training, computed ones too, and categories never seen. Rows with any are "
        "always logged."
    )
    body = page.table(("Model input", "Rows", "Share of all"), rows)
    return page.section("Unlike training", note, page.wide_card(body))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _width_text(seconds: float) -> str:
    for size, unit in ((86_400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second")):
        if seconds >= size:
            count = seconds / size
            return unit if count == 1 else f"{count:g} {unit}s"
    return f"{seconds:g} seconds"

"""The report page of a run: figures, slices and plots in one self-contained HTML file."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from html import escape
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from registry.bundle import Answers
from training.dataset import Dataset
from training.evaluate import Figures
from training.gate import Check

_COLUMNS = {
    "rows": "Rows",
    "mape": "MAPE, %",
    "median_ape": "Median APE, %",
    "bias": "Signed median error, %",
    "within_10": "Within 10 %, %",
    "mae": "MAE",
    "r2": "R2",
    "coverage": "Coverage",
    "interval_width": "Interval width, %",
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; font-size: .85rem; }}
th, td {{ padding: .2rem .5rem; text-align: right; border-bottom: 1px solid #8886; white-space: nowrap; }}
th:first-child, td:first-child {{ text-align: left; }}
img {{ max-width: 100%; background: white; border-radius: .3rem; }}
.failed {{ color: #d33; font-weight: 600; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{subtitle}</p>
{body}
</body>
</html>
"""


def write(
    path: Path,
    title: str,
    subtitle: str,
    metrics: Mapping[str, Figures],
    slices: Mapping[str, Mapping[str, Figures]],
    checks: Sequence[Check],
    test: Dataset,
    answers: Answers,
    importance: Mapping[str, float],
) -> Path:
    """Write the page and return its path.

    Args:
        metrics: figures on the test quarter, by predictor.
        importance: gain by model input.
    """
    plots = [
        _plot("Predicted against actual", lambda axes: _scatter(axes, test, answers)),
        _plot("Relative error by month of the test quarter, %", lambda axes: _residuals(axes, test, answers)),
        _plot("Importance (share of gain)", lambda axes: _importance(axes, importance)),
    ]
    sections = [
        f"<h2>Test quarter</h2>{_table(metrics)}",
        f"<h2>Gate</h2>{_gate(checks)}",
        *plots,
        *(f"<h2>By {escape(kind)}</h2>{_table(part)}" for kind, part in slices.items()),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    page = _PAGE.format(title=escape(title), subtitle=escape(subtitle), body="\n".join(sections))
    path.write_text(page, encoding="utf-8")
    return path


def _table(rows: Mapping[str, Figures]) -> str:
    present = [key for key in _COLUMNS if any(key in figures for figures in rows.values())]
    head = "".join(f"<th>{_COLUMNS[key]}</th>" for key in present)
    body = "".join(
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{_cell(key, figures)}</td>' for key in present)}</tr>"
        for name, figures in rows.items()
    )
    return f"<table><tr><th></th>{head}</tr>{body}</table>"


def _cell(key: str, figures: Figures) -> str:
    if key not in figures:
        return ""
    value = figures[key]
    if key in ("r2", "coverage"):
        return f"{value:.3f}"
    return f"{value:,.0f}" if key == "rows" or abs(value) >= 1000 else f"{value:.2f}"


def _gate(checks: Sequence[Check]) -> str:
    rows = "".join(
        f"<tr><td>{escape(check.name)}</td><td>{check.figure:.4g}</td><td>{escape(check.limit)}</td>"
        f"<td>{'passed' if check.passed else '<span class=failed>failed</span>'}</td></tr>"
        for check in checks
    )
    return f"<table><tr><th>Condition</th><th>Figure</th><th>Limit</th><th></th></tr>{rows}</table>"


def _plot(title: str, draw: Callable[[Axes], None]) -> str:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    draw(figure.subplots())
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    image = base64.b64encode(buffer.getvalue()).decode()
    return f'<h2>{escape(title)}</h2><img alt="{escape(title)}" src="data:image/png;base64,{image}">'


def _scatter(axes: Axes, test: Dataset, answers: Answers) -> None:
    low, high = test.target.min(), test.target.max()
    axes.loglog(test.target, answers.value, ".", markersize=3, alpha=0.4)
    axes.loglog([low, high], [low, high], color="black", linewidth=1)
    axes.set_xlabel("actual")
    axes.set_ylabel("predicted")


def _residuals(axes: Axes, test: Dataset, answers: Answers) -> None:
    relative = 100 * (answers.value / test.target - 1)
    months = np.array([date.fromordinal(int(day)).strftime("%Y-%m") for day in test.days])
    names = sorted(set(months.tolist()))
    axes.boxplot([relative[months == name] for name in names], tick_labels=names, showfliers=False)
    axes.axhline(0, color="black", linewidth=1)
    axes.set_ylabel("predicted / actual - 1, %")


def _importance(axes: Axes, importance: Mapping[str, float]) -> None:
    total = sum(importance.values()) or 1.0
    top = sorted(importance.items(), key=lambda item: item[1])[-15:]
    axes.barh([name for name, _ in top], [gain / total for _, gain in top])

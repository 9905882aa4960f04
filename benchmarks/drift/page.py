"""docs/benchmarks/drift: the page and the chart, from results.json."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.drift.measure import EVIDENTLY, OURS, PATIENCE, Results, middle
from benchmarks.drift.streams import SCENARIOS
from benchmarks.tables import number, table


def page(results: Results) -> str:
    """The whole page."""
    return (
        "\n\n".join([_head(results), _quiet(results), _changes(results), _promises(results), _machine(results)]) + "\n"
    )


def draw(results: Results, path: Path) -> None:
    """Rows until a change is seen, as the share of streams that have; equal figures give equal bytes."""
    mpl.rcParams["svg.hashsalt"] = "plumbline"
    canvas = Figure(figsize=(10, 6.5), layout="constrained")
    for axes, scenario in zip(canvas.subplots(2, 2).flat, SCENARIOS, strict=True):
        for name, delays in results["changes"][scenario.title].items():
            _line(axes, name, delays)
        axes.axvline(scenario.limit, color="grey", linestyle=":", linewidth=1)
        axes.set(xscale="log", xlim=(90, PATIENCE), ylim=(0, 1.02), title=scenario.title)
        axes.grid(alpha=0.3)
    for axes in canvas.axes[2:]:
        axes.set_xlabel("rows since the change (dotted: where half of ours must have rung)", fontsize=8)
    canvas.supylabel("streams in which it was seen", fontsize=9)
    handles, labels = canvas.axes[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    canvas.savefig(path, format="svg", metadata={"Date": None})


def failures(results: Results) -> list[str]:
    """The promises that these results break; none, if all is well."""
    broken = []
    if results["quiet"][OURS]["rang"]:
        broken.append(f"{results['quiet'][OURS]['rang']} streams without drift rang")
    for scenario in SCENARIOS:
        delay = middle(results["changes"][scenario.title][OURS])
        if delay is None or delay > scenario.limit:
            broken.append(f"{scenario.title}: median {number(delay)} rows, allowed are {scenario.limit:,}")
    return broken


def _line(axes: Any, name: str, delays: list[int | None]) -> None:
    seen = np.sort([delay for delay in delays if delay is not None])
    shares = np.arange(1, len(seen) + 1) / len(delays)
    ends = np.concatenate([[90], seen, [PATIENCE]])
    heights = np.concatenate([[0], shares, shares[-1:] if len(shares) else [0]])
    axes.step(ends, heights, where="post", label=name, linewidth=3.0 if name == OURS else 1.5)


def _head(results: Results) -> str:
    return (
        "# Drift alarms beside each other\n\n"
        "Written by `make proof-drift`; [results.json](results.json) has every stream. Eight numbers of different "
        "shapes and three categories of 4, 10 and 100 levels; 20,000 rows of reference, drawn anew for each stream; a "
        "look every 100 rows. Plumbline has its usual contract: at most one false alarm in 30 days of 100 looks, and "
        "movements under 2 % ignored. The others compare a window of the last 1,000 rows with the reference. "
        "A change is seen when its column is named.\n\n![Rows until a change is seen](drift.svg)"
    )


def _quiet(results: Results) -> str:
    rows = []
    for name, figures in results["quiet"].items():
        streams = figures["streams"]
        first = f"{median(figures['first']):,.0f}" if figures["first"] else "-"
        cost = None if figures["seconds"] is None else 1000 * figures["seconds"] / figures["looks"]
        every = "not run" if figures["rang"] is None else f"{figures['rang']} of {streams}"
        cells = [f"{figures['rows']:,}", every, f"{figures['rang_without']} of {streams}", first]
        rows.append([name, *cells, number(cost, 2)])
    head = ["", "rows a stream", "ever rang", "without the 100 levels", "median row of the first", "CPU of a look, ms"]
    note = "Times are of the looks until the first alarm, in a process that others may have slowed."
    return f"## Streams without drift\n\n{table(head, rows)}\n\n{note}"


def _changes(results: Results) -> str:
    head = ["", *(scenario.title for scenario in SCENARIOS)]
    rows = []
    for name in results["changes"][SCENARIOS[0].title]:
        cells = [_cell(results["changes"][scenario.title][name]) for scenario in SCENARIOS]
        rows.append([name, *cells])
    note = (
        f"A change begins after 5,000 rows. Median rows until it is seen, and in how many streams within {PATIENCE:,}. "
        "Missing values are left out by the others, so they cannot see them."
    )
    return f"## Rows until a change is seen\n\n{table(head, rows)}\n\n{note}"


def _cell(delays: list[int | None]) -> str:
    seen = sum(delay is not None for delay in delays)
    delay = middle(delays)
    return f"{'never' if delay is None else number(delay)} ({seen} of {len(delays)})"


def _promises(results: Results) -> str:
    broken = failures(results)
    said = "All are kept." if not broken else "Broken: " + "; ".join(broken) + "."
    limits = "; ".join(f"{scenario.title} {scenario.limit:,}" for scenario in SCENARIOS)
    return f"## Promises\n\nNo false alarm in these streams; median rows at most: {limits}. {said}"


def _machine(results: Results) -> str:
    lines = [f"- {name}: {value}" for name, value in results["environment"].items()]
    if EVIDENTLY not in results["quiet"]:
        lines.append(f"- {EVIDENTLY}: absent")
    return "## Where it ran\n\n" + "\n".join(lines)

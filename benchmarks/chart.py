"""The chart: throughput and p99 by number of connections."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks import figures
from benchmarks.figures import Results

LEFT_OUT = ("hits", "misses", "unwatched")


def draw(results: Results, path: Path) -> None:
    """Write the chart as SVG; equal figures give equal bytes."""
    mpl.rcParams["svg.hashsalt"] = "plumbline"
    canvas = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = canvas.subplots(1, 2)
    for axes, key, title in (
        (left, "per_second", "Requests a second"),
        (right, "p99_ms", "99th percentile of latency, ms"),
    ):
        for name, server in results["servers"].items():
            if name not in LEFT_OUT:
                _line(axes, results, name, key, server["title"])
        axes.set(xscale="log", yscale="log", title=title, xlabel="connections")
        ticks = figures.connections(results)
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    handles, labels = left.get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    canvas.savefig(path, format="svg", metadata={"Date": None})


def _line(axes: object, results: Results, name: str, key: str, title: str) -> None:
    points = [(count, figures.figure(results, name, count, key)) for count in figures.connections(results)]
    seen = [(count, value) for count, value in points if value]
    width = {"plumbline": 3.0}.get(name, 1.5)
    style = "--" if name == "floor" else "-"
    counts, values = [count for count, _ in seen], [value for _, value in seen]
    axes.plot(counts, values, style, marker="o", linewidth=width, label=title)  # type: ignore[attr-defined]

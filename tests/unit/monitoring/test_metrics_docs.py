"""docs/metrics.md lists what the table of metrics has."""

from __future__ import annotations

from monitoring.metrics import INTERNAL, TABLE, Metric
from tests.unit.serving.documented import between_markers, table

MOST_SHOWN = 8


def test_docs_list_every_metric_as_the_code_has_it() -> None:
    assert between_markers("metrics.md", "metrics") == metrics_table()


def metrics_table() -> str:
    """The table that docs/metrics.md must hold; to renew it, paste what this returns."""
    shown = [metric for metric in TABLE if metric.name not in INTERNAL]
    return table(("Metric", "Kind", "Of", "Labels", "What it is"), map(_line, shown))


def _line(metric: Metric) -> tuple[str, ...]:
    labels = [f"`{name}`{_values(values)}" for name, values in metric.labels.items()]
    labels += ["`worker`"] if metric.by_worker else []
    return f"`{metric.name}`", metric.kind, metric.scope, ", ".join(labels), metric.help


def _values(values: tuple[str, ...]) -> str:
    return f" ({', '.join(values)})" if 0 < len(values) <= MOST_SHOWN else ""

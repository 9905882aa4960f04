"""Writes docs/metrics.md from the table of metrics: `python -m monitoring.metrics_page`, or `make metrics-docs`."""

from __future__ import annotations

from pathlib import Path

from monitoring.metrics import INTERNAL, PREFIX, TABLE, Metric, Scope

PAGE = Path(__file__).parent.parent / "docs" / "metrics.md"

MOST_NAMED = 12
"""Labels with more values are described."""

OPEN_VALUES = {
    ("requests_total", "endpoint"): "paths that the service has, or `other`",
    ("requests_total", "code"): "`ok`, or a code of [errors.md](errors.md), or `other`",
    ("errors_total", "code"): "codes of [errors.md](errors.md), or `other`",
    ("refused_versions_total", "reason"): "reasons of `registry/errors.py`, or `other`",
    ("outcomes_refused_total", "reason"): "reasons of [outcomes.md](outcomes.md)",
    ("feature_bin_total", "feature"): "fields of the schema, and `prediction`",
    ("feature_bin_total", "bin"): "bins of the version's reference profile",
    ("feature_reference_share", "feature"): "fields of the schema, and `prediction`",
    ("feature_reference_share", "bin"): "bins of the version's reference profile",
    ("out_of_range_total", "feature"): "fields and model inputs, or `other`",
    ("outcome_error_bin_total", "bin"): "bins of the signed error, by their upper edge in percent",
    ("feature_evidence", "feature"): "fields of the schema, and `prediction`",
}
"""What the values are that depend on the service or on the version, and of labels with many."""

HEAD = """# Metrics

`GET /metrics` answers in Prometheus's text format. Any worker answers for all workers of its replica: counts are kept
in files that they share, so they are exact over workers, and outlive a worker that is killed. Label values are bounded,
and counters exist from the start, at 0.

This page is written from `monitoring/metrics.py` by `make metrics-docs`; a test compares them.
"""

SECTIONS: dict[Scope, str] = {
    "service": "\n## Of the service\n\nEach carries the label `model`.\n\n",
    "version": "\n## Of a version\n\nEach carries the labels `model` and `version`; shadow versions have them too. "
    "Figures that\nneed outcomes or a look of the monitors are absent until the first.\n\n",
}


TAIL = """
## What they mean together

- Over a fleet: counters add up. `sum by (version, feature, bin) (plumbline_feature_bin_total)` beside
  `plumbline_feature_reference_share` gives the population stability index of all replicas together; the recording rules
  in `monitoring/prometheus/` do that. Replicas must not share a state folder, or each would show the sum.
- `evidence` reaches `alarm_line` when an alarm rings; both are log10 of an e-value ([monitoring.md](monitoring.md)).
  They belong to one host: each watches the rows that it saw.
- `outcome_bias_ratio` and its neighbours are over all outcomes of a version since it went live; `increase` of
  `outcome_error_bin_total` gives the same for a span of time.
- `stage_seconds`: `validate` reads the body, `queue` waits for the model, `preprocess` and `predict` are those of the
  batch, `total` is from the parsed request to the written answer. Answers from the cache have no queue and no batch.
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(text + _table(scope) for scope, text in SECTIONS.items()) + TAIL


def _table(scope: Scope) -> str:
    shown = [metric for metric in TABLE if metric.scope == scope and metric.name not in INTERNAL]
    lines = ["| Metric | Kind | Labels | What it is |", "| --- | --- | --- | --- |"]
    lines += [f"| `{PREFIX}{metric.name}` | {metric.kind} | {_labels(metric)} | {_help(metric)} |" for metric in shown]
    return "\n".join(lines) + "\n"


def _labels(metric: Metric) -> str:
    labels = [f"`{name}`: {_values(metric.name, name, values)}" for name, values in metric.labels.items()]
    return "; ".join([*labels, *(["`worker`: its number, from 0"] if metric.by_worker else [])]) or "none"


def _values(metric: str, label: str, values: tuple[str, ...]) -> str:
    if 0 < len(values) <= MOST_NAMED:
        return ", ".join(f"`{value}`" for value in values)
    return OPEN_VALUES[metric, label]


def _help(metric: Metric) -> str:
    if not metric.bounds:
        return metric.help
    return f"{metric.help}; buckets up to {', '.join(f'{bound:g}' for bound in metric.bounds)}"


if __name__ == "__main__":
    PAGE.write_text(page())

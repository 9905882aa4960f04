"""What the Grafana dashboard shows: rows of panels, each with its queries.

`$model` and `$version` are the dashboard's variables. Ratios ask for a divisor above 0: no traffic shows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SERVICE = 'model="$model"'
VERSION = 'model="$model", version=~"$version"'

Style = Literal["line", "stack", "bars"]


@dataclass(frozen=True)
class Query:
    """A PromQL expression and the name of its series."""

    expression: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One panel.

    Args:
        text: what it says, for the one who looks.
        unit: Grafana's name of the unit.
        style: lines, an area of all on top of each other, or bars of the last values.
    """

    title: str
    text: str
    unit: str
    queries: tuple[Query, ...]
    style: Style = "line"


@dataclass(frozen=True)
class Row:
    """Panels under a title."""

    title: str
    panels: tuple[Panel, ...]


def _panel(title: str, text: str, unit: str, *queries: tuple[str, str], style: Style = "line") -> Panel:
    return Panel(title, text, unit, tuple(Query(*query) for query in queries), style)


def _rate(metric: str, by: str, where: str) -> str:
    return f"sum by ({by}) (rate(plumbline_{metric}{{{where}}}[$__rate_interval]))"


TRAFFIC = Row(
    "Traffic",
    (
        _panel(
            *("Rows by version and variant", "Predicted rows a second, cached ones included", "rowsps"),
            (_rate("predictions_total", "version, variant", VERSION), "{{version}} {{variant}}"),
            style="stack",
        ),
        _panel(
            *("Requests by endpoint", "Requests a second", "reqps"),
            (_rate("requests_total", "endpoint", SERVICE), "{{endpoint}}"),
        ),
        _panel(
            *("Errors by code", "Refused and failed requests a second; docs/errors.md lists the codes", "reqps"),
            (_rate("errors_total", "code", SERVICE), "{{code}}"),
        ),
        _panel(
            *("Cache", "Rows by where the answer came from; joined: another request was computing it", "rowsps"),
            (_rate("cache_lookups_total", "result", SERVICE), "{{result}}"),
            style="stack",
        ),
    ),
)

LATENCY = Row(
    "Latency and load",
    (
        *(
            _panel(
                f"Latency p{percent} by stage",
                f"{percent} % of the requests take at most this; the objective: 99 % within 100 ms in all",
                "s",
                (
                    f'plumbline:stage_seconds:quantile5m{{{VERSION}, quantile="{percent / 100:g}"}}',
                    "{{version}} {{stage}}",
                ),
            )
            for percent in (50, 95, 99)
        ),
        _panel(
            *("Batch size", "Rows that the model computes at once, on average", "short"),
            (
                f"{_rate('batch_rows_sum', 'version', VERSION)}"
                f" / ({_rate('batch_rows_count', 'version', VERSION)} > 0)",
                "{{version}}",
            ),
        ),
        _panel(
            *("Waiting rows", "Rows that wait for the model now, over all workers", "short"),
            (f"sum by (version) (plumbline_waiting_rows{{{VERSION}}})", "{{version}}"),
        ),
        _panel(
            *("Shed and timed out", "Requests a second that got 503 overloaded or 504 timeout", "reqps"),
            (_rate("shed_total", "version", VERSION), "{{version}} shed"),
            (_rate("timed_out_total", "version", VERSION), "{{version}} timed out"),
        ),
    ),
)

VERSIONS = Row(
    "Versions",
    (
        _panel(
            *("Generation by worker", "The plan that a worker runs, and the one it should run", "none"),
            (f"plumbline_generation{{{SERVICE}}}", "{{instance}} {{worker}} runs"),
            (f"plumbline_planned_generation{{{SERVICE}}}", "{{instance}} {{worker}} planned"),
        ),
        _panel(
            *("Refused versions", "Versions not put live in the last hour, by reason", "short"),
            (f"sum by (reason) (increase(plumbline_refused_versions_total{{{SERVICE}}}[1h]))", "{{reason}}"),
        ),
        _panel(
            *("Swaps", "Changes of what is live in the last hour, over all workers", "short"),
            (f"sum(increase(plumbline_swaps_total{{{SERVICE}}}[1h]))", "swaps"),
        ),
        _panel(
            *("Shadow rows", "Rows mirrored to shadow versions; they are dropped first under load", "rowsps"),
            (_rate("shadow_rows_total", "version, result", VERSION), "{{version}} {{result}}"),
        ),
        _panel(
            *("Since loaded", "How long a version has been live somewhere", "s"),
            (f"plumbline:version_age:seconds{{{VERSION}}}", "{{version}}"),
        ),
        _panel(
            *("Worker uptime", "Drops to 0 when a worker starts anew", "s"),
            (f"time() - plumbline_worker_started_timestamp_seconds{{{SERVICE}}}", "{{instance}} {{worker}}"),
        ),
    ),
)

DRIFT = Row(
    "Drift",
    (
        _panel(
            *("Evidence against the line", "log10; the alarm rings where evidence reaches the line", "none"),
            (f"max by (version, monitor) (plumbline_evidence{{{VERSION}}})", "{{version}} {{monitor}}"),
            (f"max by (version, monitor) (plumbline_alarm_line{{{VERSION}}})", "{{version}} {{monitor}} line"),
        ),
        _panel(
            *("Evidence by feature", "log10, of the replica that has most", "none"),
            (f"max by (version, feature) (plumbline_feature_evidence{{{VERSION}}})", "{{version}} {{feature}}"),
        ),
        _panel(
            *("Alarms", "1: rings on some replica", "none"),
            (f"max by (version, monitor) (plumbline_alarm{{{VERSION}}})", "{{version}} {{monitor}}"),
        ),
        _panel(
            *(
                "PSI of the fleet",
                "Of the last hour against training, over all replicas; small traffic alone raises it",
                "none",
            ),
            (f"plumbline:feature_psi:1h{{{VERSION}}}", "{{version}} {{feature}}"),
        ),
        _panel(
            *(
                "Moved rows of the fleet",
                "Total variation: share of the last hour's rows in other bins than in training",
                "percentunit",
            ),
            (f"plumbline:feature_tv:1h{{{VERSION}}}", "{{version}} {{feature}}"),
        ),
        _panel(
            *("Beyond chance (z)", "About normal where nothing drifts; above 4 is no chance", "none"),
            (f"plumbline:feature_drift_z:1h{{{VERSION}}}", "{{version}} {{feature}}"),
        ),
        _panel(
            *("Predictions by bin", "Share of the last hour's predictions in each bin of training", "percentunit"),
            (f'plumbline:feature_bin:share1h{{{VERSION}, feature="prediction"}}', "{{version}} {{bin}}"),
            (f'plumbline:feature_reference:share{{{VERSION}, feature="prediction"}}', "{{version}} {{bin}} training"),
            style="bars",
        ),
        _panel(
            *("Outside training", "Share of rows with a model input that training never saw", "percentunit"),
            (f"plumbline:out_of_range:share1h{{{VERSION}}}", "{{version}} {{feature}}"),
        ),
    ),
)

OUTCOMES = Row(
    "Outcomes",
    (
        _panel(
            *("Outcomes", "Outcomes a second that were counted", "ops"),
            (_rate("outcomes_total", "version", VERSION), "{{version}}"),
        ),
        _panel(
            *("Bias", "Signed median error since the version went live; below 0: too low", "percentunit"),
            (f"plumbline_outcome_bias_ratio{{{VERSION}}}", "{{version}} {{instance}}"),
        ),
        _panel(
            *("Mean absolute error", "MAPE since the version went live", "percentunit"),
            (f"plumbline_outcome_mape_ratio{{{VERSION}}}", "{{version}} {{instance}}"),
        ),
        _panel(
            *("Coverage", "Share of outcomes inside their interval since the version went live", "percentunit"),
            (f"plumbline_outcome_coverage_ratio{{{VERSION}}}", "{{version}} {{instance}}"),
        ),
        _panel(
            *("Errors of outcomes", "Outcomes of the last week by signed error", "short"),
            (f"sum by (bin) (increase(plumbline_outcome_error_bin_total{{{VERSION}}}[7d]))", "{{bin}}"),
            style="bars",
        ),
        _panel(
            *("Outcomes refused", "Outcomes a second that were not counted; docs/outcomes.md lists the reasons", "ops"),
            (_rate("outcomes_refused_total", "reason", SERVICE), "{{reason}}"),
        ),
        _panel(
            *("Prediction log", "Predictions a second by what became of them; docs/prediction-log.md", "rowsps"),
            (_rate("prediction_log_total", "result", SERVICE), "{{result}}"),
        ),
    ),
)

ROWS = (TRAFFIC, LATENCY, VERSIONS, DRIFT, OUTCOMES)
"""The whole dashboard, from above."""

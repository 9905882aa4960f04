"""What the dashboard shows, as `GET /dashboard.json` gives it: counts and figures, never a row.

Shares, errors and coverages are fractions, durations seconds, times Unix seconds, evidence log10 of an e-value. A
figure that is not known, or is no finite number, is null: one broken figure must not take the page away.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from monitoring.alarms import Alarm, MonitorName
from monitoring.outcome_errors import Scale
from schemas.features import Kind
from schemas.predictions import Variant

HISTORY_POINTS = 120
"""Most points of a history."""

Stage = Literal["validate", "queue", "preprocess", "predict", "total"]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Figure = Annotated[float | None, BeforeValidator(_finite)]
"""A number, or null where there is none."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Target(_Part):
    """What is predicted, and in which unit."""

    name: str
    unit: str | None = None


class WorkerSnapshot(_Part):
    """One worker process, and the generation of the plan that it runs."""

    worker: str
    started_at: float
    generation: int
    waiting_rows: int = 0


class TrafficPoint(_Part):
    """What happened in the `seconds` before `at`.

    Args:
        rows: answered rows by version.
        p50, p99: of the whole answer, in seconds.
    """

    at: float
    seconds: float
    rows: dict[str, int]
    errors: int
    p50: Figure = None
    p99: Figure = None


class StageLatency(_Part):
    """Quantiles of one stage since the version went live, in seconds."""

    stage: Stage
    count: int
    p50: Figure = None
    p95: Figure = None
    p99: Figure = None


class MonitorSnapshot(_Part):
    """One monitor of one version: its evidence beside the line at which it rings."""

    monitor: MonitorName
    evidence: Figure = None
    line: Figure = None
    ringing: bool = False


class ColumnSnapshot(_Part):
    """A feature, or the prediction: live traffic in the bins of training.

    Args:
        labels: a bin's values for people; `reference` and `live` have one entry for each.
        reference: share of the training rows.
        live: rows so far.
        moved: share of rows in which live differs from training (total variation).
        floor: movement up to here is ignored.
        out_of_range: values outside the training range or never seen.
    """

    name: str
    unit: str | None = None
    kind: Kind
    labels: list[str]
    reference: list[float]
    live: list[int]
    moved: Figure = None
    floor: Figure = None
    evidence: Figure = None
    out_of_range: int = 0


class OutcomePoint(_Part):
    """Figures over the outcomes that came in one span of time, which ended at `at`."""

    at: float
    outcomes: int
    bias: Figure = None
    mean_error: Figure = None
    coverage: Figure = None


class Promise(_Part):
    """What the figures are held against: those of the test part of training, and the interval's own coverage."""

    bias: Figure = None
    mean_error: Figure = None
    coverage: Figure = None
    tolerated_bias: Figure = None


class Pairs(_Part):
    """Predicted against actual as counts.

    Args:
        edges: n - 1 of them, for both axes; bin i holds edges[i-1] <= x < edges[i].
        counts: shape (n, n); the first index is the bin of the prediction.
    """

    edges: list[float]
    counts: list[list[int]]


class OutcomesSnapshot(_Part):
    """How good a version was, by the outcomes that came.

    Args:
        scale: of errors: relative to the actual value, in usual errors of training, or quantiles of probability.
        error_edges: n - 1 of them; `error_counts` has n entries, the first and last are open.
        promised: what was promised.
        history: the newest last.
    """

    outcomes: int
    with_interval: int
    scale: Scale = "relative"
    bias: Figure = None
    mean_error: Figure = None
    coverage: Figure = None
    promised: Promise
    error_edges: list[float] = []
    error_counts: list[int] = []
    history: list[OutcomePoint] = Field(default=[], max_length=HISTORY_POINTS)
    pairs: Pairs | None = None


class VersionSnapshot(_Part):
    """One live version.

    Args:
        weight: planned share of the routing keys.
        share, recent_share: measured share of the answered rows, ever and in the recent history; null for shadows.
        rows: predicted rows, cached ones included.
        columns: every feature, and last the prediction.
        feature_line: evidence at which one feature alone would ring the drift alarm.
        out_of_range: of model inputs that are no features of the row.
    """

    version: str
    variant: Variant
    weight: float
    loaded_at: float
    calibrated_until: str | None = None
    rows: int
    cached_rows: int = 0
    share: Figure = None
    recent_share: Figure = None
    shed: int = 0
    timed_out: int = 0
    batch_rows: Figure = None
    shadow_rows: dict[str, int] = {}
    latency: list[StageLatency] = []
    monitors: list[MonitorSnapshot] = []
    reference_rows: int = 0
    columns: list[ColumnSnapshot] = []
    feature_line: Figure = None
    out_of_range: dict[str, int] = {}
    outcomes: OutcomesSnapshot | None = None


class Snapshot(_Part):
    """Everything that the dashboard knows at one moment, over all workers of this replica.

    Args:
        problem: why `generation` is not `planned_generation`, and what to do; null when all is well.
        requests: by endpoint.
        errors, cache, refusals, outcomes_refused, prediction_log: by code, result or reason.
        history: the newest last.
        alarms: ringing ones, and those that cleared lately.
        example: body of a request that would be answered, for a first try.
    """

    model: str
    target: Target
    now: float
    started_at: float
    generation: int
    planned_generation: int
    problem: str | None = None
    workers: list[WorkerSnapshot] = []
    requests: dict[str, int] = {}
    errors: dict[str, int] = {}
    cache: dict[str, int] = {}
    swaps: int = 0
    refusals: dict[str, int] = {}
    outcomes_refused: dict[str, int] = {}
    prediction_log: dict[str, int] = {}
    history: list[TrafficPoint] = Field(default=[], max_length=HISTORY_POINTS)
    versions: list[VersionSnapshot] = []
    alarms: list[Alarm] = []
    example: str | None = None

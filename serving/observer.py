"""Counts what happened, a few times a second. Requests only append to what their version observed; here it is counted
by hundreds, on the event loop, so that nothing has two writers."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import numpy as np

from monitoring.metrics import Metrics
from monitoring.outcomes import Counts
from monitoring.prediction_log import PredictionLog
from registry.bundle import Description
from schemas.errors import PlumblineError
from serving.clock import Clock
from serving.counting import OK, CountingRoom, VersionCounts, rows_of
from serving.live_models import LiveModels
from serving.observed import Growth, Mirroring, Observed, Requests
from serving.runner import BatchTimes

logger = logging.getLogger(__name__)

COUNT_SECONDS = 0.2
"""How often is counted."""

LEAVE_SECONDS = 60.0
"""How long a version that left is still observed: requests may be under way on it."""

Sums = Mapping[tuple[str, ...], int]
"""Counters that only grow, by metric and labels."""


class Observer:
    """Observes one model in one worker. For one event loop.

    Args:
        live: the versions that answer.
        clock: Unix time in seconds.
        sums: gives what others have counted so far.
    """

    def __init__(self, live: LiveModels, clock: Clock, sums: Callable[[], Sums]) -> None:
        self._live, self._clock, self._sums = live, clock, sums
        self._answered: Counter[str] = Counter()
        self._refused: Counter[tuple[str, str]] = Counter()
        self._seen: dict[Observed, tuple[Description, float]] = {}
        self._growth = Growth()
        self._room: CountingRoom | None = None
        self._log: PredictionLog | None = None
        self._task: asyncio.Task[None] | None = None

    def answered(self, path: str, error: PlumblineError | None = None) -> None:
        """A request was answered, or refused."""
        if error is None:
            self._answered[path] += 1
        else:
            self._refused[path, error.code] += 1

    def outcomes(self, described: Description, counts: Counts, pairs: Counts) -> None:
        """Outcomes of a version were judged; what to add, as monitoring/outcomes.py has it."""
        if self._room is not None:
            metrics = self._room.of(described).metrics
            metrics.add_all("outcome_counts", counts)
            metrics.add_all("outcome_pairs", pairs)

    def start(self, room: CountingRoom, log: PredictionLog | None) -> None:
        """Begin to count there, and to log there. Call it inside the running event loop."""
        self._room, self._log = room, log
        room.service.set("worker_started_timestamp_seconds", int(self._clock()))
        self._task = asyncio.create_task(self._go_on(room), name="count")

    async def stop(self) -> None:
        """Count the rest."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self.count()

    def count(self) -> None:
        """Count all that was observed since the last time."""
        room = self._room
        if room is None:
            return
        now = asyncio.get_running_loop().time()
        for version in self._live.versions.values():
            if version.observed not in self._seen:
                version.observed.when_many = self._count_soon
                room.of(version.bundle).metrics.set("loaded_timestamp_seconds", int(version.loaded_at))
            self._seen[version.observed] = (version.bundle, now)
        for observed, (described, seen_at) in list(self._seen.items()):
            _count_version(room.of(described), observed, self._log)
            if now - seen_at > LEAVE_SECONDS:
                del self._seen[observed]
        self._count_service(room.service)

    def _count_soon(self) -> None:
        asyncio.get_running_loop().call_soon(self.count)

    def _count_service(self, service: Metrics) -> None:
        for path, number in self._answered.items():
            service.add("requests_total", number, path, OK)
        for (path, code), number in self._refused.items():
            service.add("requests_total", number, path, code)
            service.add("errors_total", number, code)
        self._answered.clear()
        self._refused.clear()
        for (name, *labels), number in self._sums().items():
            service.add(name, self._growth.of((name, *labels), number), *labels)
        service.set("generation", self._live.generation)
        service.set("planned_generation", self._live.planned.generation if self._live.planned else 0)
        service.set("worker_seen_timestamp_seconds", int(self._clock()))

    async def _go_on(self, room: CountingRoom) -> None:
        while True:
            await asyncio.sleep(COUNT_SECONDS)
            try:
                self.count()
            except Exception:  # a defect in counting must not end it, nor the service
                logger.exception("counting failed", extra={"folder": str(room.folder)})


def _count_version(counts: VersionCounts, observed: Observed, log: PredictionLog | None) -> None:
    metrics, gathered = counts.metrics, observed.take()
    requests = gathered.requests()
    if log is not None and requests.answers:
        log.offer_all(requests.sizes, requests.strange, requests.batch)
    if requests.answers or gathered.mirrored:
        _count_rows(counts, requests, gathered.mirrored)
    for result, number in gathered.shadow.items():
        metrics.add("shadow_rows_total", number, result)
    if gathered.took:
        validate, total = zip(*gathered.took, strict=True)
        metrics.observe("stage_seconds", validate, "validate")
        metrics.observe("stage_seconds", total, "total")
    if observed.batches:
        _count_batches(metrics, [observed.batches.popleft() for _ in range(len(observed.batches))])
    metrics.set("waiting_rows", observed.counts.waiting_rows)
    metrics.add("shed_total", observed.growth.of("shed", observed.counts.shed))
    metrics.add("timed_out_total", observed.growth.of("timed_out", observed.counts.timed_out))


def _count_rows(counts: VersionCounts, requests: Requests, mirrored: Sequence[Mirroring]) -> None:
    metrics, answers = counts.metrics, requests.answers
    variants = [answer.origin.variant for answer in answers]
    for variant in set(variants):
        rows = sum([size for size, each in zip(requests.sizes, variants, strict=True) if each == variant])
        cached = sum([len(answer.cached) for answer in answers if answer.cached and answer.origin.variant == variant])
        metrics.add("predictions_total", cached, variant, "true")
        metrics.add("predictions_total", rows - cached, variant, "false")
    metrics.add("predictions_total", sum(len(values) for _, values in mirrored), "shadow", "false")
    found = chain.from_iterable(chain.from_iterable(rows.values()) for rows in requests.strange.values())
    for feature, number in Counter(warning.feature for warning in found).items():
        metrics.add("out_of_range_total", number, feature)
    values = chain([answer.value for answer in answers], [values for _, values in mirrored])
    matrices = [*requests.matrices, *(matrix for matrix, _ in mirrored)]
    counts.add_rows(rows_of(matrices), np.fromiter(chain.from_iterable(values), np.float64))


def _count_batches(metrics: Metrics, batches: Sequence[BatchTimes]) -> None:
    """Every request of a batch took as long as the batch."""
    requests = [len(batch.waits) for batch in batches]
    metrics.observe("batch_rows", [batch.rows for batch in batches])
    metrics.observe("stage_seconds", list(chain.from_iterable(batch.waits for batch in batches)), "queue")
    metrics.observe("stage_seconds", np.repeat([batch.transform for batch in batches], requests), "preprocess")
    metrics.observe("stage_seconds", np.repeat([batch.predict for batch in batches], requests), "predict")

"""The runner: batches the requests of one live version and computes them off the event loop.

Batching is continuous. While the model's thread computes, requests gather; when it is free it takes all that waits,
up to a number of rows. So an idle runner answers at once, a busy one in batches as large as the load, and no timer
decides. Between two batches the event loop writes the answers of the first and reads what their clients ask next, so
that it belongs to the second: else two halves of the clients would take turns, each with a batch of its own (four
connections got 1.7 times as many answers, 64 got 1.1 to 1.2 times as many).

All state belongs to the event loop; the thread gets a batch and hands back its outcomes, one hop each way.
"""

from __future__ import annotations

import asyncio
import math
import time
import weakref
from collections import OrderedDict, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from preprocessors.encoding import Matrix
from schemas.errors import Internal, Overloaded, PlumblineError, TimedOut, Unavailable
from serving.aside import aside
from serving.batch import ComputesBatches, Outcome, Request, Results, join
from serving.guilty_rows import renumbered

KEPT_BATCHES = 4096
"""Latest batches whose times are kept until somebody counts them."""

PART_SECONDS = 0.01
"""About how long a part of a large request may take: so long do others wait at most."""

LEAST_PART_ROWS = 256
"""Smaller parts cost more in calls than they spare others in waiting."""

RETURN_TURNS = 4
"""Turns of the event loop until a client that has its answer can be waiting again: its future's result is taken, the
answer is written, the next request is read, and its rows are validated."""

RETURN_SECONDS = 0.002
"""Longest wait for that, which is none for the event loop: it has so much to do."""

TIMER_SLACK_SECONDS = 0.001
"""Timers of the event loop are this exact; without it a timer can come too early and find nothing to do."""


class SubmitsRows(Protocol):
    """The seam: whatever computes the rows of one version. `counts` and `batches` tell how busy it is."""

    counts: RunnerCounts
    batches: deque[BatchTimes]

    async def submit(self, rows: Matrix) -> Results:
        """Predict encoded rows (n, n_features)."""

    def close(self) -> None:
        """Let accepted work finish and refuse more."""


@dataclass(frozen=True)
class RunnerLimits:
    """What bounds a runner.

    Args:
        max_batch_rows: most rows that the model gets at once. A large request is computed in parts of so many rows, or
            of fewer that take about PART_SECONDS.
        max_waiting_rows: most rows that wait; more are refused. An empty queue takes one request of any size.
        timeout_seconds: deadline of a request, from its submission to its answer.
    """

    max_batch_rows: int = 8192
    max_waiting_rows: int = 20_000
    timeout_seconds: float = 10.0


@dataclass(slots=True)
class RunnerCounts:
    """What a runner has done so far; sums only grow."""

    requests: int = 0
    batches: int = 0
    rows: int = 0
    shed: int = 0
    timed_out: int = 0
    waiting_rows: int = 0  # now


class BatchTimes(NamedTuple):
    """How long a batch took, in seconds.

    Args:
        waits: of each request, from its arrival until the batch began.
        rows: in all requests together.
    """

    waits: list[float]
    rows: int
    transform: float
    predict: float


class Runner:
    """Runs one version in one thread. Use it from one event loop; make it anywhere.

    Dropping the last reference frees model and thread too, `close` does it with manners.

    Args:
        computer: computes the version's batches.
        limits: sizes and deadline.
    """

    def __init__(self, computer: ComputesBatches, limits: RunnerLimits | None = None) -> None:
        self.counts = RunnerCounts()
        self.batches: deque[BatchTimes] = deque(maxlen=KEPT_BATCHES)
        self._limits = limits or RunnerLimits()
        self._computer = computer
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="runner")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: OrderedDict[Request, None] = OrderedDict()  # unanswered, in order of arrival and so of deadline
        self._taken_at = 0.0  # when the present batch began
        self._busy = False  # a batch is being computed or is about to be formed
        self._timer: asyncio.TimerHandle | None = None  # one for the oldest request, not one for each
        self._recent_rows, self._recent_seconds = 0.0, 0.0  # sums that fade, for the rate
        self._callers = 0
        self._closed = False

    async def submit(self, rows: Matrix) -> Results:
        """Predict encoded rows of shape (n, n_features), n at least 1.

        Raises:
            PreprocessingFailed: the pipeline raised on these rows.
            InferenceFailed: the model raised on these rows, or its answer has the wrong length or is not finite.
                Both name the first row that fails by itself, if one does.
            Overloaded: too many rows wait; Retry-After says when to come again.
            TimedOut: no answer before the deadline.
            Unavailable: the runner is closed.
        """
        self._admit(len(rows))
        try:
            if len(rows) > self._part_rows():
                return await self._in_parts(rows)
            return await self._answer(rows)
        except TimedOut:
            self.counts.timed_out += 1
            raise
        finally:
            self._callers -= 1
            self._release_if_done()

    def close(self) -> None:
        """Refuse new work, let accepted work finish, then let the thread go. Returns at once."""
        self._closed = True
        self._release_if_done()

    def _release_if_done(self) -> None:
        if self._closed and not self._callers:
            self._thread.shutdown(wait=False)

    def _admit(self, rows: int) -> None:
        if self._closed:
            raise Unavailable("This version is leaving; try again.", headers={"Retry-After": "1"})
        waiting = self.counts.waiting_rows
        if waiting and waiting + rows > self._limits.max_waiting_rows:
            self.counts.shed += 1
            raise Overloaded(
                "Too many rows wait already; try again later.", headers={"Retry-After": str(self._retry_after())}
            )
        self._callers += 1
        self.counts.waiting_rows += rows

    def _retry_after(self) -> int:
        """Seconds until what waits is computed; by its deadline it is gone in any case."""
        seconds_per_row = self._recent_seconds / self._recent_rows if self._recent_rows else 0.0
        seconds = min(self.counts.waiting_rows * seconds_per_row, self._limits.timeout_seconds)
        return max(1, math.ceil(seconds))

    async def _in_parts(self, rows: Matrix) -> Results:
        """A large request joins the queue part by part, so that small ones in between need not wait for all of it."""
        parts, first, sent = list[Results](), 0, 0
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):  # the parts' own deadlines come later
                while sent < len(rows):
                    first, sent = sent, min(sent + self._part_rows(), len(rows))
                    parts.append(await self._answer(rows[first:sent]))
        except Internal as error:
            raise renumbered(error, range(first, sent)) from error.__cause__
        except TimeoutError:
            raise self._timed_out() from None
        finally:
            self.counts.waiting_rows -= len(rows) - sent
        return await aside(any(part.strange for part in parts), join, parts)

    def _part_rows(self) -> int:
        quick = int(PART_SECONDS * self._recent_rows / self._recent_seconds) if self._recent_seconds else 0
        return min(max(quick, LEAST_PART_ROWS), self._limits.max_batch_rows)

    async def _answer(self, rows: Matrix) -> Results:
        request = self._enqueue(rows)
        try:
            return await request.future
        finally:
            self._forget(request)  # its caller may have left before the answer

    def _enqueue(self, rows: Matrix) -> Request:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        request = Request(rows, self._loop.create_future())
        self._open[request] = None
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._next_batch)  # not at once: requests of this turn of the loop share the batch
        if self._timer is None:
            self._set_timer(self._limits.timeout_seconds)
        return request

    def _forget(self, request: Request) -> None:
        if request in self._open:
            del self._open[request]
            if not request.taken:
                self.counts.waiting_rows -= len(request.rows)

    def _next_batch(self) -> None:
        self._expire()
        batch = self._take()
        self._busy = bool(batch)
        if batch:
            self._thread.submit(self._work, batch)

    def _take(self) -> list[Request]:
        """The oldest requests that fit. Called when nothing is computed, so all that is open waits."""
        batch, room, counts = [], self._limits.max_batch_rows, self.counts
        self._taken_at = time.monotonic()
        for request in self._open:
            if request.future.done():
                continue  # cancelled a moment ago
            room -= len(request.rows)
            if room < 0:
                break
            request.taken = True
            batch.append(request)
            counts.waiting_rows -= len(request.rows)
            counts.rows += len(request.rows)
        counts.requests += len(batch)
        counts.batches += bool(batch)
        return batch

    def _work(self, batch: list[Request]) -> None:
        """The thread's part."""
        computer = self._computer
        transform, predict = computer.transform_seconds, computer.predict_seconds
        outcomes = computer.outcomes(batch)
        spent = computer.transform_seconds - transform, computer.predict_seconds - predict
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._deliver, batch, outcomes, *spent)

    def _deliver(self, batch: list[Request], outcomes: list[Outcome], transform: float, predict: float) -> None:
        for request in batch:
            self._forget(request)
        for request, outcome in outcomes:
            if request.future.done():
                continue  # cancelled or timed out
            if isinstance(outcome, PlumblineError):
                request.future.set_exception(outcome)
            else:
                request.future.set_result(outcome)
        waits = [self._taken_at - request.arrived for request in batch]
        self._count(BatchTimes(waits, sum(len(request.rows) for request in batch), transform, predict))
        self._await_return(RETURN_TURNS, time.monotonic() + RETURN_SECONDS)

    def _await_return(self, turns: int, latest: float) -> None:
        if turns == 0 or time.monotonic() > latest:
            self._next_batch()
        else:
            assert self._loop is not None
            self._loop.call_soon(self._await_return, turns - 1, latest)

    def _count(self, batch: BatchTimes) -> None:
        self.batches.append(batch)
        self._recent_rows = 0.8 * self._recent_rows + batch.rows
        self._recent_seconds = 0.8 * self._recent_seconds + batch.transform + batch.predict

    def _expire(self) -> None:
        """Answer requests whose deadline has passed, computed at this moment or not."""
        latest = time.monotonic() - self._limits.timeout_seconds + TIMER_SLACK_SECONDS
        while self._open:
            request = next(iter(self._open))
            if request.arrived > latest:
                break
            self._forget(request)
            if not request.future.done():
                request.future.set_exception(self._timed_out())

    def _timed_out(self) -> TimedOut:
        return TimedOut(f"No answer within {self._limits.timeout_seconds:g} seconds; try again, with fewer rows.")

    def _set_timer(self, seconds: float) -> None:
        assert self._loop is not None
        # a weak reference, or the timer would keep the model alive until it rings
        self._timer = self._loop.call_later(seconds, _ring, weakref.ref(self))

    def _on_timer(self) -> None:
        self._expire()
        self._timer = None
        if self._open:
            oldest = next(iter(self._open))
            self._set_timer(oldest.arrived + self._limits.timeout_seconds - time.monotonic())


def _ring(runner: weakref.ref[Runner]) -> None:
    alive = runner()
    if alive is not None:
        alive._on_timer()

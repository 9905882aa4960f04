"""The thread that writes the prediction log, and the bounded queue before it."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from monitoring.log_files import RotatingFiles

logger = logging.getLogger(__name__)

SLICE_ROWS = 32
"""The writer lets other threads run after so many rows (some 0.1 ms): a request must not wait for the interpreter."""

CHUNK_BYTES = 256 * 1024

B = TypeVar("B")


@dataclass(slots=True)
class LogCounts:
    """Rows so far; each row is counted once, when its fate is known.

    Args:
        written: are in a file.
        dropped: came while too many waited already: the writer is slower than the traffic, or closed.
        failed: the disk refused them, or they cannot be written as JSON.
        sampled_out: were not chosen.
    """

    written: int = 0
    dropped: int = 0
    failed: int = 0
    sampled_out: int = 0


class LogWriter(Generic[B]):
    """Makes lines of batches and writes them. `lock` guards counts and queue, and is held for moments only.

    A disk that refuses is tried again until the log is closed; what waits meanwhile is bounded.

    Args:
        files: where lines go.
        lines: makes the lines of rows first to last (not included) of a batch; rows it leaves out count as failed.
        max_waiting_rows: most rows that wait.
        flush_seconds: longest that a row waits while the writer has nothing else to do.
        retry_seconds: pause after the disk has refused.
    """

    def __init__(
        self,
        files: RotatingFiles,
        lines: Callable[[B, int, int], list[bytes]],
        max_waiting_rows: int,
        flush_seconds: float,
        retry_seconds: float,
    ) -> None:
        self.counts = LogCounts()
        self.lock = threading.Lock()
        self._files, self._lines, self._max_waiting = files, lines, max_waiting_rows
        self._flush_seconds, self._retry_seconds = flush_seconds, retry_seconds
        self._queue: deque[tuple[B, int]] = deque()
        self.waiting_rows = 0  # in the queue or on their way to a file
        self._wake, self._ending = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._refusing = self._told = False

    def room(self, rows: int) -> int:
        """How many of these rows may wait; the others count as lost. Hold the lock."""
        free = 0 if self._ending.is_set() else max(0, self._max_waiting - self.waiting_rows)
        if rows <= free:
            return rows
        if self._refusing:
            self.counts.failed += rows - free
        else:
            self.counts.dropped += rows - free
        return free

    def put(self, batch: B, rows: int) -> None:
        """Let a batch wait, after asking for room. Hold the lock."""
        self._queue.append((batch, rows))
        self.waiting_rows += rows
        if self.waiting_rows * 2 > self._max_waiting:
            self._wake.set()  # else it looks by itself: waking a thread costs more than all the rest here

    def start(self) -> None:
        """Start the thread, anew after `close`; nothing when it runs."""
        with self.lock:
            if self._thread is None:
                self._ending.clear()
                self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
                self._thread.start()
                atexit.register(self.close)  # a daemon thread does not live to see the end by itself

    @property
    def is_asleep(self) -> bool:
        """Whether `start` is due: rows come and there is no thread yet."""
        return self._thread is None and not self._ending.is_set()

    def close(self, seconds: float = 5.0) -> None:
        """Write what waits, for at most so many seconds; what is left then counts as failed."""
        with self.lock:
            thread = self._thread
            self._ending.set()
            self._wake.set()
        if thread is None:
            return
        thread.join(seconds)
        atexit.unregister(self.close)
        with self.lock:
            if not thread.is_alive():  # else the disk hangs, and a second thread would hang beside it
                self._thread = None
            self.counts.failed += self.waiting_rows
            self.waiting_rows = 0
            self._queue.clear()

    def tell_once(self, message: str) -> None:
        """Log one line in the life of this log; without a traceback, for that may hold values."""
        if not self._told:
            self._told = True
            logger.error(message)

    def _run(self) -> None:
        try:
            while not self._write_waiting():
                self._wake.wait(self._flush_seconds)
                self._wake.clear()
        finally:
            self._files.close()

    def _write_waiting(self) -> bool:
        """Write all that waits. True when that was the last time."""
        ending = self._ending.is_set()  # before the queue is looked at: what comes later is not taken in
        return not all(self._written(lines, rows) for lines, rows in self._chunks()) or ending

    def _chunks(self) -> Iterator[tuple[bytes, int]]:
        """Lines of some rows each, until nothing waits."""
        parts: list[bytes] = []
        size = busy = 0
        for batch, first, last in self._slices():
            made = self._made(batch, first, last)
            parts += made
            size += sum(map(len, made))
            busy += last - first
            if size >= CHUNK_BYTES:
                yield b"".join(parts), len(parts)
                parts, size = [], 0
            if busy >= SLICE_ROWS:
                busy = 0
                time.sleep(0)  # gives the interpreter to whoever waits for it
        if parts:
            yield b"".join(parts), len(parts)

    def _slices(self) -> Iterator[tuple[B, int, int]]:
        while self._queue:
            with self.lock:  # once for all that waits: a thread that finds it taken may wait for the interpreter too
                batches, self._queue = self._queue, deque()
            for batch, rows in batches:
                for first in range(0, rows, SLICE_ROWS):
                    yield batch, first, min(first + SLICE_ROWS, rows)

    def _made(self, batch: B, first: int, last: int) -> list[bytes]:
        try:
            made = self._lines(batch, first, last)
        except Exception:  # columns that do not fit together
            made = []
        if unfit := last - first - len(made):
            with self.lock:
                unfit = min(unfit, self.waiting_rows)
                self.waiting_rows -= unfit
                self.counts.failed += unfit
            self.tell_once("The prediction log cannot write some rows as JSON; the counter has how many.")
        return made

    def _written(self, lines: bytes, rows: int) -> bool:
        """Write a chunk; when the disk refuses, again and again until it takes it or the log is closed."""
        while True:
            try:
                self._files.write(lines)
            except OSError as error:
                self._on_refusal(error)
                if self._ending.wait(self._retry_seconds):
                    return False
                continue
            with self.lock:
                rows = min(rows, self.waiting_rows)  # fewer when `close` has given them up
                self.waiting_rows -= rows
                self.counts.written += rows
            if self._refusing:
                self._refusing = False
                logger.warning("The prediction log is written again.")
            return True

    def _on_refusal(self, error: OSError) -> None:
        if not self._refusing:
            self._refusing = True
            logger.error(
                "The prediction log cannot be written; it is tried again. Predictions are answered all the same.",
                extra={"reason": error.strerror or str(error)},
            )

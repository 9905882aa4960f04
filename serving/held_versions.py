"""The runner service's part: it holds the versions that some worker wants, and answers batches of calls.

Workers follow the rollout plan, the runner service follows them: a version is held while a worker has a lease on it.
So a swap needs no agreement between processes, and a worker that dies takes its leases with it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from schemas.errors import PlumblineError, TimedOut
from serving.batch import BatchComputer, Results
from serving.frames import Call, read_call, write_answer
from serving.loading import as_refusal

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
"""How long a version is held for a worker that no longer asks for it."""


class HeldVersions:
    """Versions of one model, each held as long as somebody wants it. `hold` may be called from any thread.

    Args:
        open_version: loads a version and lets it prove itself; raises RegistryError.
        max_batch_rows: most rows that the model gets at once.
    """

    def __init__(self, open_version: Callable[[str], BatchComputer], max_batch_rows: int) -> None:
        self._open, self._max_rows = open_version, max_batch_rows
        self._computers: dict[str, BatchComputer] = {}
        self._leases: dict[tuple[str, str], float] = {}  # (worker, version) to its end
        self._loading, self._changing = threading.Lock(), threading.Lock()

    @property
    def wanted(self) -> set[str]:
        """The versions on which some worker has a lease."""
        now = time.monotonic()
        with self._changing:
            return {version for (_, version), end in self._leases.items() if end > now}

    @property
    def held(self) -> set[str]:
        """The versions that can answer now."""
        return set(self._computers)

    def hold(self, worker: str, version: str) -> list[str]:
        """Load the version unless it is held, and hold it for that worker until its lease ends.

        Returns:
            Nothing, or the reason and the text of the refusal.
        """
        if version not in self._computers:
            try:
                with self._loading:  # one at a time, and a renewal need not wait for it
                    if version not in self._computers:
                        self._load(worker, version)
            except Exception as error:  # whatever a version does, the service goes on
                refused = as_refusal(version, error, "the runner's log has it")
                return [refused.reason, str(refused)]
        self._lease(worker, version)
        self._drop_unwanted()
        return []

    def release(self, worker: str) -> None:
        """End all leases of a worker."""
        with self._changing:
            self._leases = {key: end for key, end in self._leases.items() if key[0] != worker}

    def answer(self, frames: Sequence[bytes]) -> list[bytes]:
        """Compute a batch of calls of any versions: one answer each, in their order. Nothing is raised.

        One thread at a time may call this.
        """
        calls = [read_call(frame) for frame in frames]
        by_version: dict[str, list[Call]] = {}
        for call in calls:
            by_version.setdefault(call.version, []).append(call)
        found: dict[Call, Results | PlumblineError | None] = {}
        for version, group in by_version.items():
            found.update(self._computed(version, group))
        return [write_answer(call.number, found[call]) for call in calls]

    def _computed(self, version: str, calls: list[Call]) -> dict[Call, Results | PlumblineError | None]:
        computer = self._computers.get(version)
        if computer is None:
            return dict.fromkeys(calls)
        late = TimedOut("The deadline passed before the rows were computed; try again, with fewer rows.")
        found: dict[Call, Results | PlumblineError | None] = dict.fromkeys(calls, late)
        for batch in self._batches(calls):
            found.update(computer.outcomes(batch))
        for outcome in found.values():
            if isinstance(outcome, PlumblineError) and outcome.__cause__ is not None:
                logger.error("rows failed", exc_info=outcome, extra={"version": version})  # workers get only the text
        return found

    def _batches(self, calls: list[Call]) -> Iterator[list[Call]]:
        batch: list[Call] = []
        rows = 0
        for call in calls:
            if batch and rows + len(call.rows) > self._max_rows:
                yield batch
                batch, rows = [], 0
            batch.append(call)
            rows += len(call.rows)
        yield batch

    def _load(self, worker: str, version: str) -> None:
        computer = self._open(version)
        self._lease(worker, version)  # before it is held, lest another thread should drop it at once
        self._computers[version] = computer
        logger.info("holding", extra={"version": version})

    def _lease(self, worker: str, version: str) -> None:
        with self._changing:
            self._leases[worker, version] = time.monotonic() + LEASE_SECONDS

    def _drop_unwanted(self) -> None:
        wanted = self.wanted
        for version in self.held - wanted:
            self._computers.pop(version, None)
            logger.info("dropped", extra={"version": version})
        with self._changing:
            self._leases = {key: end for key, end in self._leases.items() if key[1] in wanted}

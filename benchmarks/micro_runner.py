"""What the runner costs: time of the event loop for each request, and rows beside the bare model.

    python -m benchmarks.micro_runner

Uses the newest house_prices version of the model store. "Loop" is processor time of the event loop's thread for each
one-row request, the client's own task included; the answers are those of a model that costs nothing. Rows are counted
by the second of the whole process's processor time, so that neighbours on the machine disturb little.
"""

from __future__ import annotations

import asyncio
import sys
import time

import numpy as np
import uvloop

from preprocessors.encoding import Matrix, RowEncoder
from preprocessors.feature_check import FeatureCheck, Strange
from preprocessors.house_prices import TRUSTED_TYPES
from registry import store
from registry.bundle import Answers, Bundle, ModelDefinition, ModelVersion
from schemas.house_prices import HouseFeatures
from serving.batch import BatchComputer
from serving.runner import Runner

REQUESTS = 40_000


class Nothing(ModelVersion):
    """A model that costs nothing."""

    def __init__(self) -> None:
        pass

    def transform(self, raw: Matrix) -> Matrix:
        """The rows themselves."""
        return raw

    def predict(self, inputs: Matrix) -> Answers:
        """The first column, three times."""
        return Answers(inputs[:, 0], inputs[:, 0], inputs[:, 0])


class NothingStrange(FeatureCheck):
    """A check that costs nothing."""

    def __init__(self) -> None:
        pass

    def find(self, raw: Matrix, inputs: Matrix) -> list[Strange]:
        """Never anything."""
        return []


async def clients(runner: Runner, rows: Matrix, concurrency: int, requests: int) -> tuple[float, float]:
    """Processor seconds of the event loop's thread and of the process while clients submit one row after the other."""

    async def client(first: int) -> None:
        for i in range(first, requests, concurrency):
            at = i % len(rows)
            await runner.submit(rows[at : at + 1])

    process, thread = time.process_time(), time.thread_time()
    await asyncio.gather(*(client(first) for first in range(concurrency)))
    return time.thread_time() - thread, time.process_time() - process


def newest() -> tuple[Bundle, Matrix]:
    """The newest version and 4,096 rows for it."""
    definition = ModelDefinition("house_prices", HouseFeatures, TRUSTED_TYPES)
    bundle = store.open_version(definition, "latest")
    golden = RowEncoder(HouseFeatures).matrix([HouseFeatures.from_row(row) for row in bundle.golden.rows])
    return bundle, np.resize(golden, (4096, golden.shape[1]))


def bare(bundle: Bundle, check: FeatureCheck, rows: Matrix, seconds: float = 2.0) -> float:
    """Rows a processor second of the model alone, in batches of 64."""
    started, done = time.process_time(), 0
    while time.process_time() - started < seconds:
        batch = rows[done % 4096 : done % 4096 + 64]
        inputs = bundle.model.transform(batch)
        check.find(batch, inputs)
        bundle.model.predict(inputs)
        done += 64
    return done / (time.process_time() - started)


async def main() -> None:
    """Measure and print."""
    bundle, rows = newest()
    check = FeatureCheck(HouseFeatures, bundle.ranges)
    for concurrency in (1, 16, 64):
        free = Runner(BatchComputer(Nothing(), NothingStrange()))
        await clients(free, rows, concurrency, 2_000)
        loop, both = min([await clients(free, rows, concurrency, REQUESTS) for _ in range(3)])
        free.close()
        real = Runner(BatchComputer(bundle.model, check))
        await clients(real, rows, concurrency, 200)
        requests = 1_000 * min(concurrency, 20)
        _, seconds = await clients(real, rows, concurrency, requests)
        batch = real.counts.rows / real.counts.batches
        real.close()
        micros = [1e6 * seconds / REQUESTS for seconds in (loop, both)]
        sys.stdout.write(
            f"{concurrency:3} at once: loop {micros[0]:5.1f} us, both threads {micros[1]:5.1f} us; "
            f"real model {requests / seconds:7,.0f} rows, batches of {batch:.1f}\n"
        )
    sys.stdout.write(f"bare model, batches of 64: {bare(bundle, check, rows):,.0f} rows\n")


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runs:
        runs.run(main())

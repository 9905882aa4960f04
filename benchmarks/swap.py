"""Proof: 100 swaps under load, 20 of them to broken versions, and nobody notices. `make proof-swap`.

64 connections, two workers, the cache off. Every answer is compared with what the version that it names gives for its
row. The tail is measured in turns: a stretch without swaps, a stretch with, on the same running service.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import psutil
from rich.console import Console

from benchmarks.client import Answer, Connection, percentile
from preprocessors.encoding import RowEncoder
from registry import rollout, store
from registry.bundle import load
from tests.served import Served, serve
from tests.versions import another_version
from training import fetch
from training.dataset import validate
from training.house_prices import RECIPE

CONNECTIONS = 64
ROWS = 500
TRUE_TO = 1e-9
"""Relative difference allowed between an answer and what its version gives."""


class Load:
    """Clients that ask without a pause and check every answer.

    Args:
        url: the service.
        bodies: requests.
        expected: by version, the prediction for each request.
    """

    def __init__(self, url: str, bodies: list[bytes], expected: dict[str, list[float]]) -> None:
        self._url, self._bodies, self._expected = url, bodies, expected
        self.seconds: list[float] = []
        self.failures: Counter[str] = Counter()
        self.answered = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until told to stop."""
        await asyncio.gather(*(self._client(number, stop) for number in range(CONNECTIONS)))

    async def _client(self, number: int, stop: asyncio.Event) -> None:
        connection = Connection(self._url)
        while not stop.is_set():
            number = (number + CONNECTIONS + 1) % len(self._bodies)
            try:
                self._check(number, await connection.post("/predict", self._bodies[number]))
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failures[f"lost: {type(error).__name__}"] += 1
                connection.close()
        connection.close()

    def _check(self, number: int, answer: Answer) -> None:
        self.answered += 1
        self.seconds.append(answer.seconds)
        if answer.status != 200:
            self.failures[f"status {answer.status}: {answer.body.get('code')}"] += 1
            return
        expected = self._expected[answer.body["version"]][number]
        if abs(answer.body["prediction"] / expected - 1) > TRUE_TO:
            self.failures["an answer that is not its version's"] += 1


async def prove(served: Served, versions: list[str], swaps: int, load_: Load, console: Console) -> dict[str, Any]:
    """Run the stretches and give the figures.

    Whoever swaps and looks shares a processor with the clients, and what it takes their answers wait for: it keeps its
    connection, and looks only as often as it must.
    """
    admin, workers = Connection(served.url), served.workers()
    stop = asyncio.Event()
    clients = asyncio.create_task(load_.run(stop))
    await asyncio.sleep(3)  # until every connection is warm
    quiet: list[float] = []
    swapping: list[float] = []
    memory = [_memory(workers)]
    broken = sum(name.startswith("broken") for name in versions)
    for block in range(10):
        load_.seconds = []
        await asyncio.sleep(4)
        quiet += load_.seconds
        load_.seconds = []
        for number in range(swaps // 10):
            await _swap(served, admin, versions[(block * (swaps // 10) + number) % len(versions)])
        swapping += load_.seconds
        memory.append(_memory(workers))
        console.print(f"block {block + 1} of 10: {load_.answered:,} answers, {dict(load_.failures)}, {memory[-1]} MiB")
    stop.set()
    await clients
    admin.close()
    return {
        "answers": load_.answered,
        "failures": dict(load_.failures),
        "swaps": swaps,
        "broken share": broken / len(versions),
        "p50 / p99 without swaps, ms": [round(percentile(quiet, share), 2) for share in (0.5, 0.99)],
        "p50 / p99 during swaps, ms": [round(percentile(swapping, share), 2) for share in (0.5, 0.99)],
        "p99 ratio": round(percentile(swapping, 0.99) / percentile(quiet, 0.99), 2),
        "worker memory by block, MiB": memory,
    }


async def _swap(served: Served, admin: Connection, version: str) -> None:
    """Write the plan and wait until a worker says that it runs it, or that it refuses."""
    file = rollout.plan_file("house_prices", served.home / "plumbline" / "house_prices" / "rollout.json")
    name = version.removeprefix("broken ")
    plan = await asyncio.to_thread(lambda: file.write(file.read().with_stable(name), file.read().generation))
    for _ in range(200):
        models = (await admin.get("/models")).body
        if models["generation"] == plan.generation or (version != name and models["problem"]):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{version} was neither taken nor refused: {models}")


def _memory(workers: Sequence[psutil.Process]) -> int:
    """Resident memory of all workers, in MiB."""
    return sum(worker.memory_info().rss for worker in workers) >> 20


def _versions(served: Served) -> tuple[list[str], list[str]]:
    """Good versions, and names that begin with "broken " for those that must be refused; one in five is."""
    folder = served.home / "models" / RECIPE.definition.name
    first = store.versions(RECIPE.definition.name)[0]
    good = [first, *(another_version(folder / first, folder, rounds=rounds) for rounds in (40, 80, 120))]
    broken = another_version(folder / first, folder, rounds=20)
    booster = folder / broken / "booster.ubj"
    booster.write_bytes(booster.read_bytes()[:-1] + b"X")
    return good, [*good[1:], first, f"broken {broken}"]


def main() -> int:
    """Exit code 0 when nothing failed and the tail kept to its bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--swaps", type=int, default=100)
    options = parser.parse_args()
    console = Console(soft_wrap=True)
    data = validate(RECIPE.definition.rows, RECIPE.read(fetch.fetch(RECIPE.source)))[0]
    rows = data.rows[-ROWS:]
    bodies = [orjson.dumps({"features": row.model_dump(mode="json")}) for row in rows]
    home = Path(os.environ.get("BENTOML_HOME", Path.home() / "bentoml"))
    with tempfile.TemporaryDirectory() as folder, serve(home, Path(folder), 2, PLUMBLINE_CACHE_URL="off") as served:
        good, order = _versions(served)
        raw = RowEncoder(RECIPE.definition.rows).matrix(rows)
        store_folder = served.home / "models" / RECIPE.definition.name
        expected = {}
        for name in good:
            model = load(name, store_folder / name, RECIPE.definition).model
            expected[name] = model.predict(model.transform(raw)).value.tolist()
        figures = asyncio.run(prove(served, order, options.swaps, Load(served.url, bodies, expected), console))
    console.print(json.dumps(figures, indent=2))
    return int(bool(figures["failures"]) or figures["p99 ratio"] > 2.0)


if __name__ == "__main__":
    sys.exit(main())

"""The measuring itself: interleaved rounds, then large requests."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
from rich.console import Console

from benchmarks import load
from benchmarks.contestants import Contestant, Prices, base_environment
from benchmarks.figures import IN_NOTEBOOK, IN_PROCESS, IN_PROCESS_PUBLISHED, Results
from benchmarks.load import Load, Target
from benchmarks.material import BULK_SIZES, Material
from benchmarks.running import EQUAL_TO, LOAD_CORE, SERVER_CORE, Running, core_seconds, serve
from tests.served import ROOT

WARM_UP_CONNECTIONS = 16
BULK_SECONDS = 60
MUCH = 0.05
"""Share of the server's core from which on others disturb the measurement."""
TURNS = 12
"""Pairs of turns a round."""
TURN_CONNECTIONS = 64
ROWS_A_RUN = 1_000_000
"""More than one run sends."""


@dataclass(frozen=True)
class Options:
    """How long and how often."""

    rounds: int
    seconds: float
    connections: list[int]


def rounds(contestants: list[Contestant], material: Material, options: Options, console: Console) -> Results:
    """Every server in turn, each round with a fresh start: drift of the machine reaches all alike."""
    script = load.write_script(material.folder)
    servers: Results = {one.name: {"title": one.title, "rounds": []} for one in contestants}
    for number in range(options.rounds):
        for contestant in contestants:
            with serve(contestant, material) as running:
                found = one_round(contestant, running, material, script, options)
            servers[contestant.name]["rounds"].append(found)
            console.print(_line(number + 1, contestant.name, found))
    return servers


def one_round(
    contestant: Contestant, running: Running, material: Material, script: Path, options: Options
) -> dict[str, Any]:
    """All numbers of connections on one running server."""
    target = _target(contestant, running, material)
    load.run(script, target, WARM_UP_CONNECTIONS, max(1.0, options.seconds / 3), LOAD_CORE, 0)
    loads = {}
    for number, connections in enumerate(options.connections, 1):
        before, busy = running.cpu_seconds(), core_seconds()
        seen = load.run(script, target, connections, options.seconds, LOAD_CORE, number * ROWS_A_RUN)
        spent = running.cpu_seconds() - before
        _check_cache(contestant, seen)
        others = max(core_seconds() - busy - spent, 0.0) / seen.seconds
        cpu = {"others": others, "cpu_us": 1e6 * spent / max(seen.requests, 1), "per_second": seen.per_second}
        loads[str(connections)] = {**asdict(seen), **cpu}
    return {"ready_seconds": running.ready_seconds, "memory_mib": running.memory_mib(), "loads": loads}


def _target(contestant: Contestant, running: Running, material: Material) -> Target:
    return Target(running.url, contestant.path, contestant.bodies(material), contestant.mode)


def _check_cache(contestant: Contestant, seen: Load) -> None:
    """Hits must be hits, and misses misses."""
    if contestant.mode == "different":
        return
    good = seen.cached_share < 0.001 if contestant.mode == "unique" else seen.cached_share > 0.99
    assert good, f"{contestant.name}: {seen.cached_share:.1%} of the answers came from the cache"


def _line(number: int, name: str, found: dict[str, Any]) -> str:
    loads = found["loads"].items()
    seen = [f"{count}: {one['per_second']:,.0f}/s {one['p50_ms']:.2f}/{one['p99_ms']:.1f} ms" for count, one in loads]
    failed = sum(one["failures"] for _, one in loads)
    problem = f"  FAILURES: {failed}" if failed else ""
    others = max(one["others"] for _, one in loads)
    disturbed = f"  (others took up to {others:.0%} of the server's core)" if others > MUCH else ""
    return f"round {number} {name}: {', '.join(seen)}{problem}{disturbed}"


def by_turns(
    watched: Contestant, unwatched: Contestant, material: Material, options: Options, console: Console
) -> list[list[float]]:
    """Requests a second with monitoring and without, in pairs of a second each, which drift and noise reach alike.

    Both servers run; the one whose turn it is not is paused. Each round starts them anew.
    """
    script, pairs = load.write_script(material.folder), list[list[float]]()
    for number in range(options.rounds):
        with serve(watched, material) as one, serve(unwatched, material) as other:
            turns = [(one, _target(watched, one, material)), (other, _target(unwatched, other, material))]
            for running, _ in turns:
                running.pause()
            for pair in range(-1, TURNS):  # the first warms up
                order = turns if pair % 2 else turns[::-1]
                seen = {target: _turn(running, target, script) for running, target in order}
                if pair >= 0:
                    pairs.append([seen[target] for _, target in turns])
        console.print(f"round {number + 1} of turns with monitoring and without")
    return pairs


def _turn(running: Running, target: Target, script: Path) -> float:
    running.go_on()
    seen = load.run(script, target, TURN_CONNECTIONS, 1.0, LOAD_CORE)
    running.pause()
    return seen.per_second


def bulk(
    contestants: list[Contestant], material: Material, seconds: float, console: Console
) -> tuple[Results, dict[str, str]]:
    """Rows a second of large requests over one connection, and why some are absent."""
    found: Results = {
        IN_NOTEBOOK: _in_notebook(material, seconds),
        IN_PROCESS: _in_process(IN_PROCESS, material, seconds),
    }
    if material.published:
        found[IN_PROCESS_PUBLISHED] = _in_process(IN_PROCESS_PUBLISHED, material, seconds)
    absent: dict[str, str] = {}
    script = load.write_script(material.folder)
    for contestant in contestants:
        if not contestant.bulk:
            continue
        with serve(contestant, material) as running:
            for way, path, request, prices in contestant.bulk:
                for size in BULK_SIZES:
                    key = f"{contestant.name}: {way}"
                    body = orjson.dumps(request(material.many(size)))
                    refused = _refusal(running.url + path, body, prices, material.many_expected(contestant.exact, size))
                    if refused:
                        absent[f"{key}, {size:,} rows"] = refused
                        continue
                    target = Target(running.url, path, material.bodies(f"bulk-{contestant.name}", [body]))
                    seen = load.run(script, target, 1, seconds, LOAD_CORE)
                    found.setdefault(key, {})[str(size)] = seen.per_second * size
        console.print({key: value for key, value in found.items() if key.startswith(contestant.name)})
    return found, absent


def _refusal(url: str, body: bytes, prices: Prices, expected: list[float]) -> str:
    """Why a server does not take a request; empty when it does.

    Args:
        expected: the right answers, empty when they are not known.

    Raises:
        AssertionError: it answers wrongly.
    """
    answer = httpx.post(url, content=body, headers={"content-type": "application/json"}, timeout=BULK_SECONDS)
    if answer.status_code != 200:
        return f"refused with status {answer.status_code}"
    if expected:
        assert np.allclose(prices(answer.json()), expected, rtol=EQUAL_TO, atol=0), f"wrong answers from {url}"
    return ""


def _in_process(name: str, material: Material, seconds: float) -> dict[str, float]:
    rows = str(material.folder / "rows.json")
    return _alone([sys.executable, "-m", "benchmarks.in_process", name, rows], material, seconds)


def _in_notebook(material: Material, seconds: float) -> dict[str, float]:
    command = [str(material.peers_python), "-m", "benchmarks.peers.in_notebook", str(material.folder)]
    return _alone(command, material, seconds)


def _alone(command: list[str], material: Material, seconds: float) -> dict[str, float]:
    """What a program on the server's core says of each size."""
    command = ["taskset", "-c", str(SERVER_CORE), *command, str(seconds), *map(str, BULK_SIZES)]
    environment = {**base_environment(), "BENTOML_HOME": str(material.home)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
    rates: dict[str, float] = json.loads(done.stdout)
    return rates

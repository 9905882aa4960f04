"""The measuring itself, in interleaved rounds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import load
from benchmarks.contestants import Contestant
from benchmarks.figures import Results
from benchmarks.material import Material
from benchmarks.running import LOAD_CORE, Running, core_seconds, serve

WARM_UP_CONNECTIONS = 16
MUCH = 0.05
"""Share of the server's core from which on others disturb the measurement."""


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
    aim = contestant.target(running.url, material)
    load.run(script, aim, WARM_UP_CONNECTIONS, max(1.0, options.seconds / 3), LOAD_CORE)
    loads = {}
    for number, connections in enumerate(options.connections, 1):
        before, busy = running.cpu_seconds(), core_seconds()
        seen = load.run(script, aim, connections, options.seconds, LOAD_CORE, number)
        spent = running.cpu_seconds() - before
        contestant.check_cache(seen)
        others = max(core_seconds() - busy - spent, 0.0) / seen.seconds
        cpu = {"others": others, "cpu_us": 1e6 * spent / max(seen.requests, 1), "per_second": seen.per_second}
        loads[str(connections)] = {**asdict(seen), **cpu}
    return {"ready_seconds": running.ready_seconds, "memory_mib": running.memory_mib(), "loads": loads}


def _line(number: int, name: str, found: dict[str, Any]) -> str:
    loads = found["loads"].items()
    seen = [f"{count}: {one['per_second']:,.0f}/s {one['p50_ms']:.2f}/{one['p99_ms']:.1f} ms" for count, one in loads]
    failed = sum(one["failures"] for _, one in loads)
    problem = f"  FAILURES: {failed}" if failed else ""
    others = max(one["others"] for _, one in loads)
    disturbed = f"  (others took up to {others:.0%} of the server's core)" if others > MUCH else ""
    return f"round {number} {name}: {', '.join(seen)}{problem}{disturbed}"

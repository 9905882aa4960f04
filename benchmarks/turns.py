"""Two servers by turns: what differs by little differs by less than rounds do, which lie minutes apart."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from rich.console import Console

from benchmarks import load
from benchmarks.contestants import Contestant
from benchmarks.load import Load, Target
from benchmarks.material import Material
from benchmarks.running import LOAD_CORE, Running, serve

TURNS = 12
"""Pairs of turns a round."""
TURN_SECONDS = 1.0
CONNECTIONS = 64
ROWS_A_RUN = 1_000_000
"""More than one run sends."""


def pairs(one: Contestant, other: Contestant, material: Material, rounds: int, console: Console) -> list[list[float]]:
    """Requests a second of both, in pairs of a second each, which drift and noise reach alike.

    Both servers run; the one whose turn it is not is paused. Each round starts them anew.
    """
    script, found = load.write_script(material.folder), list[list[float]]()
    for number in range(rounds):
        with ExitStack() as stack:
            servers = [_Server.start(who, material, stack) for who in (one, other)]
            runs = count()
            for turn in range(-1, TURNS):  # the first warms up
                order = servers if turn % 2 else servers[::-1]
                seen = [server.turn(script, next(runs)) for server in order]
                if turn >= 0:
                    found.append(seen if turn % 2 else seen[::-1])
        console.print(f"round {number + 1} of turns: {one.title} / {other.title}")
    return found


def target(contestant: Contestant, running: Running, material: Material) -> Target:
    """Where wrk sends a contestant's requests."""
    return Target(running.url, contestant.path, contestant.bodies(material), contestant.mode)


def check_cache(contestant: Contestant, seen: Load) -> None:
    """Hits must be hits, and misses misses. Raises AssertionError."""
    if contestant.mode == "different":
        return
    good = seen.cached_share < 0.001 if contestant.mode == "unique" else seen.cached_share > 0.99
    assert good, f"{contestant.name}: {seen.cached_share:.1%} of the answers came from the cache"


@dataclass(frozen=True)
class _Server:
    """One that is paused but for its turns."""

    contestant: Contestant
    running: Running
    aim: Target

    @classmethod
    def start(cls, contestant: Contestant, material: Material, stack: ExitStack) -> _Server:
        running = stack.enter_context(serve(contestant, material))
        running.pause()
        return cls(contestant, running, target(contestant, running, material))

    def turn(self, script: Path, run: int) -> float:
        with self.running.awake():
            seen = load.run(script, self.aim, CONNECTIONS, TURN_SECONDS, LOAD_CORE, run * ROWS_A_RUN)
        check_cache(self.contestant, seen)
        return seen.per_second

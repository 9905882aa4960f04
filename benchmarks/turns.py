"""Two servers by turns: what differs by little differs by less than rounds do, which lie minutes apart."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from rich.console import Console

from benchmarks import load
from benchmarks.contestants import Contestant
from benchmarks.load import Target
from benchmarks.material import Material
from benchmarks.running import LOAD_CORE, Running, serve

TURNS = 12
"""Pairs of turns a round."""
TURN_SECONDS = 1.0
CONNECTIONS = 64


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
        return cls(contestant, running, contestant.target(running.url, material))

    def turn(self, script: Path, number: int) -> float:
        with self.running.awake():
            seen = load.run(script, self.aim, CONNECTIONS, TURN_SECONDS, LOAD_CORE, number)
        self.contestant.check_cache(seen)
        return seen.per_second

"""Large requests, and the model alone, by turns: all run, and those whose turn it is not are paused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import orjson
from rich.console import Console

from benchmarks import load
from benchmarks.contestants import Bulk, Contestant, Prices, base_environment
from benchmarks.figures import IN_NOTEBOOK, IN_PROCESS, IN_PROCESS_PUBLISHED, Results
from benchmarks.load import Target
from benchmarks.material import BULK_SIZES, Material
from benchmarks.running import EQUAL_TO, LOAD_CORE, SERVER_CORE, Running, serve
from tests.served import ROOT

TURN_SECONDS = 1.0
ANSWER_SECONDS = 60
END_SECONDS = 20


@dataclass(frozen=True)
class Way:
    """One way to get many rows predicted, with one number of rows; `turn` gives rows a second."""

    name: str
    rows: int
    turn: Callable[[], float]


def measure(
    contestants: list[Contestant], material: Material, turns: int, console: Console
) -> tuple[Results, dict[str, str]]:
    """Rows a second by way and number of rows, turn by turn, over one connection; and why some are absent.

    Raises:
        AssertionError: somebody answers wrongly.
    """
    absent: dict[str, str] = {}
    with ExitStack() as stack:
        ways = _alone(material, stack)
        for contestant in contestants:
            if contestant.bulk:
                running = stack.enter_context(serve(contestant, material))
                ways += [
                    way for bulk in contestant.bulk for way in _served(contestant, running, bulk, material, absent)
                ]
                running.pause()
        found: Results = {way.name: {} for way in ways}
        for turn in range(-1, turns):  # the first warms up
            for way in ways if turn % 2 else ways[::-1]:
                rate = way.turn()
                if turn >= 0:
                    found[way.name].setdefault(str(way.rows), []).append(rate)
            console.print(f"turn {turn + 1} of {turns} of large requests")
    return found, absent


def _served(
    contestant: Contestant, running: Running, bulk: Bulk, material: Material, absent: dict[str, str]
) -> Iterator[Way]:
    title, path, request, prices = bulk
    name, script = f"{contestant.name}: {title}", load.write_script(material.folder)
    for size in BULK_SIZES:
        body = orjson.dumps(request(material.many(size)))
        refused = _refusal(running.url + path, body, prices, material.many_expected(contestant.exact, size))
        if refused:
            absent[f"{name}, {size:,} rows"] = refused
            continue
        file = material.bodies(f"bulk-{contestant.name}-{title}-{size}".replace(" ", "-"), [body])
        yield Way(name, size, partial(_turn, running, script, Target(running.url, path, file), size))


def _turn(running: Running, script: Path, target: Target, rows: int) -> float:
    """By the mean time of an answer: a turn is too short to count answers of which only a few come in it."""
    with running.awake():
        seen = load.run(script, target, 1, TURN_SECONDS, LOAD_CORE)
    assert seen.requests > seen.failures == 0, f"{target.url}{target.path} does not answer all: {seen}"
    return 1000 * rows / seen.mean_ms


def _refusal(url: str, body: bytes, prices: Prices, expected: list[float]) -> str:
    """Why a server does not take a request; empty when it does.

    Args:
        expected: the right answers, empty when they are not known.

    Raises:
        AssertionError: it answers wrongly.
    """
    answer = httpx.post(url, content=body, headers={"content-type": "application/json"}, timeout=ANSWER_SECONDS)
    if answer.status_code != 200:
        return f"refused with status {answer.status_code}"
    if expected:
        assert np.allclose(prices(answer.json()), expected, rtol=EQUAL_TO, atol=0), f"wrong answers from {url}"
    return ""


def _alone(material: Material, stack: ExitStack) -> list[Way]:
    """The models in processes of their own, without a server."""
    rows = str(material.folder / "rows.json")
    commands = {
        IN_NOTEBOOK: [str(material.peers_python), "-m", "benchmarks.peers.in_notebook", str(material.folder)],
        IN_PROCESS: [sys.executable, "-m", "benchmarks.in_process", IN_PROCESS, rows],
    }
    if material.published:
        commands[IN_PROCESS_PUBLISHED] = [sys.executable, "-m", "benchmarks.in_process", IN_PROCESS_PUBLISHED, rows]
    programs = {name: stack.enter_context(_program(command, material)) for name, command in commands.items()}
    return [Way(name, size, partial(_ask, program, size)) for name, program in programs.items() for size in BULK_SIZES]


@contextmanager
def _program(command: list[str], material: Material) -> Iterator[subprocess.Popen[str]]:
    """A program on the server's core that takes a turn for each line, and waits for the next."""
    command = ["taskset", "-c", str(SERVER_CORE), *command, *map(str, BULK_SIZES)]
    environment = {**base_environment(), "BENTOML_HOME": str(material.home)}
    with subprocess.Popen(  # noqa: S603
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        try:
            yield program
        finally:
            assert program.stdin is not None
            program.stdin.close()  # which ends it
            program.wait(END_SECONDS)


def _ask(program: subprocess.Popen[str], rows: int) -> float:
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(f"{rows} {TURN_SECONDS}\n")
    program.stdin.flush()
    answer = program.stdout.readline()
    assert answer, f"{program.args!r} ended"
    return float(answer)

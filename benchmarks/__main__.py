"""`make bench`: this service beside the floor and its peers, on the same model and machine."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path

import orjson
from rich.console import Console

from benchmarks import bulk, chart, environments, measure, tables, turns
from benchmarks.contestants import Contestant, contestants
from benchmarks.figures import COMPARED, Results
from benchmarks.material import prepare
from benchmarks.measure import Options
from deploy.environments import Unfit, environment

CACHE = Path(".cache") / "bench"
PAGES = Path("docs") / "benchmarks"
BULK_TURNS = 3
"""Turns of large requests for each round."""


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: measured; 2: it cannot run here, or a server is not what it should be."""
    options = _options(arguments)
    console = Console(soft_wrap=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended too
    try:
        results = run(options, console)
    except (Unfit, AssertionError, subprocess.CalledProcessError) as error:
        console.print(f"[bold red]The benchmark cannot run:[/] {error}", highlight=False)
        return 2
    write(results, options.output)
    console.print(f"Written: {options.output}")
    return 0


def run(options: argparse.Namespace, console: Console) -> Results:
    """Prepare, measure, and give the results.

    Raises:
        Unfit: a tool is missing.
        AssertionError: a server answers wrongly or not at all.
    """
    environments.check_tools()
    absent: dict[str, str] = {}
    peers = _environment("FastAPI and BentoML", "venv", "bench.txt", absent, console)
    mlserver = _environment("MLServer", "venv-mlserver", "bench-mlserver.txt", absent, console)
    if peers is None:
        raise Unfit(f"the peers' environment also trains the reference model: {absent['FastAPI and BentoML']}")
    console.print("Training the reference model, comparing it with the peers' pipeline ...")
    material = prepare((CACHE / "work").absolute(), peers.absolute())
    if not material.published:
        absent["published model"] = "the model store holds none; train one with: python -m training"
    chosen = _chosen(contestants(peers.absolute(), mlserver and mlserver.absolute(), material), options.only)
    plan = Options(options.rounds, options.seconds, options.connections)
    servers = measure.rounds(chosen, material, plan, console)
    by_name = {one.name: one for one in chosen}
    compared = {
        title: turns.pairs(by_name[one], by_name[other], material, plan.rounds, console)
        for title, (one, other) in COMPARED.items()
        if {one, other} <= by_name.keys()
    }
    many, refused = ({}, {}) if options.no_bulk else bulk.measure(chosen, material, BULK_TURNS * plan.rounds, console)
    return {
        "environment": environments.describe(peers, mlserver),
        "options": {"rounds": plan.rounds, "seconds": plan.seconds, "connections": plan.connections},
        "servers": servers,
        "turns": compared,
        "bulk": many,
        "absent": {**absent, **refused},
    }


def write(results: Results, folder: Path) -> None:
    """results.json, the page and the chart."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2))
    (folder / "README.md").write_text(tables.page(results))
    chart.draw(results, folder / "benchmarks.svg")


def _environment(title: str, name: str, lock: str, absent: dict[str, str], console: Console) -> Path | None:
    console.print(f"The environment of {title} ({lock}) ...")
    try:
        return environment(name, lock, CACHE)
    except Unfit as error:
        absent[title] = str(error)
        console.print(f"absent: {title}: {error}")
        return None


def _chosen(found: list[Contestant], only: list[str] | None) -> list[Contestant]:
    names = [one.name for one in found]
    unknown = set(only or ()) - set(names)
    if unknown:
        raise Unfit(f"there is no {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    return [one for one in found if not only or one.name in only]


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of 3 s: to see that all works")
    parser.add_argument("--rounds", type=int, help="how often every server is measured (3)")
    parser.add_argument("--seconds", type=float, help="length of one measurement (10)")
    parser.add_argument("--only", action="append", metavar="NAME", help="measure only this server; may be repeated")
    parser.add_argument(
        "--connections", type=lambda text: [int(part) for part in text.split(",")], default=[1, 16, 64, 256]
    )
    parser.add_argument("--no-bulk", action="store_true", help="leave out large requests")
    parser.add_argument("--output", type=Path, default=PAGES, help="folder of results, table and chart")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (3 if options.quick else 10)
    return options


if __name__ == "__main__":
    sys.exit(main())

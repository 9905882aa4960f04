"""`make replay`: four years of sales through the real service, and when which alarm rang."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.replay import page
from benchmarks.replay.player import Played, play
from benchmarks.replay.scenarios import SCENARIOS, Scenario
from tests.served import ROOT
from training import fetch
from training.dataset import validate

PAGES = Path("docs") / "replay"


def main(arguments: list[str] | None = None) -> None:
    """Train, replay, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument("--only", action="append", choices=[one.name for one in SCENARIOS], help="scenario to replay")
    parser.add_argument("--output", type=Path, default=PAGES, help="where the page goes")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True)
    played = [run(one, console) for one in SCENARIOS if not options.only or one.name in options.only]
    page.write(played, options.output)
    console.print(f"Written: {options.output}")


def run(scenario: Scenario, console: Console) -> Played:
    """Train a scenario's versions, and replay it."""
    recipe = scenario.recipe
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        console.print(f"[bold]{scenario.title}[/]: training {len(scenario.swaps)} versions ...")
        versions = _train(scenario, folder / "home")
        data, _ = validate(recipe.definition.rows, recipe.read(fetch.fetch(recipe.source)))
        (folder / "served").mkdir()
        console.print("Replaying 2013 to 2016 ...")
        played = play(scenario, folder / "home", versions, data, folder / "served")
    console.print(f"{played.predicted:,} predictions, {played.accepted:,} outcomes, {len(played.alarms)} alarms")
    for alarm in played.alarms:
        console.print(f"  {page.alarm_line(alarm)}")
    return played


def _train(scenario: Scenario, home: Path) -> dict[str, str]:
    home.mkdir()
    output = home / "versions.json"
    environment = {**os.environ, "BENTOML_HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.replay.versions", scenario.name, str(output)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SystemExit(f"training failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    found: dict[str, str] = json.loads(output.read_text())
    return found


if __name__ == "__main__":
    main()

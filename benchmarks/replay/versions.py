"""Trains the versions of a scenario into the model store of BENTOML_HOME: `python -m benchmarks.replay.versions NAME`.

A process of its own, because BentoML looks for its home once, when it is imported.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.replay.scenarios import SCENARIOS
from training.run import run


def main(name: str, output: Path) -> None:
    """Train, and write which version begins when."""
    scenario = next(one for one in SCENARIOS if one.name == name)
    console = Console(soft_wrap=True)
    trained: dict[str, str] = {}
    for swap in scenario.swaps:
        version = run(scenario.recipe, console, until=scenario.known_until(swap)).version
        assert version is not None, "a gate that lets everything pass has refused"
        trained[swap.isoformat()] = version
    output.write_text(json.dumps(trained))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

"""`make faults`: the faults that take long, one after another, with figures; the exit code says if promises held."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from tests.load.material import store_home
from tests.load.scenarios import SCENARIOS
from tests.served import ROOT


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.faults", description=__doc__)
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="one of them; may be repeated")
    options = parser.parse_args(arguments)
    console, broken, all_figures = Console(soft_wrap=True, highlight=False), 0, {}
    for name, scenario in SCENARIOS.items():
        if options.only and name not in options.only:
            continue
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found = scenario(store_home(), Path(folder))
        all_figures[name] = found.figures
        console.print(
            f"[bold]{name}[/] ({time.monotonic() - started:.0f} s): {(scenario.__doc__ or '').splitlines()[0]}"
        )
        for what, figure in found.figures.items():
            console.print(f"  {what}: {figure}")
        for promise in found.broken:
            console.print(f"  [bold]broken:[/] {promise}")
        broken += len(found.broken)
    output = ROOT / "runs" / "faults.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(all_figures, indent=1))
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())

"""`make proof-drift`: our drift alarm beside the usual ways to see drift, on the same streams."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import orjson
from rich.console import Console

from benchmarks import environments
from benchmarks.drift import measure, page
from benchmarks.drift.detectors import STEP
from benchmarks.drift.measure import EVIDENTLY, Results
from benchmarks.drift.streams import SCENARIOS
from deploy.environments import Unfit, environment

CACHE = Path(".cache") / "bench"
EVIDENTLY_ROWS = 20_000
"""Length of its streams without drift: a look takes it most of a second."""

PAGES = Path("docs") / "benchmarks" / "drift"


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: the promises are kept; 1: one is broken."""
    options = _options(arguments)
    console = Console(soft_wrap=True)
    environment = _environment()
    with console.status("") as status:

        def tell(text: str) -> None:
            status.update(text)

        results: Results = {
            "quiet": measure.quiet(options.streams, options.rows, tell),
            "changes": measure.changes(options.streams, tell),
        }
        for figures in results["quiet"].values():
            figures["rows"] = options.rows
            figures["looks"] = _looks(figures, options.rows)
        python = _evidently(console, options.evidently)
        if python is not None:
            calm, late = measure.evidently(python, options.evidently, min(options.rows, EVIDENTLY_ROWS), tell)
            results["quiet"][EVIDENTLY] = calm
            for scenario in SCENARIOS:
                results["changes"][scenario.title][EVIDENTLY] = late[scenario.title]
            environment["Evidently"] = environments.versions(python, ("evidently", "pandas", "numpy"))
    results["environment"] = environment
    write(results, options.output)
    broken = page.failures(results)
    console.print(f"Written: {options.output}", *broken, sep="\n", highlight=False)
    return 1 if broken else 0


def write(results: Results, folder: Path) -> None:
    """results.json, the page and the chart."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2))
    (folder / "README.md").write_text(page.page(results))
    page.draw(results, folder / "drift.svg")


def _looks(figures: Results, rows: int) -> int:
    """Looks that were made: until the first alarm, or to the end of the stream."""
    rang = sum(figures["first"])
    return int(max(1, (rang + (figures["streams"] - len(figures["first"])) * rows) // STEP))


def _evidently(console: Console, streams: int) -> Path | None:
    if not streams:
        return None
    try:
        return environment("venv-drift", "bench-drift.txt", CACHE).absolute()
    except (Unfit, subprocess.CalledProcessError) as error:
        console.print(f"absent: {EVIDENTLY}: {error}", highlight=False)
        return None


def _environment() -> dict[str, str]:
    found = environments.describe(None, None)
    return {name: found[name] for name in ("processor", "cores", "system", "Python", "commit")}


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--streams", type=int, default=100, help="streams without drift, and with each change (100)")
    parser.add_argument("--rows", type=int, default=100_000, help="length of a stream without drift (100000)")
    parser.add_argument(
        "--evidently", type=int, default=4, metavar="STREAMS", help="streams for Evidently (4; 0: none)"
    )
    parser.add_argument("--output", type=Path, default=PAGES, help="folder of results, table and chart")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())

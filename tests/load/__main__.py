"""`make load`: locust's users against two workers and three versions; the exit code says if the objectives held."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.environments import Unfit, environment
from tests.load.material import store_home, three_versions
from tests.served import ROOT

CACHE = ROOT / ".cache"
RUNS = ROOT / "runs" / "load"
GRACE_SECONDS = 60


@dataclass(frozen=True)
class Form:
    """How long, and with how many users."""

    name: str
    users: int
    ramp_seconds: int
    steady_seconds: int


FULL = Form("full", users=200, ramp_seconds=30, steady_seconds=90)
SHORT = Form("short", users=24, ramp_seconds=4, steady_seconds=12)


def locust_python() -> Path:
    """The Python that has locust, in an environment of its own.

    Raises:
        Unfit: it cannot be installed.
    """
    return environment("venv-load", "load.txt", CACHE)


def run(form: Form, python: Path, home: Path, report: Path) -> tuple[int, dict[str, Any]]:
    """Serve, load, and judge.

    Args:
        report: where the HTML goes.

    Returns:
        locust's exit code, 0 if every objective was kept, and the figures.
    """
    report.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, three_versions(home, Path(folder)) as (served, material):
        figures = Path(folder) / "figures.json"
        given = {
            "LOAD_MATERIAL": str(material),
            "LOAD_FIGURES": str(figures),
            "LOAD_FORM": form.name,
            "LOAD_USERS": str(form.users),
            "LOAD_RAMP_SECONDS": str(form.ramp_seconds),
            "LOAD_STEADY_SECONDS": str(form.steady_seconds),
            "PYTHONPATH": str(ROOT),
        }
        command = [str(python), "-m", "locust", "-f", str(ROOT / "tests" / "load" / "locustfile.py"), "--headless"]
        command += ["--host", served.url, "--html", str(report), "--only-summary", "--loglevel", "WARNING"]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            timeout=form.ramp_seconds + form.steady_seconds + GRACE_SECONDS,
            check=False,
        )
        log = served.log.read_text()
        if not figures.exists() or "Traceback" in log or '"level":"ERROR"' in log:
            raise AssertionError(f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}\n{log[-2000:]}")
        return done.returncode, json.loads(figures.read_text())


def table(figures: dict[str, Any]) -> Table:
    """The steady stage, a kind of request a line."""
    found = Table("request", "requests", "failed", "p50 ms", "p99 ms", "longest ms")
    for row in figures["rows"]:
        numbers = (row[name] for name in ("requests", "failures", "p50_ms", "p99_ms", "longest_ms"))
        found.add_row(row["name"], *(f"{number:,.0f}" for number in numbers))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when every objective was kept; 2 when the test cannot run here."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--short", action="store_true", help="the form that make test runs")
    parser.add_argument("--users", type=int, help="so many users at once (200)")
    parser.add_argument("--seconds", type=int, help="length of the steady stage (90)")
    options = parser.parse_args(arguments)
    form = SHORT if options.short else FULL
    form = Form(form.name, options.users or form.users, form.ramp_seconds, options.seconds or form.steady_seconds)
    console = Console(soft_wrap=True)
    try:
        python = locust_python()
    except Unfit as error:
        console.print(str(error))
        return 2
    code, figures = run(form, python, store_home(), RUNS / "report.html")
    console.print(table(figures))
    requests, cached = sum(row["requests"] for row in figures["rows"]), figures["cached"] / max(1, figures["repeated"])
    console.print(
        f"{form.users} users, {requests:,} requests in {figures['seconds']:.0f} s "
        f"({requests / max(1, figures['seconds']):,.0f} a second), repeated rows cached: {cached:.0%}"
    )
    for what, number in figures["failures"].items():
        console.print(f"failed {number} times: {what}", highlight=False)
    for missed in figures["missed"]:
        console.print(f"[bold]missed:[/] {missed}", highlight=False)
    console.print(f"report: {(RUNS / 'report.html').relative_to(ROOT)}; objectives {'missed' if code else 'kept'}")
    return code


if __name__ == "__main__":
    sys.exit(main())

"""The load test's ramp and steady stage, and the end, when it is judged. Runs in locust's own Python."""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from locust import LoadTestShape, events

from tests.load.objectives import FORMS, Figures, Row, broken

USERS, RAMP, STEADY = (int(os.environ[f"LOAD_{name}"]) for name in ("USERS", "RAMP_SECONDS", "STEADY_SECONDS"))

seen: dict[str, Any] = {"repeated": 0, "cached": 0, "ramp_requests": 0, "ramp_failures": 0, "steady_since": 0.0}
failures: dict[str, int] = {}
"""What was seen; users add to it."""


class Steps(LoadTestShape):
    """A ramp, then a steady stage; then it is over."""

    def tick(self) -> tuple[int, float] | None:
        """Users and new users a second, asked once a second."""
        seconds = self.get_run_time()
        if seconds < RAMP:
            return max(2, math.ceil(USERS * (seconds + 1) / (RAMP + 1))), max(1.0, USERS / RAMP)
        if seconds >= RAMP + STEADY:
            seen["seconds"] = time.monotonic() - seen["steady_since"]
            return None
        if not seen["steady_since"]:
            self._begin_steady()
        return USERS, max(1.0, USERS / RAMP)

    def _begin_steady(self) -> None:
        stats = self.runner.environment.stats
        seen["ramp_requests"] = stats.total.num_requests
        seen["ramp_failures"] += stats.total.num_failures
        seen.update(repeated=0, cached=0, steady_since=time.monotonic())
        stats.reset_all()


@events.request.add_listener
def on_request(name: str, exception: Exception | None = None, **_: Any) -> None:
    """Keep what went wrong, through the reset too."""
    if exception is not None:
        what = f"{name}: {exception}"[:200]
        failures[what] = failures.get(what, 0) + 1


@events.user_error.add_listener
def on_error(exception: Exception, **_: Any) -> None:
    """A user stumbled over an answer."""
    failures[f"{type(exception).__name__}: {exception}"[:200]] = 1
    seen["ramp_failures"] += 1


@events.quitting.add_listener
def on_quit(environment: Any, **_: Any) -> None:
    """Judge, write the figures, and set the exit code."""
    rows = [
        Row(
            name,
            entry.num_requests,
            entry.num_failures,
            p50_ms=float(entry.get_response_time_percentile(0.5) or 0),
            p99_ms=float(entry.get_response_time_percentile(0.99) or 0),
            longest_ms=float(entry.max_response_time),
        )
        for (name, _), entry in sorted(environment.stats.entries.items())
        if seen["steady_since"]
    ]
    figures = Figures(
        rows,
        seen.get("seconds", 0.0),
        ramp_requests=seen["ramp_requests"],
        ramp_failures=seen["ramp_failures"],
        repeated=seen["repeated"],
        cached=seen["cached"],
        failures=failures,
    )
    missed = broken(FORMS[os.environ["LOAD_FORM"]], figures)
    Path(os.environ["LOAD_FIGURES"]).write_text(json.dumps({**asdict(figures), "missed": missed}, indent=1))
    environment.process_exit_code = int(bool(missed))

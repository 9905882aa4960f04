"""`make soak`: load for minutes, and whether anything grows with the requests: memory, open files, threads, disk.

wrk sends rows that never repeat (the cache is full and forgets all the time) and every row is logged. Between its
stretches come the requests that take other ways: bulk, errors, outcomes, new connections, scrapes. Then, with nothing
under way, the workers are looked at.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from rich.console import Console

from benchmarks import load
from benchmarks.environments import check_tools
from deploy.environments import Unfit
from monitoring.log_options import LogOptions
from tests.load.material import MODEL, house_rows, store_home
from tests.served import ROOT, Served, serve
from tests.wire import Wire

WORKERS = 2
CONNECTIONS = 32
STRETCH_SECONDS = 15
WARM_SHARE = 1 / 3
"""The first third of the run is not judged: caches and buffers fill."""

GROWTH_MIB = 8.0
"""Most memory that a worker may grow by for a million requests that it answers."""
MORE_FILES, MORE_THREADS = 4, 4
STATE_MIB = 2.0
"""Most that the state folder, without the prediction log, may grow by after the warm-up."""

SETTINGS: dict[str, Any] = {"PLUMBLINE_CACHE_BYTES": str(4 << 20), "PLUMBLINE_PREDICTION_LOG": "1"}


@dataclass(frozen=True)
class Look:
    """The workers after so many requests; memory is what is theirs alone (USS), in MiB over all workers."""

    requests: int
    memory_mib: float
    files: int
    threads: int
    log_mib: float
    state_mib: float


@dataclass(frozen=True)
class Soaked:
    """What came of it."""

    requests: int
    seconds: float
    failures: int
    growth_mib: float
    more_files: int
    more_threads: int
    log_mib: float
    log_limit_mib: float
    more_state_mib: float
    replaced_workers: int
    looks: list[Look]

    def missed(self) -> list[str]:
        """The bounds that were not kept, one sentence each."""
        bounds = [
            (self.failures > 0, f"{self.failures} requests failed"),
            (self.growth_mib > GROWTH_MIB, f"{self.growth_mib:.1f} MiB for a million requests; {GROWTH_MIB:g} allowed"),
            (self.more_files > MORE_FILES, f"{self.more_files} more open files; {MORE_FILES} allowed"),
            (self.more_threads > MORE_THREADS, f"{self.more_threads} more threads; {MORE_THREADS} allowed"),
            (self.log_mib > self.log_limit_mib, f"{self.log_mib:.0f} MiB of prediction log"),
            (self.more_state_mib > STATE_MIB, f"the state folder grew by {self.more_state_mib:.1f} MiB"),
            (self.replaced_workers > 0, f"{self.replaced_workers} workers died"),
        ]
        return [sentence for is_missed, sentence in bounds if is_missed]


def size_mib(folder: Path) -> float:
    """What the files of a folder take on disk; those that vanish meanwhile take nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512 if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total / 2**20


def look(served: Served, requests: int) -> Look:
    """Look at the workers when they have written and closed what they had."""
    time.sleep(2.0)  # the log is flushed four times a second; connections close at once
    workers, state = served.workers(), served.home / "plumbline" / MODEL
    log = size_mib(state / "predictions")
    return Look(
        requests,
        sum(worker.memory_full_info().uss for worker in workers) / 2**20,
        sum(worker.num_fds() for worker in workers),
        sum(worker.num_threads() for worker in workers),
        log,
        size_mib(state) - log,
    )


def other_requests(served: Served, rows: list[dict[str, Any]]) -> int:
    """What wrk does not send. Returns the number of requests.

    Raises:
        AssertionError: an answer is not what it should be.
    """
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    broken = {**rows[0], "bedrooms": -1}
    asked: list[tuple[str, Any, int]] = [
        *[("/predict", {"features": broken}, 422)] * 200,
        *[("/predict_batch", {"rows": rows}, 200)] * 10,
        *[("/predict_batch", {"columns": columns}, 200)] * 5,
        *[("/predict_columns", {"columns": columns}, 200)] * 5,
        *[("/nothing", {}, 404)] * 100,
    ]
    with served.client() as client:
        for path, body, status in asked:
            assert client.post(path, json=body).status_code == status, path
        answers = client.post("/predict_batch", json={"rows": rows}).json()["predictions"]
        outcomes = [{"prediction_id": each["prediction_id"], "actual": each["prediction"]} for each in answers]
        assert client.post("/outcomes", json={"outcomes": outcomes}).json()["accepted"] == len(outcomes)
        assert client.get("/metrics").status_code == 200
    for _ in range(100):  # connections that come and go
        with Wire(served.url) as wire:
            assert wire.ask(b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").status == 200
    return len(asked) + 103


def body(row: dict[str, Any]) -> bytes:
    """A request whose latitude keeps its length when wrk's script counts it up."""
    latitude = b'"latitude":%.9f' % row["latitude"]
    return re.sub(rb'"latitude":[\d.]+', latitude, orjson.dumps({"features": row}))


def soak(served: Served, seconds: float, most: int, folder: Path, console: Console) -> Soaked:
    """Load for so long or so many requests, whatever comes first."""
    rows = [row.model_dump(mode="json") for row in house_rows(2_000)]
    rows = [row for row in rows if row["latitude"] is not None][:500]  # by which wrk makes each row another one
    target = load.Target(served.url, "/predict", folder / "bodies.jsonl", "unique")
    target.bodies.write_bytes(b"".join(body(row) + b"\n" for row in rows))
    script, started = load.write_script(folder), time.monotonic()
    first, requests, failures, looks = {worker.pid for worker in served.workers()}, 0, 0, list[Look]()
    while (time.monotonic() - started < seconds and requests < most) or len(looks) < 4:
        seen = load.run(script, target, CONNECTIONS, STRETCH_SECONDS, core=0, number=len(looks))
        failures += seen.failures
        requests += seen.requests + other_requests(served, rows)
        looks.append(look(served, requests))
        now = looks[-1]
        console.print(
            f"{requests:>11,} requests, {seen.per_second:,.0f} a second, p99 {seen.p99_ms:.0f} ms, {failures} failed: "
            f"{now.memory_mib:.1f} MiB, {now.files} files, {now.threads} threads, log {now.log_mib:.0f} MiB, "
            f"other state {now.state_mib:.1f} MiB"
        )
    judged = looks[int(len(looks) * WARM_SHARE) :]
    options = LogOptions.model_fields
    limit = options["max_file_bytes"].default * options["max_files"].default * WORKERS / 2**20
    return Soaked(
        requests=requests,
        seconds=time.monotonic() - started,
        failures=failures,
        growth_mib=growth(judged),
        more_files=judged[-1].files - judged[0].files,
        more_threads=judged[-1].threads - judged[0].threads,
        log_mib=max(each.log_mib for each in looks),
        log_limit_mib=limit,
        more_state_mib=judged[-1].state_mib - judged[0].state_mib,
        replaced_workers=len({worker.pid for worker in served.workers()} - first),
        looks=looks,
    )


def growth(looks: list[Look]) -> float:
    """MiB for a million requests: the median slope over pairs of looks (Theil and Sen); one peak changes little."""
    slopes = [
        (after.memory_mib - before.memory_mib) / (after.requests - before.requests) * 1e6
        for number, before in enumerate(looks)
        for after in looks[number + 1 :]
    ]
    return float(np.median(slopes))


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when every bound was kept; 2 when it cannot run here."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="at most so long (10)")
    parser.add_argument("--millions", type=float, default=100, help="at most so many million requests (100)")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False)
    try:
        check_tools()
    except Unfit as error:
        console.print(str(error))
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with serve(store_home(), folder, workers=WORKERS, **SETTINGS) as served:
            found = soak(served, options.minutes * 60, int(options.millions * 1e6), folder, console)
            log = served.log.read_text()
    output = ROOT / "runs" / "soak.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(asdict(found), indent=1))
    console.print(
        f"{found.requests:,} requests in {found.seconds / 60:.1f} minutes, {found.failures} failed. A million requests "
        f"cost {found.growth_mib:+.2f} MiB; {found.more_files:+d} files, {found.more_threads:+d} threads, "
        f"log {found.log_mib:.0f} of {found.log_limit_mib:.0f} MiB, other state {found.more_state_mib:+.2f} MiB"
    )
    missed = found.missed() + (["the log has errors"] if "Traceback" in log or '"level":"ERROR"' in log else [])
    for sentence in missed:
        console.print(f"[bold]missed:[/] {sentence}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())

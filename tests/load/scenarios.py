"""The faults of `make faults`: each is done to a really served process under load, and what came of it is measured.

A scenario gives its figures and the promises that were broken; docs/faults.md has both for one machine.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil

from tests.ending import Load
from tests.load.clients import (
    Clients,
    bodies,
    fill,
    metric,
    remount,
    series,
    small_disk,
    wait_until,
)
from tests.redis_server import redis_server
from tests.served import Served, serve
from tests.wire import Wire, head, post

IDLE = 10_000
PATHS = 1_000_000
GIANTS = 64
GIANT_BYTES = 8 * 1024 * 1024 - 1024
NASTY = [b"[],", b"1,", b"{},", b'"",', b"[" * 100 + b"]" * 100 + b","]
STRETCH = 5.0
"""Seconds of each stretch under load."""


class Found(NamedTuple):
    """What a scenario saw, and the promises that were broken."""

    figures: dict[str, Any]
    broken: list[str]


Scenario = Callable[[Path, Path], Found]


def killed_worker(home: Path, folder: Path) -> Found:
    """A worker is killed under load: a request is lost at most on each of its own connections, and on no other."""
    with serve(home, folder, workers=2, PLUMBLINE_CACHE_URL="off") as served:
        clients = Clients(served.url)
        connections = asyncio.run(_ask_and_kill(served, clients))
        back = wait_until(lambda: len(served.workers()) == 2 and _is_ready(served), 60)
    lost = sum(number for what, number in clients.failures.items() if what.startswith("lost"))
    others = clients.failures.total() - lost
    figures = {
        "answered": clients.answered,
        "connections of the killed worker": connections,
        "lost": lost,
        "all failures": dict(clients.failures),
        "replaced and ready after the load, s": round(back, 1),
    }
    return Found(figures, ["requests on other connections were lost"] if lost > connections or others else [])


async def _ask_and_kill(served: Served, clients: Clients) -> int:
    """The number of connections that the worker had."""
    victim = served.workers()[0]
    async with clients.asking():
        await clients.measure(2)
        connections = sum(each.status == psutil.CONN_ESTABLISHED for each in victim.net_connections("tcp"))
        victim.kill()
        await clients.measure(20)
    return connections


def _is_ready(served: Served) -> bool:
    return all(httpx.get(f"{served.url}/readyz", timeout=20).status_code == 200 for _ in range(20))


def sigterm(home: Path, folder: Path) -> Found:
    """SIGTERM with every connection busy: no request is lost."""
    with serve(home, folder, workers=2, PLUMBLINE_DRAIN_SECONDS="2", PLUMBLINE_CACHE_URL="off") as served:
        outcomes = asyncio.run(_end_under_load(served))
        code = served.process.wait(timeout=30)
    return Found({"answers by status": outcomes, "exit code": code}, ["lost"] if set(outcomes) != {"200"} else [])


async def _end_under_load(served: Served) -> dict[str, int]:
    load = Load(served.url, bodies(1)[0])
    tasks = [asyncio.create_task(load.client()) for _ in range(128)]
    await load.steady.wait()
    served.process.send_signal(signal.SIGTERM)
    await load.balancer(asks=10)
    await asyncio.gather(*tasks)
    return dict(load.outcomes)


def idle_connections(home: Path, folder: Path) -> Found:
    """10,000 connections that say nothing, or half a head: what they cost, and what others feel of them."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    idle: list[Wire] = []
    try:
        with serve(home, folder, workers=2, PLUMBLINE_BODY_TIMEOUT_SECONDS="300", PLUMBLINE_CACHE_URL="off") as served:
            alone, before = asyncio.run(_measured(served, 16)), _memory(served)
            for number in range(IDLE):
                idle.append(Wire(served.url))
                idle[-1].send(b"POST /predict HTTP/1.1\r\nX:" if number % 2 else b"")
            beside, after = asyncio.run(_measured(served, 16)), _memory(served)
    finally:
        for wire in idle:
            wire.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    figures = {"KiB a connection": round(1024 * (after - before) / IDLE, 1), "without": alone, "beside them": beside}
    return Found(figures, [] if beside["failed"] == 0 else ["requests beside them failed"])


async def _measured(served: Served, count: int) -> dict[str, Any]:
    clients = Clients(served.url, count)
    async with clients.asking():
        await clients.measure(1)
        figures: dict[str, Any] = await clients.measure(STRETCH)
    return {**figures, "failed": clients.failures.total()}


def _memory(served: Served) -> float:
    return sum(worker.memory_full_info().uss for worker in served.workers()) / 2**20


PATHS_SCRIPT = """\
local place = 0
request = function() place = place + 1; return wrk.format("GET", "/scan/" .. place .. "?" .. place) end
done = function(summary) io.write("REQUESTS " .. summary.requests .. "\\n") end
"""


def distinct_paths(home: Path, folder: Path) -> Found:
    """A million paths that do not exist: neither metrics nor memory keep them."""
    script, asked = folder / "paths.lua", 0
    script.write_text(PATHS_SCRIPT)
    with serve(home, folder, workers=2, PLUMBLINE_LOG_LEVEL="WARNING") as served:
        _scan(served, script, 5)
        known, before = series(served.url), _memory(served)
        while asked < PATHS:
            asked += _scan(served, script, 20)
        figures = {
            "paths": asked,
            "series before": known,
            "series after": series(served.url),
            "MiB more": round(_memory(served) - before, 1),
        }
    broken = ["the metrics grew"] if figures["series after"] > known + 20 else []
    return Found(figures, broken + (["memory grew"] if figures["MiB more"] > 16 else []))


def _scan(served: Served, script: Path, seconds: int) -> int:
    command = ["wrk", "-t1", "-c32", f"-d{seconds}s", "-s", str(script), served.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=True)
    return int(done.stdout.rpartition("REQUESTS ")[2].split()[0])


def giant_bodies(home: Path, folder: Path) -> Found:
    """Many of the largest bodies at once, of the shapes that would take most memory to read; others go on."""
    nasty = [b'{"rows":[' + piece * ((GIANT_BYTES - 20) // len(piece)) + b"[]]}" for piece in NASTY]
    with serve(home, folder, PLUMBLINE_BODY_TIMEOUT_SECONDS="60", PLUMBLINE_CACHE_URL="off") as served:
        before, wires = _memory(served), [Wire(served.url) for _ in range(GIANTS)]
        for number, wire in enumerate(wires):
            body = nasty[number % len(nasty)]
            wire.send(post("/predict_batch", body)[:-1])  # all but the last byte: the service holds them
        held = _memory(served)
        for wire in wires:
            wire.send(b"}")
        asked = asyncio.run(_measured(served, 8))
        answers = [_status(wire) for wire in wires]
        peak = _peak(served)
    figures = {
        "bodies": GIANTS,
        "MiB before": round(before),
        "MiB while they come": round(held),
        "MiB at most": peak,
        "answers": {str(status): answers.count(status) for status in set(answers)},
        "beside them": asked,
    }
    return Found(figures, [] if asked["failed"] == 0 else ["requests beside them failed"])


def _status(wire: Wire) -> int:
    try:
        return wire.answer().status
    except (EOFError, OSError):
        return 0
    finally:
        wire.close()


def _peak(served: Served) -> int:
    """The most memory that the one worker ever had, in MiB."""
    status = Path(f"/proc/{served.workers()[0].pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


def slow_clients(home: Path, folder: Path) -> Found:
    """Hundreds of clients that send a byte a second: cut off in time, and nobody else waits."""
    with serve(home, folder, workers=2, PLUMBLINE_BODY_TIMEOUT_SECONDS="5", PLUMBLINE_CACHE_URL="off") as served:
        alone = asyncio.run(_measured(served, 16))
        wires = [Wire(served.url) for _ in range(500)]
        for number, wire in enumerate(wires):
            wire.send(head("/predict", 1_000)[: None if number % 2 else 40])
        beside = asyncio.run(_measured(served, 16))
        for wire in wires:
            wire.send(b"x")
        cut = sum(_status(wire) in (0, 408) for wire in wires)
    figures = {"without": alone, "beside them": beside, "slow clients": len(wires), "cut off": cut}
    return Found(figures, [] if cut == len(wires) and not beside["failed"] else ["not all were cut off"])


def full_disk(home: Path, folder: Path) -> Found:
    """The state folder's disk fills up under load and is emptied again; and a start with one that is read-only."""
    with small_disk(folder / "disk", 400) as disk:
        if disk is None:
            return Found({"skipped": "no file system can be mounted here"}, [])
        settings: dict[str, Any] = {"PLUMBLINE_STATE_FOLDER": str(disk), "PLUMBLINE_PREDICTION_LOG": "1"}
        with serve(home, folder, workers=2, **settings) as served:
            figures, failures = asyncio.run(_without_disk(served, disk))
            wait_until(lambda: metric(served.url, "predictions_total") >= figures["answered"], 20)
            wait_until(lambda: sum(_log_lines(served).values()) >= figures["answered"], 20)
            figures |= {f"log: {result}": lines for result, lines in _log_lines(served).items()}
            figures["predictions counted"] = metric(served.url, "predictions_total")
        if remount(disk, "ro"):
            (folder / "again").mkdir()
            with serve(home, folder / "again", workers=2, **settings) as served:
                figures["read-only from the start"] = asyncio.run(_measured(served, 16))
                failures += figures["read-only from the start"]["failed"]
    return Found(figures, [f"{failures} failed"] if failures else [])


def _log_lines(served: Served) -> dict[str, float]:
    """What became of the prediction log's lines: each is written, failed for want of a disk, or was dropped."""
    results = ("written", "failed", "dropped")
    return {result: metric(served.url, "prediction_log_total", f'result="{result}"') for result in results}


async def _without_disk(served: Served, disk: Path) -> tuple[dict[str, Any], int]:
    clients = Clients(served.url, 16)
    async with clients.asking():
        await clients.measure(1)
        figures: dict[str, Any] = {"before": await clients.measure(STRETCH)}
        filled = await asyncio.to_thread(fill, disk)
        figures["full"] = await clients.measure(STRETCH)
        filled.unlink()
        figures["emptied"] = await clients.measure(STRETCH)
    figures["answered"] = clients.answered
    return figures, clients.failures.total()


def redis_gone(home: Path, folder: Path) -> Found:
    """Redis is stopped in the middle of things, goes on, is killed, and comes back."""
    with redis_server(folder) as redis:
        settings: dict[str, Any] = {
            "PLUMBLINE_CACHE_URL": redis.url,
            "PLUMBLINE_CACHE_BYTES": str(64 * 1024),
        }  # memory holds little
        with serve(home, folder, workers=2, **settings) as served:
            clients = Clients(served.url, 16)

            async def run() -> dict[str, Any]:
                async with clients.asking():
                    await clients.measure(1)
                    figures: dict[str, Any] = {"before": await clients.measure(STRETCH)}
                    for name, change in (("frozen", redis.freeze), ("thawed", redis.thaw), ("killed", redis.kill)):
                        change()
                        figures[name] = await clients.measure(STRETCH)
                    await asyncio.to_thread(redis.start)
                    figures["back"] = await clients.measure(STRETCH)
                return figures

            figures = asyncio.run(run())
    return Found({**figures, "answered": clients.answered}, [] if not clients.failures else [str(clients.failures)])


SCENARIOS: dict[str, Scenario] = {
    "killed": killed_worker,
    "sigterm": sigterm,
    "idle": idle_connections,
    "paths": distinct_paths,
    "giants": giant_bodies,
    "slow": slow_clients,
    "disk": full_disk,
    "redis": redis_gone,
}

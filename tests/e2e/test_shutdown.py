"""How the service ends, and how it survives a worker that does not."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import pytest

from tests.ending import CONNECTIONS, Load
from tests.served import Served, serve
from tests.wire import Wire, head


@pytest.fixture(scope="module")
def draining(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two workers that drain; the test of SIGTERM is the last that has them."""
    with serve(home, tmp_path_factory.mktemp("draining"), workers=2, PLUMBLINE_DRAIN_SECONDS="2") as running:
        yield running


def test_a_killed_worker_is_replaced_while_the_other_answers(draining: Served, row: dict[str, Any]) -> None:
    served = draining
    for client in _a_client_of_each_worker(served):
        client.close()
    before = {worker.pid for worker in _workers(served)}
    assert len(before) == 2
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    answered: set[int] = set()

    def replaced() -> bool:
        # a connection that the dead worker had accepted is lost; any later one is answered: the new worker takes none
        # before it can
        answer = httpx.post(f"{served.url}/predict", json={"features": row}, timeout=20)
        assert answer.status_code == 200, answer.text
        answered.add(httpx.get(f"{served.url}/models", timeout=20).raise_for_status().json()["worker"])
        return len(answered) == 2

    _until(replaced, 60)
    assert killed not in answered
    assert len(_workers(served)) == 2


def test_sigterm_under_load_loses_no_request(draining: Served, row: dict[str, Any]) -> None:
    served = draining
    pinned = _a_client_of_each_worker(served)

    async def run() -> Load:
        load = Load(served.url, orjson.dumps({"features": row}))
        tasks = [asyncio.create_task(load.client()) for _ in range(CONNECTIONS)]
        await load.steady.wait()
        served.process.send_signal(signal.SIGTERM)
        await load.balancer(asks=10)
        for client in pinned:
            answer = await asyncio.to_thread(client.get, "/readyz")
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        await asyncio.gather(*tasks)
        return load

    load = asyncio.run(run())
    for client in pinned:
        client.close()
    assert load.outcomes.keys() == {"200"}, load.outcomes
    assert load.told_to_close == 1
    assert served.process.wait(timeout=30) == 0
    _assert_a_clean_end(served)


def test_requests_in_flight_and_queued_finish_without_a_pause(home: Path, tmp_path: Path, row: dict[str, Any]) -> None:
    body = orjson.dumps({"rows": [row] * 2_000})
    with (
        serve(home, tmp_path, PLUMBLINE_BODY_TIMEOUT_SECONDS="3", PLUMBLINE_CACHE_URL="off") as served,
        Wire(served.url) as idle,
    ):
        begun = [Wire(served.url) for _ in range(8)]
        for wire in begun:
            assert wire.ask(head("/predict_batch", len(body), b"Expect: 100-continue")).status == 100
        assert idle.ask(b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").status == 200
        silent = Wire(served.url)
        assert silent.ask(head("/predict", 100, b"Expect: 100-continue")).status == 100
        served.process.send_signal(signal.SIGTERM)
        assert idle.ends()  # now the worker is on its way out
        for wire in begun:
            wire.send(body)
        for wire in begun:
            answer = wire.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert len(answer.json()["predictions"]) == 2_000
            wire.close()
        assert silent.answer().json()["code"] == "slow_body"  # nor does its client hold up the end
        silent.close()
        assert served.process.wait(timeout=30) == 0
        _assert_a_clean_end(served)


def test_ctrl_c_ends_at_once_and_cleanly(home: Path, tmp_path: Path) -> None:
    with serve(home, tmp_path, workers=2) as served, served.client() as client:
        assert client.get("/livez").status_code == 200
        os.killpg(served.process.pid, signal.SIGINT)  # what a terminal does
        assert served.process.wait(timeout=30) == 0
        _assert_a_clean_end(served)


def _until(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # between polls


def _workers(served: Served) -> list[psutil.Process]:
    children = psutil.Process(served.process.pid).children(recursive=True)
    return [each for each in children if _is_worker(each)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "_bentoml_impl.worker.service" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def _a_client_of_each_worker(served: Served) -> list[httpx.Client]:
    """Keep-alive clients whose one connection belongs to one worker each."""
    found: dict[int, httpx.Client] = {}

    def both() -> bool:
        client = served.client()
        answer = client.get("/models")  # 503 while it loads
        worker = answer.json().get("worker")
        if worker is None or worker in found:
            client.close()
        else:
            found[worker] = client
        return len(found) == 2

    _until(both, 20)
    return list(found.values())


def _assert_a_clean_end(served: Served) -> None:
    log = served.log.read_text()
    assert "Traceback" not in log, log
    assert '"level":"ERROR"' not in log, log
    assert log.count("Service instance cleanup finalized") >= 1

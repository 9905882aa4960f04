"""What breaks under a running service, and that it goes on; docs/faults.md lists all faults and where each is tried."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.conftest import EXAMPLE
from tests.e2e.test_monitoring import figure, predict, until, workers
from tests.served import Served, serve
from tests.wire import Wire, post

VALID = json.dumps({"features": EXAMPLE}).encode()
YEAR = 365 * 86_400.0


@contextmanager
def limited(served: Served, kind: int, soft: int | Callable[[psutil.Process], int]) -> Iterator[None]:
    """Lower a limit of every worker, and give it back."""
    processes = served.workers()
    before = [worker.rlimit(kind) for worker in processes]
    for worker, (_, hard) in zip(processes, before, strict=True):
        worker.rlimit(kind, (soft if isinstance(soft, int) else soft(worker), hard))
    try:
        yield
    finally:
        for worker, limits in zip(processes, before, strict=True):
            worker.rlimit(kind, limits)


def outcomes_of(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """The truth about predictions: they were right."""
    return {"outcomes": [{"prediction_id": each["prediction_id"], "actual": each["prediction"]} for each in answers]}


def is_answered(served: Served) -> bool:
    """Whether a new connection gets an answer; one that was turned away does not."""
    try:
        with Wire(served.url) as wire:
            return wire.ask(post("/predict", VALID)).status == 200
    except (OSError, EOFError):
        return False


def told(served: Served, answers: list[dict[str, Any]]) -> int:
    """How many outcomes of predictions are counted."""
    answer = httpx.post(f"{served.url}/outcomes", json=outcomes_of(answers), timeout=20)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["accepted"])


def test_a_disk_that_is_full_for_a_while_stops_nothing(home: Path, tmp_path: Path, row: dict[str, Any]) -> None:
    """No file can grow: counts go on, what was to be logged waits, and is written when there is room."""
    settings: dict[str, Any] = {
        "PLUMBLINE_PREDICTION_LOG": "1",
        "PLUMBLINE_CACHE_URL": "off",
        "PLUMBLINE_WATCH_SECONDS": "0.2",
    }
    with serve(home, tmp_path, workers=2, **settings) as served:
        until(lambda: len(workers(served)) == 2)
        answers = predict(served, row, 100)
        assert told(served, answers[:50]) == 50
        until(lambda: figure(served, "prediction_log_total", result="written") == 100)
        with limited(served, resource.RLIMIT_FSIZE, 0):
            answers += predict(served, row, 100)
            assert told(served, answers) == 150
            assert told(served, answers) == 0
            until(lambda: figure(served, "predictions_total") == 200)
            assert figure(served, "prediction_log_total", result="written") == 100
        until(lambda: figure(served, "prediction_log_total", result="written") == 200)
        assert figure(served, "outcomes_total") == 200
        log = served.log.read_text()
        assert "The prediction log is written again." in log
        assert "Traceback" not in log


def test_too_many_connections_leave_those_that_are_there_alone(home: Path, tmp_path: Path, row: dict[str, Any]) -> None:
    """No file can be opened and no connection accepted; when some have left, all is as before."""
    with serve(home, tmp_path, PLUMBLINE_CACHE_URL="off") as served, Wire(served.url) as old:
        answers = predict(served, row, 10)
        assert old.ask(post("/predict", VALID)).status == 200
        with limited(served, resource.RLIMIT_NOFILE, lambda worker: worker.num_fds() + 10):
            with ExitStack() as crowd:
                for _ in range(50):
                    crowd.enter_context(Wire(served.url))
                for _ in range(100):
                    assert old.ask(post("/predict", VALID)).status == 200
                answer = old.ask(post("/outcomes", json.dumps(outcomes_of(answers)).encode()))
                assert answer.json()["code"] == "unavailable"  # the store cannot be read: they may come again
            until(lambda: is_answered(served))
        assert told(served, answers) == 10
        assert told(served, answers) == 0
        until(lambda: figure(served, "predictions_total") >= 112)


@pytest.fixture(scope="module")
def timed(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    """A service and the file that says what time it is."""
    folder = tmp_path_factory.mktemp("timed")
    clock = folder / "clock"
    set_clock(clock, time.time())
    settings: dict[str, Any] = {
        "PLUMBLINE_CLOCK_FILE": str(clock),
        "PLUMBLINE_WATCH_SECONDS": "0.1",
        "PLUMBLINE_CACHE_URL": "off",
    }
    with serve(home, folder, workers=2, **settings) as served:
        yield served, clock
        assert "Traceback" not in served.log.read_text()


def set_clock(clock: Path, now: float) -> None:
    """In one step: somebody may be reading it."""
    (clock.parent / "next").write_text(str(now))
    (clock.parent / "next").replace(clock)


def test_a_clock_that_jumps_harms_neither_answers_nor_counts(timed: tuple[Served, Path], row: dict[str, Any]) -> None:
    served, clock = timed
    until(lambda: len(workers(served)) == 2)
    start = time.time()
    answers = []
    for jump in (0.0, 20 * YEAR, -20 * YEAR, 500 * YEAR, 0.0):
        set_clock(clock, start + jump)
        answers.append(predict(served, row, 10))
        assert httpx.get(f"{served.url}/metrics", timeout=20).status_code == 200
        assert httpx.get(f"{served.url}/dashboard.json", timeout=20).status_code == 200
    until(lambda: figure(served, "predictions_total") == 50)
    assert figure(served, "alarm") == 0
    now, later, earlier, _, back = (
        httpx.post(f"{served.url}/outcomes", json=outcomes_of(each), timeout=20).json() for each in answers
    )
    assert now["accepted"] == back["accepted"] == 10
    assert {refused["reason"] for refused in later["refused"]} == {"future"}  # it is counted once the time has come
    assert {refused["reason"] for refused in earlier["refused"]} == {"too_old"}


def test_drift_is_noticed_after_the_clock_went_back(timed: tuple[Served, Path], row: dict[str, Any]) -> None:
    served, clock = timed
    set_clock(clock, time.time() - 3 * YEAR)

    def ringing() -> bool:
        predict(served, row, 100, bedrooms=9)
        return figure(served, "alarm", monitor="drift") == 1

    until(ringing)


def test_a_deleted_plan_goes_on_serving_and_says_so(timed: tuple[Served, Path], published: str) -> None:
    served, _ = timed
    plan = served.home / "plumbline" / "house_prices" / "rollout.json"
    kept = plan.read_bytes()

    def problem() -> Any:
        return httpx.get(f"{served.url}/models", timeout=20).json()["problem"]

    plan.unlink()
    until(lambda: problem() is not None)
    with Wire(served.url) as wire:
        assert wire.ask(post("/predict", VALID)).json()["version"] == published
    plan.mkdir()  # worse
    until(lambda: "directory" in (problem() or "").lower())
    with Wire(served.url) as wire:
        assert wire.ask(post("/predict", VALID)).json()["version"] == published
    plan.rmdir()
    plan.write_bytes(kept)
    until(lambda: problem() is None)

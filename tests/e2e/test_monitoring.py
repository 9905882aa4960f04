"""What is counted is exact over workers, survives them, and rings when it should, on a really served process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.served import Served, serve

DEADLINE_SECONDS = 40
ROWS = 400


@pytest.fixture(scope="module")
def served(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two workers."""
    folder = tmp_path_factory.mktemp("monitoring")
    with serve(home, folder, workers=2, PLUMBLINE_WATCH_SECONDS="0.2", PLUMBLINE_CACHE_URL="off") as running:
        yield running
        assert "Traceback" not in running.log.read_text()


def figure(served: Served, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels, as a fresh connection reads it from any worker."""
    text = httpx.get(f"{served.url}/metrics", timeout=20).text
    families = text_string_to_metric_families(text)
    found = [s for family in families for s in family.samples if s.name == f"plumbline_{name}"]
    return sum(s.value for s in found if labels.items() <= s.labels.items())


def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)  # between polls of another process


def workers(served: Served) -> set[int]:
    """Process ids of the workers, by what they say themselves."""
    found = set()
    for _ in range(40):
        answer = httpx.get(f"{served.url}/models", timeout=20)
        if answer.status_code == 200:
            found.add(answer.json()["worker"])
    return found


def predict(served: Served, row: dict[str, Any], rows: int, **changed: Any) -> list[dict[str, Any]]:
    """Predictions over many connections, so that both workers get some."""
    found: list[dict[str, Any]] = []
    for _ in range(rows // 10):
        body = {"rows": [{**row, **changed}] * 10}
        found += httpx.post(f"{served.url}/predict_batch", json=body, timeout=20).json()["predictions"]
    return found


def test_two_workers_count_together(served: Served, row: dict[str, Any]) -> None:
    until(lambda: len(workers(served)) == 2)
    predict(served, row, ROWS)
    until(lambda: figure(served, "predictions_total") == ROWS)
    assert figure(served, "feature_bin_total", feature="bedrooms") == ROWS
    assert figure(served, "requests_total", endpoint="/predict_batch", code="ok") == ROWS / 10
    shown = {httpx.get(f"{served.url}/dashboard.json", timeout=20).json()["versions"][0]["rows"] for _ in range(20)}
    assert shown == {ROWS}


def test_drift_rings_within_the_contract_and_says_what_moved(served: Served, row: dict[str, Any]) -> None:
    def ringing() -> bool:
        predict(served, row, 100, bedrooms=9)
        return figure(served, "alarm", monitor="drift") == 1

    until(ringing)
    (alarm,) = httpx.get(f"{served.url}/dashboard.json", timeout=20).json()["alarms"]
    assert "bedrooms" in {moved["name"] for moved in alarm["features"]}
    assert alarm["state"] == "ringing"
    assert alarm["text"].startswith("Traffic differs from training")
    assert "Traffic differs from training" in served.log.read_text()  # with the figures of the moment when it rang


def test_outcomes_of_any_worker_are_judged_by_any_other(served: Served, row: dict[str, Any]) -> None:
    answers = predict(served, row, 200)
    sent = [{"prediction_id": one["prediction_id"], "actual": one["prediction"] * 1.2} for one in answers]
    accepted = 0
    for start in range(0, 200, 10):
        answer = httpx.post(f"{served.url}/outcomes", json={"outcomes": sent[start : start + 10]}, timeout=20).json()
        accepted += answer["accepted"]
    again = httpx.post(f"{served.url}/outcomes", json={"outcomes": sent}, timeout=20).json()
    assert (accepted, again["accepted"]) == (200, 0)
    until(lambda: figure(served, "outcomes_total") == 200)
    until(lambda: figure(served, "alarm", monitor="bias") == 1)
    assert figure(served, "outcome_bias_ratio") == pytest.approx(1 / 1.2 - 1, abs=0.02)


def test_a_killed_worker_takes_nothing_along(served: Served, row: dict[str, Any]) -> None:
    before = {name: figure(served, name) for name in ("predictions_total", "outcomes_total")}
    victims = {child.pid for child in psutil.Process(served.process.pid).children(recursive=True)} & workers(served)
    os.kill(min(victims), signal.SIGKILL)

    def replaced() -> bool:
        try:
            return len(workers(served) - {min(victims)}) == 2
        except httpx.TransportError:  # it had accepted this one
            return False

    until(replaced)
    assert {name: figure(served, name) for name in before} == before
    assert figure(served, "alarm", monitor="bias") == 1
    predict(served, row, 100)
    until(lambda: figure(served, "predictions_total") == before["predictions_total"] + 100)


def test_a_restart_goes_on_counting(home: Path, tmp_path: Path, row: dict[str, Any]) -> None:
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
    state = str(tmp_path / "state")
    with serve(home, tmp_path / "first", PLUMBLINE_STATE_FOLDER=state) as first:
        answered = predict(first, row, 50)[0]
        first.process.terminate()
        first.process.wait(timeout=20)
    with serve(home, tmp_path / "second", PLUMBLINE_STATE_FOLDER=state) as second:
        assert figure(second, "predictions_total") == 50
        body = {"outcomes": [{"prediction_id": answered["prediction_id"], "actual": answered["prediction"]}]}
        assert httpx.post(f"{second.url}/outcomes", json=body, timeout=20).json()["accepted"] == 1


def test_a_folder_that_cannot_be_written_stops_nothing(home: Path, tmp_path: Path, row: dict[str, Any]) -> None:
    (tmp_path / "file").touch()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    state = str(tmp_path / "file" / "state")
    with serve(home, tmp_path, workers=2, PLUMBLINE_STATE_FOLDER=state, TMPDIR=str(scratch)) as served:
        until(lambda: len(workers(served)) == 2)
        predict(served, row, 100)
        until(lambda: figure(served, "predictions_total") == 100)
        assert "temporary folder" in served.log.read_text()

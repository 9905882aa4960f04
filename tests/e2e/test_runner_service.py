"""PLUMBLINE_RUNNER=service, really served: two workers, one runner service, and nothing lost between them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from preprocessors.encoding import RowEncoder
from registry import rollout
from registry.bundle import MODEL_FILES, ModelDefinition, load
from schemas.house_prices import HouseFeatures
from tests.served import Served, serve
from tests.versions import another_version

CLIENTS, REQUESTS = 64, 2000


@pytest.fixture(scope="module")
def running(
    home: Path, bundle_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, str]]:
    """A service with a second version in its store, and no cache that would hide the runner."""
    folder = tmp_path_factory.mktemp("runner-service")
    patient = "60"  # seconds: a process that is started again may take its time
    with serve(
        home,
        folder,
        workers=2,
        PLUMBLINE_RUNNER="service",
        PLUMBLINE_CACHE_URL="off",
        PLUMBLINE_REQUEST_TIMEOUT_SECONDS=patient,
    ) as served:
        yield served, another_version(bundle_directory, served.home / "models" / "house_prices")


def runner_of(served: Served) -> psutil.Process:
    """The process of the runner service."""
    children = psutil.Process(served.process.pid).children(recursive=True)
    [found] = [child for child in children if "house_prices_runner" in command_of(child)]
    return found


def command_of(process: psutil.Process) -> list[str]:
    """Empty for one that has died: what was killed stays in the list until its parent asks for its end."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def rows_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**row, "living_area_sqft": 1000 + number} for number in range(REQUESTS)]


def right_answers(store_folder: Path, version: str, definition: ModelDefinition, rows: list[Any]) -> list[float]:
    model = load(version, store_folder / version, definition).model
    raw = RowEncoder(HouseFeatures).matrix([HouseFeatures.from_row(row) for row in rows])
    values: list[float] = model.predict(model.transform(raw)).value.tolist()
    return values


async def ask_all(url: str, rows: list[dict[str, Any]], half_way: Any) -> list[httpx.Response]:
    """Every row once, by CLIENTS clients; `half_way` is called when half of them are answered."""
    found: dict[int, httpx.Response] = {}
    left = iter(range(len(rows)))

    async def client() -> None:
        async with httpx.AsyncClient(base_url=url, timeout=90) as http:
            for number in left:
                found[number] = await http.post("/predict", json={"features": rows[number]})
                if len(found) == len(rows) // 2:
                    half_way()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return [found[number] for number in range(len(rows))]


def test_no_request_is_lost_in_a_swap_and_every_answer_is_that_of_its_version(
    running: tuple[Served, str], published: str, definition: ModelDefinition, row: dict[str, Any]
) -> None:
    served, second = running
    rows = rows_of(row)
    plan = rollout.plan_file("house_prices", served.home / "plumbline" / "house_prices" / "rollout.json")

    def swap() -> None:
        present = plan.read()
        plan.write(present.with_stable(second), replaces=present.generation)

    answers = asyncio.run(ask_all(served.url, rows, swap))
    assert Counter(answer.status_code for answer in answers) == {200: REQUESTS}
    while httpx.post(f"{served.url}/predict", json={"features": row}).json()["version"] != second:
        pass  # until the swap has arrived; the test's own timeout ends this
    folder = served.home / "models" / "house_prices"
    right = {version: right_answers(folder, version, definition, rows) for version in (published, second)}
    seen = Counter(answer.json()["version"] for answer in answers)
    assert seen.keys() <= right.keys()
    for number, answer in enumerate(answers):
        found = answer.json()
        assert found["prediction"] == pytest.approx(right[found["version"]][number], rel=1e-12)
    many = httpx.post(f"{served.url}/predict_batch", json={"rows": rows}, timeout=30).json()["predictions"]
    for number, one in enumerate(many):
        assert one["prediction"] == pytest.approx(right[one["version"]][number], rel=1e-12)


def test_models_live_in_one_process_that_only_workers_reach(running: tuple[Served, str]) -> None:
    served, _ = running
    everyone = psutil.Process(served.process.pid).children(recursive=True)
    assert len(everyone) == 3
    assert runner_of(served) in everyone
    held = [line for line in served.log.read_text().splitlines() if '"message":"holding"' in line]
    assert len({line.split('"version":')[1] for line in held}) == len(held) == 2  # each once, for both workers


def test_a_version_that_the_runner_service_refuses_changes_nothing(
    running: tuple[Served, str], bundle_directory: Path, row: dict[str, Any]
) -> None:
    served, _ = running
    models = served.home / "models" / "house_prices"
    broken = another_version(bundle_directory, models, note="broken")
    booster = models / broken / MODEL_FILES[1]
    booster.write_bytes(booster.read_bytes()[:-1] + b"X")
    plan = rollout.plan_file("house_prices", served.home / "plumbline" / "house_prices" / "rollout.json")
    present = plan.read()
    plan.write(present.with_stable(broken), replaces=present.generation)
    with served.client() as client:
        problem = None
        for _ in range(100_000):
            problem = client.get("/models").json()["problem"]
            if problem and broken in problem:
                break
        assert problem is not None
        assert MODEL_FILES[1] in problem
        assert client.post("/predict", json={"features": row}).status_code == 200
    plan.write(plan.read().with_stable(present.stable), replaces=plan.read().generation)


def test_a_runner_service_that_dies_is_started_again_and_no_request_is_lost(
    running: tuple[Served, str], row: dict[str, Any]
) -> None:
    served, _ = running
    rows = rows_of(row)[:256]
    before = runner_of(served).pid
    answers = asyncio.run(ask_all(served.url, rows, lambda: os.kill(before, signal.SIGKILL)))
    assert Counter(answer.status_code for answer in answers) == {200: len(rows)}
    assert runner_of(served).pid != before

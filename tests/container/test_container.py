"""The image at work, within its limits: start, predictions, outcomes, a swap, the end."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.container.conftest import Shipped, figures
from tests.container.engine import Engine
from tests.container.running import CPUS, MEMORY_MB, PLAN_FOLDER, Container, run, until_stable
from tests.ending import ask_until_it_ends

pytestmark = pytest.mark.timeout(2400)

START_SECONDS = 12
MANY_ROWS = 10_000


@dataclass(frozen=True)
class Planned:
    """A container and the folder on the host that holds its rollout plan."""

    container: Container
    folder: Path
    text: Callable[[int, str], str]

    def plan(self, generation: int, version: str) -> None:
        """Write the plan as a ConfigMap is written: a new file takes the old one's place."""
        new = self.folder / "new"
        new.write_text(self.text(generation, version))
        new.rename(self.folder / "rollout.json")


@pytest.fixture(scope="module")
def planned(
    engine: Engine,
    shipped: Shipped,
    plan_text: Callable[[int, str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Planned]:
    folder = tmp_path_factory.mktemp("plan")
    folder.chmod(0o755)
    (folder / "rollout.json").write_text(plan_text(1, shipped.versions[0]))
    mount = f"--volume={folder}:{PLAN_FOLDER}:ro"
    settings = {"PLUMBLINE_ROLLOUT_PLAN": f"{PLAN_FOLDER}/rollout.json"}
    with run(engine, shipped.name, "plumbline-test", mount, **settings) as container:
        yield Planned(container, folder, plan_text)


def test_it_serves_within_its_limits_soon(planned: Planned) -> None:
    container = planned.container
    figures[f"start-up, {MEMORY_MB} MB and 1 CPU (s)"] = round(container.started, 1)
    figures["processor time of the start-up (s)"] = round(container.computed, 1)
    figures["load of this machine meanwhile"] = f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    figures["memory after the start (MB)"] = rounded(container.memory())
    assert container.computed < START_SECONDS * CPUS


def test_it_really_is_limited(planned: Planned) -> None:
    container = planned.container
    host = container.engine.inspect("container", container.name)["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["ReadonlyRootfs"]) == (MEMORY_MB * 2**20, 10**9, True)
    for process in container.processes:
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
            if ":\t" in line
        )
        assert set(status["Uid"].split()) == {"1034"}
        assert {status[name] for name in ("CapEff", "CapPrm", "CapBnd")} == {"0" * 16}
        assert status["NoNewPrivs"] == "1"
    for path in ("/home/bentoml/x", "/app/x", "/etc/plumbline/x", "/x"):
        code, said = container.exec("/bin/sh", "-c", f": > {path}")
        assert (code != 0, "Read-only" in said or "denied" in said) == (True, True), (path, said)


def test_the_health_check_agrees(planned: Planned) -> None:
    code, said = planned.container.exec("/app/.venv/bin/python", "-I", "-S", "src/deploy/container/healthcheck.py")
    assert (code, said.strip()) == (0, "/readyz: 200")


def test_it_prices_houses_and_takes_the_truth_back(planned: Planned, row: dict[str, Any], shipped: Shipped) -> None:
    with planned.container.client() as client:
        answer = client.post("/predict", json={"features": row})
        assert (answer.status_code, answer.json()["version"]) == (200, shipped.versions[0])
        outcome = {"prediction_id": answer.json()["prediction_id"], "actual": 700_000.0}
        told = client.post("/outcomes", json={"outcomes": [outcome]})
        assert (told.status_code, told.json()["accepted"]) == (200, 1)
        assert client.get("/dashboard").status_code == 200
        assert client.get("/dashboard/plotly.js").status_code == 200
        assert client.get("/metrics").status_code == 200


def test_the_largest_requests_fit_into_its_memory(planned: Planned, row: dict[str, Any]) -> None:
    rows = [{**row, "living_area_sqft": 1000 + number % 3000} for number in range(MANY_ROWS)]
    with planned.container.client() as client:
        for _ in range(5):
            answer = client.post("/predict_batch", json={"rows": rows})
            assert (answer.status_code, len(answer.json()["predictions"])) == (200, MANY_ROWS)
    figures["memory after 5 requests of 10,000 rows (MB)"] = rounded(planned.container.memory())


def test_a_mounted_plan_swaps_the_version_and_back(planned: Planned, row: dict[str, Any], shipped: Shipped) -> None:
    first, second = shipped.versions
    with planned.container.client() as client:
        for generation, version in ((2, second), (3, first)):
            planned.plan(generation, version)
            assert until_stable(planned.container, version)["generation"] == generation
            assert client.post("/predict", json={"features": row}).json()["version"] == version
    figures["memory after two swaps (MB)"] = rounded(planned.container.memory())


def test_its_log_is_json_without_errors(planned: Planned) -> None:
    lines = planned.container.log().splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    assert found
    assert [line for line in found if line["level"] in ("ERROR", "CRITICAL")] == []
    assert "Traceback" not in "\n".join(lines)


def test_sigterm_under_load_loses_no_request(engine: Engine, shipped: Shipped, row: dict[str, Any]) -> None:
    with run(engine, shipped.name, "plumbline-test-end", PLUMBLINE_DRAIN_SECONDS="5") as container:

        async def end() -> None:
            await asyncio.to_thread(engine.run, "kill", "--signal=TERM", container.name)

        load = asyncio.run(ask_until_it_ends(container.url, orjson.dumps({"features": row}), end))
        assert engine.run("wait", container.name) == "0"
        assert "Traceback" not in container.log()
    figures["requests around SIGTERM, by outcome"] = dict(load.outcomes)
    assert load.outcomes.keys() == {"200"}, load.outcomes


def rounded(memory: dict[str, float]) -> dict[str, int]:
    return {name: round(value) for name, value in memory.items()}

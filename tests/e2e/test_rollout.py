"""Versions swapped in a really served process with two workers: by plan file, by command line and over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from registry.bundle import MANIFEST
from tests.served import ROOT, Served, serve
from tests.versions import another_version

TOKEN = "a-token-of-enough-length"


@pytest.fixture(scope="module")
def rolled(
    home: Path, bundle_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, str]]:
    """A service with an admin token, and a second version in its store."""
    folder = tmp_path_factory.mktemp("rolled")
    with serve(home, folder, workers=2, PLUMBLINE_ADMIN_TOKEN=TOKEN) as running:
        second = another_version(bundle_directory, running.home / "models" / "house_prices")
        yield running, second


def rollout(served: Served, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m registry.rollout` on the service's store."""
    environment = {**os.environ, "BENTOML_HOME": str(served.home)}
    command = [sys.executable, "-m", "registry.rollout", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


def until(served: Served, true: Callable[[dict[str, Any]], bool], seconds: float = 20) -> list[dict[str, Any]]:
    """Poll /models over fresh connections until what both workers say fits.

    Raises:
        AssertionError: it did not within the time.
    """
    seen: dict[int, dict[str, Any]] = {}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = httpx.get(f"{served.url}/models").json()
        seen[answer["worker"]] = answer
        if len(seen) == 2 and all(true(worker) for worker in seen.values()):
            return list(seen.values())
    raise AssertionError(f"not within {seconds} s: {seen}\n{served.log.read_text()[-3000:]}")


def test_a_swap_reaches_every_worker_and_rolls_back(
    rolled: tuple[Served, str], row: dict[str, Any], published: str
) -> None:
    served, second = rolled
    assert rollout(served, "set-stable", second).returncode == 0
    until(served, lambda worker: worker["versions"][0]["version"] == second)
    assert httpx.post(f"{served.url}/predict", json={"features": row}).json()["version"] == second
    assert rollout(served, "rollback").returncode == 0
    until(served, lambda worker: worker["versions"][0]["version"] == published)
    assert httpx.post(f"{served.url}/predict", json={"features": row}).json()["version"] == published


def test_a_canary_gets_its_share_and_the_same_keys_everywhere(rolled: tuple[Served, str], row: dict[str, Any]) -> None:
    served, second = rolled
    rollout(served, "canary", second, "--weight", "0.3")
    until(served, lambda worker: len(worker["versions"]) == 2)
    by_key: dict[str, set[str]] = {}
    for _ in range(2):
        for number in range(200):
            with served.client() as client:  # a new connection may reach the other worker
                body = {"features": row, "routing_key": f"key {number}"}
                by_key.setdefault(f"key {number}", set()).add(client.post("/predict", json=body).json()["variant"])
    assert all(len(variants) == 1 for variants in by_key.values())
    share = sum(variants == {"canary"} for variants in by_key.values()) / len(by_key)
    assert 0.15 < share < 0.45
    rollout(served, "canary", "none")
    until(served, lambda worker: len(worker["versions"]) == 1)


def test_a_named_version_answers_while_it_is_live(rolled: tuple[Served, str], row: dict[str, Any]) -> None:
    served, second = rolled
    rollout(served, "shadow", second)
    until(served, lambda worker: len(worker["versions"]) == 2)
    answer = httpx.post(f"{served.url}/predict", json={"features": row, "version": second}).json()
    assert (answer["version"], answer["variant"]) == (second, "shadow")
    rollout(served, "shadow")
    until(served, lambda worker: len(worker["versions"]) == 1)
    refused = httpx.post(f"{served.url}/predict", json={"features": row, "version": second})
    assert refused.status_code == 404
    assert refused.json()["code"] == "unknown_version"
    assert len(refused.json()["live_versions"]) == 1


def test_a_broken_version_changes_nothing_and_says_why(
    rolled: tuple[Served, str], bundle_directory: Path, row: dict[str, Any], published: str
) -> None:
    served, _ = rolled
    store = served.home / "models" / "house_prices"
    broken = another_version(bundle_directory, store, note="broken")
    booster = store / broken / "booster.ubj"
    booster.write_bytes(booster.read_bytes()[:-1] + b"X")
    assert rollout(served, "set-stable", broken).returncode == 0
    workers = until(served, lambda worker: worker["problem"] is not None)
    assert all("booster.ubj" in worker["problem"] for worker in workers)
    assert httpx.post(f"{served.url}/predict", json={"features": row}).json()["version"] == published
    rollout(served, "rollback")
    until(served, lambda worker: worker["problem"] is None)


def test_a_plan_that_is_spoilt_on_disk_is_not_followed(rolled: tuple[Served, str], row: dict[str, Any]) -> None:
    served, _ = rolled
    plan = served.home / "plumbline" / "house_prices" / "rollout.json"
    good = plan.read_bytes()
    plan.write_bytes(good[: len(good) // 2])
    until(served, lambda worker: worker["problem"] is not None)
    assert httpx.post(f"{served.url}/predict", json={"features": row}).status_code == 200
    plan.write_bytes(good)
    until(served, lambda worker: worker["problem"] is None)


def test_the_plan_changes_over_http_with_the_token_only(rolled: tuple[Served, str], published: str) -> None:
    served, second = rolled
    change = {"stable": second}
    assert httpx.put(f"{served.url}/rollout", json=change).status_code == 401
    wrong = httpx.put(f"{served.url}/rollout", json=change, headers={"Authorization": "Bearer wrong"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "unauthorised")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    written = httpx.put(f"{served.url}/rollout", json=change, headers=headers)
    assert written.status_code == 200
    assert written.json()["stable"] == second
    stale = httpx.put(f"{served.url}/rollout", json={"stable": published, "generation": 1}, headers=headers)
    assert (stale.status_code, stale.json()["code"]) == (409, "conflict")
    missing = httpx.put(f"{served.url}/rollout", json={"stable": "20010101-000000000000"}, headers=headers)
    assert missing.status_code == 422
    back = httpx.post(f"{served.url}/rollout/rollback", json={}, headers=headers)
    assert back.json()["stable"] == published
    until(served, lambda worker: worker["generation"] == back.json()["generation"])


def test_without_a_token_nothing_changes_over_http(served: Served, published: str) -> None:
    answer = httpx.put(f"{served.url}/rollout", json={"stable": published})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert httpx.get(f"{served.url}/rollout").json()["stable"] == published


def test_the_second_version_really_is_another_one(rolled: tuple[Served, str], bundle_directory: Path) -> None:
    served, second = rolled
    other = served.home / "models" / "house_prices" / second / MANIFEST
    assert other.read_bytes() != (bundle_directory / MANIFEST).read_bytes()

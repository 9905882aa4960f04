"""Following the rollout plan in one process: what is loaded, what is refused, what changes and what does not."""

from __future__ import annotations

import asyncio
import gc
import shutil
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import bentoml
import pytest

from registry.bundle import ModelDefinition
from registry.errors import NoVersion, OverMemory, TooSlow
from registry.plan import new_plan
from registry.plan_file import PlanFile
from registry.rollout import Watcher
from schemas.errors import NotReady
from serving import live_models
from serving.counting import CountingRoom
from serving.live_models import LiveModels
from serving.loading import Demands, load
from serving.observer import Observer
from serving.runner import RunnerLimits
from tests.versions import another_version

EASY = Demands(slowest_row_seconds=10.0, memory_bytes=0, limits=RunnerLimits())


@pytest.fixture
def other(home: Path, bundle_directory: Path) -> Iterator[str]:
    """A second version in this run's store, for one test."""
    name = another_version(bundle_directory, home / "models" / "house_prices", rounds=30, note="live models")
    yield name
    shutil.rmtree(home / "models" / "house_prices" / name)


@pytest.fixture
def file(tmp_path: Path) -> PlanFile:
    """A plan file of the test's own, not written yet."""
    return PlanFile("house_prices", tmp_path / "rollout.json")


@asynccontextmanager
async def following(definition: ModelDefinition, file: PlanFile) -> AsyncIterator[LiveModels]:
    """Live models that follow a plan file, looking at it all the time."""
    live = LiveModels(definition, Watcher(file, lambda: new_plan("house_prices", "none-such")), EASY)
    live.start()
    try:
        yield live
    finally:
        await live.stop()


async def until(true: Any, seconds: float = 20.0) -> None:
    """Wait for a condition, for a limited time."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # between polls of a condition


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, and try again soon."""
    monkeypatch.setattr(live_models, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(live_models, "FIRST_RETRY_SECONDS", 0.1)


def test_a_version_that_is_too_slow_is_refused(definition: ModelDefinition, published: str) -> None:
    with pytest.raises(TooSlow, match="PLUMBLINE_SLOWEST_ROW_MS"):
        load(definition, published, Demands(1e-9, 0, RunnerLimits()))


def test_a_version_that_is_too_large_is_refused(definition: ModelDefinition, published: str) -> None:
    with pytest.raises(OverMemory, match="PLUMBLINE_MEMORY_LIMIT_MB"):
        load(definition, published, Demands(10.0, 1 << 20, RunnerLimits()))


def test_a_version_that_is_not_there_is_refused(definition: ModelDefinition, published: str) -> None:
    with pytest.raises(NoVersion, match=published):
        load(definition, "20010101-000000000000", EASY)


async def _swap(definition: ModelDefinition, file: PlanFile, first: str, second: str) -> None:
    plan = file.write(new_plan("house_prices", first), replaces=0)
    async with following(definition, file) as live:
        with pytest.raises(NotReady):
            live.now()
        await until(lambda: live.ready)
        observer, room = Observer(live, time.time, dict), CountingRoom([file.path.parent / "counts"], [])
        observer.start(room, None)
        observer.count()  # what is counted of a version outlives it, its model does not
        runner: Any = live.now().versions[first].runner
        gone = weakref.ref(runner._computer._model)
        del runner
        file.write(plan.with_stable(second), replaces=plan.generation)
        await until(lambda: live.now().plan.stable == second)
        assert list(live.now().versions) == [second]
        assert live.problem is None
        gc.collect()
        assert gone() is None, "the version that left is still in memory"


async def _looked(definition: ModelDefinition, file: PlanFile, first: str) -> LiveModels:
    file.write(new_plan("house_prices", first), replaces=0)
    async with following(definition, file) as live:
        await live.looked(20)
        return live


def test_who_waits_for_the_first_look_finds_the_version_live(
    definition: ModelDefinition, file: PlanFile, published: str
) -> None:
    assert asyncio.run(_looked(definition, file, published)).ready


def test_who_waits_for_the_first_look_is_not_held_up_by_a_version_that_is_refused(
    definition: ModelDefinition, file: PlanFile, published: str
) -> None:
    live = asyncio.run(_looked(definition, file, "20010101-000000000000"))
    assert not live.ready
    assert live.refusals == {"missing": 1}


def test_who_waits_for_the_first_look_waits_no_longer_than_asked(definition: ModelDefinition, file: PlanFile) -> None:
    async def never(*_: object) -> Any:
        await asyncio.Event().wait()

    async def run() -> bool:
        file.write(new_plan("house_prices", "slow"), replaces=0)
        live = LiveModels(definition, Watcher(file, lambda: new_plan("house_prices", "slow")), EASY)
        live.open_version = never
        live.start()
        await live.looked(0.05)
        await live.stop()
        return live.ready

    assert not asyncio.run(run())


def test_a_swap_frees_the_version_that_left(
    definition: ModelDefinition, file: PlanFile, published: str, other: str
) -> None:
    asyncio.run(_swap(definition, file, published, other))


async def _refused(definition: ModelDefinition, file: PlanFile, published: str, wanted: str) -> str:
    plan = file.write(new_plan("house_prices", published), replaces=0)
    async with following(definition, file) as live:
        await until(lambda: live.ready)
        before = live.now()
        plan = file.write(plan.with_canary(wanted, 0.5), replaces=plan.generation)
        await until(lambda: live.problem is not None)
        assert live.now() is before
        file.write(plan.without_canary(), replaces=plan.generation)
        await until(lambda: live.problem is None)
        assert list(live.now().versions) == [published]
        return str(next(iter(live.refusals)))


def test_a_missing_version_changes_nothing_until_the_plan_is_mended(
    definition: ModelDefinition, file: PlanFile, published: str
) -> None:
    assert asyncio.run(_refused(definition, file, published, "20010101-000000000000")) == "missing"


def test_an_unexpected_error_changes_nothing_and_the_plan_is_followed_on(
    definition: ModelDefinition, file: PlanFile, published: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_or_fail(model: ModelDefinition, version: str, demands: Demands) -> Any:
        if version == other:
            raise MemoryError
        return load(model, version, demands)

    monkeypatch.setattr(live_models, "load", load_or_fail)
    assert asyncio.run(_refused(definition, file, published, other)) == "refused"


async def _starts_beside_a_broken_canary(definition: ModelDefinition, file: PlanFile, published: str) -> None:
    file.write(new_plan("house_prices", published).with_canary("20010101-000000000000", 0.5), replaces=0)
    async with following(definition, file) as live:
        await until(lambda: live.ready)
        assert list(live.now().versions) == [published]
        assert live.problem is not None


def test_a_worker_starts_with_the_stable_version_when_the_canary_is_broken(
    definition: ModelDefinition, file: PlanFile, published: str
) -> None:
    asyncio.run(_starts_beside_a_broken_canary(definition, file, published))


async def _later(definition: ModelDefinition, file: PlanFile, source: Path, store: Path) -> None:
    async with following(definition, file) as live:
        name = another_version(source, store, rounds=31, note="later")
        shutil.move(store / name, store / f".{name}")
        file.write(new_plan("house_prices", name), replaces=0)
        await until(lambda: live.problem is not None and name in live.problem)
        shutil.move(store / f".{name}", store / name)
        await until(lambda: live.ready)
        shutil.rmtree(store / name)


def test_a_version_that_arrives_later_is_taken_then(
    definition: ModelDefinition, file: PlanFile, home: Path, bundle_directory: Path
) -> None:
    asyncio.run(_later(definition, file, bundle_directory, home / "models" / "house_prices"))


def test_the_store_is_as_it_was(home: Path, published: str) -> None:
    assert [str(stored.tag.version) for stored in bentoml.models.list("house_prices")] == [published]

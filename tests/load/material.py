"""What load and faults are run with: real rows, three versions, and the answers that each must give."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from preprocessors.encoding import RowEncoder
from registry import rollout
from registry.bundle import load
from tests.served import Served, serve
from tests.versions import another_version
from training import fetch
from training.dataset import validate
from training.house_prices import RECIPE

ROWS = 500
MODEL = RECIPE.definition.name


def store_home() -> Path:
    """The model store to copy from: the test's own, the developer's, or BentoML's default."""
    named = os.environ.get("PLUMBLINE_TEST_STORE") or os.environ.get("BENTOML_HOME")
    return Path(named) if named else Path.home() / "bentoml"


def house_rows(count: int = ROWS) -> list[Any]:
    """The newest real sales."""
    return list(validate(RECIPE.definition.rows, RECIPE.read(fetch.fetch(RECIPE.source)))[0].rows[-count:])


@contextmanager
def three_versions(home: Path, folder: Path, **settings: Any) -> Iterator[tuple[Served, Path]]:
    """Two workers that serve a stable version, a canary (a fifth) and a shadow.

    Yields:
        The service, and a file with rows and, by version, the prediction for each.
    """
    with serve(home, folder, workers=2, **settings) as served:
        store = served.home / "models" / MODEL
        first = max(path.name for path in store.iterdir() if path.is_dir())
        canary, shadow = (another_version(store / first, store, rounds=rounds) for rounds in (120, 60))
        file = rollout.plan_file(MODEL, served.home / "plumbline" / MODEL / "rollout.json")
        before = file.read()
        plan = before.with_stable(first).with_canary(canary, 0.2).with_shadows(shadow)
        _await(served, file.write(plan, before.generation).generation)
        material = folder / "material.json"
        material.write_text(json.dumps(_expected(store, [first, canary, shadow])))
        yield served, material


def _expected(store: Path, versions: list[str]) -> dict[str, Any]:
    rows = house_rows()
    raw = RowEncoder(RECIPE.definition.rows).matrix(rows)
    expected = {}
    for name in versions:
        model = load(name, store / name, RECIPE.definition).model
        expected[name] = model.predict(model.transform(raw)).value.tolist()
    return {"rows": [row.model_dump(mode="json") for row in rows], "expected": expected}


def _await(served: Served, generation: int) -> None:
    """Wait until both workers follow the plan."""
    following: set[int] = set()
    for _ in range(2_000):
        with served.client() as client:  # a new connection may reach the other worker
            models = client.get("/models").json()
        if models.get("generation") == generation:
            following.add(models["worker"])
        if len(following) == 2:
            return
    raise AssertionError(f"the plan is not followed:\n{served.log.read_text()[-3000:]}")

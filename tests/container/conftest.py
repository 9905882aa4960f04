"""Fixtures for the container tests. They run with `make test-container` only, as root, and take some minutes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from serving.wiring import BASE_IMAGE
from tests.container import base_image
from tests.container.engine import Engine, build_options, missing
from tests.served import ROOT
from tests.versions import another_version

SWITCH = "TEST_CONTAINER"
FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plumbline-container"
"""Not in the checkout, which BentoML walks through as a whole when it builds."""

collect_ignore_glob = [] if os.environ.get(SWITCH) else ["test_*.py"]
figures: dict[str, Any] = {}
"""What was measured, by its name with the unit."""


@dataclass(frozen=True)
class Shipped:
    """A built image.

    Args:
        versions: of the model, both in the image; the first is stable in the plan that it was built from.
        said: what `python -m deploy.image` printed, by the first word of each line.
    """

    name: str
    versions: tuple[str, str]
    said: dict[str, str]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """podman with images of its own."""
    absent = missing(["podman", "debootstrap"])
    if absent or os.geteuid():
        pytest.fail(f"needs root and, on Debian: apt-get install podman runc catatonit debootstrap (absent: {absent})")
    found = Engine(FOLDER)
    yield found
    found.ask("rm", "--all", "--force")
    found.ask("volume", "prune", "--force")  # what containers wrote; images stay, for the next run


@pytest.fixture(scope="session")
def shipped(
    engine: Engine, home: Path, published: str, bundle_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Shipped:
    """The image, built by `python -m deploy.image` from a store with two versions."""
    base_image.ensure(engine, BASE_IMAGE)
    own = tmp_path_factory.mktemp("shipped")
    shutil.copytree(home / "models", own / "models")
    second = another_version(bundle_directory, own / "models" / "house_prices")
    command = [sys.executable, "-m", "deploy.image", "--backend", "podman", *build_options()]
    for version in (published, second):
        command += ["--model", f"house_prices:{version}"]
    environment = {**engine.environment, "BENTOML_HOME": str(own)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    said = {word: rest for word, _, rest in (line.partition(" ") for line in done.stdout.splitlines()[-7:])}
    said = {word: rest.strip() for word, rest in said.items()}
    return Shipped(said["image"], (published, second), said)


@pytest.fixture(scope="session")
def plan_text(shipped: Shipped) -> Any:
    """Makes the text of a plan: `plan_text(generation, version)`."""

    def text(generation: int, stable: str) -> str:
        plan = {"format": 1, "model": "house_prices", "generation": generation, "salt": "test", "stable": stable}
        return json.dumps(plan)

    return text


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what was measured, and keep it for docs/operations.md."""
    if not figures:
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    terminalreporter.section("container figures")
    for name, value in figures.items():
        terminalreporter.write_line(f"{name}: {value}")

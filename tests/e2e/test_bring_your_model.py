"""docs/bring-your-model.md, followed word by word in a copy of the tree: from a file of data to an answered request."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.served import ROOT, Served, serve

GUIDE = (ROOT / "docs" / "bring-your-model.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
CODE = {code.split("\n", 1)[0].removeprefix("# "): code for kind, code in BLOCKS if kind == "python"}
COMMANDS = [code.strip() for kind, code in BLOCKS if kind == "bash"]
ROOMS = ("schemas", "preprocessors", "monitoring", "registry", "serving", "training", "deploy")


def as_the_guide_says(name: str, code: str, tree: Path) -> None:
    """Write a file; of `service.py` replace the three lines."""
    if name != "service.py":
        (tree / name).write_text(code, encoding="utf-8")
        return
    service = (tree / name).read_text(encoding="utf-8")
    for line in filter(None, code.splitlines()[1:]):
        words = line.split(".")[0] if line.startswith("from") else line.split("=")[0]
        service, replaced = re.subn(rf"^{re.escape(words)}(\.house_prices |= ?).*$", line, service, flags=re.MULTILINE)
        assert replaced == 1, line
    (tree / name).write_text(service, encoding="utf-8")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rooms that serve and train, with the guide's files, and a model trained by its command."""
    tree = tmp_path_factory.mktemp("tree")
    for room in ROOMS:
        shutil.copytree(ROOT / room, tree / room, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("service.py", "Makefile"):
        shutil.copy(ROOT / file, tree)
    (tree / ".venv").symlink_to(Path(sys.executable).parent.parent)
    for name, code in CODE.items():
        as_the_guide_says(name, code, tree)
    return tree


@pytest.fixture(scope="module")
def served(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The service of the guide."""
    environment = {**os.environ, "BENTOML_HOME": str(tree / "home"), "OMP_NUM_THREADS": "1"}
    train = COMMANDS[0].replace("make", "make -o .venv/train.stamp")
    for command in (f"{sys.executable} make_pumps.py", train):
        done = subprocess.run(["bash", "-c", command], cwd=tree, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    with serve(tree / "home", tmp_path_factory.mktemp("served"), tree=tree) as running:
        yield running


def test_the_guide_has_the_files_and_commands_that_it_speaks_of() -> None:
    assert sorted(CODE) == [
        *("make_pumps.py", "preprocessors/pumps.py", "schemas/pumps.py", "service.py", "training/pumps.py")
    ]
    assert [command.split(" -")[0] for command in COMMANDS] == [
        "make train MODEL=pumps",
        "make serve MODEL=pumps",
        "curl",
    ]


def test_the_request_of_the_guide_is_answered(served: Served) -> None:
    command = COMMANDS[2].replace("http://127.0.0.1:3000", served.url)
    answer = json.loads(subprocess.run(["bash", "-c", command], capture_output=True, check=True, timeout=60).stdout)
    assert answer["model"] == "pumps"
    assert answer["warnings"] == []
    true = 12.5 * 1450 / 3000 * 1.4 - 8  # of make_pumps.py, but for the vibration, which is not known
    assert answer["interval"]["low"] < answer["prediction"] < answer["interval"]["high"]
    assert abs(answer["prediction"] - true) < 1.5


def test_the_api_and_the_dashboard_know_the_model(served: Served) -> None:
    with served.client() as client:
        assert "PumpReading" in client.get("/docs.json").json()["components"]["schemas"]
        columns = client.get("/dashboard.json").text
    assert all(name in columns for name in ("vibration", "mm/s", "current"))

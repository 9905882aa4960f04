"""What `make bento` builds: what is in it, what is not, and that it serves alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.served import ROOT, Served, serve
from tests.versions import another_version

ROOMS = ("schemas", "preprocessors", "monitoring", "registry", "serving")
OF_BENTOML = {"bentofile.yaml"}
"""What it writes among the sources."""

ALONE = """
import json, sys
sys.path.insert(0, ".")
from importlib import import_module
from pathlib import Path
for path in Path(".").glob("*/*.py"):
    import_module(".".join(path.with_suffix("").parts))
import service
files = [str(getattr(module, "__file__", "")) for module in sys.modules.values()]
print(json.dumps([file for file in files if file.startswith(sys.argv[1] + "/") and "site-packages" not in file]))
"""


@dataclass(frozen=True)
class Store:
    """A BENTOML_HOME with two versions of the model, and elsewhere a plan that names both."""

    home: Path
    plan: Path
    versions: tuple[str, str]

    def build(self, **variables: str) -> tuple[Path, str]:
        """Build the Bento; gives its folder and the content digest that was printed."""
        given = {"BENTOML_HOME": str(self.home), "PLUMBLINE_ROLLOUT_PLAN": str(self.plan)}
        environment = {**os.environ, **given, **variables}
        command = [sys.executable, "-m", "deploy.bento"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr
        said = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
        name, _, version = said["bento"].partition(":")
        return self.home / "bentos" / name / version, said["digest"]


@pytest.fixture(scope="module")
def store(home: Path, published: str, bundle_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    own = tmp_path_factory.mktemp("bento")
    shutil.copytree(home / "models", own / "models")
    second = another_version(bundle_directory, own / "models" / "house_prices")
    plan = tmp_path_factory.mktemp("plan") / "rollout.json"
    plan.write_text(
        f'{{"format": 1, "model": "house_prices", "generation": 1, "salt": "s", "stable": "{published}",'
        f' "canary": {{"version": "{second}", "weight": 0.1}}}}'
    )
    return Store(own, plan, (published, second))


@pytest.fixture(scope="module")
def first(store: Store) -> tuple[Path, str]:
    """A built Bento's folder and content digest."""
    return store.build(PYTHONHASHSEED="1", TZ="UTC")


@pytest.fixture(scope="module")
def bento(first: tuple[Path, str]) -> Path:
    """A built Bento's folder."""
    return first[0]


@pytest.fixture(scope="module")
def serving(bento: Path, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The Bento, served as in a container: its models lie in itself, and BENTOML_HOME is empty."""
    folder = tmp_path_factory.mktemp("serving")
    shutil.copytree(bento, folder / "bento")
    shutil.copytree(store.home / "models", folder / "bento" / "models")
    with serve(folder / "nothing", folder, target=str(folder / "bento")) as running:
        yield running


def test_building_again_gives_the_same_content(store: Store, first: tuple[Path, str], tmp_path: Path) -> None:
    again = store.build(PYTHONHASHSEED="2", TZ="Asia/Tokyo", TMPDIR=str(tmp_path), PLUMBLINE_WORKERS="7")
    assert again == first


def test_it_holds_the_rooms_that_serve_and_nothing_else(bento: Path) -> None:
    sources = {path.relative_to(bento / "src").as_posix() for path in (bento / "src").rglob("*") if path.is_file()}
    wanted = {f"{room}/{path.name}" for room in ROOMS for path in (ROOT / room).glob("*.py")}
    wanted |= {f"monitoring/{path.name}" for path in (ROOT / "monitoring").glob("*.css")}
    wanted |= {f"monitoring/dashboard_static/{path.name}" for path in (ROOT / "monitoring/dashboard_static").iterdir()}
    wanted |= {"service.py", "LICENSE", "NOTICE", "deploy/container/healthcheck.py"}
    assert sources - OF_BENTOML == wanted


def test_it_pins_every_version_that_the_plan_names(bento: Path, store: Store) -> None:
    description = yaml.safe_load((bento / "bento.yaml").read_text())
    tags = [model["tag"] for model in description["models"]]
    assert tags == [f"house_prices:{version}" for version in store.versions]


def test_its_name_and_labels_say_which_code_it_is(bento: Path) -> None:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    description = yaml.safe_load((bento / "bento.yaml").read_text())
    assert description["labels"]["commit"] == commit.stdout.strip()
    assert f"-{commit.stdout[:12]}" in description["version"]


def test_its_packages_are_those_of_the_lock_with_their_hashes(bento: Path) -> None:
    installed = requirements(bento / "env" / "python" / "requirements.txt")
    locked = requirements(ROOT / "requirements" / "serve.txt")
    assert installed.keys() == locked.keys()
    assert {name: hashes for name, hashes in installed.items() if not locked[name] <= hashes} == {}
    names = {name.partition("==")[0] for name in installed}
    assert names.isdisjoint({"pandas", "matplotlib", "pytest", "ruff", "mypy", "hypothesis", "playwright"})


def test_no_compiler_is_installed_into_its_image(bento: Path) -> None:
    assert "build-essential" not in (bento / "env" / "docker" / "Dockerfile").read_text()


def test_its_code_needs_nothing_of_the_checkout(bento: Path) -> None:
    command = [sys.executable, "-P", "-c", ALONE, str(ROOT)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=bento / "src", env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_without_a_plan_it_serves_the_first_pinned_version(
    serving: Served, row: dict[str, Any], published: str
) -> None:
    with serving.client() as client:
        answer = client.post("/predict", json={"features": row})
    assert (answer.status_code, answer.json()["version"]) == (200, published)


def test_it_takes_the_truth_back(serving: Served, row: dict[str, Any]) -> None:
    with serving.client() as client:
        answer = client.post("/predict", json={"features": row}).json()
        outcome = {"prediction_id": answer["prediction_id"], "actual": answer["prediction"]}
        told = client.post("/outcomes", json={"outcomes": [outcome]})
    assert told.json() == {"accepted": 1, "refused": []}


def test_it_serves_the_dashboard_with_all_its_parts(serving: Served) -> None:
    with serving.client() as client:
        page = client.get("/dashboard")
        assert page.status_code == 200
        parts = re.findall(r'(?:src|href)="(/?dashboard/[^"]+)"', page.text)
        assert len(parts) >= 3
        assert {part: status(client, part) for part in parts} == dict.fromkeys(parts, 200)


def status(client: httpx.Client, path: str) -> int:
    return client.get("/" + path.lstrip("/")).status_code


def requirements(path: Path) -> dict[str, set[str]]:
    """The hashes of each `name==version`."""
    found: dict[str, set[str]] = {}
    name = ""
    for line in path.read_text().replace("\\\n", " ").splitlines():
        if "==" in line:
            name = line.split()[0].split(";")[0]
            found.setdefault(name, set())
        if name:
            found[name].update(re.findall(r"sha256:[0-9a-f]{64}", line))
    return found

"""The image by itself: its size, its labels, and what is not in it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.container.conftest import Shipped, figures
from tests.container.engine import Engine, once
from tests.served import ROOT

pytestmark = pytest.mark.timeout(2400)  # the first test waits for the base image and the installation

MOST_MB = 700
COMPILERS = ("gcc", "g++", "cc", "c++", "clang", "tcc", "ld", "as", "make", "git", "uv", "rustc", "go")


@pytest.fixture(scope="module")
def config(engine: Engine, shipped: Shipped) -> dict[str, Any]:
    """What the image says of itself."""
    return engine.inspect("image", shipped.name)


def inside(engine: Engine, image: str, script: str) -> str:
    """The output of a shell script, run in the image as its user."""
    return engine.run("run", "--rm", "--network=none", *once(), "--entrypoint=/bin/sh", image, "-c", script)


def test_it_is_small(config: dict[str, Any]) -> None:
    figures["image size (MB)"] = round(config["Size"] / 1e6)
    assert config["Size"] < MOST_MB * 1e6


def test_its_user_is_a_number_that_is_not_root(config: dict[str, Any]) -> None:
    assert config["Config"]["User"] == "1034:1034"


def test_it_has_a_health_check(config: dict[str, Any]) -> None:
    assert config["Healthcheck"]["Test"][0] == "CMD"


def test_its_labels_say_code_models_and_content(config: dict[str, Any], shipped: Shipped) -> None:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    labels = config["Labels"]
    assert labels["org.opencontainers.image.revision"] == commit.stdout.strip()
    assert labels["org.opencontainers.image.version"] in shipped.name
    assert labels["plumbline.models"].split() == [f"house_prices:{version}" for version in shipped.versions]
    assert labels["plumbline.bento.digest"] == shipped.said["digest"]


def test_its_environment_tells_nothing_of_the_machine_that_built_it(config: dict[str, Any]) -> None:
    names = {line.partition("=")[0] for line in config["Config"]["Env"]}
    assert not [name for name in names if name.startswith(("PIP_", "UV_", "SSL_", "HTTP", "http"))]


def test_it_holds_no_compiler(engine: Engine, shipped: Shipped) -> None:
    found = inside(engine, shipped.name, f"for name in {' '.join(COMPILERS)}; do command -v $name; done; true")
    assert found == ""


def test_it_holds_no_training_no_tests_and_no_pandas(engine: Engine, shipped: Shipped) -> None:
    listed = inside(engine, shipped.name, "ls /home/bentoml/bento/src; ls -d /app/.venv/lib/python3*/site-packages/*")
    names = {Path(line).name for line in listed.splitlines()}
    assert names.isdisjoint({"training", "tests", "benchmarks", "docs", "pandas", "matplotlib", "pytest"})
    assert {"service.py", "serving", "numpy", "sklearn"} <= names


def test_of_plotly_it_holds_the_script_and_the_notices(engine: Engine, shipped: Shipped) -> None:
    found = inside(engine, shipped.name, "find /app -ipath '*plotly*' -type f").splitlines()
    (script,) = (path for path in found if ".dist-info/" not in path)
    assert script.endswith("/plotly/package_data/plotly.min.js")
    assert any(path.endswith("/licenses/LICENSE.txt") for path in found)


def test_its_user_can_write_to_none_of_its_files(engine: Engine, shipped: Shipped) -> None:
    found = inside(
        engine, shipped.name, "find /app /home /etc /usr /opt -xdev -writable ! -type l 2>/dev/null | head -5"
    )
    assert found == ""


def test_where_the_size_comes_from(engine: Engine, shipped: Shipped) -> None:
    script = (
        "du -xsm /usr /app /home/bentoml/bento/models /home/bentoml/bento/src; du -sm /app/.venv/lib/*/*/* | sort -rn"
    )
    lines = inside(engine, shipped.name, script + " | head -8").splitlines()
    figures["largest parts (MB)"] = {line.split()[1]: int(line.split()[0]) for line in lines}
    assert lines

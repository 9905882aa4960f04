"""What the code imports is declared in pyproject.toml, and does not come along with something else by luck."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.served import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SERVED = ("service.py", "schemas/*.py", "preprocessors/*.py", "monitoring/*.py", "registry/*.py", "serving/*.py")
PLACES = {
    (): SERVED,
    ("train",): ("training/*.py", "deploy/*.py"),
    ("train", "dev"): (
        "deploy/checks/*.py",
        "monitoring/grafana/*.py",
        "release/*.py",
        "benchmarks/*.py",
        "tests/**/*.py",
    ),
}
"""Which files may import what, by the extras that are installed for them."""

DISTRIBUTIONS = packages_distributions()

ELSEWHERE = {"locust"}
"""Lives in an environment of its own."""


def declared(*extras: str) -> set[str]:
    """Names of the packages that these extras bring, beside those of the service."""
    texts = [
        *PROJECT["dependencies"],
        *(text for extra in ("cpu", *extras) for text in PROJECT["optional-dependencies"][extra]),
    ]
    return {canonicalize_name(Requirement(text).name) for text in texts}


def imported(path: Path) -> set[str]:
    """Names of the packages that a file imports, without Python's own and ours."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module.partition(".")[0])
    ours = {part.name.removesuffix(".py") for part in ROOT.iterdir()}
    foreign = modules - sys.stdlib_module_names - ours - ELSEWHERE
    return {canonicalize_name(DISTRIBUTIONS.get(module, [module])[0]) for module in foreign}


@pytest.mark.parametrize("extras", PLACES, ids=lambda extras: "+".join(extras) or "served")
def test_what_is_imported_is_declared(extras: tuple[str, ...]) -> None:
    files = [path for pattern in PLACES[extras] for path in ROOT.glob(pattern)]
    assert len(files) > len(PLACES[extras])
    found = {path.relative_to(ROOT).as_posix(): imported(path) - declared(*extras) for path in files}
    # pydantic-core is pydantic's own, and pinned by it to the digit
    assert {name: missing - {"pydantic-core"} for name, missing in found.items() if missing - {"pydantic-core"}} == {}

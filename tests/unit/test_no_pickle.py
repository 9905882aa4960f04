"""No code of ours can unpickle: nothing is imported that could, and nothing is asked to."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.served import ROOT

ROOMS = ("schemas", "preprocessors", "monitoring", "registry", "serving", "training")
SOURCES = [ROOT / "service.py", *(path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))]

UNPICKLERS = {
    *("pickle", "_pickle", "pickletools", "shelve", "marshal", "dbm", "copyreg", "multiprocessing"),
    *("joblib", "cloudpickle", "dill", "pandas", "torch"),
}
"""Modules that unpickle, or hand out what does. scikit-learn brings joblib with it, which we never call."""

CODE = {"eval", "exec", "compile", "__import__"}


def findings(source: str) -> list[str]:
    """What the source does that could run code which came as data."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in UNPICKLERS]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNPICKLERS:
            found.append(str(node.module))
        elif isinstance(node, ast.Call):
            found += _call(node)
        elif isinstance(node, ast.Attribute) and node.attr in ("custom_objects", "unsafe_load", "full_load"):
            found.append(node.attr)  # BentoML's pickled objects of a model, and YAML that makes objects
    return found


def _call(node: ast.Call) -> list[str]:
    name = ast.unparse(node.func)
    if name in CODE:
        return [name]
    refused = any(
        keyword.arg == "allow_pickle" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        for keyword in node.keywords
    )
    asked = any(keyword.arg == "allow_pickle" for keyword in node.keywords) or name in ("np.load", "numpy.load")
    return [name] if (asked and not refused) or name == "yaml.load" else []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_can_unpickle(path: Path) -> None:
    assert findings(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import joblib.numpy_pickle as x",
        "from cloudpickle import loads",
        "import numpy as np\nnp.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=maybe)",
        "np.lib.format.read_array(file, allow_pickle=True)",
        "bentoml.models.get('m').custom_objects",
        "yaml.load(text)",
        "def f():\n    import dill",
    ],
)
def test_this_test_would_find_it(source: str) -> None:
    assert findings(source)

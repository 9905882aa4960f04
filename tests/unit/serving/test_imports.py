"""Importing the service does no I/O, serving stays free of slow imports, and general rooms know no model."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import EXAMPLE
from tests.inprocess import said_apart
from tests.served import ROOT

AUDITED_IMPORT = """
import json, sys
import bentoml  # whatever BentoML does when it is imported is its own
touched = []
def audit(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        mode, flags = arguments[1] or "", arguments[2] or 0
        if set(mode) & set("wax+") or flags & 3 or not arguments[0].endswith((".py", ".pyc", ".so")):
            touched.append(arguments[0])
    elif event in ("socket.connect", "socket.bind", "subprocess.Popen", "os.mkdir"):
        touched.append(event)
sys.dont_write_bytecode = True
sys.addaudithook(audit)
import service
print(json.dumps(touched))
"""

SERVE_ONE = """
import json, sys
from tests.inprocess import in_process
row = json.loads(sys.argv[1])
with in_process() as running:
    assert running.request("POST", "/predict", json={"features": row}).status_code == 200
print(json.dumps([name for name in ("pandas", "matplotlib") if name in sys.modules]))
"""

MODEL_WORDS = re.compile("house|seattle|sqft|bedroom", re.IGNORECASE)
GENERAL = [path for room in ("serving", "registry", "monitoring") for path in sorted((ROOT / room).rglob("*.py"))]


def test_importing_the_service_writes_nothing_and_talks_to_nobody(tmp_path: Path) -> None:
    environment = {**os.environ, "BENTOML_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", AUDITED_IMPORT],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found = [name for name in json.loads(done.stdout) if not _source(name)]
    assert found == []
    assert not (tmp_path / "home" / "models").exists()


def test_serving_a_prediction_imports_neither_pandas_nor_matplotlib(home: Path, tmp_path: Path) -> None:
    assert said_apart(SERVE_ONE, EXAMPLE, home, tmp_path) == []


@pytest.mark.parametrize("path", GENERAL, ids=lambda path: str(path.relative_to(ROOT)))
def test_general_rooms_know_no_model(path: Path) -> None:
    found = [line for line in path.read_text().splitlines() if MODEL_WORDS.search(line)]
    assert found == []


def _source(name: str) -> bool:
    """Whether a file belongs to installed code, its data, or the operating system's description of itself."""
    return name.startswith((sys.prefix, sys.base_prefix, str(ROOT / ".venv"), "/usr/", "/proc/", "/sys/", "/etc/"))

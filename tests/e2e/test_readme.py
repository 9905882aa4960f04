"""The README's commands and code are run, and its answers are compared with the real ones."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.served import ROOT, Served, free_port, stop, wait_until_ready

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = [code.strip() for language, code in BLOCKS if language == "bash"]
VOLATILE = {"prediction_id", "request_id", "version"}
NOT_RUN_HERE = {"make test"}  # it is what runs this test


@pytest.fixture(scope="module")
def served_by_make(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`make serve`, as the README says it, on another port and with a store of its own."""
    folder = tmp_path_factory.mktemp("make")
    shutil.copytree(home / "models", folder / "home" / "models")
    port, log = free_port(), folder / "log"
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL")}
    environment["BENTOML_HOME"] = str(folder / "home")
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["make", "serve", f"PORT={port}", f"PYTHON={sys.executable}"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        running = Served(f"http://127.0.0.1:{port}", folder / "home", log, process)
        try:
            wait_until_ready(running)
            yield running
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            stop(process)


def run(command: str, served: Served) -> str:
    """Run a command of the README against the served process, and give its standard output."""
    environment = {
        **os.environ,
        "BENTOML_HOME": str(served.home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    here = command.replace("http://127.0.0.1:3000", served.url)
    done = subprocess.run(["bash", "-c", here], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def answers_shown() -> list[tuple[str, Any]]:
    """Each curl command with the JSON block that follows it."""
    return [(code, json.loads(shown)) for (_, code), (language, shown) in pairwise(BLOCKS) if language == "json"]


def same(shown: Any, got: Any, name: str = "") -> None:
    """Same shape, same words, and the same numbers up to what another processor may differ in."""
    if isinstance(shown, dict):
        assert list(shown) == list(got), name
        for key in shown:
            same(shown[key], got[key], key)
    elif isinstance(shown, list):
        assert len(shown) == len(got), name
        for one, other in zip(shown, got, strict=True):
            same(one, other, name)
    elif isinstance(shown, float):
        assert got == pytest.approx(shown, rel=1e-3), name
    elif name in VOLATILE:
        assert len(shown) == len(got), name
    else:
        assert shown == got, name


def test_the_readme_shows_answers() -> None:
    assert len(answers_shown()) == 2


@pytest.mark.parametrize(("command", "shown"), answers_shown())
def test_a_request_gets_the_answer_that_the_readme_shows(served_by_make: Served, command: str, shown: Any) -> None:
    same(shown, json.loads(run(command, served_by_make)))


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith("curl") and c not in NOT_RUN_HERE])
def test_every_other_command_works(served_by_make: Served, command: str) -> None:
    if command == "make serve":
        assert served_by_make.process.poll() is None
        return
    assert run(command, served_by_make)


@pytest.mark.parametrize("code", [code for language, code in BLOCKS if language == "python"])
def test_the_python_code_works(served_by_make: Served, code: str, tmp_path: Path) -> None:
    script = tmp_path / "readme.py"
    script.write_text(code.replace("http://127.0.0.1:3000", served_by_make.url), encoding="utf-8")
    run(f"{sys.executable} {script}", served_by_make)


def test_every_linked_file_exists() -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_code_of_bring_your_model_works() -> None:
    text = (ROOT / "docs" / "bring-your-model.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks
    for code in blocks:
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)

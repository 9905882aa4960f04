"""Schemathesis: the served service against its own OpenAPI document.

SCHEMATHESIS_CASES sets how many cases it makes at least, with those that it derives from the document (about 1,000);
a few more than those by default, 5,000 and more by `make proof-contract`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import EXAMPLE
from tests.served import Served, serve

CASES = int(os.environ.get("SCHEMATHESIS_CASES", "300"))
WITH_BODY = 5
"""Operations whose bodies vary without end; of the others there is little to make."""
TOKEN = "a-token-for-schemathesis"
UNSTATABLE = "positive_data_acceptance"
"""JSON Schema cannot state rules across fields or bounds of dates: not all that fits the document is accepted."""
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")


@pytest.fixture(scope="module")
def own(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service whose plan may be changed."""
    with serve(home, tmp_path_factory.mktemp("schemathesis"), PLUMBLINE_ADMIN_TOKEN=TOKEN) as running:
        yield running


@pytest.fixture(scope="module")
def known(own: Served, published: str) -> str:
    """What the hooks put into bodies."""
    with own.client() as client:
        answer = client.post("/predict_batch", json={"rows": [EXAMPLE] * 1000}).json()
    ids = [one["prediction_id"] for one in answer["predictions"]]
    return json.dumps({"version": published, "prediction_ids": ids})


@pytest.mark.timeout(120 + CASES // 5)
def test_no_answer_breaks_the_document(own: Served, known: str, tmp_path: Path) -> None:
    with own.client() as client:
        document: dict[str, Any] = client.get("/docs.json").json()
    (tmp_path / "docs.json").write_text(json.dumps(document))  # it leaves out the path where it finds a document
    operations = sum(map(len, document["paths"].values()))
    done = _schemathesis(own, known, tmp_path)
    sys.stdout.write(done.stdout[-1500:])
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert f"{operations} selected / {operations} total" in done.stdout
    generated = re.search(r"(\d+) generated", done.stdout)
    assert generated
    assert int(generated[1]) >= CASES
    assert '"level":"ERROR"' not in own.log.read_text()
    assert _outcomes_counted(own) > 0  # bodies of /outcomes had real ids in them


def _outcomes_counted(own: Served) -> int:
    with own.client() as client:
        metrics = client.get("/metrics").text
    return sum(
        int(float(value)) for value in re.findall(r"^plumbline_outcomes_total\{.*\} (\S+)", metrics, re.MULTILINE)
    )


def _schemathesis(own: Served, known: str, folder: Path) -> subprocess.CompletedProcess[str]:
    options = ["--checks", "all", "--exclude-checks", UNSTATABLE, "--phases", "examples,coverage,fuzzing"]
    options += ["--max-examples", str(max(1, CASES // WITH_BODY)), "--generation-database", "none", "--no-color"]
    options += ["--suppress-health-check", "all", "--request-timeout", "20"]
    options += ["--header", f"Authorization: Bearer {TOKEN}"]
    return subprocess.run(
        [Path(sys.executable).parent / "schemathesis", "run", "docs.json", "--url", own.url, *options],
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS), "PLUMBLINE_HOOKS": known},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )

"""Schemathesis: the served service against its own OpenAPI document.

PLUMBLINE_SCHEMATHESIS_CASES sets how many random cases it makes beside those that it derives from the document (about
600); 300 by default, 5,000 before a release.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.served import Served, serve

CASES = int(os.environ.get("PLUMBLINE_SCHEMATHESIS_CASES", "300"))
OPERATIONS = 12
TOKEN = "a-token-for-schemathesis"
UNSTATABLE = "positive_data_acceptance"
"""JSON Schema cannot state rules across fields or bounds of dates: not all that fits the document is accepted."""


@pytest.fixture(scope="module")
def own(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service whose plan may be changed."""
    with serve(home, tmp_path_factory.mktemp("schemathesis"), PLUMBLINE_ADMIN_TOKEN=TOKEN) as running:
        yield running


@pytest.mark.timeout(120 + CASES // 5)
def test_no_answer_breaks_the_document(own: Served, tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "schemathesis"
    options = ["--checks", "all", "--exclude-checks", UNSTATABLE, "--phases", "examples,coverage,fuzzing"]
    options += ["--max-examples", str(max(1, CASES // OPERATIONS)), "--generation-database", "none", "--no-color"]
    options += [
        "--suppress-health-check",
        "all",
        "--request-timeout",
        "20",
        "--header",
        f"Authorization: Bearer {TOKEN}",
    ]
    done = subprocess.run(
        [program, "run", f"{own.url}/docs.json", *options],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "12 selected / 12 total" in done.stdout
    assert '"level":"ERROR"' not in own.log.read_text()

"""What a manifest says of the code that made it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.served import ROOT
from training.package import code_state


def test_the_commit_is_that_of_the_code_wherever_training_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True)
    monkeypatch.chdir(tmp_path)
    assert code_state().commit == head.stdout.strip()


def test_code_that_is_no_checkout_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    assert (code_state().commit, code_state().dirty) == ("unknown", False)

"""Node and the packages from npm that tests of TypeScript clients need: pinned in tests/typescript, installed once."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.programs import program
from tests.served import ROOT

PINNED = ROOT / "tests" / "typescript"
FOLDER = ROOT / ".cache" / "typescript"


def packages() -> Path:
    """The folder of installed packages: made once, and anew when the lock changes.

    Skips the test where npm's registry cannot be reached: it is a network of its own, which a test machine need not
    have. Where Node or npm is missing it skips too, but fails in CI.
    """
    program("node", "nodejs")
    npm = program("npm", "npm")
    lock, stamp = PINNED / "package-lock.json", FOLDER / "locked.json"
    if not (stamp.exists() and stamp.read_bytes() == lock.read_bytes()):
        shutil.rmtree(FOLDER, ignore_errors=True)
        shutil.copytree(PINNED, FOLDER)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"npm could not install what tests/typescript pins:\n{done.stderr[-1000:]}")
        shutil.copyfile(lock, stamp)
    return FOLDER / "node_modules"

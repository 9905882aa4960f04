"""Environments of their own for tools whose packages are many, or would not go with ours: made from a lock file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from deploy.code_version import ROOT


class Unfit(Exception):
    """This machine lacks what is needed; the message says what to do."""


def environment(name: str, lock: str, cache: Path) -> Path:
    """The Python of an environment made from a lock file: once, and anew when the lock changes.

    Raises:
        Unfit: it cannot be installed; the message holds pip's last line.
    """
    folder, locked = cache / name, ROOT / "requirements" / lock
    python, stamp = folder / "bin" / "python", folder / "locked.txt"
    if stamp.exists() and stamp.read_bytes() == locked.read_bytes():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)  # noqa: S603
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += ["--require-hashes", "--no-deps", "-r", str(locked)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        reasons = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise Unfit(f"{lock} cannot be installed: {reasons[-1] if reasons else 'pip gives no reason'}")
    stamp.write_bytes(locked.read_bytes())
    return python

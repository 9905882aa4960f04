"""A base image from Debian's packages alone, for machines that reach no image registry.

It stands in for docker.io/library/python:3.11-slim-bookworm: Debian 12, Python 3.11, pip and certificates.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.container.engine import Engine

SUITE = "bookworm"
PACKAGES = ("ca-certificates", "python3", "python3-pip")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists")
"""What slim images leave out too."""


def ensure(engine: Engine, image: str) -> None:
    """Build the image unless it is there.

    Raises:
        AssertionError: debootstrap or podman failed; the message says why.
    """
    if engine.ask("image", "exists", image).returncode == 0:
        return
    root, archive = engine.folder / "root", engine.folder / "root.tar"
    _bootstrap(root)
    for folder in UNUSED:
        shutil.rmtree(root / folder, ignore_errors=True)
    for mark in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        mark.unlink()  # BentoML installs uv with pip, as in the official images
    subprocess.run(["tar", "--create", f"--file={archive}", f"--directory={root}", "."], check=True)
    engine.run("import", "--change", f"ENV PATH={PATH}", str(archive), image, seconds=300)
    archive.unlink()
    shutil.rmtree(root)


def _bootstrap(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]

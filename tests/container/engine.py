"""podman for the container tests, with images and settings of its own: nothing of the user's is touched."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FORWARDED = (
    *("PIP_CERT", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_DEFAULT_TIMEOUT"),
    *("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_HTTP_TIMEOUT"),
    *("SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
"""How this machine reaches packages; passed on to the steps of a build, and in no final image."""

CERTIFICATES = "/etc/ssl/certs"
SYSTEMD = Path("/run/systemd/system")


class Engine:
    """podman and buildah with their own storage.

    Args:
        folder: for images, containers and settings. Kept between runs, so that the second is fast.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        storage, settings = folder / "storage.conf", folder / "containers.conf"
        storage.write_text(
            f'[storage]\ndriver = "{os.environ.get("STORAGE_DRIVER", "overlay")}"\n'
            f'graphroot = "{folder / "images"}"\nrunroot = "{folder / "run"}"\n'
        )
        settings.write_text(_settings(folder))
        self.environment = {
            **os.environ,
            "CONTAINERS_STORAGE_CONF": str(storage),
            "CONTAINERS_CONF": str(settings),
            "BUILDAH_ISOLATION": "chroot",  # needs no further privileges, wherever this runs
        }

    def run(self, *arguments: str, seconds: float = 120) -> str:
        """Run podman; gives its standard output.

        Raises:
            AssertionError: it failed; the message holds what it said.
        """
        done = self.ask(*arguments, seconds=seconds)
        assert done.returncode == 0, f"podman {' '.join(arguments)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout.strip()

    def ask(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run podman, whatever comes of it."""
        command = ["podman", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=seconds)

    def inspect(self, kind: str, name: str) -> dict[str, Any]:
        """What podman knows of an image or a container."""
        found: dict[str, Any] = json.loads(self.run(kind, "inspect", name))[0]
        return found


def build_options() -> list[str]:
    """Options for builds on this machine, as `deploy.image` takes them."""
    options = [f"env={name}={os.environ[name]}" for name in FORWARDED if os.environ.get(name)]
    if Path(CERTIFICATES).is_dir():
        options.append(f"volume={CERTIFICATES}:{CERTIFICATES}:ro")
    return [part for option in options for part in ("--option", option)]


def missing(programs: Sequence[str]) -> list[str]:
    """Those that are not installed."""
    return [program for program in programs if shutil.which(program) is None]


def once() -> list[str]:
    """Options of `podman run` for this machine: podman runs health checks by systemd, and fails where that is not."""
    return [] if SYSTEMD.exists() else ["--no-healthcheck"]


def _settings(folder: Path) -> str:
    """containers.conf: what a machine without systemd or without the right to raise limits needs, and nothing else."""
    limits = [f'"{name}={soft}:{hard}"' for name, (soft, hard) in _own_limits().items()]
    lines = ["[containers]", f"default_ulimits = [{', '.join(limits)}]"]
    lines += ["[engine]", 'events_logger = "file"', f'tmp_dir = "{folder / "tmp"}"']
    if not SYSTEMD.exists():
        lines.append('cgroup_manager = "cgroupfs"')
    if shutil.which("runc"):
        lines.append('runtime = "runc"')
    return "\n".join([*lines, ""])


def _own_limits() -> dict[str, tuple[int, ...]]:
    """podman would raise these, which even root may not do everywhere; and it lowers its own to the number of ids."""
    limits = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    most = int(Path("/proc/sys/kernel/pid_max").read_text())
    found = {name: resource.getrlimit(number) for name, number in limits.items()}
    return {name: tuple(most if value < 0 else min(value, most) for value in pair) for name, pair in found.items()}

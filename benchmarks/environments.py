"""What the benchmark runs on: tools, and the machine's description."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

from deploy.code_version import ROOT, git
from deploy.environments import Unfit

HERE = ("bentoml", "uvicorn", "uvloop", "httptools", "pydantic", "numpy", "scikit-learn", "xgboost-cpu")
PEERS = ("fastapi", "bentoml", "pandas", "scikit-learn", "xgboost-cpu")
MLSERVER = ("mlserver", "fastapi", "pandas", "scikit-learn", "xgboost-cpu")


def check_tools() -> None:
    """See that wrk and two cores are there.

    Raises:
        Unfit: they are not.
    """
    for tool, package in (("wrk", "wrk"), ("taskset", "util-linux")):
        if shutil.which(tool) is None:
            raise Unfit(f"{tool} is not installed: on Debian, apt-get install {package}")
    if len(os.sched_getaffinity(0)) < 2:
        raise Unfit("two cores are needed: one for the server, one for wrk")


def describe(peers: Path | None, mlserver: Path | None) -> dict[str, str]:
    """The machine and the versions that decide the figures."""
    machine = {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "this service": ", ".join(f"{name} {version(name)}" for name in HERE),
        "commit": _commit(),
        "load average at the end": f"{os.getloadavg()[2]:.1f} over 15 minutes (one server and one wrk: about 1.8)",
    }
    for title, python, names in (("peers", peers, PEERS), ("MLServer", mlserver, MLSERVER)):
        if python is not None:
            machine[title] = versions(python, names)
    return machine


def versions(python: Path, names: tuple[str, ...]) -> str:
    """The versions of some packages in an environment."""
    code = "import sys; from importlib.metadata import version as v; print(', '.join(n+' '+v(n) for n in sys.argv[1:]))"
    done = subprocess.run([str(python), "-c", code, *names], capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _commit() -> str:
    try:
        return git(ROOT, "describe", "--always", "--dirty", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"

"""checkov over the rendered manifests, in an environment of its own: it would bring a hundred packages into ours.

    python -m deploy.checks [folder ...]      (make check-kubernetes)

Exceptions stand beside what they are of, as annotations `checkov.io/skipN: <check>=<reason>`.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from deploy.checks.manifests import Manifest
from deploy.code_version import ROOT
from deploy.environments import environment

LOCK = "check-kubernetes.txt"


def checkov() -> Path:
    """Where it is; installed the first time, from its lock file.

    Raises:
        Unfit: it cannot be installed.
    """
    return environment("check-kubernetes", LOCK, ROOT / ".cache").with_name("checkov")


def policy_findings(program: Path, manifests: list[Manifest]) -> list[str]:
    """What checkov finds wrong, one sentence each. It asks nobody outside.

    Args:
        program: checkov.
        manifests: of one installation.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "manifests.yaml"
        file.write_text(yaml.safe_dump_all(manifests, sort_keys=False))
        command = [str(program), "--file", str(file), "--framework", "kubernetes", "--output", "json", "--compact"]
        command += ["--skip-download", "--quiet"]
        quiet = {**os.environ, "LOG_LEVEL": "ERROR", "CHECKOV_RUN_SCA_PACKAGE_SCAN_V2": "false", "BC_API_KEY": ""}
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=quiet)  # noqa: S603
    if done.returncode not in (0, 1):
        raise RuntimeError(f"checkov failed: {done.stderr.strip()[-1000:]}")
    report = json.loads(done.stdout)
    return list(_sentences(report))


def _sentences(report: dict[str, Any]) -> Iterator[str]:
    summary = report.get("summary", report)
    if summary["parsing_errors"] or not summary["passed"]:  # nothing looked at is nothing proven
        yield f"checkov could not read the manifests: {summary}"
    for found in report.get("results", {}).get("failed_checks", []):
        yield f"{found['resource']}: {found['check_id']} {found['check_name']}"

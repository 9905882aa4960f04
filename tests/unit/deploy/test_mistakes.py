"""Mistakes planted into good manifests: each is found, and by the check that is meant to find it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deploy.checks import agreements, hardening, references, schemas
from deploy.checks.manifests import Manifest, pod_of
from deploy.checks.references import Check
from tests.unit.deploy.installations import rendered, the

Mistake = Callable[[list[Manifest]], None]


def _container(manifests: list[Manifest]) -> dict[str, Any]:
    """The service's container."""
    found: dict[str, Any] = pod_of(the(manifests, "Deployment"))["spec"]["containers"][0]
    return found


def _settings(manifests: list[Manifest]) -> dict[str, str]:
    """The settings of the service."""
    (found,) = [each for each in manifests if each["metadata"]["name"].startswith("plumbline-settings")]
    data: dict[str, str] = found["data"]
    return data


def unknown_field(manifests: list[Manifest]) -> None:
    pod_of(the(manifests, "Deployment"))["spec"]["restartPolcy"] = "Always"


def wrong_type(manifests: list[Manifest]) -> None:
    _container(manifests)["ports"][0]["containerPort"] = "3000"


def removed_api(manifests: list[Manifest]) -> None:
    the(manifests, "PodDisruptionBudget")["apiVersion"] = "policy/v1beta1"


def unknown_kind(manifests: list[Manifest]) -> None:
    manifests.append({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "thing"}})


def no_limits(manifests: list[Manifest]) -> None:
    del _container(manifests)["resources"]["limits"]["memory"]


def no_probe(manifests: list[Manifest]) -> None:
    del _container(manifests)["readinessProbe"]


def root(manifests: list[Manifest]) -> None:
    pod_of(the(manifests, "Deployment"))["spec"]["securityContext"]["runAsUser"] = 0


def latest(manifests: list[Manifest]) -> None:
    _container(manifests)["image"] = "registry.example.com/house_prices:latest"


def bad_quantity(manifests: list[Manifest]) -> None:
    _container(manifests)["resources"]["limits"]["memory"] = "768MiB"


def dangling_autoscaler(manifests: list[Manifest]) -> None:
    the(manifests, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] = "plumb-line"


def lost_selector(manifests: list[Manifest]) -> None:
    the(manifests, "Service")["spec"]["selector"]["app.kubernetes.io/component"] = "api"


def wrong_target_port(manifests: list[Manifest]) -> None:
    the(manifests, "Service")["spec"]["ports"][0]["targetPort"] = 8080


def greedy_selector(manifests: list[Manifest]) -> None:
    the(manifests, "Service")["spec"]["selector"] = {"app.kubernetes.io/part-of": "plumbline"}


def fixed_replicas(manifests: list[Manifest]) -> None:
    the(manifests, "Deployment")["spec"]["replicas"] = 3


def idle_budget(manifests: list[Manifest]) -> None:
    the(manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"] = {"app": "plumbline"}


def closed_port(manifests: list[Manifest]) -> None:
    the(manifests, "NetworkPolicy")["spec"]["ingress"][0]["ports"][0]["port"] = "web"


def lost_monitor(manifests: list[Manifest]) -> None:
    the(manifests, "ServiceMonitor")["spec"]["endpoints"][0]["port"] = "metrics"


def missing_config(manifests: list[Manifest]) -> None:
    manifests.remove(next(each for each in manifests if each["metadata"]["name"].startswith("plumbline-settings")))


def unmounted_volume(manifests: list[Manifest]) -> None:
    _container(manifests)["volumeMounts"].pop()


def unknown_setting(manifests: list[Manifest]) -> None:
    _settings(manifests)["PLUMBLINE_WORKER"] = "2"


def refused_setting(manifests: list[Manifest]) -> None:
    _settings(manifests)["PLUMBLINE_DRAIN_SECONDS"] = "ten"


def unknown_path(manifests: list[Manifest]) -> None:
    _container(manifests)["livenessProbe"]["httpGet"]["path"] = "/health"


def unknown_metric(manifests: list[Manifest]) -> None:
    metrics = the(manifests, "HorizontalPodAutoscaler")["spec"]["metrics"]
    metrics[-1]["pods"]["metric"]["name"] = "plumbline_queue_depth"


def unrecorded_series(manifests: list[Manifest]) -> None:
    rule = the(manifests, "PrometheusRule")["spec"]["groups"][0]["rules"][0]
    rule["expr"] = rule["expr"].replace("requests_total", "request_total")


def plan_without_stable(manifests: list[Manifest]) -> None:
    the(manifests, "ConfigMap", "plumbline-rollout")["data"]["rollout.json"] = '{"format": 1, "generation": 1}'


def plan_of_another_name(manifests: list[Manifest]) -> None:
    data = the(manifests, "ConfigMap", "plumbline-rollout")["data"]
    data["plan.json"] = data.pop("rollout.json")


def plan_as_single_file(manifests: list[Manifest]) -> None:
    mount = next(each for each in _container(manifests)["volumeMounts"] if each["name"] == "rollout")
    mount["subPath"] = "rollout.json"


def short_grace(manifests: list[Manifest]) -> None:
    pod_of(the(manifests, "Deployment"))["spec"]["terminationGracePeriodSeconds"] = 30


def many_workers(manifests: list[Manifest]) -> None:
    _settings(manifests)["PLUMBLINE_WORKERS"] = "4"


MISTAKES: dict[Mistake, tuple[Check, str]] = {
    # the eleven of which is known which tools see them
    unknown_field: (schemas.manifests_fit_their_schemas, "restartPolcy"),
    wrong_type: (schemas.manifests_fit_their_schemas, "containerPort"),
    removed_api: (schemas.manifests_fit_their_schemas, "has no PodDisruptionBudget of policy/v1beta1"),
    no_limits: (hardening.resources_are_bounded, "no limit of memory"),
    no_probe: (hardening.containers_have_probes, "no readinessProbe"),
    root: (hardening.nobody_is_root, "may run as root"),
    latest: (hardening.images_stand_still, "can change under its name"),
    bad_quantity: (hardening.resources_are_bounded, "'768MiB' is not a quantity"),
    dangling_autoscaler: (references.targets_exist, "there is no Deployment plumb-line"),
    lost_selector: (references.services_reach_pods, "its selector finds the pods of [], not of one"),
    wrong_target_port: (references.services_reach_pods, "has no port 8080"),
    # and those that only this house can make
    unknown_kind: (schemas.manifests_fit_their_schemas, "has no Thing of example.com/v1"),
    greedy_selector: (references.services_reach_pods, "'Deployment plumbline-redis'], not of one"),
    fixed_replicas: (references.targets_exist, "replicas are fixed"),
    idle_budget: (references.targets_exist, "its selector finds no pods"),
    closed_port: (references.network_policies_name_pods_and_ports, "has no port web"),
    lost_monitor: (references.monitors_find_services, "has no port metrics"),
    missing_config: (references.configuration_exists, "there is no ConfigMap plumbline-settings"),
    unmounted_volume: (references.mounts_are_volumes, "mounted ["),
    unknown_setting: (agreements.settings_are_known, "PLUMBLINE_WORKER is no setting"),
    refused_setting: (agreements.settings_are_known, "PLUMBLINE_DRAIN_SECONDS: Input should be a valid number"),
    unknown_path: (agreements.probed_paths_exist, "the service has no /health"),
    unknown_metric: (agreements.metrics_exist, "there is no metric plumbline_queue_depth"),
    unrecorded_series: (agreements.metrics_exist, "nothing gives plumbline_request_total"),
    plan_without_stable: (agreements.plans_are_plans, "not a rollout plan"),
    plan_of_another_name: (agreements.plans_are_plans, "has no key rollout.json"),
    plan_as_single_file: (agreements.plans_are_plans, "no folder is mounted at /etc/plumbline/rollout"),
    short_grace: (agreements.there_is_time_to_end, "is killed after 30 s"),
    many_workers: (agreements.there_is_room, "do not fit into 768 MiB"),
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: str(mistake.__name__))
def test_a_planted_mistake_is_found_by_its_check(mistake: Mistake) -> None:
    manifests = rendered("production")
    mistake(manifests)
    check, said = MISTAKES[mistake]
    found = list(check(manifests))
    assert [sentence for sentence in found if said in sentence] != [], found


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: str(mistake.__name__))
def test_no_check_breaks_on_a_mistake_of_another(mistake: Mistake) -> None:
    manifests = rendered("production")
    mistake(manifests)
    for check in (*references.CHECKS, *hardening.CHECKS, *agreements.CHECKS):
        assert all(isinstance(sentence, str) for sentence in check(manifests))

"""Where manifests and code must agree: settings and their values, probe paths, metrics, the plan, time and room."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError

from deploy.checks import quantities
from deploy.checks.manifests import (
    PROBES,
    Container,
    Manifest,
    containers,
    environment,
    named,
    of_kind,
    pod_of,
    title,
    workloads,
)
from deploy.checks.references import Check
from monitoring.log_options import LogOptions
from monitoring.metrics import INTERNAL, TABLE
from monitoring.metrics import PREFIX as METRICS
from registry.plan import NO_PLAN, Plan, sentence
from registry.secret_files import SUFFIX
from serving.drain import Drain
from serving.endpoints import probe_endpoints
from serving.monitoring_endpoints import monitoring_endpoints
from serving.settings import PREFIX, SECRETS, Settings

MIB = float(1 << 20)
ARBITER_MIB = 200.0
"""BentoML's parent process, which only watches the workers: 196 MiB were measured (docs/benchmarks)."""

OTHER_STATE_MIB = 64.0
"""Counts, evidence and BentoML's own files beside the prediction log; far more than was seen."""


STAND_IN = {name: "x" * 64 for name in SECRETS if name != "cache_url"}
"""Values of the secrets, which manifests never say; some settings ask that one is there."""


def service_containers(manifests: list[Manifest]) -> Iterator[Container]:
    """Those that run the service: they get settings of it."""
    for container in containers(manifests):
        if not container.is_init and any(name.startswith(PREFIX) for name in environment(manifests, container.spec)):
            yield container


def settings_of(manifests: list[Manifest], container: Container) -> Settings | None:
    """The settings that a container starts with, as far as manifests say; None if the service would refuse them."""
    given = environment(manifests, container.spec)
    plain = {
        name.removeprefix(PREFIX).lower(): text for name, text in given.items() if text and name.startswith(PREFIX)
    }
    try:
        return Settings.model_validate({**STAND_IN, **plain})
    except ValidationError:
        return None


def settings_are_known(manifests: list[Manifest]) -> Iterator[str]:
    """Every PLUMBLINE_ variable is a setting, and its value one that the service takes."""
    known = {f"{PREFIX}{name.upper()}": name for name in Settings.model_fields}
    files = {f"{PREFIX}{name.upper()}{SUFFIX}" for name in SECRETS}
    for container in service_containers(manifests):
        for variable, text in environment(manifests, container.spec).items():
            if variable.startswith(PREFIX) and variable not in known and variable not in files:
                yield f"{container}: {variable} is no setting (docs/settings.md)"
            elif variable in known and text is not None:
                yield from (f"{container}: {said}" for said in _refused(variable, known[variable], text))


def _refused(variable: str, name: str, text: str) -> Iterator[str]:
    try:
        Settings.model_validate({**STAND_IN, name: text})
    except ValidationError as error:
        yield from (f"{variable}: {detail['msg']}" for detail in error.errors() if name in detail["loc"])


def probed_paths_exist(manifests: list[Manifest]) -> Iterator[str]:
    """Probes of the service and scrapes ask for paths that it answers."""
    nothing: Any = None  # the paths do not depend on it
    known = {endpoint.path for endpoint in (*probe_endpoints(nothing, Drain(0)), *monitoring_endpoints(nothing))}
    for container in service_containers(manifests):
        probes = (container.spec.get(name, {}) for name in PROBES)
        for path in (probe["httpGet"]["path"] for probe in probes if "httpGet" in probe):
            if path not in known:
                yield f"{container}: the service has no {path}"
    for monitor in of_kind(manifests, "ServiceMonitor"):
        for path in (endpoint["path"] for endpoint in monitor["spec"]["endpoints"]):
            if path not in known:
                yield f"{title(monitor)}: the service has no {path}"


def metrics_exist(manifests: list[Manifest]) -> Iterator[str]:
    """Autoscalers and rules read metrics of monitoring/metrics.py, and recorded series that are recorded."""
    known = _series()
    for scaler in of_kind(manifests, "HorizontalPodAutoscaler"):
        metrics = (each["pods"]["metric"]["name"] for each in scaler["spec"]["metrics"] if "pods" in each)
        yield from (f"{title(scaler)}: there is no metric {name}" for name in metrics if name not in known)
    for resource in of_kind(manifests, "PrometheusRule"):
        rules = [rule for group in resource["spec"]["groups"] for rule in group["rules"]]
        recorded = {rule.get("record") for rule in rules}
        read = {name for rule in rules for name in re.findall(rf"\b{METRICS}\w+|\bplumbline:[\w:]+", rule["expr"])}
        yield from (f"{title(resource)}: nothing gives {name}" for name in sorted(read - known - recorded))


def _series() -> set[str]:
    found = {METRICS + metric.name for metric in TABLE if metric.kind != "histogram" and metric.name not in INTERNAL}
    histograms = [METRICS + metric.name for metric in TABLE if metric.kind == "histogram"]
    return found | {name + part for name in histograms for part in ("_bucket", "_sum", "_count")}


def plans_are_plans(manifests: list[Manifest]) -> Iterator[str]:
    """The plan lies where PLUMBLINE_ROLLOUT_PLAN says, in a mounted folder, and can be followed."""
    for workload in workloads(manifests):
        for container in service_containers(manifests):
            settings = settings_of(manifests, container)
            if container.owner == title(workload) and settings is not None and settings.rollout_plan is not None:
                place = PurePosixPath(settings.rollout_plan)
                yield from (f"{container}: {what}" for what in _plan_at(manifests, workload, container.spec, place))


def _plan_at(
    manifests: list[Manifest], workload: Manifest, container: Mapping[str, Any], place: PurePosixPath
) -> Iterator[str]:
    mounts = {PurePosixPath(mount["mountPath"]): mount for mount in container.get("volumeMounts", [])}
    mount = mounts.get(place.parent)
    if mount is None or "subPath" in mount:  # a single mounted key is never replaced in a running pod
        yield f"no folder is mounted at {place.parent}, where PLUMBLINE_ROLLOUT_PLAN lies"
        return
    volume = next(each for each in pod_of(workload)["spec"]["volumes"] if each["name"] == mount["name"])
    config = named(manifests, "ConfigMap", volume.get("configMap", {}).get("name", ""))
    content = (config or {}).get("data", {})
    if config is None:
        return  # optional, or found missing by the check of references
    if place.name not in content:
        yield f"{title(config)} has no key {place.name}"
        return
    try:
        if Plan.model_validate_json(content[place.name]).generation == NO_PLAN:
            yield f"{title(config)}: a plan's generation starts at {NO_PLAN + 1}"
    except ValidationError as error:
        yield f"{title(config)}: not a rollout plan: {sentence(error)}"


def there_is_time_to_end(manifests: list[Manifest]) -> Iterator[str]:
    """The grace period is longer than draining and the last requests take: docs/operations.md, "Ending a worker"."""
    for workload in workloads(manifests):
        grace = float(pod_of(workload)["spec"].get("terminationGracePeriodSeconds", 30))
        for container in service_containers([workload, *of_kind(manifests, "ConfigMap")]):
            settings = settings_of(manifests, container)
            if settings is None:
                continue
            needed = settings.drain_seconds + settings.body_timeout_seconds + settings.request_timeout_seconds + 1
            if settings.drain_seconds <= 0:
                yield f"{container}: without PLUMBLINE_DRAIN_SECONDS requests are lost when a pod ends"
            if grace <= needed:
                yield f"{container}: ends within {needed:g} s, but is killed after {grace:g} s"


def there_is_room(manifests: list[Manifest]) -> Iterator[str]:
    """The container's memory holds arbiter and workers, and the state volume holds the prediction log."""
    for workload in workloads(manifests):
        volumes = {each["name"]: each for each in pod_of(workload)["spec"].get("volumes", [])}
        for container in service_containers([workload, *of_kind(manifests, "ConfigMap")]):
            settings = settings_of(manifests, container)
            if settings is None:
                continue
            yield from _memory(container, settings)
            home = environment(manifests, container.spec).get("BENTOML_HOME")
            mount = next((each for each in container.spec["volumeMounts"] if each["mountPath"] == home), None)
            if mount is None:
                yield f"{container}: BENTOML_HOME is no volume, and the root file system is read-only"
            else:
                yield from _disk(container, settings, volumes[mount["name"]])


def _memory(container: Container, settings: Settings) -> Iterator[str]:
    processes = settings.workers + (settings.runner == "service")
    needed = ARBITER_MIB + processes * settings.memory_limit_mb
    limit = _mib(container.spec.get("resources", {}).get("limits", {}).get("memory"))
    if not settings.memory_limit_mb or needed > limit:
        yield f"{container}: {needed:g} MiB for {processes} processes and the arbiter do not fit into {limit:g} MiB"


def _disk(container: Container, settings: Settings, volume: Mapping[str, Any]) -> Iterator[str]:
    log = LogOptions.model_fields
    kept = log["max_file_bytes"].default * log["max_files"].default / MIB if settings.prediction_log else 0.0
    needed = OTHER_STATE_MIB + settings.workers * kept
    template = volume.get("ephemeral", {}).get("volumeClaimTemplate")
    asked = template["spec"]["resources"]["requests"]["storage"] if template else volume["emptyDir"].get("sizeLimit")
    if needed > _mib(asked):
        yield f"{container}: the state takes up to {needed:g} MiB, its volume has {asked}"


def _mib(quantity: object) -> float:
    """A size; infinite if it is not there or cannot be read, which other checks say."""
    try:
        return quantities.parse(quantity) / MIB
    except ValueError:
        return math.inf


CHECKS: tuple[Check, ...] = (
    settings_are_known,
    probed_paths_exist,
    metrics_exist,
    plans_are_plans,
    there_is_time_to_end,
    there_is_room,
)

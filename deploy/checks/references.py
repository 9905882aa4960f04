"""What manifests say of each other: everything that is named exists, every selector finds what it is meant for.

No schema and no linter sees these mistakes; a cluster shows them as a service without endpoints, a pod that waits for
ever, or an autoscaler that does nothing. Each check yields one sentence per mistake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from deploy.checks.manifests import PROBES, Manifest, containers, named, of_kind, pod_of, title, workloads

Check = Callable[[list[Manifest]], Iterator[str]]
Labels = Mapping[str, str]


def _matches(selector: Labels, labels: Labels) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


def _selected(manifests: list[Manifest], selector: Labels) -> list[Manifest]:
    """The workloads whose pods a selector finds. An empty selector finds all, as in Kubernetes."""
    return [each for each in workloads(manifests) if _matches(selector, pod_of(each)["metadata"].get("labels", {}))]


def _ports(workload: Manifest) -> set[object]:
    """Names and numbers of the ports that its containers declare."""
    ports = [port for each in pod_of(workload)["spec"]["containers"] for port in each.get("ports", [])]
    return {port.get("name") for port in ports} | {port["containerPort"] for port in ports}


def names_are_given_once(manifests: list[Manifest]) -> Iterator[str]:
    """Two manifests of one kind and name overwrite each other."""
    counts = Counter((each["apiVersion"], title(each), each["metadata"].get("namespace")) for each in manifests)
    yield from (f"{name} is there {number} times" for (_, name, _), number in counts.items() if number > 1)


def workloads_find_their_own_pods(manifests: list[Manifest]) -> Iterator[str]:
    """A workload owns the pods that it makes, and no other's."""
    for workload in workloads(manifests):
        found = _selected(manifests, workload["spec"]["selector"]["matchLabels"])
        if found != [workload]:
            yield f"{title(workload)}: its selector finds the pods of {[title(each) for each in found]}"


def services_reach_pods(manifests: list[Manifest]) -> Iterator[str]:
    """A Service selects the pods of one workload, and its target ports are theirs."""
    for service in of_kind(manifests, "Service"):
        found = _selected(manifests, service["spec"]["selector"])
        if len(found) != 1:
            yield f"{title(service)}: its selector finds the pods of {[title(each) for each in found]}, not of one"
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            yield from (
                f"{title(service)}: {title(workload)} has no port {target}"
                for workload in found
                if target not in _ports(workload)
            )


def targets_exist(manifests: list[Manifest]) -> Iterator[str]:
    """What is scaled exists and does not fix its own number; what a disruption budget protects exists."""
    for scaler in of_kind(manifests, "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        workload = named(manifests, target["kind"], target["name"])
        if workload is None or workload["apiVersion"] != target["apiVersion"]:
            yield f"{title(scaler)}: there is no {target['kind']} {target['name']} of {target['apiVersion']}"
        elif "replicas" in workload["spec"]:
            yield f"{title(workload)}: replicas are fixed while {title(scaler)} scales it"
    for budget in of_kind(manifests, "PodDisruptionBudget"):
        if not _selected(manifests, budget["spec"]["selector"]["matchLabels"]):
            yield f"{title(budget)}: its selector finds no pods"


def network_policies_name_pods_and_ports(manifests: list[Manifest]) -> Iterator[str]:
    """A policy stands for pods that there are, and lets traffic through to ports that they have."""
    for policy in of_kind(manifests, "NetworkPolicy"):
        own = _selected(manifests, policy["spec"]["podSelector"].get("matchLabels", {}))
        if not own:
            yield f"{title(policy)}: its selector finds no pods"
        for rule in policy["spec"].get("ingress", []):
            yield from _closed_ports(policy, rule, own)
        for rule in policy["spec"].get("egress", []):
            yield from _closed_ports(policy, rule, list(_reached(manifests, rule)))


def _reached(manifests: list[Manifest], rule: Mapping[str, Any]) -> Iterator[Manifest]:
    """The workloads of this installation that a rule for outgoing traffic means."""
    for peer in rule.get("to", []):
        if "podSelector" in peer and "namespaceSelector" not in peer:
            yield from _selected(manifests, peer["podSelector"].get("matchLabels", {}))


def _closed_ports(policy: Manifest, rule: Mapping[str, Any], to: list[Manifest]) -> Iterator[str]:
    for port in rule.get("ports", []):
        yield from (
            f"{title(policy)}: {title(workload)} has no port {port['port']}"
            for workload in to
            if port["port"] not in _ports(workload)
        )


def monitors_find_services(manifests: list[Manifest]) -> Iterator[str]:
    """A ServiceMonitor selects a Service that has the port which it scrapes."""
    for monitor in of_kind(manifests, "ServiceMonitor"):
        selector = monitor["spec"]["selector"]["matchLabels"]
        services = of_kind(manifests, "Service")
        found = [each for each in services if _matches(selector, each["metadata"].get("labels", {}))]
        if len(found) != 1:
            yield f"{title(monitor)}: its selector finds {[title(each) for each in found]}, not one Service"
        for service, endpoint in ((each, endpoint) for each in found for endpoint in monitor["spec"]["endpoints"]):
            if endpoint["port"] not in {port.get("name") for port in service["spec"]["ports"]}:
                yield f"{title(monitor)}: {title(service)} has no port {endpoint['port']}"


def configuration_exists(manifests: list[Manifest]) -> Iterator[str]:
    """ConfigMaps, claims and accounts that pods name are there, with the keys that are read; or they are optional.

    Secrets are made apart, so they are only asked for where they are part of the manifests.
    """
    for workload in workloads(manifests):
        spec = pod_of(workload)["spec"]
        account = spec.get("serviceAccountName")
        if account and named(manifests, "ServiceAccount", account) is None:
            yield f"{title(workload)}: there is no ServiceAccount {account}"
        for volume in spec.get("volumes", []):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and named(manifests, "PersistentVolumeClaim", claim) is None:
                yield f"{title(workload)}: there is no PersistentVolumeClaim {claim}"
            source = volume.get("configMap", {})
            yield from _missing(manifests, title(workload), source, [item["key"] for item in source.get("items", [])])
    for container in containers(manifests):
        for source in container.spec.get("envFrom", []):
            yield from _missing(manifests, str(container), source.get("configMapRef", {}), [])
        for variable in container.spec.get("env", []):
            source = variable.get("valueFrom", {}).get("configMapKeyRef", {})
            yield from _missing(manifests, str(container), source, [source["key"]] if source else [])


def _missing(manifests: list[Manifest], owner: str, source: Mapping[str, Any], keys: list[str]) -> Iterator[str]:
    if not source or source.get("optional"):
        return
    config = named(manifests, "ConfigMap", source["name"])
    if config is None:
        yield f"{owner}: there is no ConfigMap {source['name']}"
        return
    yield from (f"{owner}: {title(config)} has no key {key}" for key in keys if key not in config.get("data", {}))


def mounts_are_volumes(manifests: list[Manifest]) -> Iterator[str]:
    """What is mounted is a volume of the pod, each volume is mounted somewhere, and probes ask ports that there are."""
    for workload in workloads(manifests):
        volumes = {volume["name"] for volume in pod_of(workload)["spec"].get("volumes", [])}
        mounted = {mount["name"] for each in containers([workload]) for mount in each.spec.get("volumeMounts", [])}
        if volumes != mounted:
            yield f"{title(workload)}: volumes {sorted(volumes)}, mounted {sorted(mounted)}"
        for container in containers([workload]):
            yield from (
                f"{container}: {probe} asks port {port}, which it has not"
                for probe, port in _probed_ports(container.spec)
                if port not in _ports(workload)
            )


def _probed_ports(container: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name in PROBES:
        for way in ("httpGet", "tcpSocket", "grpc"):
            if way in container.get(name, {}):
                yield name, container[name][way]["port"]


CHECKS: tuple[Check, ...] = (
    names_are_given_once,
    workloads_find_their_own_pods,
    services_reach_pods,
    targets_exist,
    network_policies_name_pods_and_ports,
    monitors_find_services,
    configuration_exists,
    mounts_are_volumes,
)

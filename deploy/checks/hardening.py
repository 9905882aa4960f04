"""What every container needs: limits that can be read, probes, no root, no moving tag. checkov looks at more of it
(`make check-kubernetes`); these few are asked on every test run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deploy.checks import quantities
from deploy.checks.manifests import PROBES, Manifest, containers, of_kind, pod_of, title, workloads
from deploy.checks.references import Check

BOUNDED = ("cpu", "memory", "ephemeral-storage")


def resources_are_bounded(manifests: list[Manifest]) -> Iterator[str]:
    """Requests and limits of every container: all there, readable, and the request not above the limit."""
    for container in containers(manifests):
        given = container.spec.get("resources", {})
        for resource in BOUNDED:
            asked, limit = (given.get(part, {}).get(resource) for part in ("requests", "limits"))
            if asked is None or limit is None:
                yield f"{container}: no request or no limit of {resource}"
                continue
            try:
                if quantities.parse(asked) > quantities.parse(limit):
                    yield f"{container}: asks for {asked} of {resource}, but its limit is {limit}"
            except ValueError as error:
                yield f"{container}: {resource}: {error}"


def quantities_are_readable(manifests: list[Manifest]) -> Iterator[str]:
    """Sizes of volumes and claims, and values that autoscalers aim at."""
    for owner, text in _quantities(manifests):
        try:
            quantities.parse(text)
        except ValueError as error:
            yield f"{owner}: {error}"


def _quantities(manifests: list[Manifest]) -> Iterator[tuple[str, object]]:
    for workload in workloads(manifests):
        for volume in pod_of(workload)["spec"].get("volumes", []):
            yield from ((f"{title(workload)}, volume {volume['name']}", size) for size in _sizes(volume))
    for claim in of_kind(manifests, "PersistentVolumeClaim"):
        yield title(claim), _storage(claim)
    for scaler in of_kind(manifests, "HorizontalPodAutoscaler"):
        targets = (metric.get("pods", {}).get("target", {}) for metric in scaler["spec"]["metrics"])
        yield from ((title(scaler), target["averageValue"]) for target in targets if "averageValue" in target)


def _sizes(volume: Mapping[str, Any]) -> Iterator[object]:
    if "emptyDir" in volume:
        yield volume["emptyDir"].get("sizeLimit")  # without one a pod can fill its node's disk
    if "ephemeral" in volume:
        yield _storage(volume["ephemeral"]["volumeClaimTemplate"])


def _storage(claim: Mapping[str, Any]) -> object:
    return claim["spec"]["resources"]["requests"]["storage"]


def disks_fit(manifests: list[Manifest]) -> Iterator[str]:
    """What the volumes on the node's disk may take together is within the limits, else the pod is evicted before."""
    for workload in workloads(manifests):
        volumes = pod_of(workload)["spec"].get("volumes", [])
        limits = [each.spec.get("resources", {}).get("limits", {}) for each in containers([workload])]
        try:
            taken = sum(quantities.parse(each["emptyDir"]["sizeLimit"]) for each in volumes if "emptyDir" in each)
            allowed = sum(quantities.parse(each["ephemeral-storage"]) for each in limits)
        except (KeyError, ValueError):
            continue  # the checks above say so
        if taken > allowed:
            yield f"{title(workload)}: volumes may take {taken:g} bytes of disk, its containers {allowed:g}"


def containers_have_probes(manifests: list[Manifest]) -> Iterator[str]:
    """All three, each with a time limit: a port that is bound and not yet served lets a probe hang."""
    for container in containers(manifests):
        if container.is_init:
            continue
        yield from (
            f"{container}: no {probe} with a timeoutSeconds"
            for probe in PROBES
            if "timeoutSeconds" not in container.spec.get(probe, {})
        )


def nobody_is_root(manifests: list[Manifest]) -> Iterator[str]:
    """A numeric user (the kubelet cannot judge a name), a read-only root file system, no capabilities, no token."""
    for workload in workloads(manifests):
        spec = pod_of(workload)["spec"]
        user = spec.get("securityContext", {})
        if user.get("runAsNonRoot") is not True or not user.get("runAsUser"):
            yield f"{title(workload)}: may run as root"
        if user.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{title(workload)}: no seccomp profile"
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{title(workload)}: gets a token for the cluster's API"
        if spec.get("enableServiceLinks") is not False:
            yield f"{title(workload)}: gets variables of other Services, which may be named as settings are"
    for container in containers(manifests):
        yield from (f"{container}: {what}" for what in _rights(container.spec.get("securityContext", {})))


def _rights(context: Mapping[str, Any]) -> Iterator[str]:
    if context.get("runAsUser") == 0 or context.get("runAsNonRoot") is False or context.get("privileged"):
        yield "may run as root"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "may gain rights"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "may write into its image"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "keeps capabilities"


def images_stand_still(manifests: list[Manifest]) -> Iterator[str]:
    """A tag or a digest, and not `latest`: a rollback needs the image that was."""
    for container in containers(manifests):
        image = str(container.spec["image"])
        tag = image.rpartition("/")[2].partition(":")[2]
        if "@sha256:" not in image and tag in ("", "latest"):
            yield f"{container}: image {image} can change under its name"


CHECKS: tuple[Check, ...] = (
    resources_are_bounded,
    quantities_are_readable,
    disks_fit,
    containers_have_probes,
    nobody_is_root,
    images_stand_still,
)

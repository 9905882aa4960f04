"""Manifests against the schemas of Kubernetes: unknown fields, wrong types, APIs that are not there any more."""

from __future__ import annotations

from collections.abc import Iterator

import kubernetes_validate

from deploy.checks.manifests import Manifest, title

OLDEST, NEWEST = "1.27", "1.37"
"""Versions of Kubernetes that take these manifests; both ends are asked."""

CUSTOM = frozenset({("monitoring.coreos.com/v1", "ServiceMonitor"), ("monitoring.coreos.com/v1", "PrometheusRule")})
"""Kinds of the Prometheus operator, of which Kubernetes has no schema. Any other kind without a schema is a mistake."""


def manifests_fit_their_schemas(manifests: list[Manifest]) -> Iterator[str]:
    """Strict: a field that the schema does not know is a mistake, and so is a kind that it does not know."""
    for manifest in manifests:
        if (manifest["apiVersion"], manifest["kind"]) not in CUSTOM:
            for version in (OLDEST, NEWEST):
                yield from _misfits(manifest, version)


def _misfits(manifest: Manifest, version: str) -> Iterator[str]:
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        place = ".".join(str(step) for step in error.path)
        yield f"{title(manifest)}: {place}: {error.message} (Kubernetes {version})"
    except kubernetes_validate.SchemaNotFoundError:
        yield f"{title(manifest)}: Kubernetes {version} has no {manifest['kind']} of {manifest['apiVersion']}"

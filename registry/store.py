"""Model versions in and out of the BentoML model store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import bentoml
from bentoml.exceptions import BentoMLException, NotFound

from registry.bundle import MANIFEST, Bundle, Description, ModelDefinition, describe, digest, load, version_name
from registry.errors import NoVersion
from registry.manifest import Manifest

LATEST = "latest"


def versions(model: str) -> list[str]:
    """Versions of a model in the store, newest first."""
    stored_models = [stored for stored in bentoml.models.list() if stored.tag.name == model]
    found = sorted(stored_models, key=lambda stored: stored.creation_time, reverse=True)
    return [str(stored.tag.version) for stored in found]


def open_version(definition: ModelDefinition, version: str = LATEST) -> Bundle:
    """Load and verify one version.

    Args:
        definition: which model.
        version: a version's name, or "latest" for the newest in the store.

    Raises:
        NoVersion: the store holds no such version.
        BundleRefused: the version must not serve; the subclass says why.
    """
    return load(*_find(definition, version), definition)


def describe_version(definition: ModelDefinition, version: str) -> Description:
    """Verify one version without its model. Raises what `open_version` raises."""
    return describe(*_find(definition, version), definition)


def _find(definition: ModelDefinition, version: str) -> tuple[str, Path]:
    try:
        stored = bentoml.models.get(f"{definition.name}:{version}")
    except (NotFound, BentoMLException) as error:
        raise NoVersion(
            f"the model store holds no version {version!r} of {definition.name}; "
            f"it has: {', '.join(versions(definition.name)) or 'none'}. Train one with: python -m training"
        ) from error
    return str(stored.tag.version), Path(stored.path)


def publish(manifest: Manifest, files: Mapping[str, bytes]) -> tuple[str, bool]:
    """Write a version into the model store.

    The same content gives the same name, so publishing twice changes nothing.

    Args:
        manifest: with the digests of `files` in it.
        files: name to content, without the manifest.

    Returns:
        The version's name, and whether it is new.
    """
    encoded = manifest.model_dump_json(indent=1).encode()
    version = version_name(encoded, f"{manifest.data.calibrated_until:%Y%m%d}")
    if version in versions(manifest.model):
        return version, False
    with bentoml.models.create(
        f"{manifest.model}:{version}",
        labels={"model": manifest.model, "commit": manifest.code.commit[:12]},
        metadata=_summary(manifest, encoded),
    ) as stored:
        for name, data in {**files, MANIFEST: encoded}.items():
            Path(stored.path_of(name)).write_bytes(data)
    return version, True


def _summary(manifest: Manifest, encoded: bytes) -> dict[str, object]:
    """What `bentoml models get` shows: the figures a person asks for; the manifest has the rest."""
    return {
        "manifest_sha256": digest(encoded),
        "schema_hash": manifest.schema_hash,
        "features": manifest.features,
        "metrics": manifest.metrics["model"],
        "gate": manifest.gate,
        "data": manifest.data.model_dump(mode="json"),
        "commit": manifest.code.commit,
        "libraries": manifest.libraries,
    }

"""Model versions in and out of the BentoML model store."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import bentoml
from bentoml.exceptions import BentoMLException

from registry import signatures
from registry.bundle import (
    MANIFEST,
    Bundle,
    Description,
    ModelDefinition,
    describe,
    digest,
    load,
    version_name,
    whole_manifest,
)
from registry.errors import BundleCorrupt, NoVersion
from registry.manifest import Manifest

LATEST = "latest"


def versions(model: str) -> list[str]:
    """Versions of a model in the store, newest first."""
    stored_models = [stored for stored in bentoml.models.list() if stored.tag.name == model]
    found = sorted(stored_models, key=lambda stored: stored.creation_time, reverse=True)
    return [str(stored.tag.version) for stored in found]


def place(model: str) -> Path | None:
    """Where a model's versions lie; None while there are none. BentoML alone knows: in its home, or in a Bento."""
    return next((Path(stored.path).parent for stored in bentoml.models.list() if stored.tag.name == model), None)


def folders(place: Path) -> set[str]:
    """Names in a model's folder of the store, in no order: versions, and what is being written. Only a listing, where
    `versions` reads a file of every model.

    Raises:
        OSError: it cannot be listed.
    """
    try:
        with os.scandir(place) as found:
            return {entry.name for entry in found if entry.is_dir()}
    except FileNotFoundError:
        return set()


def open_version(definition: ModelDefinition, version: str = LATEST, keys: Sequence[bytes] = ()) -> Bundle:
    """Load and verify one version.

    Args:
        definition: which model.
        version: a version's name, or "latest" for the newest in the store.
        keys: one of them must have signed the version; without any, no signature is asked for.

    Raises:
        NoVersion: the store holds no such version.
        BundleRefused: the version must not serve; the subclass says why.
    """
    return load(*find(definition.name, version), definition, keys)


def describe_version(definition: ModelDefinition, version: str, keys: Sequence[bytes] = ()) -> Description:
    """Verify one version without its model. Raises what `open_version` raises."""
    return describe(*find(definition.name, version), definition, keys)


def find(model: str, version: str) -> tuple[str, Path]:
    """The full name of a version and the folder of its files; nothing is verified.

    Raises:
        NoVersion: the store holds no such version.
        BundleCorrupt: BentoML cannot read its own label of it.
    """
    try:
        stored = bentoml.models.get(f"{model}:{version}")
    except BentoMLException as error:
        raise NoVersion(
            f"the model store holds no version {version!r} of {model}; "
            f"it has: {', '.join(versions(model)) or 'none'}. Train one with: python -m training"
        ) from error
    except Exception as error:  # what is no YAML, or no label of BentoML's, raises in its own ways
        raise BundleCorrupt(
            f"version {version}: BentoML's label of it, model.yaml, cannot be read ({type(error).__name__}); "
            "publish the version again"
        ) from error
    return str(stored.tag.version), Path(stored.path)


def publish(manifest: Manifest, files: Mapping[str, bytes], key: bytes | None = None) -> tuple[str, bool]:
    """Write a version into the model store.

    The same content gives the same name, so publishing twice changes nothing but perhaps the signature.

    Args:
        manifest: with the digests of `files` in it.
        files: name to content, without the manifest.
        key: signs the version; None leaves it as it is.

    Returns:
        The version's name, and whether it is new.
    """
    encoded = manifest.model_dump_json(indent=1).encode()
    version = version_name(encoded, f"{manifest.data.calibrated_until:%Y%m%d}")
    if version in versions(manifest.model):
        if key is not None:
            sign(manifest.model, version, key)
        return version, False
    with bentoml.models.create(
        f"{manifest.model}:{version}",
        labels={"model": manifest.model, "commit": manifest.code.commit[:12]},
        metadata=_summary(manifest, encoded),
    ) as stored:
        for name, data in {**files, MANIFEST: encoded}.items():
            Path(stored.path_of(name)).write_bytes(data)
        if key is not None:
            signatures.write(Path(stored.path), manifest.model, version, encoded, key)
    return version, True


def sign(model: str, version: str, key: bytes) -> str:
    """Sign a version that is in the store, if it is whole; its full name.

    Raises:
        NoVersion: the store holds no such version.
        BundleCorrupt: it is not what was published.
    """
    name, directory = find(model, version)
    signatures.write(directory, model, name, whole_manifest(name, directory), key)
    return name


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

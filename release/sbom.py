"""`python -m release.sbom FILE`: the software bill of materials of a Bento, as CycloneDX 1.6 JSON.

It lists what the lock puts into the image, with licences, and the model versions that travel along, with the digest of
each one's manifest. Nothing in it depends on the time: the same commit and models give the same file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from importlib.metadata import requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from deploy.bento import planned_models
from deploy.code_version import ROOT
from registry import store
from registry.bundle import whole_manifest
from registry.errors import RegistryError
from release.packages import LOCK, Package, packages

SPEC = "1.6"
_SELF = "plumbline"

Json = dict[str, Any]


def document(found: Sequence[Package], models: Sequence[tuple[str, str, bytes]]) -> Json:
    """The bill of materials.

    Args:
        found: the packages.
        models: name, version and manifest of each model version.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    components = [_library(package) for package in found] + [_model(*model) for model in models]
    direct = [canonicalize_name(Requirement(text).name) for text in project["dependencies"]]
    urls = {canonicalize_name(package.name): package.url for package in found}
    uses = [urls[name] for name in direct if name in urls] + [_model_ref(name, version) for name, version, _ in models]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": _SELF,
                "name": project["name"],
                "version": project["version"],
                "description": project["description"],
                "licenses": [{"expression": project["license"]}],
            },
            "properties": [{"name": "plumbline:lock-sha256", "value": hashlib.sha256(LOCK.read_bytes()).hexdigest()}],
        },
        "components": components,
        "dependencies": [
            {"ref": _SELF, "dependsOn": sorted(uses)},
            *({"ref": package.url, "dependsOn": _needs(package, urls)} for package in found),
            *({"ref": _model_ref(name, version), "dependsOn": []} for name, version, _ in models),
        ],
    }


def _library(package: Package) -> Json:
    return {
        "type": "library",
        "bom-ref": package.url,
        "name": package.name,
        "version": package.version,
        "purl": package.url,
        "licenses": [{"expression": package.licence}],
    }


def _model_ref(name: str, version: str) -> str:
    return f"model:{name}:{version}"


def _model(name: str, version: str, manifest: bytes) -> Json:
    return {
        "type": "machine-learning-model",
        "bom-ref": _model_ref(name, version),
        "name": name,
        "version": version,
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(manifest).hexdigest()}],
        "description": "A model version; the hash is that of its manifest, which holds those of all its files",
    }


def _needs(package: Package, urls: Mapping[NormalizedName, str]) -> list[str]:
    wanted = [Requirement(text) for text in requires(package.name) or []]
    here = {canonicalize_name(one.name) for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})}
    return sorted(urls[name] for name in here if name in urls)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: written; 1: it could not be, with a sentence."""
    parser = argparse.ArgumentParser(prog="python -m release.sbom", description=__doc__)
    parser.add_argument("file", type=Path)
    said = "one that goes along, as name:version; default: those that `make bento` pins"
    parser.add_argument("--model", action="append", default=[], help=said)
    options = parser.parse_args(arguments)
    try:
        found, models = packages(), [_stored(tag) for tag in options.model or planned_models()]
    except (RegistryError, LookupError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    options.file.write_text(json.dumps(document(found, models), indent=1) + "\n")
    sys.stdout.write(f"{options.file}: {len(found)} packages, model versions: {len(models)}\n")
    return 0


def _stored(tag: str) -> tuple[str, str, bytes]:
    """Name, version and manifest of a stored version.

    Raises:
        RegistryError: the store does not hold it, or it is not whole.
    """
    name, _, wanted = tag.partition(":")
    version, folder = store.find(name, wanted or store.LATEST)
    return name, version, whole_manifest(version, folder)


if __name__ == "__main__":
    sys.exit(main())

"""Bundles that were tampered with by somebody who knows how: files altered, digests and version name made to agree."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.bundle import MANIFEST, digest, version_name

LABEL = "model.yaml"
"""BentoML's own file in a stored model; it belongs to no bundle."""

DAY = "20160930"


def rebuild(
    source: Path,
    target: Path,
    files: Mapping[str, bytes | None] | None = None,
    manifest: Mapping[str, Any] | None = None,
) -> str:
    """Copy a bundle with other files and another manifest, consistent in every digest.

    Args:
        source: the bundle to copy.
        target: where the copy goes.
        files: new content by name; None leaves the file out.
        manifest: members of the manifest to replace.

    Returns:
        The name of the new version.
    """
    content: dict[str, bytes | None] = {path.name: path.read_bytes() for path in source.iterdir()}
    stated = json.loads(content.pop(MANIFEST) or b"")
    content.update(files or {})
    kept = {name: data for name, data in content.items() if data is not None}
    stated["files"] = {name: digest(data) for name, data in sorted(kept.items()) if name != LABEL}
    encoded = json.dumps({**stated, **(manifest or {})}, indent=1).encode()
    target.mkdir(exist_ok=True)
    for name, data in {**kept, MANIFEST: encoded}.items():
        (target / name).write_bytes(data)
    return version_name(encoded, DAY)


def edited(source: Path, name: str, **members: Any) -> bytes:
    """A JSON file of a bundle with other members."""
    return json.dumps({**json.loads((source / name).read_bytes()), **members}).encode()

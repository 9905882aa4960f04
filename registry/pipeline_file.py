"""The fitted pipeline as a skops file: no pickle, only allow-listed types, equal bytes for equal pipelines."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Collection
from itertools import count
from typing import Any, Protocol, cast

import skops.io

from preprocessors.encoding import Matrix
from registry.errors import BundleCorrupt, BundleForeignType

FILE = "pipeline.skops"

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip archive can hold


class Pipeline(Protocol):
    """What serving needs of a fitted scikit-learn pipeline."""

    def transform(self, X: Matrix) -> Matrix:
        """Encoded rows (n, n_features) to model inputs (n, n_inputs)."""
        ...

    def get_feature_names_out(self) -> list[str]:
        """Names of the model inputs, in column order."""
        ...


def untrusted_types(data: bytes, allowed: Collection[str]) -> list[str]:
    """Types in a skops file that are neither scikit-learn's, numpy's or scipy's own nor in `allowed`."""
    return sorted(set(skops.io.get_untrusted_types(data=data)) - set(allowed))


def load(version: str, data: bytes, allowed: Collection[str]) -> Pipeline:
    """The pipeline of a version.

    Raises:
        BundleForeignType: it holds a type that is not allowed; nothing was loaded.
        BundleCorrupt: no skops file, or one that cannot be loaded.
    """
    try:
        foreign = untrusted_types(data, allowed)
        pipeline = None if foreign else skops.io.loads(data, trusted=sorted(allowed))
    except Exception as error:  # skops raises what the bytes make it raise
        raise BundleCorrupt(f"version {version}: {FILE} cannot be loaded: {error}") from error
    if foreign:
        raise BundleForeignType(f"version {version}: the pipeline holds types that are not allowed: {foreign}")
    return cast(Pipeline, pipeline)


def dump(pipeline: Pipeline) -> bytes:
    """The pipeline as bytes that depend on nothing but its content.

    skops names arrays and nodes after memory addresses and stamps the time; both are renumbered here.
    """
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(pipeline))) as archive:
        renamed: dict[str, str] = {}
        schema = _renumber(json.loads(archive.read("schema.json")), _numbering(), renamed)
        files = {renamed[name]: archive.read(name) for name in archive.namelist() if name in renamed}
    files["schema.json"] = json.dumps(schema).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), files[name])
    return buffer.getvalue()


def _numbering() -> Callable[[Any], int]:
    numbers: dict[Any, int] = {}
    fresh = count(1)  # skops takes an id of 0 for none
    return lambda key: numbers.setdefault(key, next(fresh))


def _renumber(node: Any, number: Callable[[Any], int], renamed: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_renumber(item, number, renamed) for item in node]
    if not isinstance(node, dict):
        return node
    result = dict(node)
    if "__id__" in node:
        # plain values are never shared on purpose: whether two of them are one object is the interpreter's whim
        shared = node.get("__loader__") != "JsonNode"
        result["__id__"] = number(node["__id__"] if shared else object())
    if isinstance(node.get("file"), str):
        stem, _, suffix = node["file"].partition(".")
        result["file"] = renamed[node["file"]] = f"{number(int(stem))}.{suffix}"
    return {
        key: value if key in ("__id__", "file") else _renumber(value, number, renamed) for key, value in result.items()
    }

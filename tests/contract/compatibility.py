"""Whether clients of one OpenAPI document can live with another: what breaks them, and which version number it needs.

One question is asked both ways round: does schema A accept everything that schema B accepts? Of requests the new schema
must accept what the old one did; of answers the old one, on which clients were built, what the new one allows.
A keyword that is not known here counts as a break when it changes, so nothing passes because it was not understood.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.contract.schema_order import Schema, Side, refusals

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
PROSE = {"description", "summary", "title", "examples", "example", "tags", "externalDocs", "deprecated"}


def breaks(released: Schema, document: Schema) -> list[str]:
    """Every way in which clients of the released document would break, for people."""
    return [
        f"{method.upper()} {path}: {reason}"
        for path, operations in released["paths"].items()
        for method, before in operations.items()
        if method in METHODS
        for reason in _operation(before, document["paths"].get(path, {}).get(method), released, document)
    ]


def verdict(released: Schema, document: Schema) -> list[str]:
    """What is wrong with the document's version number; empty when it fits what changed."""
    before, now = (tuple(map(int, one["info"]["version"].split("."))) for one in (released, document))
    found = breaks(released, document)
    if found and now[0] <= before[0]:
        return [f"a new major version of serving/openapi.py's API_VERSION is needed, for {reason}" for reason in found]
    if contract(released) != contract(document) and now[:2] <= before[:2]:
        return ["a new minor version of serving/openapi.py's API_VERSION is needed: something was added"]
    return []


def contract(document: Schema) -> Schema:
    """The document without what is only for people, and without its version."""
    kept = {name: part for name, part in document.items() if name in ("openapi", "paths", "components")}
    bare: Schema = _bare(kept)
    return bare


def _bare(part: Any, names: bool = False) -> Any:
    """Without prose; the keys of `properties` and the like are names and stay, whatever they are."""
    if isinstance(part, list):
        return [_bare(item) for item in part]
    if not isinstance(part, dict):
        return part
    maps = ("properties", "schemas", "paths", "headers", "content", "responses")
    return {key: _bare(value, key in maps and not names) for key, value in part.items() if names or key not in PROSE}


def _operation(before: Schema, now: Schema | None, released: Schema, document: Schema) -> Iterator[str]:
    if now is None:
        yield "it is gone"
        return
    if before.get("operationId") != now.get("operationId"):
        yield f"operationId {before.get('operationId')} has another name, so a method of generated clients has"
    if any(one not in _credentials(now, document) for one in _credentials(before, released)):
        yield "credentials that sufficed do not suffice any more"
    if before.get("parameters") != now.get("parameters"):
        yield "its parameters changed, and nothing here can judge them"
    yield from _request(Side(before, released), Side(now, document))
    for status, answer in before["responses"].items():
        if status not in now["responses"]:
            yield f"status {status} is gone"
        else:
            yield from _answer(status, Side(answer, released), Side(now["responses"][status], document))


def _credentials(operation: Schema, document: Schema) -> list[Schema]:
    """Of which one is enough; {} is none at all."""
    asked: Any = operation.get("security", document.get("security"))
    return list(asked or [{}])


def _request(before: Side, now: Side) -> Iterator[str]:
    bodies = [side.schema.get("requestBody", {}) for side in (before, now)]
    old, new = bodies
    if new.get("required") and not old.get("required"):
        yield "a body is needed now"
    for media, content in old.get("content", {}).items():
        if media not in new.get("content", {}):
            yield f"a body of {media} is not taken any more"
            continue
        asked, taken = before.of(content["schema"]), now.of(new["content"][media]["schema"])
        yield from (f"request {reason}" for reason in refusals(taken, asked))


def _answer(status: str, before: Side, now: Side) -> Iterator[str]:
    old, new = before.resolved(), now.resolved()
    for name in old.schema.get("headers", {}).keys() - new.schema.get("headers", {}).keys():
        yield f"{status} has no header {name} any more"
    for media, content in old.schema.get("content", {}).items():
        if media not in new.schema.get("content", {}):
            yield f"{status} does not come as {media} any more"
            continue
        known, given = old.of(content["schema"]), new.of(new.schema["content"][media]["schema"])
        yield from (f"{status} {reason}" for reason in refusals(known, given, keeps_fields=True))

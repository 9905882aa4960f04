"""What the OpenAPI document does to pydantic's schemas, so that generated clients and their users read them well."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from schemas.errors import InvalidInput, PlumblineError, UnknownVersion

REF = "#/components/schemas/{model}"
EXAMPLE_REF = "#/components/examples/{code}"

Schema = dict[str, Any]

_MORE_OF_PROBLEM: dict[type[PlumblineError], Schema] = {
    InvalidInput: {
        "errors": [
            {
                "field": "a_feature",
                "rule": "greater_than_equal",
                "message": "Input should be greater than or equal to 100",
                "limit": 100,
            }
        ]
    },
    UnknownVersion: {"live_versions": ["20160930-0d4f1c2ab9e3"]},
}


def improve(schemas: dict[str, Schema], asked: Sequence[Schema]) -> None:
    """Make pydantic's schemas say more, in place.

    Args:
        schemas: by name.
        asked: references to those of requests; the others are only answered.
    """
    requests = _reachable(schemas, asked)
    for name, schema in schemas.items():
        _describe_fields(schema)
        if name in requests:
            _without_null_defaults(schema)
        else:
            _as_answered(schema)


def request_examples(asked: Schema, schemas: dict[str, Schema]) -> Schema:
    """Bodies that are answered as they are, one for each form of the request; none where a field has no example."""
    forms = _resolved(asked, schemas).get("oneOf", [asked])
    found = {}
    for form in forms:
        resolved = _resolved(form, schemas)
        try:
            found[resolved["title"]] = {"summary": resolved.get("description", ""), "value": _example(form, schemas)}
        except LookupError:
            continue
    return found


def problem_examples(errors: Iterable[type[PlumblineError]]) -> Schema:
    """One problem document for each code."""
    return {error.code: {"summary": error.title, "value": _problem(error)} for error in errors}


def _problem(error: type[PlumblineError]) -> Schema:
    return {
        "type": f"urn:plumbline:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": "What happened and what to do, for people.",
        "code": error.code,
        "request_id": "54646b62e5454c9e97a3cc93c902d827",
        **_MORE_OF_PROBLEM.get(error, {}),
    }


def _reachable(schemas: dict[str, Schema], start: Sequence[Schema]) -> set[str]:
    """Names of the schemas to which these lead."""
    found: set[str] = set()
    left: list[Any] = list(start)
    while left:
        part = left.pop()
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).rpartition("/")[2]
            if name and name not in found:
                found.add(name)
                left.append(schemas[name])
            left.extend(part.values())
        elif isinstance(part, list):
            left.extend(part)
    return found


def _describe_fields(schema: Schema) -> None:
    """Give the fields what the class's docstring says of them under "Args:"."""
    text, _, arguments = schema.get("description", "").partition("\n\nArgs:\n")
    if not arguments:
        return
    schema["description"] = text
    arguments, _, _ = arguments.partition("\n\n")
    for entry in re.split(r"\n(?=    \S)", arguments):  # what is indented more goes on with the line before
        names, _, said = " ".join(entry.split()).partition(": ")
        for field in (schema.get("properties", {}).get(name) for name in names.split(", ")):
            if field is not None:
                field.setdefault("description", _sentence(said))


def _sentence(said: str) -> str:
    start = said[:1] if said[1:2] == " " else said[:1].upper()  # "n - 1 of them" is a formula
    return start + said[1:].rstrip(".")


def _without_null_defaults(schema: Schema) -> None:
    """A field that may be left out says so by not being required; generators make a needed null of the default."""
    for field in schema.get("properties", {}).values():
        if "default" in field and field["default"] is None:
            del field["default"]


def _as_answered(schema: Schema) -> None:
    """An answer always has all of its fields, and may have more in a later minor version."""
    if "properties" not in schema:
        return
    schema["required"] = list(schema["properties"])
    schema.pop("additionalProperties", None)
    for field in schema["properties"].values():
        field.pop("default", None)


def _resolved(schema: Schema, schemas: dict[str, Schema]) -> Schema:
    return schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _example(schema: Schema, schemas: dict[str, Schema], all_fields: bool = False) -> Any:
    """A value made of the fields' examples: of the body's own fields only those that are needed, below them all.

    Raises:
        LookupError: a field has none.
    """
    if "examples" in schema:
        return schema["examples"][0]
    schema = _resolved(schema, schemas)
    if "items" in schema:
        return [_example(schema["items"], schemas, all_fields=True)]
    needed = schema.get("required", [])
    return {
        name: _example(field, schemas, all_fields=True)
        for name, field in schema["properties"].items()
        if name in needed or (all_fields and "examples" in field)
    }

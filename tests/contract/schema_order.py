"""Does one JSON schema accept everything that another accepts? For the keywords that OpenAPI documents of ours have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

PROSE = {"description", "title", "examples", "example", "default", "deprecated"}
LOWEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
HIGHEST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
SAME = ("pattern", "format", "uniqueItems", "x-unit")
KNOWN = {*PROSE, *LOWEST, *HIGHEST, *SAME, "multipleOf", "type", "enum", "const", "anyOf", "oneOf", "$ref"}
KNOWN |= {"items", "properties", "required", "additionalProperties"}


@dataclass(frozen=True)
class Side:
    """A part of a document, with the document, in which its references are found."""

    schema: Schema
    document: Schema

    def of(self, schema: Schema) -> Side:
        """Another part of the same document."""
        return Side(schema, self.document)

    def resolved(self) -> Side:
        """The same without a reference at its top; what stands beside the reference holds too."""
        schema = self.schema
        while "$ref" in schema:
            target: Any = self.document
            for name in schema["$ref"].removeprefix("#/").split("/"):
                target = target[name]
            schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        return self.of(schema)

    def alternatives(self) -> list[Side]:
        """The schemas of which a value needs to fit one."""
        schema = self.resolved().schema
        rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf", *PROSE)}
        parts = schema.get("anyOf") or schema.get("oneOf")
        if parts:
            return [
                one for part in parts for one in self.of({**rest, **self.of(part).resolved().schema}).alternatives()
            ]
        types = schema.get("type")
        if isinstance(types, list):
            return [self.of({**schema, "type": one}) for one in types]
        return [self.of(schema)]


class _Judge:
    """Compares; remembers the pairs of references that it is in, for schemas may hold themselves."""

    def __init__(self, keeps_fields: bool) -> None:
        self._keeps_fields = keeps_fields
        self._open: set[tuple[str, str]] = set()

    def refusals(self, wide: Side, narrow: Side, at: str) -> Iterator[str]:
        pair = (wide.schema.get("$ref", ""), narrow.schema.get("$ref", ""))
        if all(pair) and pair in self._open:
            return
        self._open.add(pair)
        choices = wide.alternatives()
        for one in narrow.alternatives():
            tried = [list(self._simple(choice, one, at)) for choice in choices]
            yield from min(tried, key=len)
        self._open.discard(pair)

    def _simple(self, wide: Side, narrow: Side, at: str) -> Iterator[str]:
        a, b = wide.schema, narrow.schema
        if not _types(b) <= _types(a):
            kinds = [" or ".join(sorted(_types(one))) if "type" in one else "anything" for one in (a, b)]
            yield f"{at}: {kinds[1]} where it was {kinds[0]}" if self._keeps_fields else f"{at}: no {kinds[1]} any more"
            return
        yield from _values(a, b, at)
        yield from _limits(a, b, at)
        yield from _unknown(a, b, at)
        if "items" in a:
            yield from self.refusals(wide.of(a["items"]), narrow.of(b.get("items", {})), f"{at}[]")
        if "properties" in a or "properties" in b or "additionalProperties" in a:
            yield from self._object(wide, narrow, at)

    def _object(self, wide: Side, narrow: Side, at: str) -> Iterator[str]:
        a, b = wide.schema, narrow.schema
        theirs, ours = a.get("properties", {}), b.get("properties", {})
        for name in sorted(set(a.get("required", [])) - set(b.get("required", []))):
            yield f"{at}.{name}: it may be missing" if self._keeps_fields else f"{at}.{name}: it is needed now"
        if self._keeps_fields:
            yield from (f"{at}.{name}: it is gone" for name in theirs if name not in ours)
        others, rest = (one.get("additionalProperties", True) for one in (a, b))
        for name, schema in ours.items():
            yield from self._field(wide, theirs.get(name, others), narrow.of(schema), f"{at}.{name}")
        if rest is not False:
            yield from self._field(wide, others, narrow.of({} if rest is True else rest), f"{at}.*")

    def _field(self, wide: Side, schema: Schema | bool, narrow: Side, at: str) -> Iterator[str]:
        if schema is False:
            yield f"{at}: it is not allowed"
        elif schema is not True:
            yield from self.refusals(wide.of(schema), narrow, at)


def refusals(wide: Side, narrow: Side, keeps_fields: bool = False) -> list[str]:
    """What the narrow schema accepts and the wide one does not, for people; empty if there is nothing.

    Args:
        keeps_fields: whether the narrow schema must also have every field that the wide one has, as an answer must:
            JSON Schema would take a missing optional field for one that is always left out.
    """
    return list(_Judge(keeps_fields).refusals(wide, narrow, "body"))


def _types(schema: Schema) -> set[str]:
    named = schema.get("type")
    if named is None:
        return {"null", "boolean", "integer", "number", "string", "array", "object"}
    return {"number", "integer"} if named == "number" else {named}


def _values(a: Schema, b: Schema, at: str) -> Iterator[str]:
    allowed, possible = (one.get("enum", [one["const"]] if "const" in one else None) for one in (a, b))
    if allowed is None:
        return
    if possible is None:
        yield f"{at}: other values than {', '.join(map(str, allowed))}"
        return
    extra = [str(value) for value in possible if value not in allowed]
    if extra:
        yield f"{at}: the values {', '.join(extra)}"


def _limits(a: Schema, b: Schema, at: str) -> Iterator[str]:
    def broken(keywords: tuple[str, ...], fits: Callable[[Any, Any], bool]) -> Iterator[str]:
        for key in keywords:
            if key in a and not (key in b and fits(b[key], a[key])):
                yield f"{at}: {key} {a[key]} where the other schema has {b.get(key, 'none')}"

    yield from broken(LOWEST, lambda theirs, ours: bool(theirs >= ours))
    yield from broken(HIGHEST, lambda theirs, ours: bool(theirs <= ours))
    yield from broken(("multipleOf",), lambda theirs, ours: bool(theirs % ours == 0))
    yield from broken(SAME, lambda theirs, ours: bool(theirs == ours))


def _unknown(a: Schema, b: Schema, at: str) -> Iterator[str]:
    for key in sorted((a.keys() | b.keys()) - KNOWN):
        if a.get(key) != b.get(key):
            yield f"{at}: {key} changed, and nothing here can judge it"

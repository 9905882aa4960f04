"""The compatibility check finds every kind of break, and lets additions pass."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.compatibility import breaks, contract, verdict

Document = dict[str, Any]
Change = Callable[[Document], Any]

MODELS: Document = {
    "Ask": {
        "type": "object",
        "additionalProperties": False,
        "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 9, "x-unit": "m"},
            "kind": {"enum": ["a", "b"], "type": "string"},
            "name": {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}]},
            "step": {"type": "number", "multipleOf": 0.5},
            "many": {"type": "array", "maxItems": 3, "items": {"type": "integer"}},
        },
    },
    "Other": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "pattern": "^a"}}},
    "Either": {"oneOf": [{"$ref": "#/components/schemas/Ask"}, {"$ref": "#/components/schemas/Other"}]},
    "Answer": {
        "type": "object",
        "required": ["value", "sort"],
        "properties": {
            "value": {"type": "number"},
            "sort": {"enum": ["x", "y"], "type": "string"},
            "note": {"type": "string"},
            "parts": {"type": "object", "additionalProperties": {"type": "integer"}},
            "inner": {"$ref": "#/components/schemas/Answer"},
        },
    },
}


def _json(model: str) -> Document:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}}


RELEASED: Document = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "1.4.0", "description": "words"},
    "paths": {
        "/ask": {
            "post": {
                "operationId": "ask",
                "summary": "words",
                "requestBody": {"required": True, "content": _json("Either")},
                "responses": {
                    "200": {"description": "", "content": _json("Answer"), "headers": {"X-Id": {}}},
                    "503": {"description": "", "content": _json("Answer")},
                },
            },
            "put": {"operationId": "ask_again", "responses": {"200": {"description": "", "content": _json("Answer")}}},
        },
        "/see": {"get": {"operationId": "see", "responses": {"200": {"description": ""}}}},
    },
    "components": {"schemas": MODELS},
}


def changed(change: Change, version: str = "1.4.0") -> Document:
    document = copy.deepcopy(RELEASED)
    document["info"]["version"] = version
    change(document)
    return document


def _model(name: str) -> Callable[[Document], Document]:
    def get(document: Document) -> Document:
        found: Document = document["components"]["schemas"][name]
        return found

    return get


ask, other, answer, either = (_model(name) for name in ("Ask", "Other", "Answer", "Either"))


def post(document: Document) -> Document:
    found: Document = document["paths"]["/ask"]["post"]
    return found


BREAKS: dict[str, Change] = {
    "a path is gone": lambda d: d["paths"].pop("/see"),
    "an operation is gone": lambda d: d["paths"]["/ask"].pop("put"),
    "a method's name": lambda d: post(d).update(operationId="ask_for"),
    "a token is needed": lambda d: post(d).update(security=[{"bearer": []}]),
    "a parameter is needed": lambda d: post(d).update(parameters=[{"name": "q", "in": "query", "required": True}]),
    "a status is gone": lambda d: post(d)["responses"].pop("503"),
    "a header is gone": lambda d: post(d)["responses"]["200"].pop("headers"),
    "an answer's media type": lambda d: post(d)["responses"]["200"].update(content={"text/plain": {}}),
    "a request's media type": lambda d: post(d)["requestBody"].update(content={"text/plain": {}}),
    "a body is needed": lambda d: d["paths"]["/ask"]["put"].update(requestBody={"required": True, "content": {}}),
    "a new field is needed": lambda d: (ask(d)["required"].append("new"), ask(d)["properties"].update(new={})),
    "a field becomes needed": lambda d: ask(d)["required"].append("kind"),
    "a request's field is gone": lambda d: ask(d)["properties"].pop("kind"),
    "a request's field has another type": lambda d: ask(d)["properties"]["size"].update(type="string"),
    "a request's number must be whole": lambda d: ask(d)["properties"]["step"].update(type="integer"),
    "null is not taken any more": lambda d: ask(d)["properties"].update(name={"type": "string", "maxLength": 5}),
    "a request's enum lost a value": lambda d: ask(d)["properties"]["kind"]["enum"].remove("b"),
    "a free text became an enum": lambda d: other(d)["properties"]["text"].update(enum=["a"]),
    "a higher minimum": lambda d: ask(d)["properties"]["size"].update(minimum=2),
    "a lower maximum": lambda d: ask(d)["properties"]["size"].update(maximum=8),
    "a new limit": lambda d: ask(d)["properties"]["step"].update(exclusiveMinimum=0),
    "a coarser step": lambda d: ask(d)["properties"]["step"].update(multipleOf=1),
    "fewer items": lambda d: ask(d)["properties"]["many"].update(maxItems=2),
    "items of another type": lambda d: ask(d)["properties"]["many"].update(items={"type": "string"}),
    "a shorter text": lambda d: ask(d)["properties"]["name"]["anyOf"][0].update(maxLength=4),
    "another pattern": lambda d: other(d)["properties"]["text"].update(pattern="^b"),
    "another unit": lambda d: ask(d)["properties"]["size"].update({"x-unit": "ft"}),
    "an open request closes": lambda d: other(d).update(additionalProperties=False),
    "a form of the request is gone": lambda d: either(d)["oneOf"].pop(),
    "an answer's needed field is gone": lambda d: (answer(d)["properties"].pop("value"), answer(d)["required"].pop(0)),
    "an answer's optional field is gone": lambda d: answer(d)["properties"].pop("note"),
    "an answer's field may be missing": lambda d: answer(d)["required"].remove("value"),
    "an answer's field has another type": lambda d: answer(d)["properties"]["value"].update(type="string"),
    "an answer's field may be null": lambda d: answer(d)["properties"]["value"].update(type=["number", "null"]),
    "an answer's enum has a new value": lambda d: answer(d)["properties"]["sort"]["enum"].append("z"),
    "an answer's enum became free text": lambda d: answer(d)["properties"]["sort"].pop("enum"),
    "an answer's map has other values": lambda d: answer(d)["properties"]["parts"].update(additionalProperties={}),
    "a keyword that nobody knows": lambda d: answer(d)["properties"]["value"].update({"not": {"const": 3}}),
}

ADDITIONS: dict[str, Change] = {
    "a new path": lambda d: d["paths"].update({"/new": {"get": {"responses": {}}}}),
    "a token may be sent": lambda d: post(d).update(security=[{}, {"bearer": []}]),
    "a new status": lambda d: post(d)["responses"].update({"504": {"description": ""}}),
    "a new optional field": lambda d: ask(d)["properties"].update(new={"type": "string"}),
    "a field is not needed any more": lambda d: ask(d)["required"].remove("size"),
    "a wider limit": lambda d: ask(d)["properties"]["size"].update(minimum=0, maximum=10),
    "a limit less": lambda d: ask(d)["properties"]["many"].pop("maxItems"),
    "a finer step": lambda d: ask(d)["properties"]["step"].update(multipleOf=0.25),
    "a new value of a request's enum": lambda d: ask(d)["properties"]["kind"]["enum"].append("c"),
    "a request takes null": lambda d: ask(d)["properties"]["size"].update(type=["integer", "null"]),
    "a request's integer may be a number": lambda d: ask(d)["properties"]["size"].update(type="number"),
    "another form of the request": lambda d: either(d)["oneOf"].append({"type": "string"}),
    "an answer's new field": lambda d: answer(d)["properties"].update(new={"type": "string"}),
    "an answer's number is whole": lambda d: answer(d)["properties"]["value"].update(type="integer"),
    "an answer's field is always there": lambda d: answer(d)["required"].append("note"),
    "an answer's enum lost a value": lambda d: answer(d)["properties"]["sort"]["enum"].remove("y"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_break_is_found_and_needs_a_major_version(what: str) -> None:
    document = changed(BREAKS[what])
    assert breaks(RELEASED, document), what
    assert verdict(RELEASED, changed(BREAKS[what], "1.5.0"))
    assert verdict(RELEASED, changed(BREAKS[what], "2.0.0")) == []


@pytest.mark.parametrize("what", ADDITIONS)
def test_an_addition_breaks_nothing_and_needs_a_minor_version(what: str) -> None:
    assert breaks(RELEASED, changed(ADDITIONS[what])) == []
    assert len(verdict(RELEASED, changed(ADDITIONS[what], "1.4.1"))) == 1
    assert verdict(RELEASED, changed(ADDITIONS[what], "1.5.0")) == []


def test_words_need_no_version() -> None:
    def reworded(document: Document) -> None:
        post(document).update(summary="others", tags=["more"])
        ask(document)["properties"]["size"].update(description="a size", examples=[3], title="Size")
        document["info"]["description"] = "others"

    assert verdict(RELEASED, changed(reworded)) == []


def test_a_field_with_the_name_of_a_word_is_no_prose() -> None:
    document = changed(lambda d: answer(d)["properties"].update(title={"type": "string"}, properties={}))
    kept = contract(document)["components"]["schemas"]["Answer"]["properties"]
    assert {"title", "properties"} <= kept.keys()


def test_a_break_says_where_it_is() -> None:
    (reason,) = breaks(RELEASED, changed(BREAKS["a higher minimum"]))
    assert reason == "POST /ask: request body.size: minimum 2 where the other schema has 1"

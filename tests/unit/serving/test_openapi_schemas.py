"""What is done to pydantic's schemas: fields described, requests strict, answers open, examples that work."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.errors import InvalidInput, all_errors
from serving import openapi_schemas


class Inner(BaseModel):
    """Part of both."""

    model_config = ConfigDict(extra="forbid")

    size: int = Field(examples=[3])
    note: str | None = Field(default=None, examples=["n"])
    unsaid: int = 0


class Asked(BaseModel):
    """What is asked.

    Args:
        many, few: both of
            them, on two lines.
        nothing: no field has this name.

    Raises:
        ValueError: never.
    """

    model_config = ConfigDict(extra="forbid")

    many: list[Inner]
    few: str | None = None
    inner: Inner = Field(description="its own")


class Answered(BaseModel):
    """What is answered.

    Args:
        counts: n - 1 of them.
    """

    model_config = ConfigDict(extra="forbid")

    counts: list[int] = []
    note: str | None = None


REFERENCES = [{"$ref": openapi_schemas.REF.format(model="Asked")}]


def improved() -> dict[str, Any]:
    asked = Asked.model_json_schema(ref_template=openapi_schemas.REF)
    schemas = {**asked.pop("$defs"), "Asked": asked, "Answered": Answered.model_json_schema()}
    openapi_schemas.improve(schemas, REFERENCES)
    return schemas


def test_fields_are_described_by_the_docstring_unless_they_are_already() -> None:
    schemas = improved()
    fields = schemas["Asked"]["properties"]
    assert schemas["Asked"]["description"] == "What is asked."
    assert {name: field.get("description") for name, field in fields.items()} == {
        "many": "Both of them, on two lines",
        "few": "Both of them, on two lines",
        "inner": "its own",
    }
    assert schemas["Answered"]["properties"]["counts"]["description"] == "n - 1 of them"


def test_a_request_is_closed_and_what_may_be_left_out_has_no_null_as_default() -> None:
    schemas = improved()
    for name in ("Asked", "Inner"):
        assert schemas[name]["additionalProperties"] is False
    assert schemas["Asked"]["required"] == ["many", "inner"]
    assert "default" not in schemas["Asked"]["properties"]["few"]
    assert schemas["Inner"]["properties"]["unsaid"]["default"] == 0


def test_an_answer_has_all_of_its_fields_and_may_get_more() -> None:
    answered = improved()["Answered"]
    assert answered["required"] == ["counts", "note"]
    assert "additionalProperties" not in answered
    assert not any("default" in field for field in answered["properties"].values())


def test_an_example_has_what_is_needed_and_below_it_all_that_has_one() -> None:
    row = {"size": 3, "note": "n"}
    found = openapi_schemas.request_examples(REFERENCES[0], improved())
    assert found == {"Asked": {"summary": "What is asked.", "value": {"many": [row], "inner": row}}}
    Asked.model_validate(found["Asked"]["value"])


def test_a_needed_field_without_an_example_leaves_the_request_without_one() -> None:
    schemas = improved()
    del schemas["Inner"]["properties"]["size"]["examples"]
    assert openapi_schemas.request_examples(REFERENCES[0], schemas) == {}


def test_every_code_has_an_example_of_its_problem() -> None:
    found = openapi_schemas.problem_examples(all_errors())
    for error in all_errors():
        assert found[error.code]["value"]["status"] == error.status
    assert found[InvalidInput.code]["value"]["errors"][0]["rule"] == "greater_than_equal"

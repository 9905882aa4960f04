"""How clients send the truth back, and what they hear of it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_OUTCOMES = 10_000
MAX_ID_LENGTH = 256
"""Far more than an id has; what is longer need not be read."""

RefusalReason = Literal["malformed", "forged", "foreign", "duplicate", "future", "too_old", "not_a_number", "absurd"]
"""docs/outcomes.md says what each means and what to do."""


class _Request(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class OutcomeReport(_Request):
    """What became of one prediction."""

    prediction_id: str = Field(
        min_length=1,
        max_length=MAX_ID_LENGTH,
        description="The `prediction_id` of the answer, unchanged",
        examples=["AeyKvT0a9cLx2mBq7WnRkZ5uYdPj1fHs8gE3oQiV6tCwNbXrMlSyDpFhKzJaGeUv"],
    )
    actual: float = Field(
        allow_inf_nan=False, description="What it really was, in the unit of the prediction", examples=[512_000.0]
    )


class OutcomesRequest(_Request):
    """The truth about predictions of any version and any age, in any order."""

    outcomes: list[OutcomeReport] = Field(min_length=1, max_length=MAX_OUTCOMES, description="One for each prediction")


class RefusedOutcome(BaseModel):
    """An outcome that was not counted. The others of its request were."""

    index: int = Field(description="Its place in the request, counted from 0")
    reason: RefusalReason = Field(description="Stable; programs read it")
    message: str = Field(description="For people: what is wrong and what to do")


class OutcomesResponse(BaseModel):
    """What was counted, and what was not and why."""

    accepted: int = Field(description="How many outcomes were counted")
    refused: list[RefusedOutcome] = Field(description="The others, in the order of the request; usually empty")

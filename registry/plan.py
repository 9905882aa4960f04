"""What a rollout plan says: pure data, and the changes that an operator makes to it. Nothing here touches a disk."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from registry.errors import PlanRefused

FORMAT: Literal[1] = 1
NO_PLAN = 0
"""Generation of the plan that holds while nobody has written one."""

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Canary(_Part):
    """A version that answers a part of the requests."""

    version: Name
    weight: float = Field(ge=0, le=1, description="Share of the routing keys; 0 keeps it live for requests by name")


class Plan(_Part):
    """Which versions of a model serve, and in which part. Immutable; a change is a new plan.

    Args:
        generation: grows with every written plan; NO_PLAN stands for none.
        salt: what routing keys are hashed with; the same salt gives the same keys to the canary.
        stable: the version that answers.
        canary: a version on trial, if any.
        shadows: versions that predict and are monitored, and answer only requests that name them.
    """

    format: Literal[1]
    model: Name
    generation: int = Field(ge=NO_PLAN)
    salt: Name
    stable: Name
    canary: Canary | None = None
    shadows: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _one_part_each(self) -> Self:
        for version in self.versions:
            if version == "latest":  # every worker would take it for another version
                raise PydanticCustomError("latest", "a plan names versions; latest is not one")
            if self.versions.count(version) > 1:
                raise PydanticCustomError(
                    "twice", "{version} has two parts in the plan; take it out of the one first", {"version": version}
                )
        return self

    @property
    def versions(self) -> tuple[str, ...]:
        """Every version that the plan names: stable, canary, shadows."""
        return (self.stable, *([self.canary.version] if self.canary else []), *self.shadows)

    def says_the_same(self, other: Plan) -> bool:
        """Whether both plans agree in all but the generation."""
        return self.model_copy(update={"generation": other.generation}) == other

    def with_stable(self, version: str) -> Plan:
        """Another stable version; it leaves the part that it had before.

        Raises:
            PlanRefused: not a version's name.
        """
        canary = self.canary if self.canary and self.canary.version != version else None
        return self._changed(stable=version, canary=canary, shadows=self._shadows_without(version))

    def with_canary(self, version: str, weight: float) -> Plan:
        """A version on trial, or another weight for the one that is.

        Another weight keeps the salt, so that raising it takes no key back. Another version brings its own name as
        salt: every trial draws other keys, and a trial that is taken up again draws those that it had.

        Raises:
            PlanRefused: it is the stable version, or the weight is not between 0 and 1.
        """
        salt = self.salt if self.canary and self.canary.version == version else version
        canary = {"version": version, "weight": weight}
        return self._changed(canary=canary, salt=salt, shadows=self._shadows_without(version))

    def without_canary(self) -> Plan:
        """No version on trial."""
        return self._changed(canary=None)

    def with_shadows(self, *versions: str) -> Plan:
        """These shadow versions and no others.

        Raises:
            PlanRefused: one is named twice, or is stable or canary.
        """
        return self._changed(shadows=versions)

    def promoted(self) -> Plan:
        """The canary as the stable version.

        Raises:
            PlanRefused: there is no canary.
        """
        if self.canary is None:
            raise PlanRefused(f"the plan of {self.model} has no canary to promote")
        return self.with_stable(self.canary.version)

    def numbered(self, generation: int) -> Plan:
        """The same plan as another generation."""
        return self.model_copy(update={"generation": generation})

    def _shadows_without(self, version: str) -> tuple[str, ...]:
        return tuple(shadow for shadow in self.shadows if shadow != version)

    def _changed(self, **changes: Any) -> Plan:
        try:
            return Plan.model_validate({**dict(self), **changes})
        except ValidationError as error:
            raise PlanRefused(f"not a plan for {self.model}: {sentence(error)}") from None


def new_plan(model: str, stable: str, generation: int = NO_PLAN) -> Plan:
    """A plan with nothing but a stable version.

    Raises:
        PlanRefused: not a model's or version's name.
    """
    try:
        return Plan(format=FORMAT, model=model, generation=generation, salt=stable, stable=stable)
    except ValidationError as error:
        raise PlanRefused(f"not a plan for {model}: {sentence(error)}") from None


def sentence(error: ValidationError) -> str:
    """What is wrong with a plan, in one line: each field and the rule that it breaks."""
    parts = []
    for detail in error.errors(include_url=False, include_input=False):
        field = ".".join(str(step) for step in detail["loc"])
        parts.append(f"{field}: {detail['msg']}" if field else detail["msg"])
    return "; ".join(parts)

"""What an operator sees and changes over HTTP: the live versions, and the rollout plan behind a bearer token."""

from __future__ import annotations

import os
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from registry import store
from registry.errors import (
    NoVersion,
    PlanConflict,
    PlanError,
    PlanMissing,
    PlanUnreadable,
    PlanUnwritable,
    RegistryError,
)
from registry.plan import NO_PLAN, Canary, Name, Plan
from registry.plan_file import PlanFile
from registry.rollout import default_plan
from schemas.errors import Conflict, InvalidInput, PlumblineError
from schemas.predictions import Variant
from serving.live_models import LiveModels


class LiveVersionInfo(BaseModel):
    """One live version of this worker."""

    version: str
    variant: Variant
    weight: float = Field(description="Share of the routing keys that it answers")
    loaded_at: float = Field(description="Unix time")
    calibrated_until: str = Field(description="Last day whose truth the version knows")
    metrics: dict[str, float] = Field(description="Figures on the test part when it was made")


class Models(BaseModel):
    """What this worker serves. Others follow the same plan, each by itself."""

    model: str
    worker: int = Field(description="Process id of the worker that answered")
    generation: int = Field(description="Generation of the plan that this worker runs; 0 without a plan")
    planned_generation: int = Field(description="Generation of the plan that it is to run")
    problem: str | None = Field(description="Why the two differ, and what to do; null when all is well")
    versions: list[LiveVersionInfo]


class PlanChange(BaseModel):
    """A whole plan, as it shall be. With `generation`, only if that is still the present one."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    stable: Name = Field(description="The version that answers", examples=["20160930-0d4f1c2ab9e3"])
    canary: Canary | None = Field(default=None, description="A version on trial, if any")
    shadows: list[Name] = Field(
        default=[], description="Versions that predict and are monitored, and answer only requests that name them"
    )
    generation: int | None = Field(default=None, ge=NO_PLAN, description="The generation that this replaces")


class Rollback(BaseModel):
    """Which plan to go back to; without a generation, the one before the present one."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    generation: int | None = Field(default=None, gt=NO_PLAN, description="The generation to write again")


class Admin:
    """Reads and changes the plan.

    Args:
        live: what is live.
        file: the plan's place.
    """

    def __init__(self, live: LiveModels, file: PlanFile) -> None:
        self._live, self._file = live, file

    def models(self) -> Models:
        """What this worker serves.

        Raises:
            NotReady: nothing is live yet.
        """
        live, planned = self._live.now(), self._live.planned
        canary = live.plan.canary
        weights = {canary.version: canary.weight} if canary and live.routes.canary else {}
        weights[live.routes.stable.version] = 1.0 - sum(weights.values())
        return Models(
            model=live.plan.model,
            worker=os.getpid(),
            generation=live.plan.generation,
            planned_generation=planned.generation if planned else NO_PLAN,
            problem=self._live.problem,
            versions=[
                LiveVersionInfo(
                    version=name,
                    variant=choice.variant,
                    weight=weights.get(name, 0.0),
                    loaded_at=live.versions[name].loaded_at,
                    calibrated_until=live.versions[name].bundle.manifest.data.calibrated_until.isoformat(),
                    metrics=live.versions[name].bundle.manifest.metrics["model"],
                )
                for name, choice in live.routes.named.items()
            ],
        )

    def plan(self) -> Plan:
        """The plan on disk, or what holds without one.

        Raises:
            Conflict: the plan on disk cannot be read.
            NotReady: there is neither a plan nor a version.
        """
        try:
            return self._file.read()
        except PlanMissing:
            return self._present()[0]
        except PlanUnreadable as error:
            raise as_client_error(error) from error

    def change(self, wanted: PlanChange) -> Plan:
        """Write a plan; one that says what the present one says is not written again.

        Raises:
            InvalidInput: not a plan, or it names a version that the store does not hold.
            Conflict: another plan stands there by now, or the place cannot be written.
        """
        try:
            present, replaces = self._present()
            changed = present.with_stable(wanted.stable).with_shadows()
            if wanted.canary is None:
                changed = changed.without_canary()
            else:
                changed = changed.with_canary(wanted.canary.version, wanted.canary.weight)
            changed = changed.with_shadows(*wanted.shadows)
            return self._write(changed, present, replaces if wanted.generation is None else wanted.generation)
        except RegistryError as error:
            raise as_client_error(error) from error

    def roll_back(self, to: Rollback) -> Plan:
        """Write an earlier plan again.

        Raises:
            InvalidInput: no such plan is kept.
            Conflict: somebody else was first, or the place cannot be written.
        """
        try:
            return self._write(self._file.previous(to.generation), *self._present())
        except RegistryError as error:
            raise as_client_error(error) from error

    def _present(self) -> tuple[Plan, int]:
        """The plan from which a change starts, and the generation on disk that it replaces.

        A deleted or spoilt plan is mended by the next change: it starts from what still holds.
        """
        try:
            plan = self._file.read()
            return plan, plan.generation
        except PlanUnreadable:
            return self._file.last_good() or self._live.planned or default_plan(self._file.model), NO_PLAN

    def _write(self, plan: Plan, present: Plan, replaces: int) -> Plan:
        if replaces != NO_PLAN and plan.says_the_same(present):
            return present
        missing = set(plan.versions) - set(store.versions(plan.model)) - set(present.versions)
        if missing:
            raise NoVersion(f"the model store holds no {', '.join(sorted(missing))}; see `bentoml models list`")
        return self._file.write(plan, replaces=replaces)


def as_client_error(error: RegistryError) -> PlumblineError:
    """A registry's error in the words of the API."""
    if isinstance(error, PlanConflict | PlanUnwritable | PlanUnreadable):
        return Conflict(f"{error}.")
    listed: dict[str, Any] = {"field": "plan", "rule": error.reason, "message": str(error), "limit": None}
    kind = "plan" if isinstance(error, PlanError) else "version"
    return InvalidInput(f"The {kind} is refused: {error}.", extension={"errors": [listed]})

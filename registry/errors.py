"""Why a model version cannot be loaded or published. Each refusal has its own class, reason and remedy.

RegistryError
  NoVersion           the store holds no such version
  BundleRefused       a version that must not serve
    BundleCorrupt     a file is missing, added or changed
    BundleUnsigned    not signed by a key that is trusted here
    BundleForeignType the pipeline holds a type outside the allow-list
    SchemaMismatch    made for another schema than the code has
    GoldenMismatch    the model does not repeat its own golden answers
    TooSlow           one row takes longer than is allowed
    OverMemory        the worker would have more memory than is allowed
  PlanError           the rollout plan
    PlanUnreadable    the plan cannot be read or is not valid; the last good one goes on
      PlanMissing     there is no plan
    PlanRefused       the change makes no sense for this plan
    PlanConflict      somebody else changed the plan first
    PlanUnwritable    the plan cannot be written where it is
"""

from __future__ import annotations

from typing import ClassVar


class RegistryError(Exception):
    """Base of all errors about stored model versions."""

    reason: ClassVar[str] = "registry"


class NoVersion(RegistryError):
    """The store holds no such version."""

    reason = "missing"


class BundleRefused(RegistryError):
    """A version that must not serve. Whatever served before goes on."""

    reason = "refused"


class BundleCorrupt(BundleRefused):
    """A file of the bundle is missing, was added, or differs from its digest."""

    reason = "corrupt"


class BundleUnsigned(BundleRefused):
    """Signatures are asked for, and the bundle has none by a trusted key; nothing of it was loaded."""

    reason = "unsigned"


class BundleForeignType(BundleRefused):
    """The pipeline holds a type outside the allow-list; it was not loaded."""

    reason = "foreign_type"


class SchemaMismatch(BundleRefused):
    """The bundle was made for another schema than the code has."""

    reason = "schema"


class GoldenMismatch(BundleRefused):
    """The model does not repeat the answers that it gave when it was made."""

    reason = "golden"


class TooSlow(BundleRefused):
    """One row takes longer than is allowed."""

    reason = "too_slow"


class OverMemory(BundleRefused):
    """The worker would have more memory than is allowed."""

    reason = "memory"


class PlanError(RegistryError):
    """Base of all errors about the rollout plan."""

    reason = "plan"


class PlanUnreadable(PlanError):
    """The plan cannot be read, or is not valid. Whatever was planned before goes on."""

    reason = "plan_unreadable"


class PlanMissing(PlanUnreadable):
    """There is no plan at that place."""

    reason = "plan_missing"


class PlanRefused(PlanError):
    """The change makes no sense for this plan; nothing was written."""

    reason = "plan_refused"


class PlanConflict(PlanError):
    """Somebody else changed the plan first; nothing was written."""

    reason = "plan_conflict"


class PlanUnwritable(PlanError):
    """The plan cannot be written where it is, as in a mounted ConfigMap; nothing was written."""

    reason = "plan_unwritable"


def all_errors(root: type[RegistryError] = RegistryError) -> list[type[RegistryError]]:
    """Every class of error, the base included."""
    return [root, *(found for sub in root.__subclasses__() for found in all_errors(sub))]

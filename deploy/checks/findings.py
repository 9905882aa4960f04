"""All checks of manifests but checkov's, which has an environment of its own."""

from __future__ import annotations

from deploy.checks import agreements, hardening, references, schemas
from deploy.checks.manifests import Manifest
from deploy.checks.references import Check

CHECKS: tuple[Check, ...] = (
    schemas.manifests_fit_their_schemas,
    *references.CHECKS,
    *hardening.CHECKS,
    *agreements.CHECKS,
)


def findings(manifests: list[Manifest]) -> list[str]:
    """One sentence for every mistake; empty if there is none.

    Args:
        manifests: what `render` gives for one installation, all of it.
    """
    return [sentence for check in CHECKS for sentence in check(manifests)]

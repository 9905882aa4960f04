"""Why a model version cannot be loaded or published. Each refusal has its own class, reason and remedy.

RegistryError
  NoVersion           the store holds no such version
  BundleRefused       a version that must not serve
    BundleCorrupt     a file is missing, added or changed
    BundleForeignType the pipeline holds a type outside the allow-list
    SchemaMismatch    made for another schema than the code has
    GoldenMismatch    the model does not repeat its own golden answers
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


class BundleForeignType(BundleRefused):
    """The pipeline holds a type outside the allow-list; it was not loaded."""

    reason = "foreign_type"


class SchemaMismatch(BundleRefused):
    """The bundle was made for another schema than the code has."""

    reason = "schema"


class GoldenMismatch(BundleRefused):
    """The model does not repeat the answers that it gave when it was made."""

    reason = "golden"

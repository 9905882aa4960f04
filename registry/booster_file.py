"""The trees as XGBoost's own UBJSON, read without letting a broken file end the process."""

from __future__ import annotations

import xgboost

from registry.errors import BundleCorrupt

FILE = "booster.ubj"


def load(version: str, data: bytes) -> xgboost.Booster:
    """The booster of a version.

    Raises:
        BundleCorrupt: no UBJSON document, or one that XGBoost cannot load.
    """
    if not (data.startswith(b"{") and data.endswith(b"}")):  # XGBoost ends the process on an empty or cut file
        raise BundleCorrupt(f"version {version}: {FILE} is not a whole UBJSON document")
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(data))
    except Exception as error:  # XGBoost raises what the bytes make it raise
        raise BundleCorrupt(f"version {version}: {FILE} cannot be loaded: {error}") from error
    return booster

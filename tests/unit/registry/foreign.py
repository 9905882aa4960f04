"""A class that no bundle may hold, and that tells when its code was run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator


class Foreign(BaseEstimator):  # type: ignore[misc]
    """Writes the file `marker` whenever it is made from stored state."""

    def __init__(self, marker: str = "") -> None:
        self.marker = marker

    def transform(self, X: Any) -> Any:
        """What a pipeline has to have."""
        return X

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Run while the object is restored."""
        Path(state["marker"]).write_text("executed")
        self.__dict__.update(state)


class Exploit:
    """Writes the file `marker` when it is unpickled."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        """What pickle calls to restore it."""
        return Path.write_text, (Path(self.marker), "executed")

"""What time it is: the system's, or, in a replay of old traffic, what a file says."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

Clock = Callable[[], float]
"""Gives Unix time in seconds."""


def clock_of(file: Path | None) -> Clock:
    """The system's clock, or one that reads the file at every look.

    Args:
        file: holds Unix time in seconds as text; it may be replaced at any moment, but must always be there.
    """
    if file is None:
        return time.time
    return lambda: float(file.read_text())

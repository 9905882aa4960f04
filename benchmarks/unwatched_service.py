"""The reference service without its monitors, to tell what they cost.

Prediction ids are random as they would be without signing; nothing is counted, timed, logged or looked at.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from benchmarks.reference_service import Reference
from monitoring.prediction_ids import IdWriter
from serving.monitors import Monitors
from serving.observed import Observed
from serving.observer import Observer

__all__ = ["Reference"]


def _nothing(*_: Any, **__: Any) -> None:
    """What a monitor does here."""


def _random_id(*_: Any) -> str:
    return os.urandom(16).hex()


def _random_ids(_: IdWriter, values: Sequence[float], *__: Any) -> list[str]:
    drawn = os.urandom(16 * len(values)).hex()
    return [drawn[at : at + 32] for at in range(0, len(drawn), 32)]


_CHANGED: list[tuple[Any, str, Any]] = [
    (Observed, "add", _nothing),
    (Observed, "took", _nothing),
    (Monitors, "start", _nothing),
    (IdWriter, "one", _random_id),
    (IdWriter, "many", _random_ids),
    (Observer, "answered", _nothing),
]
for _owner, _name, _instead in _CHANGED:
    setattr(_owner, _name, _instead)

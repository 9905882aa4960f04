"""A circuit breaker: after failures in a row it keeps everyone away for a while, then lets one try."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

FAILURES_TO_OPEN = 3
"""Failures in a row after which the breaker opens."""

OPEN_SECONDS = 2.0
"""How long an open breaker keeps everyone away before one may try."""


class Breaker:
    """Guards one dependency. It logs when it opens and when it closes, never per request.

    Args:
        guarded: what it guards, for the log.
        clock: seconds that only go up.
    """

    def __init__(self, guarded: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._guarded, self._clock = guarded, clock
        self._failures = 0
        self._open_until: float | None = None
        self._trying = False

    @property
    def closed(self) -> bool:
        """Whether all is well."""
        return self._open_until is None

    def allows(self) -> bool:
        """Whether to go ahead; whoever is allowed reports `succeeded` or `failed` afterwards.

        Once the time is over, one caller is allowed and the others wait for what it reports.
        """
        if self._open_until is None:
            return True
        if self._trying or self._clock() < self._open_until:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        """It worked: everyone is allowed again."""
        if self._open_until is not None:
            logger.info("%s works again", self._guarded)
        self._failures, self._open_until, self._trying = 0, None, False

    def failed(self, reason: str) -> None:
        """It did not work; `reason` goes to the log if this opens the breaker."""
        self._failures += 1
        if self._failures < FAILURES_TO_OPEN:
            return
        if self._open_until is None:
            logger.warning("%s fails (%s) and is left alone until it works again", self._guarded, reason)
        self._open_until, self._trying = self._clock() + OPEN_SECONDS, False

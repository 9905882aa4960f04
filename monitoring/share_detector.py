"""Has a share grown beyond what is allowed? A sequential detector that may be looked at after every outcome.

Outcomes hit (too low, too wrong, outside) or not. Allowed is any share of hits up to `most`. For an alternative
q > most, the likelihood ratio of q to `most` has an expectation of at most 1 under every allowed share, for it grows
with each hit. The Shiryaev-Roberts sum over all moments at which the change may have begun follows a recursion,
R <- (n + R) * ratio for n new outcomes, so every restart is in it, the recent ones with full weight. The mean over a
grid of alternatives stays below the number of outcomes in expectation; so the mean number of outcomes until it reaches
c is at least c, however often somebody looks and however the outcomes are grouped.

Source: Shin, Ramdas, Rinaldo, E-detectors (arXiv 2203.03532), section 3; Pollak (1985) for the sum.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

NOTHING = -700.0
"""The logarithm of no evidence; finite, so that it can be kept as JSON."""

_STEPS = 0.2 * 2.0 ** (np.arange(8) / 2)
"""How far alternatives are from what is allowed, in log odds: from a half to 55 or to 90 of 100."""


class ShareDetector:
    """Watches one share.

    Args:
        most: the largest share of hits that is allowed, above 0 and below 1.
    """

    def __init__(self, most: float) -> None:
        if not 0 < most < 1:
            raise ValueError(f"the largest allowed share must be above 0 and below 1, not {most:g}")
        alternatives = 1 / (1 + np.exp(-(math.log(most / (1 - most)) + _STEPS)))
        self._hit, self._miss = np.log(alternatives / most), np.log((1 - alternatives) / (1 - most))
        self.logs: Vector = np.full(len(_STEPS), NOTHING)

    def add(self, hits: int, total: int) -> None:
        """Take in what came since the last look: `hits` of `total` new outcomes."""
        if total > 0:
            self.logs = np.logaddexp(math.log(total), self.logs) + self._ratios(hits, total)

    def hold(self, most: float) -> None:
        """Let the evidence for no alternative exceed e^most, so that all of it can go when the reason has gone.

        Each is held for itself: where only the sum is, the boldest alternative crowds out the others, and one lucky day
        speaks against it.
        """
        self.logs = np.minimum(self.logs, most)

    def fill(self, most: float) -> None:
        """Set the evidence for every alternative to e^most: from here on it says how much is left of a found reason."""
        self.logs = np.full(len(_STEPS), most)

    def forget(self) -> None:
        """Begin anew."""
        self.logs = np.full(len(_STEPS), NOTHING)

    @property
    def alternatives(self) -> int:
        """How many alternatives the evidence is the mean over."""
        return len(self.logs)

    @property
    def evidence(self) -> float:
        """Natural logarithm of the statistic."""
        return _log_mean(self.logs)

    def evidence_of(self, hits: int, total: int) -> float:
        """Natural logarithm of the mean likelihood ratio of some outcomes alone."""
        return _log_mean(self._ratios(hits, total))

    def _ratios(self, hits: int, total: int) -> Vector:
        ratios: Vector = hits * self._hit + (total - hits) * self._miss
        return ratios


def _log_mean(logs: Vector) -> float:
    return max(NOTHING, float(np.logaddexp.reduce(logs)) - math.log(len(logs)))

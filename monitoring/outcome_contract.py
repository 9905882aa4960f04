"""What may be expected of outcomes, and how often an alarm about them may be wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from monitoring.outcome_errors import ErrorScale, Link
from monitoring.outcome_reference import OutcomeReference, error_scale

SMALLEST_THRESHOLD = 100.0
REFERENCE_BIAS_SLACK = 0.1
"""By how much of a usual error bias may exceed that of the test part, where that was above what is tolerated."""

_SURE = 2.33
"""Standard errors that a share measured on the test part is given: wrong once in a hundred."""


class OutcomeContract(BaseModel):
    """The contract of the outcome alarms. Each of them (bias, error, coverage) keeps it for itself.

    Args:
        false_alarm_days: mean days to a false alarm are at least so many, at the stated traffic.
        outcomes_per_day: expected. If more come, false alarms may come as much more often.
        ignore_below: share of outcomes that may move unnoticed.
        tolerated_bias: signed median error, as a share of the actual value (relative errors).
        tolerated_typical_bias: the same in usual errors, for targets that may be zero or negative.
        tolerated_quantile_bias: the same for probabilities, in quantiles from -1 to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    false_alarm_days: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    outcomes_per_day: float = Field(default=100.0, gt=0, allow_inf_nan=False)
    ignore_below: float = Field(default=0.02, gt=0, lt=0.5)
    tolerated_bias: float = Field(default=0.03, gt=0, lt=1)
    tolerated_typical_bias: float = Field(default=0.3, gt=0, allow_inf_nan=False)
    tolerated_quantile_bias: float = Field(default=0.05, gt=0, lt=1)

    @property
    def threshold(self) -> float:
        """Mean number of outcomes to a false alarm, and the line that the evidence must reach; at least 100."""
        return max(SMALLEST_THRESHOLD, self.false_alarm_days * self.outcomes_per_day)

    def tolerated(self, scale: ErrorScale) -> float:
        """The tolerated bias on a scale."""
        by_kind = {"relative": self.tolerated_bias, "typical": self.tolerated_typical_bias}
        return by_kind.get(scale.kind, self.tolerated_quantile_bias)


@dataclass(frozen=True)
class Terms:
    """What the outcomes of one version are held against.

    Args:
        scale: of its errors.
        tolerated: bias within plus and minus this is no alarm.
        large: an error above this is a large one; infinite where no reference says.
        large_share: most outcomes with a large error, as a share; None: not watched.
        outside_share: most outcomes outside their interval, as a share; None: there are no intervals.
        promised: share of outcomes that the intervals should hold.
    """

    scale: ErrorScale
    tolerated: float
    large: float
    large_share: float | None
    outside_share: float | None
    promised: float | None

    @classmethod
    def of(
        cls, link: Link, reference: OutcomeReference | None, promised: float | None, contract: OutcomeContract
    ) -> Terms:
        """The terms of a version.

        The tolerated bias is the contract's, or, where the gate let a version pass with more, a little above what it
        was on the test part: what was known when the version went live is no news. The share of large errors is a
        quarter by definition, but was measured on finite rows; it gets what they leave unsure, at least `ignore_below`.
        Coverage is held to the promise itself.

        Args:
            link: on which the model was fitted.
            reference: from the manifest; None in bundles that were made before there was one.
            promised: coverage of the intervals; None without.
            contract: what may move unnoticed.
        """
        scale = error_scale(link, reference)
        outside = None if promised is None else 1.0 - promised + contract.ignore_below
        if reference is None:
            return cls(scale, contract.tolerated(scale), math.inf, None, outside, promised)
        bias = abs(reference.bias) + REFERENCE_BIAS_SLACK * reference.median_error
        unsure = _SURE * math.sqrt(0.25 * 0.75 / reference.rows)
        large_share = 0.25 + max(contract.ignore_below, unsure)
        return cls(scale, max(contract.tolerated(scale), bias), reference.large_error, large_share, outside, promised)

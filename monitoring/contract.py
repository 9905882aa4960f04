"""The contract of the drift alarm: how often it may be wrong, and what it may overlook."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

SMALLEST_THRESHOLD = 100.0


class Contract(BaseModel):
    """What the drift alarm of one version promises. It travels in the bundle's manifest.

    Args:
        false_alarm_days: mean days to a false alarm are at least so many, over all features together and at the
            stated traffic.
        ignore_below: share of a feature's rows that may move to other bins unnoticed.
        rows_per_day: expected traffic. With more rows, false alarms may come as much more often.
        check_rows: the evidence is looked at when at least so many new rows have come.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    false_alarm_days: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    ignore_below: float = Field(default=0.02, gt=0, lt=0.5)
    rows_per_day: int = Field(default=10_000, ge=1)
    check_rows: int = Field(default=100, ge=1)

    @property
    def checks_per_day(self) -> float:
        """Looks a day at the stated traffic."""
        return self.rows_per_day / self.check_rows

    @property
    def threshold(self) -> float:
        """Mean number of looks to a false alarm, and the line that the evidence must reach; at least 100."""
        return max(SMALLEST_THRESHOLD, self.false_alarm_days * self.checks_per_day)

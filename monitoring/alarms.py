"""What an alarm says, the same for every monitor."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

MonitorName = Literal["drift", "bias", "error", "coverage"]


class MovedBin(BaseModel):
    """A bin whose share of rows moved."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    reference: float
    live: float


class MovedFeature(BaseModel):
    """A feature that moved, with log10 of its evidence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    evidence: float
    bins: list[MovedBin]


class Alarm(BaseModel):
    """One alarm of one monitor of one version; times are Unix seconds.

    Args:
        since: when the change began, by the evidence.
        rows: how many rows or outcomes it is about.
        features: what moved; empty for outcome monitors.
        text: what, how much, since when, on how much, and what to do, for a person.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    monitor: MonitorName
    state: Literal["ringing", "cleared"]
    rang_at: float
    cleared_at: float | None = None
    since: float
    rows: int
    features: list[MovedFeature] = []
    text: str

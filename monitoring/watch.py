"""Looks at the evidence: one worker of a host does it for all, and another takes over when it dies.

The workers count into shared memory; what is watched is by how much the sums grew. So it does not matter who looks.
The one that looks holds a lock, and writes what it knows to files that the others read, and from which its successor
goes on: they say up to which counts it has looked, hence nothing is looked at twice and nothing is left out.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from monitoring import state_files
from monitoring.alarms import Alarm, MonitorName
from monitoring.contract import Contract
from monitoring.drift import DriftMonitor, StateRefused
from monitoring.drift_texts import retired_text
from monitoring.outcome_alarms import OutcomeMonitor
from monitoring.outcome_contract import Terms
from monitoring.outcome_errors import EDGES
from monitoring.outcome_history import OutcomeHistory, outcome_totals
from monitoring.outcomes import OUTCOMES
from monitoring.profile import Profile
from monitoring.snapshot import OutcomePoint

logger = logging.getLogger(__name__)

ALARMS, LOCK = "alarms.json", "evidence.lock"
SAVE_SECONDS = 2.0
"""How often state is saved when no alarm has changed."""

KEPT_ALARMS = 200

Counts = npt.NDArray[np.int64]


class Totals(Protocol):
    """The sums over all workers of one host."""

    def bins(self, version: str) -> Counts | None:
        """Rows by bin, column after column of the version's profile; None before anything was counted."""

    def outcomes(self, version: str) -> Counts | None:
        """Outcomes, shape (monitoring.outcomes.SLOTS,); None before anything was counted."""


class Watched(BaseModel):
    """One monitor of one version as it stands; evidence and line are log10."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    monitor: MonitorName
    evidence: float
    line: float
    ringing: bool


class VersionEvidence(BaseModel):
    """All that is known of one version, and the state from which its monitors go on.

    Args:
        features, ignored: by feature, log10 of the evidence and the share that may move.
        looked: counts up to which its drift was looked at.
        points: outcomes over time, the newest last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    monitors: list[Watched]
    features: dict[str, float]
    ignored: dict[str, float]
    feature_line: float
    looked: list[int]
    points: list[OutcomePoint]
    drift: str
    outcomes: str
    history: str


class Alarms(BaseModel):
    """The latest alarms, the newest last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alarms: list[Alarm] = []


def read_alarms(folder: Path) -> list[Alarm]:
    """What the worker that looks has written of alarms."""
    found = state_files.read(folder / ALARMS, Alarms)
    return found.alarms if found else []


def read_evidence(folder: Path, version: str) -> VersionEvidence | None:
    """What it has written of a version; None if there is nothing readable."""
    return state_files.read(_evidence_file(folder, version), VersionEvidence)


@dataclass
class _Monitors:
    """The monitors of one version.

    Args:
        looked: counts up to which drift was looked at.
        outcomes_seen: how many outcomes were looked at.
        unsaved: whether there is something new.
    """

    drift: DriftMonitor
    outcomes: OutcomeMonitor
    history: OutcomeHistory
    looked: Counts
    outcomes_seen: int = 0
    unsaved: bool = True

    def now(self) -> VersionEvidence:
        drift, outcomes = self.drift, self.outcomes
        rings = {alarm.monitor for alarm in outcomes.ringing}
        watched = [
            Watched(monitor="drift", evidence=drift.evidence, line=drift.line, ringing=drift.ringing is not None)
        ]
        watched += [
            Watched(monitor=name, evidence=found, line=outcomes.alarm_line, ringing=name in rings)
            for name, found in outcomes.evidence.items()
        ]
        return VersionEvidence(
            monitors=watched,
            features=drift.feature_evidence,
            ignored=drift.ignored,
            feature_line=drift.feature_line,
            looked=self.looked.tolist(),
            points=self.history.points,
            drift=drift.to_json(),
            outcomes=outcomes.save(),
            history=self.history.to_json(),
        )


class Watch:
    """The monitors of all versions, for the worker that holds the lock. Use it from one thread at a time.

    Args:
        folder: shared by the workers of a host.
        totals: what they have counted.
        clock: Unix time in seconds.
    """

    def __init__(self, folder: Path, totals: Totals, clock: Callable[[], float]) -> None:
        self._folder, self._totals, self._clock = folder, totals, clock
        self._lock: int | None = None
        self._monitors: dict[str, _Monitors] = {}
        self._alarms: dict[tuple[str, str, float], Alarm] = {}
        self._saved_alarms: dict[tuple[str, str, float], Alarm] = {}
        self._saved_at = -math.inf

    def lead(self) -> bool:
        """Whether this worker is the one that looks; it becomes it if nobody is."""
        if self._lock is None:
            with suppress(OSError):
                self._lock = state_files.locked(self._folder / LOCK)
            if self._lock is not None:
                self._alarms = {_name(alarm): alarm for alarm in read_alarms(self._folder)}
        return self._lock is not None

    def know(self, version: str, profile: Profile, contract: Contract, terms: Terms, threshold: float) -> None:
        """Watch a version from now on, going on from what was saved of it.

        Args:
            terms, threshold: of its outcomes (monitoring/outcome_contract.py).
        """
        if version in self._monitors:
            return
        drift, outcomes = DriftMonitor(version, profile, contract), OutcomeMonitor(version, terms, threshold)
        history = OutcomeHistory(EDGES.tolist())
        looked = np.zeros(sum(len(column.labels) for column in profile.columns), np.int64)
        saved = read_evidence(self._folder, version)
        if saved is not None:
            outcomes.restore(saved.outcomes)
            history.restore(saved.history)
            try:
                drift.restore(saved.drift)
                looked = np.array(saved.looked, np.int64)
            except StateRefused as error:
                logger.warning("drift is watched anew", extra={"version": version, "why": str(error)})
        self._monitors[version] = _Monitors(drift, outcomes, history, looked)

    def look(self, serving: Collection[str]) -> list[Alarm]:
        """Look at the versions that serve, and save what is known.

        An alarm asks for a better version: that of one that serves no more is over. What comes of it later is counted
        and shown, but rings nothing; when it serves again, its monitors go on from where they were.

        Args:
            serving: the versions whose alarms anybody needs.

        Returns:
            Alarms that have begun to ring or have cleared.
        """
        now = self._clock()
        changes = self._retire(serving, now)
        changes += [change for version in self._monitors for change in self._look_at(version, now)]
        for change in changes:
            logger.warning(change.text, extra={"version": change.version, "monitor": change.monitor})
            self._alarms[_name(change)] = change
        if changes or not 0 <= now - self._saved_at < SAVE_SECONDS:
            self.save()
            self._saved_at = now
        return changes

    def _retire(self, serving: Collection[str], now: float) -> list[Alarm]:
        """Let go of versions that serve no more."""
        if self._monitors.keys() - serving:
            self.save()
        self._monitors = {version: each for version, each in self._monitors.items() if version in serving}
        over = [one for one in self._alarms.values() if one.state == "ringing" and one.version not in serving]
        return [
            one.model_copy(update={"state": "cleared", "cleared_at": now, "text": retired_text(one.text, now)})
            for one in over
        ]

    def save(self) -> None:
        """Write what is new; a disk that cannot be written is told of and changes nothing else."""
        try:
            for version, each in self._monitors.items():
                if each.unsaved:
                    state_files.replace(_evidence_file(self._folder, version), each.now())
                    each.unsaved = False
            self._save_alarms()
        except OSError as error:
            logger.warning("the evidence cannot be saved", extra={"why": str(error.strerror)})

    def close(self) -> None:
        """Save, and let another worker look."""
        if self._lock is not None:
            self.save()
            os.close(self._lock)
            self._lock = None

    def _look_at(self, version: str, now: float) -> list[Alarm]:
        monitors, changes = self._monitors[version], list[Alarm]()
        bins = self._totals.bins(version)
        if bins is not None and bins.shape == monitors.looked.shape:
            grown, monitors.looked = bins - monitors.looked, bins
            monitors.unsaved |= bool(grown.any())
            if (grown >= 0).all():  # else counting was begun anew, and the next look is compared with this one
                change = monitors.drift.look(grown, now)
                changes += [change] if change else []
        outcomes = self._totals.outcomes(version)
        if outcomes is not None and int(outcomes[OUTCOMES]) != monitors.outcomes_seen:
            monitors.outcomes_seen, monitors.unsaved = int(outcomes[OUTCOMES]), True
            changes += monitors.outcomes.look(outcomes, now)
            monitors.history.look(now, outcome_totals(outcomes))
        return changes

    def _save_alarms(self) -> None:
        """Every alarm once: those that cleared, and those that ring with their latest figures."""
        for each in self._monitors.values():
            ringing = [*each.outcomes.ringing, *([each.drift.ringing] if each.drift.ringing else [])]
            self._alarms |= {_name(alarm): alarm for alarm in ringing}
        latest = sorted(self._alarms.values(), key=lambda alarm: alarm.rang_at)[-KEPT_ALARMS:]
        kept = {_name(alarm): alarm for alarm in latest}
        if kept != self._saved_alarms:
            state_files.replace(self._folder / ALARMS, Alarms(alarms=latest))
            self._alarms, self._saved_alarms = kept, kept.copy()


def _name(alarm: Alarm) -> tuple[str, str, float]:
    return alarm.version, alarm.monitor, alarm.rang_at


def _evidence_file(folder: Path, version: str) -> Path:
    return folder / f"evidence-{version}.json"

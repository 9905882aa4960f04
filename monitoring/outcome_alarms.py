"""Alarms about the truth: bias, error and coverage of one version, each with the contract's rate.

- bias: more than half of the outcomes with an error below minus the tolerated bias, or more than half above plus it:
  the median has left the tolerated range. The mean of two detectors is one statistic.
- error: more large errors than the test part of training had.
- coverage: more actual values outside their interval than was promised.

The monitors see only what summed counts grew by between looks, so it does not matter which worker counted what. A
change is dated by the snapshot of the counts, of about two for every doubling of age, since which there is most
evidence. When an alarm rings, the evidence for every alternative, also the mildest, is set to where it is held, and
what comes after must take it away: the alarm clears when a tenth of the line is left, so it neither flutters nor
outlives its reason. Then the monitor begins anew, and false alarms keep their mean distance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from monitoring import outcomes
from monitoring.alarms import Alarm, MonitorName
from monitoring.outcome_contract import Terms
from monitoring.outcome_texts import bias_text, cleared_text, coverage_text, error_text
from monitoring.outcomes import Counts
from monitoring.share_detector import ShareDetector

_HELD = 2.0
"""The evidence for one alternative is held where it alone makes the statistic this many times the line."""

_CLEARED = 0.1
"""An alarm clears when its evidence has fallen to this part of the line."""

_TEXTS: dict[MonitorName, Callable[[Terms, Counts, float], str]] = {
    "bias": bias_text,
    "error": error_text,
    "coverage": coverage_text,
}


class _Snapshot(BaseModel):
    """Total counts before the outcomes that came at a moment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: float
    counts: list[int]


class _MonitorState(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    logs: list[list[float]]
    alarm: Alarm | None
    base: list[int]
    fresh_from: float


class _State(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    terms: str
    totals: list[int]
    at: float
    snapshots: list[_Snapshot]
    monitors: dict[str, _MonitorState]


@dataclass(frozen=True)
class _Watched:
    """A share: which counts hit, of which, and how many may."""

    hits: Callable[[Counts], int]
    total: int
    detector: ShareDetector

    def add(self, grown: Counts) -> None:
        self.detector.add(self.hits(grown), int(grown[self.total]))

    def evidence_of(self, grown: Counts) -> float:
        return self.detector.evidence_of(self.hits(grown), int(grown[self.total]))


class _Monitor:
    """One monitor: its shares, and its alarm if one rings."""

    def __init__(self, watched: Sequence[_Watched]) -> None:
        self.watched = watched
        self.alarm: Alarm | None = None
        self.base: Counts = np.zeros(outcomes.SLOTS, np.int64)  # totals where the alarm's change began
        self.fresh_from = -math.inf

    @property
    def evidence(self) -> float:
        """Natural logarithm of the statistic: the mean over the shares."""
        logs = [share.detector.evidence for share in self.watched]
        return float(np.logaddexp.reduce(logs)) - math.log(len(logs))

    def add(self, grown: Counts, line: float) -> None:
        for share in self.watched:
            share.add(grown)
            share.detector.hold(self._most(line, share))

    def insist(self, line: float) -> None:
        """Fill up the share that made the alarm ring."""
        found = max(self.watched, key=lambda share: share.detector.evidence)
        found.detector.fill(self._most(line, found))

    def _most(self, line: float, share: _Watched) -> float:
        return line + math.log(_HELD * len(self.watched) * share.detector.alternatives)

    def began(self, snapshots: Sequence[_Snapshot], totals: Counts) -> _Snapshot:
        """The oldest snapshot since which there is most evidence."""
        fresh = [one for one in snapshots if one.at >= self.fresh_from] or snapshots[-1:]
        return max(fresh, key=lambda one: max(share.evidence_of(totals - one.counts) for share in self.watched))

    def clear(self, now: float) -> None:
        self.alarm, self.fresh_from = None, now
        for share in self.watched:
            share.detector.forget()


class OutcomeMonitor:
    """Watches the outcomes of one version. Use it from one place at a time.

    Args:
        version: named in alarms.
        terms: what outcomes are held against.
        threshold: mean number of outcomes to a false alarm of each monitor (`OutcomeContract.threshold`).
    """

    def __init__(self, version: str, terms: Terms, threshold: float) -> None:
        self._version, self._terms, self._line = version, terms, math.log(threshold)
        self._totals: Counts = np.zeros(outcomes.SLOTS, np.int64)
        self._at = -math.inf
        self._snapshots: list[_Snapshot] = []
        self._monitors = _monitors(terms)

    def look(self, totals: Counts, now: float) -> list[Alarm]:
        """Take in what came since the last look.

        Args:
            totals: counts of the version over all workers, shape (SLOTS,). Where they have shrunk, counting was begun
                anew, and they only become what the next look is compared with.
            now: Unix time in seconds; a clock that jumps back was ahead, so nothing that was met is later than now.

        Returns:
            Alarms that have begun to ring or have cleared.
        """
        if now < self._at:
            self._was_ahead(now)
        self._at = now
        totals = np.array(totals, np.int64)
        grown = totals - self._totals
        if (grown < 0).any():
            self._totals, self._snapshots = totals, []
            for monitor in self._monitors.values():
                monitor.base = totals
        if (grown < 0).any() or not grown[outcomes.OUTCOMES]:
            return []
        self._totals = totals
        self._snapshots = _thinned(
            [*self._snapshots, _Snapshot(at=now, counts=(totals - grown).tolist())], int(totals[outcomes.OUTCOMES])
        )
        changes = [self._judge(name, monitor, grown, now) for name, monitor in self._monitors.items()]
        return [change for change in changes if change is not None]

    def _was_ahead(self, now: float) -> None:
        self._snapshots = [one.model_copy(update={"at": min(one.at, now)}) for one in self._snapshots]
        for monitor in self._monitors.values():
            monitor.fresh_from = min(monitor.fresh_from, now)

    def _judge(self, name: MonitorName, monitor: _Monitor, grown: Counts, now: float) -> Alarm | None:
        monitor.add(grown, self._line)
        if monitor.alarm is None:
            return self._ring(name, monitor, now) if monitor.evidence >= self._line else None
        if monitor.evidence > self._line + math.log(_CLEARED):
            self._tell(name, monitor, monitor.alarm)
            return None
        now = max(now, monitor.alarm.rang_at)
        text = cleared_text(monitor.alarm.text, now)
        cleared = monitor.alarm.model_copy(update={"state": "cleared", "cleared_at": now, "text": text})
        monitor.clear(self._at)
        return cleared

    def _ring(self, name: MonitorName, monitor: _Monitor, now: float) -> Alarm:
        began = monitor.began(self._snapshots, self._totals)
        monitor.insist(self._line)
        monitor.base = np.array(began.counts, np.int64)
        alarm = Alarm(
            version=self._version,
            monitor=name,
            state="ringing",
            rang_at=now,
            since=began.at,
            rows=0,
            text="",
        )
        return self._tell(name, monitor, alarm)

    def _tell(self, name: MonitorName, monitor: _Monitor, alarm: Alarm) -> Alarm:
        """The alarm with figures up to now."""
        counts = self._totals - monitor.base
        rows, text = int(counts[monitor.watched[0].total]), _TEXTS[name](self._terms, counts, alarm.since)
        monitor.alarm = alarm.model_copy(update={"rows": rows, "text": text})
        return monitor.alarm

    @property
    def ringing(self) -> list[Alarm]:
        """Alarms that ring, with figures as of the last look."""
        return [monitor.alarm for monitor in self._monitors.values() if monitor.alarm is not None]

    @property
    def alarm_line(self) -> float:
        """log10 of the threshold."""
        return self._line / math.log(10)

    @property
    def evidence(self) -> dict[MonitorName, float]:
        """log10 of each monitor's statistic, at least 0; without those that the version gives no ground for."""
        return {name: max(0.0, monitor.evidence / math.log(10)) for name, monitor in self._monitors.items()}

    def save(self) -> str:
        """All state, as JSON."""
        monitors = {
            name: _MonitorState(
                logs=[share.detector.logs.tolist() for share in monitor.watched],
                alarm=monitor.alarm,
                base=monitor.base.tolist(),
                fresh_from=max(monitor.fresh_from, 0.0),
            )
            for name, monitor in self._monitors.items()
        }
        return _State(
            version=self._version,
            terms=repr(self._terms),
            totals=self._totals.tolist(),
            at=max(self._at, 0.0),
            snapshots=self._snapshots,
            monitors=dict(monitors),
        ).model_dump_json()

    def restore(self, saved: str | bytes) -> bool:
        """Go on from saved state. Of other terms only what was counted is taken; of another version, nothing.

        Returns:
            Whether all of it was taken.
        """
        try:
            state = _State.model_validate_json(saved)
        except ValidationError:
            return False
        if state.version != self._version or len(state.totals) != outcomes.SLOTS:
            return False
        self._totals, self._at = np.array(state.totals, np.int64), state.at
        if state.terms != repr(self._terms) or not self._fits(state):
            return False
        self._snapshots = list(state.snapshots)
        for name, monitor in self._monitors.items():
            _restore(monitor, state.monitors[name])
        return True

    def _fits(self, state: _State) -> bool:
        shapes = {name: [len(share.detector.logs) for share in one.watched] for name, one in self._monitors.items()}
        return shapes == {name: [len(logs) for logs in kept.logs] for name, kept in state.monitors.items()}


def _restore(monitor: _Monitor, kept: _MonitorState) -> None:
    monitor.alarm, monitor.fresh_from = kept.alarm, kept.fresh_from
    monitor.base = np.array(kept.base, np.int64)
    for share, logs in zip(monitor.watched, kept.logs, strict=True):
        share.detector.logs = np.array(logs)


def _monitors(terms: Terms) -> dict[MonitorName, _Monitor]:
    total, intervals = outcomes.OUTCOMES, outcomes.WITH_INTERVAL
    low = _Watched(lambda grown: int(grown[outcomes.BELOW]), total, ShareDetector(0.5))
    high = _Watched(lambda grown: int(grown[outcomes.ABOVE]), total, ShareDetector(0.5))
    found: dict[MonitorName, _Monitor] = {"bias": _Monitor([low, high])}
    if terms.large_share is not None:
        large = _Watched(lambda grown: int(grown[outcomes.LARGE]), total, ShareDetector(terms.large_share))
        found["error"] = _Monitor([large])
    if terms.outside_share is not None:
        detector = ShareDetector(terms.outside_share)
        outside = _Watched(lambda grown: int(grown[intervals] - grown[outcomes.INSIDE]), intervals, detector)
        found["coverage"] = _Monitor([outside])
    return found


def _thinned(snapshots: Sequence[_Snapshot], total: int) -> list[_Snapshot]:
    """Of each half octave of age in outcomes, the oldest."""
    kept: dict[int, _Snapshot] = {}
    for one in snapshots:  # oldest first
        age = max(1, total - one.counts[outcomes.OUTCOMES])
        kept.setdefault(int(2 * math.log2(age)), one)
    return list(kept.values())

"""The drift alarm with a contract: have the features or the predictions of a version moved away from training?

For each column and each moment at which a change may have begun, the e-value of the rows since then speaks against
"as in training, but for what may be ignored" (evidence.py). The Shiryaev-Roberts sum of a column over the moments,
averaged over the columns, is at most the number of looks in expectation as long as nothing has moved, whatever the
dependence between columns. So the mean number of looks until it reaches the contract's threshold is at least that
threshold, however often somebody looks and however rows are grouped.

Source: Shin, Ramdas, Rinaldo, E-detectors (arXiv 2203.03532), section 3.

Rows that come in runs of one kind are counted as fewer (dispersion.py), for it is independent rows that this holds of.

The monitor sees only by how much summed counts grew between looks, so it does not matter which worker counted what.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from monitoring.alarms import Alarm, MovedFeature
from monitoring.column_evidence import ColumnEvidence
from monitoring.contract import Contract
from monitoring.dispersion import Dispersion, DispersionState
from monitoring.drift_texts import cleared_text, moved_bins, ringing_text
from monitoring.evidence import NOTHING, log_sum
from monitoring.layout import Layout
from monitoring.moved_column import MovedColumn, MovedColumnState
from monitoring.profile import Profile
from monitoring.restarts import Restarts, RestartsState

Counts = npt.NDArray[np.int64]
Vector = npt.NDArray[np.float64]

LATEST = 253_402_300_799.0
"""The end of the year 9999 in Unix time; no clock that says more is believed."""

_HELD = 2.0
"""While the alarm rings, the evidence for a moved column is held at this power of the threshold: high enough that a
drift that goes on is not taken for gone, low enough that the alarm clears about as fast as it rang."""


class StateRefused(ValueError):
    """Saved state is damaged or of another version or profile. The monitor stays as it was."""


class _State(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: str
    profile: str
    at: float | None
    looks: int
    looked_at: float | None
    waiting: list[int]
    restarts: RestartsState
    forgotten: list[int]
    moved: list[MovedColumnState]
    alarm: Alarm | None
    dispersion: DispersionState | None = None  # state from before it was measured has none


class DriftMonitor:
    """Watches the columns of one version. Use it from one place at a time.

    Args:
        version: named in alarms.
        profile: of the version's bundle.
        contract: how often the alarm may be wrong, and what it may overlook.
    """

    def __init__(self, version: str, profile: Profile, contract: Contract) -> None:
        self._version, self._columns, self._contract = version, profile.columns, contract
        self._evidence = ColumnEvidence(profile.columns, contract.ignore_below)
        self._references = self._evidence.references[: len(profile.columns)]
        self._line = math.log(contract.threshold)
        self._layout = Layout(profile.columns)
        self._at: float | None = None
        self._looks = 0
        self._looked_at: float | None = None
        self._waiting: Counts = np.zeros(self._layout.bins, np.int64)
        self._restarts = Restarts(self._layout.bins)
        self._dispersion = Dispersion(self._evidence.scores)
        self._forgotten: Counts = np.zeros(len(self._columns), np.int64)  # moments up to this look count no more
        self._moved: dict[int, MovedColumn] = {}
        self._alarm: Alarm | None = None
        self._by_column: Vector = np.full(len(self._columns), NOTHING)

    def look(self, increments: Counts | Sequence[Counts], now: float) -> Alarm | None:
        """Take in what was counted since the last look. Fewer than `check_rows` new rows wait for more.

        Args:
            increments: new rows by bin: an integer array for each column of the profile, or all of them in one flat
                array, column after column.
            now: Unix time in seconds. A clock that says nothing sensible stands still; one that jumps back was ahead.

        Returns:
            The alarm, if it has begun to ring or has cleared.

        Raises:
            BadIncrements: an array has another shape or type, or a negative number; nothing was taken.
        """
        grown = self._layout.checked(increments)
        now = self._clock(now)
        self._waiting = self._waiting + grown
        started = now if self._looked_at is None else self._looked_at
        waiting = self._layout.rows(self._waiting)
        if waiting < self._contract.check_rows:
            self._looked_at = started if waiting else now  # in a quiet hour nothing begins
            return None
        grown, self._waiting = self._waiting, np.zeros_like(self._waiting)
        self._looks += 1
        self._looked_at = now
        self._restarts.add(grown, self._looks, started)
        self._dispersion.add(self._evidence.parts(grown))
        return self._judge(grown, now)

    @property
    def ringing(self) -> Alarm | None:
        """The alarm that rings, with figures as of the last look."""
        return self._alarm

    @property
    def evidence(self) -> float:
        """log10 of the statistic, at least 0. While the alarm rings, of what is left of its reason."""
        left = max((moved.held for moved in self._moved.values()), default=NOTHING)
        return max(0.0, left, self._statistic) / math.log(10)

    @property
    def line(self) -> float:
        """log10 of the threshold."""
        return self._line / math.log(10)

    @property
    def feature_line(self) -> float:
        """log10 of the evidence with which one column alone makes the alarm ring."""
        return self.line + math.log10(len(self._columns))

    @property
    def feature_evidence(self) -> dict[str, float]:
        """log10 of the evidence of each column, at least 0; while the alarm rings, of what is left of its reason."""
        held = [self._moved[i].held if i in self._moved else NOTHING for i in range(len(self._columns))]
        logs = np.maximum(np.maximum(self._by_column, held), 0.0) / math.log(10)
        return {column.name: float(log) for column, log in zip(self._columns, logs, strict=True)}

    @property
    def ignored(self) -> dict[str, float]:
        """The movement of each column that is no news, as a share of the rows."""
        return {
            column.name: reference.ignored for column, reference in zip(self._columns, self._references, strict=True)
        }

    def to_json(self) -> str:
        """All state."""
        return _State(
            version=self._version,
            profile=self._layout.fingerprint(),
            at=self._at,
            looks=self._looks,
            looked_at=self._looked_at,
            waiting=self._waiting.tolist(),
            restarts=self._restarts.save(),
            forgotten=self._forgotten.tolist(),
            moved=[moved.save() for moved in self._moved.values()],
            alarm=self._alarm,
            dispersion=self._dispersion.save(),
        ).model_dump_json()

    def restore(self, saved: str | bytes) -> None:
        """Go on from saved state, exactly. The contract may be another one than then.

        Raises:
            StateRefused: it is damaged, or of another version or profile; the monitor stays as it was.
        """
        try:
            state = _State.model_validate_json(saved)
        except ValidationError as error:
            raise StateRefused(
                f"saved drift state cannot be read ({error.error_count()} errors); begin anew"
            ) from error
        self._refuse_foreign(state)
        restarts, dispersion = Restarts(self._layout.bins), Dispersion(self._evidence.scores)
        try:
            restarts.restore(state.restarts)
            if state.dispersion is not None:
                dispersion.restore(state.dispersion)
            moved = {one.column: MovedColumn.restore(one, self._evidence) for one in state.moved}
        except ValueError as error:
            raise StateRefused(f"saved drift state is damaged: {error}; begin anew") from error
        self._at, self._looks, self._looked_at = state.at, state.looks, state.looked_at
        self._waiting, self._forgotten = np.array(state.waiting, np.int64), np.array(state.forgotten, np.int64)
        self._restarts, self._dispersion, self._moved, self._alarm = restarts, dispersion, moved, state.alarm
        self._by_column = self._sums(self._logs()) if len(restarts.looks) else np.full(len(self._columns), NOTHING)

    @property
    def _statistic(self) -> float:
        """Natural logarithm of the mean over the columns."""
        return float(log_sum(self._by_column)) - math.log(len(self._columns))

    def _logs(self) -> Vector:
        """Natural logarithm of the e-values, shape (columns, restarts); nothing for moments that count no more."""
        logs = self._evidence.of(self._restarts.counts, self._dispersion.factors)
        return np.where(self._restarts.looks > self._forgotten[:, None], logs, NOTHING)

    @staticmethod
    def _sums(logs: Vector) -> Vector:
        return np.maximum(log_sum(logs), NOTHING)

    def _judge(self, grown: Counts, now: float) -> Alarm | None:
        logs = self._logs()
        self._by_column = self._sums(logs)
        if self._alarm is None:
            return self._ring(logs, now) if self._statistic >= self._line else None
        self._fade(grown)
        if self._statistic >= self._line:  # it has moved further, or something else has
            self._name(logs)
        self._tell()
        if self._moved or self._statistic > self._line / 2:
            return None
        now, over = max(now, self._alarm.rang_at), self._alarm
        self._alarm = None
        return over.model_copy(update={"state": "cleared", "cleared_at": now, "text": cleared_text(over.text, now)})

    def _ring(self, logs: Vector, now: float) -> Alarm:
        clearest = int(self._by_column.argmax())
        began = int(logs[clearest].argmax())  # the first of equals: the oldest
        self._alarm = Alarm(
            version=self._version,
            monitor="drift",
            state="ringing",
            rang_at=now,
            since=float(self._restarts.started[began]),
            rows=self._layout.rows(self._restarts.counts[began]),
            text="",
        )
        self._name(logs)
        return self._tell()

    def _name(self, logs: Vector) -> None:
        """Name every column whose evidence reaches the line by itself, and forget what led to it."""
        for i in np.flatnonzero(self._by_column >= self._line).tolist():
            counts = self._layout.of_column(self._restarts.counts[int(logs[i].argmax())], i)
            part = self._evidence.clearest_part(i, counts, self._dispersion.factors)
            self._moved[i] = MovedColumn(i, counts, float(self._by_column[i]), _HELD * self._line, self._evidence, part)
            self._forget(i)

    def _forget(self, column: int) -> None:
        self._forgotten[column] = self._looks
        self._by_column[column] = NOTHING

    def _fade(self, grown: Counts) -> None:
        """Ask the new rows whether each moved column is still where it was when it was named."""
        assert self._alarm is not None
        self._alarm = self._alarm.model_copy(update={"rows": self._alarm.rows + self._layout.rows(grown)})
        factors = self._dispersion.factors
        for i, moved in self._moved.items():
            if moved.add(self._layout.of_column(grown, i), factors):
                self._forget(i)

    def _tell(self) -> Alarm:
        """The alarm with figures up to now."""
        assert self._alarm is not None
        self._moved = {i: moved for i, moved in self._moved.items() if moved.held > 0}
        if self._moved:
            clearest = sorted(self._moved.values(), key=lambda moved: -moved.evidence)
            features = [self._described(moved) for moved in clearest]
            text = ringing_text(features, self._alarm.rows, self._alarm.since)
            self._alarm = self._alarm.model_copy(update={"features": features, "text": text})
        return self._alarm

    def _described(self, moved: MovedColumn) -> MovedFeature:
        column = self._columns[moved.column]
        bins = moved_bins(column.labels, self._references[moved.column].shares, moved.counts)
        return MovedFeature(name=column.name, evidence=moved.evidence / math.log(10), bins=bins)

    def _clock(self, now: float) -> float:
        if not (math.isfinite(now) and 0 <= now <= LATEST):
            now = self._at or 0.0
        if self._at is not None and now < self._at:
            self._restarts.not_after(now)
            self._looked_at = now
        self._at = now
        return now

    def _refuse_foreign(self, state: _State) -> None:
        if state.version != self._version:
            raise StateRefused(f"saved drift state is of version {state.version!r}, not of {self._version!r}")
        if state.profile != self._layout.fingerprint():
            raise StateRefused(
                f"saved drift state of version {self._version!r} was counted in the bins of another profile; begin anew"
            )
        if len(state.waiting) != self._layout.bins or min(state.waiting) < 0:
            raise StateRefused("saved drift state is damaged: waiting rows do not fit the bins; begin anew")
        if len(state.forgotten) != len(self._columns):
            raise StateRefused("saved drift state is damaged: columns are missing; begin anew")

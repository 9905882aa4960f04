"""A column that made the alarm ring: is it still where it was then?

New rows are asked by a sequential ratio of likelihoods: shares as the drifted rows had them, against the nearest ones
that may be ignored. Evidence is held at its start, so that what lasted for a month does not need a month to be
forgotten; when it has fallen to 1, as much speaks against the drift as had to speak for it. So the alarm does not
flutter, and clears about as fast as it rang.

If it turns out meanwhile that rows come in runs of one kind (dispersion.py), those that it was named by are counted
anew: where so few do not speak for a drift, there was none to see.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from monitoring.column_evidence import ColumnEvidence
from monitoring.evidence import nearest_shares

Counts = npt.NDArray[np.int64]
Vector = npt.NDArray[np.float64]

_NEAREST = 0.8
"""What may be ignored counts here up to this part of the drift, so that the two sides always differ."""


class MovedColumnState(BaseModel):
    """A moved column as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    column: int = Field(ge=0)
    part: int = Field(ge=0)
    counts: list[int]
    quiet: list[int]
    evidence: float
    most: float
    held: float


class MovedColumn:
    """One column that moved.

    Args:
        column: its number.
        counts: rows since its change began, by bin, shape (k,).
        evidence: natural logarithm, when it was named.
        most: where what is left of it is held.
        model: computes the shares of drifted rows, and knows the parts of columns.
        part: which of them moved.
    """

    def __init__(
        self, column: int, counts: Counts, evidence: float, most: float, model: ColumnEvidence, part: int
    ) -> None:
        self.column, self.counts, self.evidence = column, counts.copy(), evidence
        self.held = self._most = most
        self._quiet: Counts = np.zeros_like(self.counts)  # rows since it was last held
        self._model, self._part = model, part
        self._fit()

    def _fit(self) -> None:
        reference = self._model.references[self._part]
        drifted = self._model.drifted(self._part, self._model.of_part(self._part, self.counts))
        distance = 0.5 * float(np.abs(drifted - reference.shares).sum())
        ignored = np.array(min(reference.ignored, _NEAREST * distance))
        self._ratios = np.log(drifted / nearest_shares(reference.shares, drifted, ignored))

    def add(self, grown: Counts, factors: Vector) -> bool:
        """Ask new rows.

        Args:
            grown: by bin, shape (k,).
            factors: how many of them count as one, of each part.

        Returns:
            Whether the drift goes on in full strength.
        """
        factor = float(factors[self._part])
        speaks = float(self._model.of_part(self._part, grown) @ self._ratios) / factor
        self.held = min(max(self.held + speaks, 0.0), self._most)
        if factor > 1 and self._model.alone(self._part, self._model.of_part(self._part, self.counts) / factor) <= 0:
            self.held = 0.0
        self._quiet = self._quiet + grown
        if self.held < self._most:
            return False
        self.counts, self._quiet = self.counts + self._quiet, np.zeros_like(self._quiet)
        self._fit()
        return True

    def save(self) -> MovedColumnState:
        """All state."""
        return MovedColumnState(
            column=self.column,
            part=self._part,
            counts=self.counts.tolist(),
            quiet=self._quiet.tolist(),
            evidence=self.evidence,
            most=self._most,
            held=self.held,
        )

    @classmethod
    def restore(cls, state: MovedColumnState, model: ColumnEvidence) -> MovedColumn:
        """From saved state.

        Raises:
            ValueError: it does not fit the columns.
        """
        columns = len(model.references) // 2
        if state.column >= columns or state.part not in (state.column, columns + state.column):
            raise ValueError("a moved column is not of this profile")
        bins = len(model.references[state.column].shares)
        for counts in (state.counts, state.quiet):
            if len(counts) != bins or min(counts) < 0:
                raise ValueError("a moved column does not fit its bins")
        moved = cls(state.column, np.array(state.counts, np.int64), state.evidence, state.most, model, state.part)
        moved.held, moved._quiet = state.held, np.array(state.quiet, np.int64)
        return moved

"""Which rows are logged."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

_GAPS_AT_ONCE = 1024
_NEVER = 1 << 62


class Sampler:
    """Chooses each row with the same chance, independently. One thread at a time may use it.

    It draws the distance to the next chosen row, which is geometric, so that rows in between cost nothing.

    Args:
        share: the chance, 0 to 1.
        seed: makes the choice repeatable; None: by chance.
    """

    def __init__(self, share: float, seed: int | None = None) -> None:
        self._share, self._random = share, np.random.default_rng(seed)
        self._gaps: list[int] = []
        self._passing = self._next_gap() - 1  # rows that pass before the next is chosen

    def choose(self, rows: int, always: Collection[int]) -> Sequence[int]:
        """The chosen ones of the next rows, ascending.

        Args:
            rows: how many came.
            always: rows that are chosen in any case, of 0 to rows - 1.
        """
        if self._share == 1.0:
            return range(rows)
        chosen, place = [], self._passing
        while place < rows:
            chosen.append(place)
            place += self._next_gap()
        self._passing = place - rows
        return sorted({*chosen, *always}) if always else chosen

    def _next_gap(self) -> int:
        if not self._share:
            return _NEVER
        if not self._gaps:
            self._gaps = self._random.geometric(self._share, _GAPS_AT_ONCE).tolist()
        return self._gaps.pop()

"""Rows are joined before they are counted, however they lie in memory."""

from __future__ import annotations

import numpy as np
import pytest

from preprocessors.encoding import Matrix
from serving.counting import rows_of

ROWS = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize(
    "matrices",
    [
        [ROWS],
        [ROWS[:1], ROWS[1:]],
        [ROWS[:2], ROWS[2:2], ROWS[2:]],
        [np.asfortranarray(ROWS)],
        [ROWS[:2], np.asfortranarray(ROWS[2:])],
        [np.asfortranarray(ROWS[:3]), ROWS[3:]],
        [ROWS[:2], np.repeat(ROWS[2:], 2, axis=0)[::2]],
        [np.hstack([ROWS, ROWS])[:2, :3], ROWS[2:]],
    ],
    ids=[
        "one",
        "two",
        "none between",
        "one by columns",
        "by columns last",
        "by columns first",
        "every other",
        "part of wider ones",
    ],
)
def test_rows_come_in_their_order_however_they_lie_in_memory(matrices: list[Matrix]) -> None:
    np.testing.assert_array_equal(rows_of(matrices), ROWS)


def test_no_rows_are_none() -> None:
    assert rows_of([ROWS[:0], ROWS[:0]]).shape == (0, 3)

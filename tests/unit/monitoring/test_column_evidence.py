"""A column's evidence: all of its bins, and what is absent by itself."""

from __future__ import annotations

import numpy as np
import pytest

from monitoring.column_evidence import ColumnEvidence
from monitoring.evidence import Evidence, Reference
from monitoring.profile import ColumnProfile

TEN = ColumnProfile(name="number", kind="number", labels=[str(i) for i in range(11)], counts=[2000] * 10 + [0])
MOVING = TEN.model_copy(update={"movement": 0.2})
LEVELS = ColumnProfile(
    name="category", kind="category", labels=["a", "b", "other", "never_seen", "missing"], counts=[9000, 1000, 0, 0, 0]
)
COLUMNS = [TEN, MOVING, LEVELS]
WITH_MISSING = np.array([95] * 10 + [50])


def test_the_evidence_is_the_weighted_mean_of_both_parts() -> None:
    found = ColumnEvidence(COLUMNS, 0.02).of(
        np.concatenate([WITH_MISSING, WITH_MISSING, [800, 100, 0, 60, 40]])[None], np.ones(6)
    )
    for i, (column, counts) in enumerate(
        ((TEN, WITH_MISSING), (MOVING, WITH_MISSING), (LEVELS, np.array([800, 100, 0, 60, 40])))
    ):
        whole = Evidence([Reference.of(column, 0.02)]).of(counts[None])[0, 0]
        absent = np.append(counts[: -column.absent].sum(), counts[-column.absent :])
        alone = Evidence([Reference.of_absence(column, 0.02)]).of(absent[None])[0, 0]
        assert found[i, 0] == pytest.approx(np.logaddexp(whole + np.log(0.8), alone + np.log(0.2)))


def test_missing_values_of_a_column_that_moves_are_evidence() -> None:
    found = ColumnEvidence([MOVING], 0.02).of(WITH_MISSING[None], np.ones(2))
    assert found[0, 0] > 5
    assert Evidence([Reference.of(MOVING, 0.02)]).of(WITH_MISSING[None])[0, 0] < 0


def test_missing_values_that_came_and_went_in_the_reference_are_not() -> None:
    moving = MOVING.model_copy(update={"absent_movement": 0.06})
    assert ColumnEvidence([moving], 0.02).of(WITH_MISSING[None], np.ones(2))[0, 0] < 0


def test_the_part_that_speaks_more_clearly_is_told_with_its_counts() -> None:
    evidence = ColumnEvidence([MOVING, LEVELS], 0.02)
    absence = evidence.clearest_part(0, WITH_MISSING, np.ones(4))
    assert absence == 2
    assert evidence.of_part(absence, WITH_MISSING).tolist() == [950, 50]
    assert evidence.drifted(absence, np.array([950, 50])) == pytest.approx([0.95, 0.05], abs=0.02)
    shifted = np.array([0, 0, 0, 0, 0, 0, 0, 400, 300, 300, 0])
    assert evidence.clearest_part(0, shifted, np.ones(4)) == 0
    assert evidence.of_part(0, shifted) is shifted
    unseen = np.array([850, 90, 0, 60, 0])
    assert evidence.of_part(3, unseen).tolist() == [940, 60, 0]

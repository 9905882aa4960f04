"""Where what happened is kept: the counts of the service and of each version, shared by the workers of a host."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from monitoring.bin_counter import BinCounter, labels_of
from monitoring.metrics import OTHER, Layout, Metrics
from monitoring.outcomes import Counts
from monitoring.profile import Profile
from monitoring.shared_counts import NoSlot, Slot, in_memory, open_counts
from monitoring.snapshot_builder import pair_edges
from preprocessors.encoding import Matrix
from registry.bundle import Description
from registry.errors import all_errors as all_refusals
from schemas.errors import NotFound, all_errors
from schemas.outcomes import RefusalReason

logger = logging.getLogger(__name__)

OK = "ok"
"""The code of a request that was answered."""


class VersionCounts:
    """The counts of one version.

    Args:
        described: what its bundle says.
        metrics: of its scope.
    """

    def __init__(self, described: Description, metrics: Metrics) -> None:
        self.described, self.metrics = described, metrics
        self._bins = BinCounter(described.profile)

    @property
    def profile(self) -> Profile:
        """The reference that its rows are counted against."""
        return self.described.profile

    def add_rows(self, matrix: Matrix, predictions: Matrix) -> None:
        """Count encoded rows (n, n_features) and their predictions (n,) into the bins of training."""
        self.metrics.add_all("feature_bin_total", self._bins.count(matrix, predictions))


class CountingRoom:
    """The folder that workers share, and what this one counts in it. Adding is for one thread; reading is for all.

    Args:
        folders: places for it, the best first; the first that can be written is taken.
        requests: paths and codes that requests can have.
    """

    def __init__(self, folders: Sequence[Path], requests: Sequence[tuple[str, str]]) -> None:
        self.folder, self.slot = _claim(folders)
        layout = Layout(
            "service",
            {
                "requests_total": [*dict.fromkeys(requests), (OTHER, NotFound.code), (OTHER, OTHER)],
                "errors_total.code": [*(error.code for error in all_errors()), OTHER],
                "refused_versions_total.reason": [*sorted({error.reason for error in all_refusals()}), OTHER],
                "outcomes_refused_total.reason": get_args(RefusalReason),
            },
        )
        self.service = self._open("service", layout)
        self.versions: dict[str, VersionCounts] = {}

    @property
    def shared(self) -> bool:
        """Whether other workers see what this one counts."""
        return self.folder is not None

    def of(self, described: Description) -> VersionCounts:
        """The counts of a version, which are made when first asked for."""
        found = self.versions.get(described.version)
        if found is None:
            found = VersionCounts(described, self._open(described.version, _layout(described)))
            self.versions = {**self.versions, described.version: found}  # replaced as a whole: readers take no lock
        return found

    def has_counted(self, described: Description) -> bool:
        """Whether some worker has ever counted anything of a version."""
        if described.version in self.versions:
            return True
        return self.folder is not None and _file(self.folder, described.version, _layout(described)).exists()

    def bins(self, version: str) -> Counts | None:
        """Rows by bin over all workers."""
        return self.versions[version].metrics.total("feature_bin_total") if version in self.versions else None

    def outcomes(self, version: str) -> Counts | None:
        """Outcomes over all workers."""
        return self.versions[version].metrics.total("outcome_counts") if version in self.versions else None

    def close(self) -> None:
        """Leave the slot to another worker."""
        self.slot.release()

    def _open(self, name: str, layout: Layout) -> Metrics:
        number = self.slot.number
        path = None if self.folder is None else _file(self.folder, name, layout)
        shared = in_memory(layout.size, number) if path is None else open_counts(path, layout.size, number)
        metrics = Metrics(layout, shared)
        metrics.begin()
        return metrics


def _layout(described: Description) -> Layout:
    features = dict.fromkeys([*described.manifest.features, *described.ranges.names, OTHER])
    return Layout(
        "version",
        {
            "feature_bin_total": labels_of(described.profile),
            "out_of_range_total.feature": list(features),
            "outcome_pairs.place": [str(place) for place in range((len(pair_edges(described.profile)) + 1) ** 2)],
        },
    )


def _file(folder: Path, name: str, layout: Layout) -> Path:
    return folder / f"counts-{name}-{layout.fingerprint}"


def _claim(folders: Sequence[Path]) -> tuple[Path | None, Slot]:
    for number, folder in enumerate(folders):
        try:
            slot = Slot.claim(folder)
        except (OSError, NoSlot) as error:
            logger.warning("the state folder cannot be used: %s", error)
        else:
            if number:
                logger.warning("the state of monitoring is kept in a temporary folder", extra={"folder": str(folder)})
            return folder, slot
    logger.error("no folder can be written: counts and evidence are of this worker alone, and alarms do not ring")
    return None, Slot(0, None)


def temporary_folder(model: str) -> Path:
    """A place that the workers of one service share: they have the same parent."""
    return Path(tempfile.gettempdir()) / f"plumbline-{model}-{os.getuid()}-{os.getppid()}"


def rows_of(matrices: Sequence[Matrix]) -> Matrix:
    """Rows of several requests as one matrix that is only read, in a quarter of the time that numpy takes for hundreds
    of single rows. All have the same width."""
    if len(matrices) == 1:
        return matrices[0]
    try:
        joined = np.frombuffer(b"".join(matrices))  # type: ignore[arg-type]
    except (BufferError, TypeError):  # one does not lie in memory row by row
        return np.concatenate(matrices)
    return joined.reshape(-1, matrices[0].shape[1])

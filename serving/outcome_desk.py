"""Where outcomes come in: any replica judges them by what their prediction ids say, and counts them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from monitoring.outcome_contract import OutcomeContract, Terms
from monitoring.outcomes import Counts, Judge, Judged
from monitoring.snapshot_builder import pair_edges
from registry.bundle import Description
from schemas.errors import NotReady, Unavailable
from schemas.outcomes import OutcomesRequest, OutcomesResponse, RefusalReason, RefusedOutcome
from serving.catalogue import Catalogue


def terms_of(described: Description, contract: OutcomeContract) -> Terms:
    """What outcomes of a version are held against."""
    manifest = described.manifest
    promised = manifest.interval.coverage if manifest.interval else None
    return Terms.of(manifest.target.link, manifest.outcomes, promised, contract)


class OutcomeDesk:
    """Judges what comes in. For one event loop.

    Args:
        catalogue: the versions whose predictions may be meant.
        contract: what outcomes are held against.
        clock: Unix time in seconds.
        counted: told, for each version, what to add to its counts and pairs.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        contract: OutcomeContract,
        clock: Callable[[], float],
        counted: Callable[[Description, Counts, Counts], None],
    ) -> None:
        self._catalogue, self._contract, self._clock, self._counted = catalogue, contract, clock, counted
        self._known: set[str] = set()
        self.judge: Judge | None = None
        self.refused: Counter[RefusalReason] = Counter()

    async def report(self, request: OutcomesRequest) -> OutcomesResponse:
        """Judge and count outcomes.

        Raises:
            NotReady: the service is starting.
            Unavailable: the store cannot be read for now; nothing was counted.
        """
        if self.judge is None:
            raise NotReady("The service is starting; try again.", headers={"Retry-After": "1"})
        pairs = [(one.prediction_id, one.actual) for one in request.outcomes]
        judged = await asyncio.to_thread(self._judged, self.judge, pairs)
        for version, counts in judged.counts.items():
            self._counted(self._catalogue.versions[version], counts, judged.pairs[version])
        self.refused.update(one.reason for one in judged.refused)
        refused = [RefusedOutcome(index=one.index, reason=one.reason, message=one.message) for one in judged.refused]
        return OutcomesResponse(accepted=judged.accepted, refused=refused)

    def _judged(self, judge: Judge, pairs: Sequence[tuple[str, float]]) -> Judged:
        try:
            described_versions = self._catalogue.refresh()
        except OSError as error:  # calling them foreign would be final
            raise Unavailable("The model store cannot be read; try again.", headers={"Retry-After": "5"}) from error
        for version, described in described_versions.items():
            if version not in self._known:
                judge.know(version, terms_of(described, self._contract), pair_edges(described.profile))
                self._known.add(version)
        return judge.judge(pairs, self._clock())

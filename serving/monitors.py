"""Puts the monitors together: counting in every worker, looking at the evidence in one, outcomes, and what is shown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from monitoring import seen_ids
from monitoring.contract import Contract
from monitoring.exposition import Everything, Exposition, VersionMetrics
from monitoring.outcome_contract import OutcomeContract
from monitoring.outcomes import Judge
from monitoring.seen_ids import SeenIds
from monitoring.signing_key import signing_keys
from monitoring.watch import Watch, read_evidence
from registry.bundle import Description, ModelDefinition
from registry.rollout import default_path
from serving.catalogue import Catalogue
from serving.clock import clock_of
from serving.counting import CountingRoom, temporary_folder
from serving.live_models import LiveModels
from serving.observer import Observer, Sums
from serving.outcome_desk import OutcomeDesk, terms_of
from serving.settings import Settings

logger = logging.getLogger(__name__)

SEARCH_SECONDS = 10.0
"""How often the store is searched for versions of which something was counted."""

MOST_VERSIONS = 50
"""So many versions are shown, the live ones first, then the newest."""

FOLDER = "monitoring"


class Monitors:
    """All that watches one model in one worker. Making it does no I/O; `start` does. For one event loop.

    Args:
        definition: which model.
        live: the versions that answer.
        settings: where things are kept, and the contract where it differs from that of the bundles.
        sums: gives what others have counted so far.
    """

    def __init__(
        self, definition: ModelDefinition, live: LiveModels, settings: Settings, sums: Callable[[], Sums]
    ) -> None:
        self._model, self._live, self._settings = definition.name, live, settings
        self._catalogue = Catalogue(definition)
        self._outcome_contract = outcome_contract(settings)
        self.clock = clock_of(settings.clock_file)
        self.observer = Observer(live, self.clock, sums)
        self.desk = OutcomeDesk(self._catalogue, self._outcome_contract, self.clock, self.observer.outcomes)
        self.exposition = Exposition(self.everything)
        self._room: CountingRoom | None = None
        self._watch: Watch | None = None
        self._task: asyncio.Task[None] | None = None
        self._searched_at: float | None = None

    def start(self, requests: Sequence[tuple[str, str]]) -> bytes:
        """Begin; `requests` are the paths and codes that can occur. Call it inside the running event loop.

        Returns:
            The key that signs prediction ids.

        Raises:
            SigningKeyRefused: it is too short, or others could read it.
        """
        home = state_folder(self._settings, self._model)
        room = self._room = CountingRoom([home / FOLDER, temporary_folder(self._model)], requests)
        configured = self._settings.prediction_id_key
        keys = signing_keys(configured.get_secret_value() if configured else None, home)
        folder = room.folder or temporary_folder(self._model)
        age = self._settings.outcome_max_age_days * 86_400
        self.desk.judge = Judge(keys, self._model, SeenIds(folder / seen_ids.FILE), age)
        self.observer.start(room)
        if room.folder is not None:
            self._watch = Watch(room.folder, room, self.clock)
            self._task = asyncio.create_task(self._look_on(self._watch, room), name="watch")
        return keys[0]

    async def stop(self) -> None:
        """Count the rest, save what is known, and leave the rest to others."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.observer.stop()
        if self._watch is not None:
            await asyncio.to_thread(self._watch.close)
        if self._room is not None:
            self._room.close()

    async def metrics(self) -> bytes:
        """What Prometheus scrapes."""
        self.observer.count()
        return await asyncio.to_thread(self.exposition.text)

    def everything(self) -> Everything:
        """All that is known now. Reads files: call it in a thread."""
        room, live = self._room, self._live.versions
        assert room is not None
        names = sorted(room.versions, key=lambda name: (name in live, name), reverse=True)[:MOST_VERSIONS]
        found = [
            VersionMetrics(
                name,
                room.versions[name].metrics,
                room.versions[name].profile,
                read_evidence(room.folder, name) if room.folder else None,
            )
            for name in names
        ]
        return Everything(self._model, self.clock(), room.service, found)

    async def _look_on(self, watch: Watch, room: CountingRoom) -> None:
        while True:
            await asyncio.sleep(self._settings.watch_seconds)
            try:
                await asyncio.to_thread(self._look, watch, room)
            except Exception:  # a defect in one monitor must end neither the others nor the service
                logger.exception("looking at the evidence failed")

    def _look(self, watch: Watch, room: CountingRoom) -> None:
        watched = self._watched(room)
        if not watch.lead():
            return
        contract = self._outcome_contract
        for each in watched:
            terms = terms_of(each, contract)
            watch.know(each.version, each.profile, drift_contract(each, self._settings), terms, contract.threshold)
        watch.look()

    def _watched(self, room: CountingRoom) -> list[Description]:
        """The live versions, and those that some worker has counted anything of."""
        now = self.clock()
        if self._searched_at is None or not 0 <= now - self._searched_at < SEARCH_SECONDS:
            self._searched_at = now
            for described in self._catalogue.refresh().values():
                if room.has_counted(described):
                    room.of(described)
        for version in self._live.versions.values():
            room.of(version.bundle)
        return [counts.described for counts in room.versions.values()]


def drift_contract(described: Description, settings: Settings) -> Contract:
    """The drift contract of a version: its bundle's, but for what the settings say."""
    given = {name: getattr(settings, name) for name in ("false_alarm_days", "ignore_below", "rows_per_day")}
    return described.manifest.contract.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )


def outcome_contract(settings: Settings) -> OutcomeContract:
    """The contract of the outcome alarms."""
    given = {name: getattr(settings, name) for name in ("false_alarm_days", "ignore_below", "outcomes_per_day")}
    return OutcomeContract(**{name: value for name, value in given.items() if value is not None})


def state_folder(settings: Settings, model: str) -> Path:
    """Where the workers of a host share what they know of a model."""
    return settings.state_folder or default_path(model).parent

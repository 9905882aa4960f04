"""Puts the monitors together: counting in every worker, looking at the evidence in one, outcomes, and what is shown."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from monitoring import seen_ids
from monitoring.contract import Contract
from monitoring.dashboard import Dashboard
from monitoring.exposition import Everything, Exposition, VersionMetrics
from monitoring.log_options import log_options
from monitoring.outcome_contract import OutcomeContract
from monitoring.outcomes import Judge
from monitoring.prediction_log import PredictionLog, open_prediction_log
from monitoring.seen_ids import SeenIds
from monitoring.signing_key import SigningKeyRefused, signing_keys
from monitoring.snapshot import Snapshot
from monitoring.watch import Watch, read_alarms, read_evidence
from registry.bundle import Description, ModelDefinition
from registry.rollout import default_path
from schemas.errors import NotReady
from serving.catalogue import Catalogue
from serving.clock import clock_of
from serving.counting import CountingRoom, temporary_folder
from serving.dashboard_data import DashboardData
from serving.live_models import LiveModels
from serving.observer import Observer, Sums
from serving.outcome_desk import OutcomeDesk, terms_of
from serving.secret_lists import parts, secret_parts
from serving.settings import Settings

logger = logging.getLogger(__name__)

SEARCH_SECONDS = 10.0
"""How often the store is searched for versions of which something was counted."""

MOST_VERSIONS = 50
"""So many versions are shown, the live ones first, then the newest."""

FOLDER, LOG = "monitoring", "predictions"

Got = TypeVar("Got")


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
        self._definition, self._model, self._live, self._settings = definition, definition.name, live, settings
        self._catalogue = Catalogue(definition, secret_parts(settings.bundle_keys))
        self._outcome_contract = outcome_contract(settings)
        self.clock = clock_of(settings.clock_file)
        self.signing_key = secrets.token_bytes(32)  # of this process, until `start` finds the one that all share
        self.log: PredictionLog | None = None
        self.observer = Observer(live, self.clock, lambda: {**sums(), **self._sums()})
        self.desk = OutcomeDesk(self._catalogue, self._outcome_contract, self.clock, self.observer.outcomes)
        self._data = DashboardData(definition, live, self._outcome_contract)
        self._pages: Dashboard | None = None
        self.exposition = Exposition(self.everything)
        self._room: CountingRoom | None = None
        self._reading = threading.Lock()  # the data keep a history
        self._watch: Watch | None = None
        self._task: asyncio.Task[None] | None = None
        self._searched_at: float | None = None

    def start(self, requests: Sequence[tuple[str, str]]) -> None:
        """Begin; `requests` are the paths and codes that can occur. Call it inside the running event loop."""
        home = state_folder(self._settings, self._model)
        room = self._room = CountingRoom([home / FOLDER, temporary_folder(self._model)], requests)
        keys = self._keys(home)
        self.signing_key = keys[0]
        folder = room.folder or temporary_folder(self._model)
        age = self._settings.outcome_max_age_days * 86_400
        self.desk.judge = Judge(keys, self._model, SeenIds(folder / seen_ids.FILE), age)
        self.log = open_log(self._definition, self._settings, home)
        self.observer.start(room, self.log)
        if room.folder is not None:
            self._watch = Watch(room.folder, room, self.clock)
        self._task = asyncio.create_task(self._look_on(room), name="watch")

    def _keys(self, home: Path) -> list[bytes]:
        configured = self._settings.prediction_id_key
        try:
            return signing_keys(configured.get_secret_value() if configured else None, home)
        except SigningKeyRefused as error:  # predictions go on; outcomes of other workers are refused as forged
            logger.error("%s. Until then each worker signs with a key of its own", error)
            return [self.signing_key]

    async def stop(self) -> None:
        """Count the rest, save what is known, and leave the rest to others."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.observer.stop()
        if self.log is not None:
            await asyncio.to_thread(self.log.close)
        if self._watch is not None:
            await asyncio.to_thread(self._watch.close)
        if self._room is not None:
            self._room.close()

    async def metrics(self) -> bytes:
        """What Prometheus scrapes."""
        self.observer.count()
        return await self._in_thread(self.exposition.text)

    async def snapshot(self) -> Snapshot:
        """What the dashboard shows."""
        self.observer.count()
        return await self._in_thread(self._snapshot)

    async def pages(self) -> Dashboard:
        """The dashboard's files, read when somebody first asks for one."""
        if self._pages is None:
            self._pages = await asyncio.to_thread(Dashboard)
        return self._pages

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
                read_evidence(room.folder, name) if room.folder and name in live else None,
            )
            for name in names
        ]
        return Everything(self._model, self.clock(), room.service, found)

    async def _in_thread(self, work: Callable[[], Got]) -> Got:
        if self._room is None:
            raise NotReady("The service is starting; try again.", headers={"Retry-After": "1"})
        return await asyncio.to_thread(work)

    def _snapshot(self) -> Snapshot:
        room = self._room
        assert room is not None
        with self._reading:
            return self._data.snapshot(self.everything(), read_alarms(room.folder) if room.folder else [])

    def _sums(self) -> Sums:
        found: dict[tuple[str, ...], int] = {}
        for reason, number in self.desk.refused.items():
            found["outcomes_refused_total", reason] = number
        for result, number in asdict(self.log.counts).items() if self.log else ():
            found["prediction_log_total", result] = number
        return found

    async def _look_on(self, room: CountingRoom) -> None:
        while True:
            await asyncio.sleep(self._settings.watch_seconds)
            try:
                await asyncio.to_thread(self._look, room)
            except Exception:  # a defect in one monitor must end neither the others nor the service
                logger.exception("looking at the evidence failed")

    def _look(self, room: CountingRoom) -> None:
        self._search(room)
        watch, live = self._watch, self._live.versions
        if self._data.is_due(self.clock()):
            with self._reading:
                self._data.remember(self.everything())
        if watch is None or not live or not watch.lead():
            return
        contract = self._outcome_contract
        for version in live.values():
            each = version.bundle
            terms = terms_of(each, contract)
            watch.know(each.version, each.profile, drift_contract(each, self._settings), terms, contract.threshold)
        watch.look(live.keys())

    def _search(self, room: CountingRoom) -> None:
        """Open the counts of the live versions, and of those that some worker has counted anything of."""
        now = self.clock()
        if self._searched_at is None or not 0 <= now - self._searched_at < SEARCH_SECONDS:
            self._searched_at = now
            for described in self._catalogue.refresh().values():
                if room.has_counted(described):
                    room.of(described)
        for version in self._live.versions.values():
            room.of(version.bundle)


def open_log(definition: ModelDefinition, settings: Settings, home: Path) -> PredictionLog | None:
    """The prediction log of this worker; None if it is off."""
    if not settings.prediction_log:
        return None
    return open_prediction_log(definition.name, definition.rows.columns(), log_settings(settings, home))


def log_settings(settings: Settings, home: Path) -> dict[str, Any]:
    """The settings of the prediction log, as it calls them."""
    return {
        "directory": home / LOG,
        "sampling": settings.prediction_log,
        "personal_fields": tuple(parts(settings.personal_fields)),
        "personal": settings.personal,
        "hash_key": settings.personal_hash_key,
    }


def check_log_settings(definition: ModelDefinition, settings: Settings) -> None:
    """End the start if the log would leave out the wrong fields.

    Raises:
        SystemExit: a personal field is misspelt, or there is no key to hash it with; the message says which.
    """
    try:
        log_options(definition.name, definition.rows.names(), log_settings(settings, Path()))
    except ValueError as error:
        raise SystemExit(f"{error} See PLUMBLINE_PERSONAL_FIELDS in docs/settings.md.") from None


def drift_contract(described: Description, settings: Settings) -> Contract:
    """The drift contract of a version: its bundle's, but for what the settings say."""
    given = _given(settings, "false_alarm_days", "ignore_below", "rows_per_day")
    return described.manifest.contract.model_copy(update=given)


def outcome_contract(settings: Settings) -> OutcomeContract:
    """The contract of the outcome alarms."""
    return OutcomeContract(**_given(settings, "false_alarm_days", "ignore_below", "outcomes_per_day"))


def _given(settings: Settings, *names: str) -> dict[str, Any]:
    """Those of some settings that are set."""
    return {name: value for name in names if (value := getattr(settings, name)) is not None}


def state_folder(settings: Settings, model: str) -> Path:
    """Where the workers of a host share what they know of a model."""
    return settings.state_folder or default_path(model).parent

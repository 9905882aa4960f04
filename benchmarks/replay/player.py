"""Plays sales to a really served process, week by week, on a clock that the replay gives."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.replay.scenarios import BEGIN, CONTRACT, END, OUTCOMES_LATE, Scenario
from monitoring.alarms import Alarm
from monitoring.outcomes import OUTCOMES
from monitoring.watch import VersionEvidence, read_alarms, read_evidence
from tests.served import Served, serve
from training.dataset import Dataset

WEEK = timedelta(days=7)
TOKEN = "replay-of-four-years"  # noqa: S105  # of a server on loopback that lives for a minute
DEADLINE_SECONDS = 60
SETTINGS: dict[str, Any] = {
    "PLUMBLINE_ADMIN_TOKEN": TOKEN,
    "PLUMBLINE_CACHE_URL": "off",
    "PLUMBLINE_PREDICTION_LOG": "0",
    "PLUMBLINE_WATCH_SECONDS": "0.05",
    "PLUMBLINE_FALSE_ALARM_DAYS": str(CONTRACT.false_alarm_days),
    "PLUMBLINE_ROWS_PER_DAY": str(CONTRACT.rows_per_day),
    "PLUMBLINE_OUTCOMES_PER_DAY": str(CONTRACT.rows_per_day),
}


@dataclass
class Week:
    """What was known at the end of a week.

    Args:
        errors: signed relative errors of the week's sales, predicted / actual - 1, known 60 days later.
        evidence: by monitor, log10 of the evidence of the version that answered.
    """

    day: date
    version: str
    errors: list[float]
    evidence: dict[str, float]


@dataclass
class Played:
    """The result of one scenario."""

    scenario: Scenario
    versions: dict[str, str]
    weeks: list[Week] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    lines: dict[str, float] = field(default_factory=dict)
    predicted: int = 0
    accepted: int = 0


@dataclass(frozen=True)
class _Sale:
    day: date
    prediction_id: str
    version: str
    actual: float


def play(scenario: Scenario, home: Path, versions: dict[str, str], data: Dataset, folder: Path) -> Played:
    """Replay a scenario.

    Args:
        home: BENTOML_HOME with its versions.
        versions: which version begins on which day.
        data: the sales, in the order of their dates.
        folder: for the service's own files.
    """
    clock = folder / "clock"
    clock.write_text(str(_unix(BEGIN)))
    with serve(home, folder, PLUMBLINE_CLOCK_FILE=str(clock), **SETTINGS) as served:
        player = _Player(scenario, served, clock, versions)
        day = BEGIN
        while day < END + OUTCOMES_LATE:
            player.week(day, data)
            day += WEEK
        return player.finish()


class _Player:
    def __init__(self, scenario: Scenario, served: Served, clock: Path, versions: dict[str, str]) -> None:
        self.played = Played(scenario, versions)
        self._clock, self._served = clock, served
        self._client = httpx.Client(base_url=served.url, timeout=60)
        self._evidence = served.home / "plumbline" / "house_prices" / "monitoring"
        self._version = versions[min(versions)]
        self._rows: Counter[str] = Counter()
        self._truths: Counter[str] = Counter()
        self._late: list[_Sale] = []

    def week(self, day: date, data: Dataset) -> None:
        """Swap if it is time to, ask for the week's prices, tell the truths that have come, look at the evidence."""
        end = day + WEEK
        for begins, version in self.played.versions.items():
            if day <= date.fromisoformat(begins) < end and version != self._version:
                self._swap(version)
        self._set_clock(_unix(end))
        errors = self._ask(data.where((data.days >= day.toordinal()) & (data.days < min(end, END).toordinal())))
        due = [sale for sale in self._late if sale.day + OUTCOMES_LATE < end]
        self._late = [sale for sale in self._late if sale.day + OUTCOMES_LATE >= end]
        self._tell(due)
        evidence = self._looked_at(_unix(end))
        monitors = evidence.monitors if evidence else []
        self.played.lines |= {each.monitor: each.line for each in monitors}
        found = {each.monitor: each.evidence for each in monitors}
        self.played.weeks.append(Week(day, self._version, errors, {str(name): value for name, value in found.items()}))

    def finish(self) -> Played:
        """Everything that was seen."""
        self.played.alarms = read_alarms(self._evidence)
        self._client.close()
        return self.played

    def _ask(self, sales: Dataset) -> list[float]:
        if not len(sales):
            return []
        rows = [row.model_dump(mode="json") for row in sales.rows]
        answer = self._client.post("/predict_batch", json={"rows": rows})
        assert answer.status_code == 200, answer.text
        predictions = answer.json()["predictions"]
        for one, actual, day in zip(predictions, sales.target.tolist(), sales.days.tolist(), strict=True):
            assert one["version"] == self._version
            self._late.append(_Sale(date.fromordinal(day), one["prediction_id"], one["version"], actual))
        self._rows[self._version] += len(sales)
        self.played.predicted += len(sales)
        predicted = np.array([one["prediction"] for one in predictions])
        errors: list[float] = (predicted / sales.target - 1).tolist()
        return errors

    def _tell(self, sales: Sequence[_Sale]) -> None:
        if not sales:
            return
        body = {"outcomes": [{"prediction_id": sale.prediction_id, "actual": sale.actual} for sale in sales]}
        answer = self._client.post("/outcomes", json=body).json()
        refused = {one["index"] for one in answer["refused"]}
        self._truths.update(sale.version for number, sale in enumerate(sales) if number not in refused)
        self.played.accepted += answer["accepted"]

    def _swap(self, version: str) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        changed = self._client.put("/rollout", json={"stable": version}, headers=headers)
        assert changed.status_code == 200, changed.text
        self._until(lambda: self._serves(version), f"{version} did not begin to serve")
        self._version = version

    def _serves(self, version: str) -> bool:
        models: dict[str, Any] = self._client.get("/models").json()
        return any(one["version"] == version and one["variant"] == "stable" for one in models["versions"])

    def _looked_at(self, now: float) -> VersionEvidence | None:
        """Wait until the service has looked at all that was counted of the version that answers; what it knows of it.

        Versions that left are watched no more: what comes of them late is counted and rings nothing.
        """
        ticks = 0

        def complete() -> bool:
            nonlocal ticks
            ticks += 1
            self._set_clock(now + 3 * ticks)  # evidence is saved every few seconds, of this clock
            return self._complete(self._version)

        self._until(complete, "the evidence was not looked at")
        return read_evidence(self._evidence, self._version)

    def _complete(self, version: str) -> bool:
        found = read_evidence(self._evidence, version)
        if found is None:
            return False
        columns = len(found.features)
        totals: list[int] = json.loads(found.outcomes)["totals"]
        return sum(found.looked) == columns * self._rows[version] and totals[OUTCOMES] == self._truths[version]

    def _until(self, condition: Any, problem: str) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"{problem}:\n{self._served.log.read_text()[-3000:]}"
            time.sleep(0.02)  # between polls of another process

    def _set_clock(self, now: float) -> None:
        part = self._clock.with_suffix(".part")
        part.write_text(str(now))
        part.replace(self._clock)


def _unix(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()

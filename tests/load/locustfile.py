"""The users of the load test. Runs in locust's own Python, so it imports nothing of the service; `python -m tests.load`
starts it, with rows, versions and the answers to expect in a file.

Whatever is not exactly the right answer is a failure: another status, a value that is not its version's, an outcome
that is not accepted, a bad request that is not refused with its code.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import deque
from pathlib import Path
from typing import Any

from locust import FastHttpUser, between, constant_pacing, task

from tests.load.stages import Steps, seen  # noqa: F401  # locust looks for the stages here

MATERIAL = json.loads(Path(os.environ["LOAD_MATERIAL"]).read_text())
ROWS: list[dict[str, Any]] = MATERIAL["rows"]
EXPECTED: dict[str, list[float]] = MATERIAL["expected"]
"""By version, the prediction for each row."""
TRUE_TO = 1e-9
REPEATED = 10
"""The first rows come again and again."""
OUTCOME_SECONDS = 5.0
"""The truth arrives so much later than the prediction."""


def chosen() -> int:
    """A row that is seldom repeated."""
    return random.randrange(REPEATED, len(ROWS))


def wrong(number: int, answer: dict[str, Any]) -> str | None:
    """What is wrong with the answer for a row."""
    expected = EXPECTED[answer["version"]][number]
    if abs(answer["prediction"] / expected - 1) > TRUE_TO:
        return "an answer that is not its version's"
    interval = answer["interval"]
    return None if interval["low"] <= answer["prediction"] <= interval["high"] else "outside its interval"


class Client(FastHttpUser):
    """What all users can do."""

    abstract = True
    wait_time = between(0.1, 0.5)

    def ask(self, path: str, body: Any, name: str, check: Any) -> dict[str, Any] | None:
        """Ask for a 200; `check` says what is wrong with the answer, or None."""
        with self.client.post(path, json=body, name=name, catch_response=True) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
                return None
            answer: dict[str, Any] = response.json()
            problem = check(answer)
            if problem:
                response.failure(problem)
                return None
            response.success()
            return answer

    def price(self, number: int, name: str, **more: Any) -> dict[str, Any] | None:
        """The answer for one row."""
        body = {"features": ROWS[number], **more}
        return self.ask("/predict", body, name, lambda answer: wrong(number, answer))

    def refused(self, name: str, status: int, code: str, path: str, **request: Any) -> None:
        """Ask for what must be refused."""
        method = request.pop("method", "POST")
        with self.client.request(method, path, name=f"refused: {name}", catch_response=True, **request) as response:
            if response.status_code == status and response.json()["code"] == code:
                response.success()
            else:
                response.failure(f"status {response.status_code} instead of {status} {code}")


class Buyer(Client):
    """Asks for one price after another, some with a key that decides the variant."""

    weight = 10

    @task
    def one(self) -> None:
        """One row."""
        more = {"routing_key": f"customer {random.randrange(1_000)}"} if random.random() < 0.5 else {}
        self.price(chosen(), "predict", **more)


class Returner(Client):
    """Comes back to the same few houses."""

    weight = 4

    @task
    def again(self) -> None:
        """A row that others have asked for."""
        answer = self.price(random.randrange(REPEATED), "predict: repeated")
        if answer is not None:
            seen["repeated"] += 1
            seen["cached"] += answer["cached"]


class Chooser(Client):
    """Knows versions by name, the shadow too; now and then one that is not live."""

    weight = 2

    @task(9)
    def named(self) -> None:
        """One row by one version."""
        version = random.choice(list(EXPECTED))
        answer = self.price(chosen(), "predict: version named", version=version)
        assert answer is None or answer["version"] == version

    @task
    def unknown(self) -> None:
        """A version that is not live."""
        body = {"features": ROWS[0], "version": "20010101-000000000000"}
        self.refused("unknown version", 404, "unknown_version", "/predict", json=body)


class Analyst(Client):
    """Sends many rows, as rows or as columns."""

    weight = 1
    wait_time = between(1, 3)

    @task
    def rows(self) -> None:
        """Rows."""
        numbers = random.sample(range(len(ROWS)), min(len(ROWS), random.choice([50, 200, 400])))
        self._many(numbers, "bulk: rows", {"rows": [ROWS[number] for number in numbers]})

    @task
    def columns(self) -> None:
        """Columns."""
        numbers = random.sample(range(len(ROWS)), min(len(ROWS), random.choice([50, 200, 400])))
        columns = {name: [ROWS[number][name] for number in numbers] for name in ROWS[0]}
        self._many(numbers, "bulk: columns", {"columns": columns})

    def _many(self, numbers: list[int], name: str, body: dict[str, Any]) -> None:
        def check(answer: dict[str, Any]) -> str | None:
            found = answer["predictions"]
            if len(found) != len(numbers):
                return "another number of answers"
            return next(filter(None, map(wrong, numbers, found)), None)

        self.ask("/predict_batch", body, name, check)


class Owner(Client):
    """Asks for prices, sells later, and says for how much."""

    weight = 3

    def on_start(self) -> None:
        """Nothing predicted yet."""
        self.waiting: deque[tuple[float, str, float]] = deque()
        self.told: list[dict[str, Any]] = []

    @task(10)
    def predict(self) -> None:
        """A price to remember."""
        answer = self.price(chosen(), "predict")
        if answer is not None:
            actual = answer["prediction"] * random.uniform(0.9, 1.1)
            self.waiting.append((time.monotonic(), answer["prediction_id"], actual))

    @task(3)
    def sell(self) -> None:
        """The truth about what was predicted some seconds ago."""
        due = []
        while self.waiting and time.monotonic() - self.waiting[0][0] > OUTCOME_SECONDS:
            _, name, actual = self.waiting.popleft()
            due.append({"prediction_id": name, "actual": actual})
        if due and self._report(due, "outcomes", accepted=len(due)):
            self.told = due

    @task(1)
    def repeat(self) -> None:
        """The same truth again: nothing of it is counted twice."""
        if self.told:
            self._report(self.told, "outcomes: repeated", accepted=0)

    def _report(self, outcomes: list[dict[str, Any]], name: str, accepted: int) -> bool:
        def check(answer: dict[str, Any]) -> str | None:
            reasons = sorted({refused["reason"] for refused in answer["refused"]} - {"duplicate"})
            right = answer["accepted"] == accepted and not reasons
            return None if right else f"{answer['accepted']} accepted instead of {accepted}; {reasons}"

        return self.ask("/outcomes", {"outcomes": outcomes}, name, check) is not None


JSON = {"Content-Type": "application/json"}


class Careless(Client):
    """Makes mistakes."""

    weight = 2

    @task
    def mistake(self) -> None:
        """One of the usual ones."""
        features = dict(ROWS[chosen()])
        mistakes: list[tuple[str, int, str, str, dict[str, Any]]] = [
            ("a wrong value", 422, "validation", "/predict", {"json": {"features": {**features, "bedrooms": -1}}}),
            ("an unknown field", 422, "validation", "/predict", {"json": {"features": {**features, "x": 1}}}),
            ("no features", 422, "validation", "/predict", {"json": {}}),
            ("no rows", 422, "validation", "/predict_batch", {"json": {"rows": []}}),
            ("half a body", 400, "malformed_json", "/predict", {"data": b'{"features": {', "headers": JSON}),
            ("text", 415, "unsupported_media_type", "/predict", {"data": b"x", "headers": {"Content-Type": "a/b"}}),
            ("another method", 405, "method_not_allowed", "/predict", {"method": "GET"}),
            ("another path", 404, "not_found", f"/wp-login.php?{random.random()}", {"method": "GET"}),
        ]
        name, status, code, path, request = random.choice(mistakes)
        self.refused(name, status, code, path, **request)


class Watcher(Client):
    """Prometheus, a load balancer and somebody before the dashboard."""

    fixed_count = 1
    wait_time = constant_pacing(1)

    @task
    def look(self) -> None:
        """All of it."""
        for path in ("/readyz", "/metrics", "/models", "/dashboard"):
            self.client.get(path, name=f"watching: {path}")

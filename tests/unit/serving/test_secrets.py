"""No secret and no personal value is ever shown: not in logs, metrics, answers, documents or the prediction log."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry import store
from serving.settings import PREFIX, SECRETS
from tests.conftest import EXAMPLE
from tests.inprocess import InProcess, in_process
from tests.unit.serving.test_front_door import REFUSED, SECRET

PLANTED = {name: f"Planted-{number}-hunter2-{name}-0123456789" for number, name in enumerate(SECRETS)}
VALUES = {**PLANTED, "cache_url": f"redis://user:{PLANTED['cache_url']}@127.0.0.1:1/0"}
TRIED = "Tried-hunter2-0123456789"
PATHS = ["/metrics", "/dashboard.json", "/dashboard", "/models", "/rollout", "/docs.json", "/docs", "/", "/schema.json"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings with every secret planted, and hashes of one personal field."""
    plain: dict[str, Any] = {f"{PREFIX}{name.upper()}": value for name, value in VALUES.items()}
    return {
        **plain,
        "PLUMBLINE_INSIDE": "token",
        "PLUMBLINE_LOG_LEVEL": "DEBUG",
        "PLUMBLINE_PREDICTION_LOG": "1",
        "PLUMBLINE_PERSONAL": "hash",
        "PLUMBLINE_PERSONAL_FIELDS": "latitude, area_code",
        "PLUMBLINE_STATE_FOLDER": str(tmp_path_factory.mktemp("state")),
    }


@pytest.fixture(scope="module")
def keeper(home: Path, settings: dict[str, Any], published: str) -> Iterator[InProcess]:
    """A service with all those secrets, with a signed version."""
    key = VALUES["bundle_keys"].encode()
    store.sign("house_prices", published, key)
    try:
        with in_process(**settings) as running:
            yield running
    finally:
        (Path(store.find("house_prices", published)[1]) / "signature.json").unlink()


def _ask(house: InProcess) -> list[str]:
    """All that the service answers, whole, to friends and to strangers."""
    friend, operator = VALUES["api_keys"], VALUES["admin_token"]
    answers = []
    for token in (friend, operator, TRIED):
        headers = {"Authorization": f"Bearer {token}"}
        answers += [house.request("GET", path, headers=headers) for path in PATHS]
        answers.append(house.request("POST", "/predict", json={"features": EXAMPLE}, headers=headers))
        answers.append(house.request("POST", "/outcomes", json={"outcomes": [{}]}, headers=headers))
        answers.append(house.request("PUT", "/rollout", json={"stable": "nothing"}, headers=headers))
        answers.append(house.request("POST", "/rollout/rollback", json={}, headers=headers))
    assert {200, 401, 422} <= {answer.status_code for answer in answers}
    return [f"{answer.headers} {answer.text}" for answer in answers]


def test_no_answer_and_no_line_of_the_log_holds_a_secret(keeper: InProcess) -> None:
    shown = [*_ask(keeper), json.dumps(keeper.log())]
    for secret in (*PLANTED.values(), *VALUES.values(), TRIED):
        assert not [text for text in shown if secret in text]


def test_no_file_of_the_state_holds_a_secret(keeper: InProcess, settings: dict[str, Any]) -> None:
    _ask(keeper)
    _written(keeper, settings)
    for path in Path(settings["PLUMBLINE_STATE_FOLDER"]).rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [secret for secret in PLANTED.values() if secret.encode() in content], path


def test_the_settings_do_not_show_them(keeper: InProcess) -> None:
    service = importlib.import_module("service")  # the one of this test
    shown = repr(service.SETTINGS) + str(service.SETTINGS) + service.SETTINGS.model_dump_json()
    assert not [secret for secret in PLANTED.values() if secret in shown]


def _written(house: InProcess, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines of the prediction log, once all that was answered is in it."""
    folder = Path(settings["PLUMBLINE_STATE_FOLDER"]) / "predictions"
    headers = {"Authorization": f"Bearer {VALUES['api_keys']}"}
    last = house.request("POST", "/predict", json={"features": EXAMPLE}, headers=headers).json()["prediction_id"]
    house.until(lambda: any(last in path.read_text() for path in folder.glob("*.jsonl")))
    return [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]


def test_rejected_values_are_not_in_the_prediction_log(keeper: InProcess, settings: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {VALUES['api_keys']}"}
    before = len(_written(keeper, settings))
    for changed in REFUSED:
        rows = [EXAMPLE, {**EXAMPLE, **changed}]
        one = keeper.request("POST", "/predict", json={"features": rows[1]}, headers=headers)
        many = keeper.request("POST", "/predict_batch", json={"rows": rows}, headers=headers)
        assert (one.status_code, many.status_code) == (422, 422)
    lines = _written(keeper, settings)
    assert len(lines) == before + 1  # of a refused request no row is kept, not even the good ones
    assert SECRET not in json.dumps(lines)


def test_personal_fields_are_hashed(keeper: InProcess, settings: dict[str, Any]) -> None:
    line = _written(keeper, settings)[-1]
    assert re.fullmatch("[0-9a-f]{32}", line["features"]["latitude"])
    assert re.fullmatch("[0-9a-f]{32}", line["features"]["area_code"])
    assert line["features"]["longitude"] == EXAMPLE["longitude"]
    assert str(EXAMPLE["latitude"]) not in json.dumps(_written(keeper, settings))

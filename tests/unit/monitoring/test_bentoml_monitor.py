"""The prediction log is one of BentoML's monitors: found, configured and switched off as those are."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import pytest
from bentoml._internal.configuration.containers import BentoMLContainer

from monitoring.prediction_log import CLASS, PredictionLog, open_prediction_log
from tests.unit.monitoring.log_samples import COLUMNS, batch, records

NUMBERS = count()


@pytest.fixture
def name() -> str:
    """BentoML keeps a monitor for each name as long as the process lives."""
    return f"monitor_{next(NUMBERS)}"


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[None]:
    """What `@bentoml.service(monitoring={"type": ..., "options": {"log_path": ...}})` does to the configuration."""
    monitoring = BentoMLContainer.config.monitoring
    before = monitoring.type.get(), monitoring.options.get()
    monitoring.type.set(CLASS)
    monitoring.options.set({"log_config_file": None, "log_path": str(tmp_path)})
    yield
    monitoring.type.set(before[0])
    monitoring.options.set(before[1])


def monitored(name: str) -> PredictionLog:
    with bentoml.monitor(name) as monitor:
        pass
    assert isinstance(monitor, PredictionLog)
    return monitor


def log_row(name: str, size: Any, price: Any) -> None:
    with bentoml.monitor(name) as monitor:
        monitor.log(size, "size", "feature", "numerical")
        monitor.log("Käse", "kind", "feature", "categorical")
        monitor.log(price() if callable(price) else price, "price", "prediction", "numerical")


@pytest.mark.usefixtures("configured")
def test_bentomls_configuration_makes_it_the_monitor(name: str, tmp_path: Path) -> None:
    log_row(name, np.float32(2.5), np.int64(7))
    log_row(name, math.nan, math.inf)
    log = monitored(name)
    log.close()
    first, second = records(tmp_path)
    assert first.pop("time").endswith("Z")
    assert first == {"weight": 1.0, "features": {"size": 2.5, "kind": "Käse"}, "prediction": 7}
    assert (second["features"]["size"], second["prediction"]) == (None, None)
    assert log.counts.written == 2


@pytest.mark.usefixtures("configured")
def test_columns_of_many_rows_become_rows(name: str, tmp_path: Path) -> None:
    with bentoml.monitor(name) as monitor:
        monitor.log_batch(range(1000), "size", "feature", "numerical")
        monitor.log_batch(np.arange(1000) * 2.0, "price", "prediction", "numerical")
        monitor.log_batch(range(999), "sold", "target", "numerical")
    monitored(name).close()
    found = list(records(tmp_path))
    assert [(line["features"]["size"], line["prediction"], line["target"]) for line in found] == [
        (row, row * 2.0, row) for row in range(999)
    ]


@pytest.mark.usefixtures("configured")
def test_a_record_that_broke_off_does_not_spoil_the_next(name: str, tmp_path: Path) -> None:
    log_row(name, 1, 1)
    with pytest.raises(ZeroDivisionError):
        log_row(name, 2, lambda: 1 / 0)
    log_row(name, 3, 3)
    monitored(name).close()
    assert [line["features"]["size"] for line in records(tmp_path)] == [1, 3]


@pytest.mark.usefixtures("configured")
def test_values_that_are_no_json_are_counted(name: str, tmp_path: Path) -> None:
    log_row(name, 10**40, 1)
    log_row(name, "\ud800", 1)
    log_row(name, Path("as text"), 1)
    log = monitored(name)
    log.close()
    assert [line["features"]["size"] for line in records(tmp_path)] == ["as text"]
    assert (log.counts.written, log.counts.failed) == (1, 2)


def test_personal_fields_of_a_record_are_left_out_or_hashed(name: str, tmp_path: Path) -> None:
    choices: list[dict[str, Any]] = [{}, {"personal": "hash", "hash_key": "a key of 16 bytes or more"}]
    for number, options in enumerate(choices):
        log = PredictionLog(f"{name}_{number}", directory=tmp_path, personal_fields=["size"], **options)
        log.start_record()
        log.log(1234.5, "size", "feature", "numerical")
        log.log(1, "beds", "feature", "numerical")
        log.stop_record()
        log.close()
    first, second = (line["features"] for line in records(tmp_path))
    assert (first, second["beds"], len(second["size"])) == ({"beds": 1}, 1, 32)


def test_the_serving_process_opens_it_through_bentoml(name: str, tmp_path: Path) -> None:
    log = open_prediction_log(name, COLUMNS, {"directory": tmp_path, "worker": 3})
    assert log is not None
    log.offer(batch(2))
    assert open_prediction_log(name, COLUMNS, {"directory": tmp_path, "worker": 3}) is log
    log.close()
    assert [line["prediction_id"] for line in records(tmp_path)] == ["id-0", "id-1"]
    assert (tmp_path / f"{name}-3.jsonl").exists()


def test_bentomls_own_switch_turns_it_off(name: str, tmp_path: Path) -> None:
    enabled = BentoMLContainer.config.monitoring.enabled
    enabled.set(False)
    try:
        assert open_prediction_log(name, COLUMNS, {"directory": tmp_path / "logs"}) is None
    finally:
        enabled.set(True)
    assert not (tmp_path / "logs").exists()


@pytest.mark.filterwarnings("ignore:pythonjsonlogger.jsonlogger:DeprecationWarning")  # BentoML's own monitor
def test_monitors_of_others_keep_working_beside_it(name: str, tmp_path: Path) -> None:
    log = open_prediction_log(name, COLUMNS, {"directory": tmp_path / "ours", "worker": 1})
    assert log is not None
    with bentoml.monitor(f"{name}_other", "default", {"log_path": str(tmp_path / "theirs")}) as monitor:
        monitor.log(1, "size", "feature", "numerical")
    log.offer(batch(1))
    log.close()
    assert len(list(records(tmp_path / "ours"))) == 1
    theirs = tmp_path / "theirs" / f"{name}_other" / "data" / "data.0.log"
    assert json.loads(theirs.read_text())["size"] == 1
    for handler in logging.getLogger("bentoml_monitor_data").handlers:
        handler.close()

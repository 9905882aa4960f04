"""docs/prediction-log.md names every option, every field of a line, and every fate of a row."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import fields

import pytest

from monitoring.log_lines import LineMaker
from monitoring.log_options import LogOptions
from monitoring.log_writer import LogCounts
from monitoring.prediction_ids import TOKEN_LENGTH
from serving.monitors import LOG, state_folder
from serving.settings import Settings
from tests.served import ROOT
from tests.unit.monitoring.log_samples import COLUMNS, batch

TEXT = (ROOT / "docs" / "prediction-log.md").read_text()
ROWS = {name for row in re.findall(r"^\| (`[^|]*`) \|", TEXT, re.M) for name in re.findall(r"`(\w+)`", row)}
(RECORD,) = LineMaker(COLUMNS).records(batch(), 0, 1)


@pytest.mark.parametrize("name", [*LogOptions.model_fields, *RECORD, *(field.name for field in fields(LogCounts))])
def test_it_is_documented(name: str) -> None:
    assert name in ROWS


def test_nothing_is_documented_that_is_not_there() -> None:
    assert {*LogOptions.model_fields, *RECORD, *(field.name for field in fields(LogCounts))} >= ROWS


def test_the_example_has_the_fields_of_a_line_in_their_order() -> None:
    example = json.loads(re.findall(r"```json\n(.*?)\n```", TEXT, re.S)[0])
    assert list(example) == list(RECORD)
    assert list(example["interval"]) == list(RECORD["interval"])
    assert len(example["prediction_id"]) == TOKEN_LENGTH


def test_make_report_looks_where_the_service_writes() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    command = ["make", "--dry-run", "--assume-old=.venv/dev.stamp", "report"]
    said = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    assert f"--log {state_folder(Settings(), 'house_prices') / LOG} " in said

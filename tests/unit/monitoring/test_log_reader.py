"""Logs and outcomes are read whatever they hold: bad lines are counted, and nothing is lost with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitoring.log_reader import CHUNK_ROWS, MAX_LINE_BYTES, Outcomes, Reading, log_files, log_rows

GOOD: dict[str, Any] = {
    "time": "2016-11-15T12:00:00.000Z",
    "prediction_id": "a",
    "version": "v",
    "prediction": 1.0,
    "features": {"x": 1},
}


def read(path: Path) -> tuple[list[dict[str, Any]], Reading]:
    reading = Reading()
    return [row for rows in log_rows(log_files(path), reading) for row in rows], reading


def written(path: Path, *lines: bytes | dict[str, Any]) -> Path:
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    return path


def test_files_come_oldest_first(tmp_path: Path) -> None:
    names = ["m-1.000002.jsonl", "m-1.000010.jsonl", "m-1.jsonl", "m-2.jsonl"]
    for name in reversed(names):
        (tmp_path / name).touch()
    assert [path.name for path in log_files(tmp_path)] == names
    assert log_files(tmp_path / "m-2.jsonl") == [tmp_path / "m-2.jsonl"]


@pytest.mark.parametrize("place", ["", "nowhere"])
def test_no_log_is_an_error_that_says_where(tmp_path: Path, place: str) -> None:
    with pytest.raises(FileNotFoundError, match="holds no prediction log"):
        log_files(tmp_path / place)


@pytest.mark.parametrize(
    "bad",
    [
        b"{",
        b"\xff\xfe\x00",
        b"[1, 2]",
        b'"text"',
        b"NaN",
        b'{"time":"2016-11-15T12:00:00Z","prediction":NaN,"features":{}}',
        {},
        {**GOOD, "time": "yesterday"},
        {**GOOD, "time": 5},
        {**GOOD, "prediction": "much"},
        {**GOOD, "prediction": True},
        {**GOOD, "features": [1]},
        b"x" * (3 * MAX_LINE_BYTES),
        b'{"time":"' + b"x" * MAX_LINE_BYTES + b'"}',
    ],
    ids=str,
)
def test_a_bad_line_is_counted_and_its_neighbours_are_read(tmp_path: Path, bad: bytes | dict[str, Any]) -> None:
    rows, reading = read(written(tmp_path / "m.jsonl", GOOD, bad, GOOD, b""))
    assert (len(rows), reading.rows, reading.bad) == (2, 2, 1)


def test_a_torn_last_line_is_one_bad_line(tmp_path: Path) -> None:
    rows, reading = read(written(tmp_path / "m.jsonl", GOOD, b'{"time":"2016'))
    assert (len(rows), reading.bad) == (1, 1)


def test_odd_parts_of_a_row_become_what_they_should_be(tmp_path: Path) -> None:
    odd = {**GOOD, "interval": 7, "out_of_range": "x", "prediction_id": 3, "version": None, "weight": -1}
    no_zone = {**GOOD, "time": "2016-11-15T12:00:00", "prediction": None}
    (first, second), reading = read(written(tmp_path / "m.jsonl", odd, no_zone))
    assert (first["interval"], first["out_of_range"], first["prediction_id"]) == ({}, [], "")
    assert (first["version"], first["weight"]) == ("", 1.0)
    assert second["time"] == first["time"] == 1_479_211_200.0
    assert reading.bad == 0


def test_rows_come_in_bounded_lists(tmp_path: Path) -> None:
    path = written(tmp_path / "m.jsonl", *([GOOD] * (2 * CHUNK_ROWS + 5)))
    assert [len(rows) for rows in log_rows([path], Reading())] == [CHUNK_ROWS, CHUNK_ROWS, 5]


def test_a_file_that_rotation_deleted_is_counted(tmp_path: Path) -> None:
    reading = Reading()
    paths = [tmp_path / "gone.jsonl", written(tmp_path / "m.jsonl", GOOD)]
    assert len(list(log_rows(paths, reading))) == 1
    assert reading.unreadable_files == 1


def test_outcomes_are_found_by_id_once(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"prediction_id": "a", "actual": 1},
        {"outcomes": [{"prediction_id": "b", "actual": 2.5}, {"prediction_id": "крем", "actual": 3}]},
        {"prediction_id": "a", "actual": 9},
    ]
    outcomes = Outcomes(written(tmp_path / "o.jsonl", *lines))
    assert (outcomes.reading.rows, outcomes.doubled, outcomes.not_in_log) == (3, 1, 3)
    assert np.array_equal(outcomes.take(["z", "b", "a", "a", ""]), [np.nan, 2.5, 1, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(outcomes.take(["a", "крем"]), [np.nan, 3], equal_nan=True)
    assert outcomes.not_in_log == 0
    assert outcomes.are_positive


@pytest.mark.parametrize(
    "bad",
    [
        b"{",
        {"actual": 1},
        {"prediction_id": "x"},
        {"prediction_id": "", "actual": 1},
        {"prediction_id": 1, "actual": 1},
        {"prediction_id": "x", "actual": "1"},
        {"prediction_id": "x", "actual": True},
        {"outcomes": [7]},
        b'{"prediction_id":"x","actual":1e999}',
    ],
    ids=str,
)
def test_a_bad_outcome_is_counted(tmp_path: Path, bad: bytes | dict[str, Any]) -> None:
    outcomes = Outcomes(written(tmp_path / "o.jsonl", bad, {"prediction_id": "a", "actual": -1}))
    assert (outcomes.reading.rows, outcomes.reading.bad, outcomes.are_positive) == (1, 1, False)


def test_no_outcomes_are_no_error(tmp_path: Path) -> None:
    outcomes = Outcomes(written(tmp_path / "o.jsonl"))
    assert np.isnan(outcomes.take(["a"])).all()
    assert not outcomes.are_positive
    with pytest.raises(FileNotFoundError):
        Outcomes(tmp_path / "none.jsonl")

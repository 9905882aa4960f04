"""The prediction log holds what was said, exactly, and no disk, load or value makes it harm a request."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitoring.log_lines import UNSEEN, LogBatch
from monitoring.prediction_log import PredictionLog
from preprocessors.encoding import RowEncoder
from schemas.features import NEVER_SEEN
from schemas.house_prices import HouseFeatures
from tests.served import ROOT
from tests.unit.monitoring.log_samples import COLUMNS, DAY, batch, files, parcels, records, until

Opens = Callable[..., PredictionLog]


@pytest.fixture
def opens(tmp_path: Path) -> Iterator[Opens]:
    """Opens logs in `tmp_path/logs`, and closes them in the end."""
    with ExitStack() as closing:

        def opened(**options: Any) -> PredictionLog:
            log = PredictionLog("m", COLUMNS, **{"directory": tmp_path / "logs", "worker": 1, **options})
            closing.callback(log.close)
            return log

        yield opened


def logged(log: PredictionLog) -> list[dict[str, Any]]:
    """Close the log and read it."""
    log.close(60)
    return list(records(log.options.directory))


def decoded(row: list[float]) -> dict[str, Any]:
    """What a line should say of an encoded row."""
    kind, weight, fragile, sent = (None if math.isnan(code) else code for code in row)
    levels = COLUMNS[0].levels
    return {
        "kind": None if kind is None else UNSEEN if kind == NEVER_SEEN else levels[int(kind)],
        "weight": weight,
        "fragile": None if fragile is None else bool(fragile),
        "sent": None if sent is None else date.fromordinal(int(sent)).isoformat(),
    }


def test_a_line_says_who_answered_what_and_when(opens: Opens) -> None:
    log = opens()
    log.offer(batch(variant="canary", cached=frozenset([0]), out_of_range={0: ("weight",)}, seconds=0.01234567))
    assert logged(log) == [
        {
            "time": "2016-11-15T12:00:00.000Z",
            "prediction_id": "id-0",
            "version": "v1",
            "variant": "canary",
            "cached": True,
            "prediction": 0.0,
            "interval": {"low": -1.0, "high": 1.0, "coverage": 0.9},
            "latency_ms": 12.346,
            "weight": 1.0,
            "out_of_range": ["weight"],
            "features": {"kind": "Käse", "weight": 1.5, "fragile": True, "sent": "2016-11-15"},
        }
    ]


def test_a_hundred_thousand_rows_come_back_exactly(opens: Opens) -> None:
    log = opens(max_waiting_rows=200_000)
    rows, step = parcels(100_000), 5_000
    for first in range(0, len(rows), step):
        log.offer(batch(step, first, rows=rows[first : first + step]))
    found = logged(log)
    assert log.counts.written == len(found) == len(rows)
    assert (log.counts.dropped, log.counts.failed, log.counts.sampled_out, log.waiting_rows) == (0, 0, 0, 0)
    assert [line["prediction_id"] for line in found] == [f"id-{row}" for row in range(len(rows))]
    assert [line["prediction"] for line in found] == [float(row) for row in range(len(rows))]
    assert [line["features"] for line in found] == [decoded(row) for row in rows.tolist()]


def test_rows_may_come_as_tuples_too(opens: Opens) -> None:
    log = opens()
    log.offer(batch(2, rows=[(1.0, math.nan, 0.0, DAY), (math.nan, 2.0, 1.0, math.nan)]))
    expected = [decoded([1.0, math.nan, 0.0, DAY]), decoded([math.nan, 2.0, 1.0, math.nan])]
    assert [line["features"] for line in logged(log)] == expected


def test_what_json_has_no_number_for_is_null(opens: Opens) -> None:
    log = opens()
    log.offer(batch(3, value=[math.nan, math.inf, -math.inf], low=[-math.inf] * 3, high=[math.inf] * 3))
    log.offer(batch(low=None, high=None, coverage=None, now=math.nan))
    log.offer(batch(now=1e300, rows=np.array([[0.0, math.inf, 0.0, math.nan]])))
    found = logged(log)
    assert [line["prediction"] for line in found[:3]] == [None] * 3
    assert found[0]["interval"] == {"low": None, "high": None, "coverage": 0.9}
    assert (found[3]["interval"], found[3]["time"], found[4]["time"]) == (None, None, None)
    assert found[4]["features"]["weight"] is None


def test_a_sample_is_fair_and_says_what_it_stands_for(opens: Opens) -> None:
    log = opens(sampling=0.1, seed=1)
    for first in range(0, 20_000, 1000):
        log.offer(batch(1000, first))
    for first in range(20_000, 25_000):
        log.offer(batch(1, first))
    found = logged(log)
    assert log.counts.written == len(found)
    assert log.counts.written + log.counts.sampled_out == 25_000
    chosen = np.array([line["prediction"] for line in found])
    for part in (chosen[chosen < 20_000], chosen[chosen >= 20_000]):
        expected = 2000 if part is chosen or part[0] < 20_000 else 500
        assert abs(len(part) - expected) < 4 * math.sqrt(expected * 0.9)
    assert {line["weight"] for line in found} == {10.0}
    assert len({line["prediction_id"] for line in found}) == len(found)


def test_requests_offered_together_are_logged_as_one_by_one(opens: Opens) -> None:
    batches = [batch(1, 0), batch(3, 1), batch(0, 4), batch(2, 4)]
    together, alone = opens(), opens(worker=2)
    together.offer_all([1, 3, 0, 2], {}, batches.__getitem__)
    for each in batches:
        alone.offer(each)
    for log in (together, alone):
        log.close(60)
    one, two = [list(map(json.loads, path.read_text().splitlines())) for path in files(together.options.directory)]
    assert one == two
    assert [line["prediction_id"] for line in one] == [f"id-{row}" for row in range(6)]


def test_only_requests_with_a_chosen_row_are_made_batches(opens: Opens) -> None:
    log, sizes = opens(sampling=0.01), [1, 4] * 4_000
    starts, asked = [0, *accumulate(sizes)], list[int]()

    def batch_of(place: int) -> LogBatch:
        asked.append(place)
        strange = {0: ("weight",)} if place == 7 else {}
        return batch(sizes[place], starts[place], out_of_range=strange)

    log.offer_all(sizes, {7: [0]}, batch_of)
    found = logged(log)
    rows = [int(line["prediction"]) for line in found]
    assert rows == sorted(set(rows))
    assert sorted(set(asked)) == asked == sorted({bisect_right(starts, row) - 1 for row in rows})
    assert 7 in asked
    assert starts[7] in rows
    assert log.counts.sampled_out == starts[-1] - len(found)
    assert 100 < len(found) < 320  # 200 and the strange one; ten standard deviations are 140


@pytest.mark.parametrize("sampling", [0.0, 0.01])
def test_rows_unlike_training_are_always_logged(opens: Opens, sampling: float) -> None:
    log = opens(sampling=sampling, seed=1)
    for first in range(0, 1000, 10):
        log.offer(batch(10, first, out_of_range={3: ("weight", "kind")}, cached=frozenset([3, 4])))
    strange = [line for line in logged(log) if line["out_of_range"]]
    assert [line["prediction"] for line in strange] == [float(row) for row in range(3, 1000, 10)]
    assert {(line["weight"], line["cached"], *line["out_of_range"]) for line in strange} == {
        (1.0, True, "weight", "kind")
    }


def test_what_finds_no_room_is_dropped_and_counted(opens: Opens) -> None:
    log = opens(max_waiting_rows=10, flush_seconds=60)
    log.offer(batch(25))
    assert log.counts.dropped == 15
    assert [line["prediction"] for line in logged(log)] == [float(row) for row in range(10)]
    log.offer(batch(5))
    assert log.counts.dropped == 20, "it is closed"
    log.start()
    log.offer(batch(5))
    assert len(logged(log)) == log.counts.written == 15


def test_full_disk_loses_rows_tells_once_and_recovers(
    opens: Opens, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = opens(max_waiting_rows=100, flush_seconds=0.001, retry_seconds=0.001)
    place = tmp_path / "logs" / "m-1.jsonl"
    place.parent.mkdir()
    place.symlink_to("/dev/full")
    with caplog.at_level(logging.WARNING):
        log.offer(batch(1))
        until(lambda: bool(caplog.records))
        for first in range(1, 301, 10):
            log.offer(batch(10, first))
        assert log.counts.failed == 201, "what did not find room, the disk has lost"
        assert log.waiting_rows == 100
        place.unlink()
        until(lambda: log.counts.written == 100)
    assert [line["prediction"] for line in logged(log)] == [float(row) for row in range(100)]
    assert [record.message.partition(";")[0] for record in caplog.records] == [
        "The prediction log cannot be written",
        "The prediction log is written again.",
    ]
    assert caplog.records[0].__dict__["reason"] == "No space left on device"
    assert log.counts.dropped == 0


def test_a_directory_that_cannot_be_made_breaks_nothing(opens: Opens, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    log = opens(directory=tmp_path / "file" / "logs", retry_seconds=3600)
    for first in range(100):
        log.offer(batch(1, first))
    log.close()
    assert (log.counts.written, log.counts.failed, log.waiting_rows) == (0, 100, 0)


def test_a_disk_that_hangs_does_not_hold_up_the_end(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    log, hanging, hung = opens(flush_seconds=0.001), threading.Event(), threading.Event()

    def write(lines: bytes) -> None:
        hung.set()
        hanging.wait(60)

    monkeypatch.setattr(log._writer._files, "write", write)
    log.offer(batch(7))
    assert hung.wait(20)
    log.close(0.01)
    assert (log.counts.failed, log.waiting_rows) == (7, 0)
    hanging.set()
    log.close(20)
    assert (log.counts.written, log.counts.failed) == (0, 7), "no row is counted twice"


@pytest.mark.parametrize(
    "odd",
    [
        {"ids": ["id", "lone surrogate \ud800"]},
        {"ids": ["id", "id"], "value": [0.0, 10**30]},
    ],
)
def test_a_row_that_cannot_be_json_leaves_the_others_alone(
    opens: Opens, odd: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    log = opens()
    log.offer(batch(2, **odd))
    log.offer(batch(2, **odd))
    assert len(logged(log)) == log.counts.written == log.counts.failed == 2
    assert len(caplog.records) == 1
    assert "surrogate" not in caplog.text


@pytest.mark.parametrize("odd", [{"ids": []}, {"rows": np.zeros((2, 1))}, {"rows": None}, {"out_of_range": {99: "x"}}])
@pytest.mark.parametrize("sampling", [0.5, 1.0])
def test_batches_that_do_not_fit_together_break_nothing(opens: Opens, odd: dict[str, Any], sampling: float) -> None:
    log = opens(sampling=sampling, seed=0)
    for _ in range(10):
        log.offer(batch(2, **odd))
    log.offer(batch(1, out_of_range={0: ["weight"]}))
    assert logged(log)[-1]["prediction_id"] == "id-0"


def test_threads_lose_nothing_and_mix_no_lines(opens: Opens) -> None:
    log = opens(max_waiting_rows=1_000_000, flush_seconds=0.001, max_file_bytes=64 * 1024, max_files=1000)

    def offer(first: int) -> None:
        for row in range(first, first + 500):
            log.offer(batch(1, row))
            log.offer(batch(9, row, ids=[f"bulk-{row}"] * 9))

    threads = [threading.Thread(target=offer, args=(1000 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = Counter(line["prediction_id"] for line in logged(log))
    assert log.counts.written == 8 * 500 * 10
    assert found == {f"{word}-{1000 * n + row}": times for n in range(8) for row in range(500) for word, times in
                     (("id", 1), ("bulk", 9))}  # fmt: skip
    assert len(files(log.options.directory)) > 10


def test_the_end_of_the_process_writes_what_waits(tmp_path: Path) -> None:
    script = (
        "import sys; from monitoring.prediction_log import PredictionLog\n"
        "from tests.unit.monitoring.log_samples import COLUMNS, batch\n"
        "log = PredictionLog('m', COLUMNS, directory=sys.argv[1], flush_seconds=60)\n"
        "log.start()\n"
        "log.offer(batch(1000)); log.offer(batch(1, 1000))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, timeout=60, check=True)
    assert len(list(records(tmp_path))) == 1001
    assert [path.name for path in files(tmp_path)] == ["m-0.jsonl"]


def test_personal_fields_are_left_out(opens: Opens) -> None:
    log = opens(personal_fields=["weight", "kind"], hash_key="a key of 16 bytes or more")
    log.offer(batch(2))
    assert [line["features"] for line in logged(log)] == [{"fragile": True, "sent": "2016-11-15"}] * 2


def test_personal_fields_can_be_hashed_to_be_matched_and_not_read(opens: Opens, tmp_path: Path) -> None:
    keys = ["a key of 16 bytes or more", "another key of 16 bytes"]
    rows = np.array([[0.0, 1.5, 1.0, DAY], [0.0, 1.5, 0.0, DAY], [1.0, math.nan, 0.0, DAY]])
    seen = []
    for number, key in enumerate(keys):
        directory = tmp_path / str(number)
        log = opens(directory=directory, personal_fields=["weight", "kind"], personal="hash", hash_key=key)
        log.offer(batch(3, rows=rows))
        seen.append([(line["features"]["kind"], line["features"]["weight"]) for line in logged(log)])
        assert "Käse" not in next(iter(directory.iterdir())).read_text()
    first, other_key = seen
    assert first[0] == first[1]
    assert first[0][0] != first[2][0]
    assert first[2][1] is None, "missing is no value"
    assert not set(first) & set(other_key)
    assert all(len(text) == 32 for text in first[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling": 1.5}, "sampling: Input should be less than or equal to 1"),
        ({"sampling": math.nan}, "sampling"),
        ({"max_files": 0}, "max_files: Input should be greater than or equal to 1"),
        ({"max_file_bytes": 10}, "max_file_bytes: Input should be greater than or equal to 65536"),
        ({"directory": None}, "directory"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"personal_fields": ["wieght"]}, "personal_fields: no feature is called wieght"),
        ({"personal": "hash"}, "hash_key: needed when personal is hash"),
        ({"hash_key": "s3cret"}, "hash_key: Value should have at least 16"),
        ({"personal": "hash", "hash_key": "ä" * 40}, "hash_key: at most 64 bytes"),
    ],
)
def test_a_wrong_option_is_named_with_its_limit_and_never_shown(
    opens: Opens, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match="The prediction log m: ") as raised:
        opens(**options)
    assert message in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_a_name_that_is_no_file_name_is_refused() -> None:
    with pytest.raises(ValueError, match="name of a prediction log"):
        PredictionLog("../elsewhere", COLUMNS, directory="logs")


def test_house_rows_read_as_the_client_sent_them(tmp_path: Path, row: dict[str, Any]) -> None:
    log = PredictionLog("houses", HouseFeatures.columns(), directory=tmp_path)
    log.offer(batch(1, rows=RowEncoder(HouseFeatures).matrix([HouseFeatures.from_row(row)])))
    assert logged(log)[0]["features"] == row

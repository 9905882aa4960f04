"""Counts that workers share: exact over processes, and not lost with the process that made them."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from monitoring.shared_counts import SLOTS, NoSlot, SharedCounts, Slot, mapped, open_counts

SPAWN = multiprocessing.get_context("spawn")
SIZE = 5


def _work(folder: Path, times: int, pipe: Connection) -> None:
    """A worker: claims a slot, counts, says so, and waits to be told to end or killed."""
    slot = Slot.claim(folder)
    counts = SharedCounts(mapped(folder / "counts", SIZE), slot.number)
    for _ in range(times):
        counts.own[2] += 1
    pipe.send(slot.number)
    pipe.recv()


def worker(folder: Path, times: int) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    """Start one."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_work, args=(folder, times, theirs))
    process.start()
    return process, ours


def test_two_processes_count_exactly_what_one_would(tmp_path: Path) -> None:
    workers = [worker(tmp_path, times) for times in (30_000, 20_000)]
    slots = {pipe.recv() for _, pipe in workers}
    assert slots == {0, 1}
    here = SharedCounts(mapped(tmp_path / "counts", SIZE), 2)
    assert here.summed(slice(None)).tolist() == [0, 0, 50_000, 0, 0]
    for process, pipe in workers:
        pipe.send(None)
        process.join()


def test_a_killed_worker_leaves_its_counts_and_its_slot(tmp_path: Path) -> None:
    process, pipe = worker(tmp_path, 100)
    assert pipe.recv() == 0
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    slot = Slot.claim(tmp_path)
    counts = SharedCounts(mapped(tmp_path / "counts", SIZE), slot.number)
    assert slot.number == 0
    counts.own[2] += 1
    assert counts.rows[:, 2].sum() == 101
    slot.release()


def test_slots_are_each_ones_own_until_there_are_no_more(tmp_path: Path) -> None:
    claimed = [Slot.claim(tmp_path) for _ in range(SLOTS)]
    assert [slot.number for slot in claimed] == list(range(SLOTS))
    with pytest.raises(NoSlot, match="64 workers"):
        Slot.claim(tmp_path)
    claimed[7].release()
    claimed[7].release()
    assert Slot.claim(tmp_path).number == 7
    for slot in claimed:
        slot.release()


@pytest.mark.parametrize("content", [b"", b"short", bytes(SLOTS * SIZE * 8 + 8)])
def test_a_file_of_another_size_is_begun_anew(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "counts").write_bytes(content)
    counts = SharedCounts(mapped(tmp_path / "counts", SIZE), 0)
    assert counts.summed(slice(None)).tolist() == [0] * SIZE
    assert ("begin anew" in caplog.text) == bool(content)


def test_counting_goes_on_where_nothing_can_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    counts = open_counts(tmp_path / "file" / "counts", SIZE, 3)
    counts.own += np.arange(SIZE)
    assert counts.summed(slice(None)).tolist() == [0, 1, 2, 3, 4]
    assert counts.rows[3].tolist() == [0, 1, 2, 3, 4]
    assert "stay in this worker's memory" in caplog.text


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    SharedCounts(mapped(tmp_path / "counts", SIZE), 0)
    assert (tmp_path / "counts").stat().st_mode & 0o077 == 0


def test_whoever_has_a_file_mapped_lives_on_when_it_is_begun_anew(tmp_path: Path) -> None:
    """A file that is cut under its map kills whoever touches it (SIGBUS)."""
    first = SharedCounts(mapped(tmp_path / "counts", SIZE), 0)
    with (tmp_path / "counts").open("ab") as file:
        file.write(b"foreign")
    second = SharedCounts(mapped(tmp_path / "counts", SIZE), 1)
    first.own += 1
    assert first.summed(slice(None)).tolist() == [1] * SIZE
    assert second.summed(slice(None)).tolist() == [0] * SIZE
    third = SharedCounts(mapped(tmp_path / "counts", SIZE), 2)
    third.own += 2
    assert second.summed(slice(None)).tolist() == [2] * SIZE

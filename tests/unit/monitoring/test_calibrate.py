"""Calibration: what replayed and planted rows are, which contracts are refused, and what the command prints."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitoring import calibrate
from monitoring.calibrate import Unreadable, main, read
from monitoring.calibration import (
    Codes,
    ContractUnsupported,
    Drift,
    Replay,
    check,
    delay,
    false_alarms,
    reference_codes,
)
from monitoring.contract import Contract
from monitoring.profile import Profile
from tests.unit.monitoring.streams import LEVELS, columns, profile_of

NUMBERS, CATEGORY = columns(20_000, seed=0)
PROFILE = profile_of(NUMBERS, CATEGORY)
CODES = reference_codes(PROFILE, np.column_stack([*NUMBERS.values(), CATEGORY]))
CONTRACT = Contract()


def bundle(folder: Path, codes: Codes | None = CODES, **manifest: Any) -> Path:
    """The part of a bundle that a calibration reads."""
    folder.mkdir(exist_ok=True)
    files = {"profile.json": PROFILE.model_dump_json().encode()}
    if codes is not None:
        content = io.BytesIO()
        np.save(content, codes, allow_pickle=False)
        files["reference.npy"] = content.getvalue()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    (folder / "manifest.json").write_text(json.dumps({"files": digests, **manifest}))
    return folder


def test_codes_are_the_bins_of_the_reference() -> None:
    assert CODES.dtype == np.uint8
    for i, column in enumerate(PROFILE.columns):
        assert np.bincount(CODES[:, i], minlength=len(column.labels)).tolist() == column.counts


def test_replayed_rows_are_runs_of_training_rows() -> None:
    numbered = np.arange(250, dtype=np.uint8)[:, None].repeat(3, axis=1)
    rows = Replay(PROFILE, numbered, run=100, seed=0).rows(300)
    assert rows.shape == (300, 3)
    for start in (0, 100, 200):
        assert (np.diff(rows[start : start + 100, 0]) % 250 == 1).all()


@pytest.mark.parametrize("codes", [CODES, None, CODES[:0]])
def test_replayed_rows_have_the_shares_of_the_reference(codes: Codes | None) -> None:
    rows = Replay(PROFILE, codes, run=10, seed=0).rows(50_000)
    for i, column in enumerate(PROFILE.columns):
        shares = np.bincount(rows[:, i], minlength=len(column.labels)) / len(rows)
        assert shares == pytest.approx(np.array(column.counts) / PROFILE.rows, abs=0.01)


def test_a_planted_shift_is_that_of_a_normal_column() -> None:
    replay, profile = Replay(PROFILE, CODES, run=1, seed=0), PROFILE.columns[0]
    moved = replay.moved(replay.rows(50_000)[:, 0], 0, Drift("shift", 0.5))
    expected = profile.count(np.random.default_rng(0).normal(0.5, 1, 50_000))
    assert np.bincount(moved, minlength=len(profile.labels)) == pytest.approx(expected, abs=600)


def test_planted_missing_values_and_moved_rows_are_as_many_as_asked() -> None:
    replay = Replay(PROFILE, CODES, run=1, seed=0)
    rows = replay.rows(50_000)
    missing = replay.moved(rows[:, 1], 1, Drift("missing", 0.05))
    assert (missing == len(PROFILE.columns[1].labels) - 1).mean() == pytest.approx(0.05, abs=0.005)
    moved = replay.moved(rows[:, 2], 2, Drift("points", 0.05))
    assert (moved != rows[:, 2]).mean() == pytest.approx(0.05, abs=0.005)
    assert len({*moved.tolist()} - {*range(len(LEVELS))}) == 0


def test_replayed_training_rows_ring_nothing() -> None:
    assert false_alarms(PROFILE, CODES, CONTRACT, looks=300, seed=3) == 0
    assert false_alarms(PROFILE, None, CONTRACT, looks=300, seed=3) == 0


def test_a_larger_change_is_seen_sooner_and_a_tiny_one_not_at_all() -> None:
    large, small = (delay(PROFILE, CODES, CONTRACT, 0, Drift("shift", size), 5000, seed=0) for size in (1.0, 0.25))
    assert large is not None
    assert small is not None
    assert large < small
    assert delay(PROFILE, CODES, CONTRACT, 1, Drift("missing", 0.01), 3000, seed=0) is None


def test_a_reference_of_enough_rows_supports_the_contract() -> None:
    check(PROFILE, CODES, CONTRACT)


@pytest.mark.parametrize("rows", [0, 1, 29, 2000])
def test_too_small_a_reference_is_refused_with_what_is_needed(rows: int) -> None:
    numbers, category = columns(rows, seed=0)
    if rows:
        profile = profile_of(numbers, category)
    else:
        empty = [column.model_copy(update={"counts": [0] * len(column.counts)}) for column in PROFILE.columns]
        profile = Profile(rows=0, columns=empty)
    with pytest.raises(ContractUnsupported, match=rf"'first' has {rows:,} training rows.* needs .*ignore_below"):
        check(profile, None, CONTRACT)


def test_the_loosened_setting_that_a_refusal_names_is_accepted() -> None:
    profile = profile_of(*columns(4000, seed=0))
    with pytest.raises(ContractUnsupported, match=r"or set ignore_below to 0\.0\d+ or more") as refusal:
        check(profile, None, Contract(ignore_below=0.01))
    loosened = float(str(refusal.value).rpartition("ignore_below to ")[2].partition(" ")[0])
    assert not [name for name in ("first", "second") if f"'{name}'" in _refusal(profile, loosened)]


def _refusal(profile: Profile, ignore_below: float) -> str:
    try:
        check(profile, None, Contract(ignore_below=ignore_below))
    except ContractUnsupported as error:
        return str(error)
    return ""


def test_rows_that_resemble_their_neighbours_are_refused() -> None:
    bursts = np.repeat(np.random.default_rng(0).integers(0, 10, 200), 100).astype(np.uint8)
    codes = np.column_stack([bursts, bursts, bursts])
    with pytest.raises(ContractUnsupported, match="check_rows"):
        check(PROFILE, codes, CONTRACT)


def test_the_command_prints_rate_and_power(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = bundle(tmp_path / "v1", contract={"rows_per_day": 5000})
    assert main(["--bundle", str(folder), "--days", "5", "--ignore-below", "0.03"]) == 0
    printed = capsys.readouterr().out
    assert "Version v1: 20,000 training rows, 3 columns." in printed
    assert "at 5,000 rows a day" in printed
    assert "movements under 3.0% are ignored" in printed
    assert "(250 looks): 0 false alarms" in printed
    assert printed.count("\n| first |") == printed.count("\n| category |") == 2
    assert "nan" not in printed.lower().replace("missing", "")


def test_the_command_says_that_a_contract_is_not_supported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrate, "SIZES", {"shift": (1.0,), "missing": (0.2,), "points": (0.1,)})
    assert main(["--bundle", str(bundle(tmp_path / "v1")), "--days", "1", "--ignore-below", "0.001"]) == 1
    assert "Not supported: 'first' has 20,000 training rows" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["no_such_model"], ["--bundle", "no/such/folder"]])
def test_what_cannot_be_read_is_said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Cannot calibrate:" in capsys.readouterr().out


def test_a_contract_that_cannot_be_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bundle", str(bundle(tmp_path / "v1")), "--ignore-below", "2"]) == 2
    assert "ignore_below" in capsys.readouterr().out


def test_an_older_bundle_has_the_usual_contract_and_no_rows(tmp_path: Path) -> None:
    version = read(bundle(tmp_path / "v1", codes=None))
    assert version.contract == Contract()
    assert version.codes is None


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "v1")
    (folder / "profile.json").write_text(PROFILE.model_dump_json() + " ")
    with pytest.raises(Unreadable, match=r"profile\.json of v1 was changed"):
        read(folder)


@pytest.mark.parametrize("codes", [CODES[:, :2], CODES.astype(np.int64), CODES + 100, CODES[:, 0]])
def test_rows_that_do_not_fit_the_profile_are_refused(tmp_path: Path, codes: Codes) -> None:
    with pytest.raises(Unreadable, match="does not fit"):
        read(bundle(tmp_path / "v1", codes=codes))


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"files": {}}', '{"files": 3}'])
def test_what_is_no_bundle_is_refused(tmp_path: Path, manifest: str) -> None:
    folder = bundle(tmp_path / "v1")
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(Unreadable, match="no bundle that can be read"):
        read(folder)

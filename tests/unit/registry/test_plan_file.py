"""The plan on disk: replaced in one step, compared before it is replaced, kept, mounted."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from registry.errors import PlanConflict, PlanError, PlanMissing, PlanRefused, PlanUnreadable, PlanUnwritable
from registry.plan import NO_PLAN, Plan, new_plan
from registry.plan_file import HISTORY_LENGTH, PlanFile

MODEL = "house_prices"


@pytest.fixture
def file(tmp_path: Path) -> PlanFile:
    """A place for a plan, still empty."""
    return PlanFile(MODEL, tmp_path / "plans" / "rollout.json")


def mount(folder: Path, plan: Plan, name: str) -> PlanFile:
    """Put a plan where Kubernetes puts the key of a ConfigMap, and swap it in as the kubelet does."""
    (folder / name).mkdir(parents=True)
    (folder / name / "rollout.json").write_text(plan.model_dump_json())
    (folder / "..new").symlink_to(name)
    (folder / "..new").replace(folder / "..data")
    if not (folder / "rollout.json").is_symlink():
        (folder / "rollout.json").symlink_to("..data/rollout.json")
    return PlanFile(MODEL, folder / "rollout.json")


def test_what_is_written_is_read(file: PlanFile) -> None:
    with pytest.raises(PlanMissing):
        file.read()
    written = file.write(new_plan(MODEL, "a").with_canary("b", 0.1), replaces=NO_PLAN)
    assert written.generation == 1
    assert file.read() == written


def test_any_user_may_read_it_and_nothing_else_is_left(file: PlanFile) -> None:
    file.write(new_plan(MODEL, "a"), replaces=NO_PLAN)
    assert file.path.stat().st_mode & 0o777 == 0o644
    names = sorted(path.name for path in file.path.parent.iterdir())
    assert names == ["rollout.history.jsonl", "rollout.json", "rollout.json.lock"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "EOF"),
        (b"\xff\xfe", "Invalid JSON"),
        (new_plan(MODEL, "a", 1).model_dump_json().encode()[:-9], "EOF"),
        (new_plan(MODEL, "a", NO_PLAN).model_dump_json().encode(), "starts at 1"),
        (new_plan("boats", "a", 1).model_dump_json().encode(), "the rollout plan of boats, not of house_prices"),
        (b'{"format": 9}', "format"),
    ],
)
def test_what_is_not_a_plan_is_refused_with_a_sentence(file: PlanFile, content: bytes, reason: str) -> None:
    file.path.parent.mkdir()
    file.path.write_bytes(content)
    with pytest.raises(PlanUnreadable, match=reason) as caught:
        file.read()
    assert str(file.path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_in_the_place_of_the_plan_is_unreadable(file: PlanFile) -> None:
    file.path.mkdir(parents=True)
    with pytest.raises(PlanUnreadable, match="directory"):
        file.read()


def test_a_change_made_from_an_older_plan_is_refused(file: PlanFile) -> None:
    first = file.write(new_plan(MODEL, "a"), replaces=NO_PLAN)
    second = file.write(first.with_stable("b"), replaces=1)
    with pytest.raises(PlanConflict, match=r"somebody else was first: .* is at generation 2, .* from 1"):
        file.write(first.with_stable("c"), replaces=1)
    assert file.read() == second


def test_of_many_writers_at_once_exactly_one_wins(file: PlanFile) -> None:
    first = file.write(new_plan(MODEL, "a"), replaces=NO_PLAN)
    writers = 8
    for round_ in range(1, 6):
        start = Barrier(writers)

        def attempt(number: int, start: Barrier = start, replaces: int = round_) -> Plan | PlanError:
            start.wait()
            try:
                return file.write(first.with_stable(f"v{number}"), replaces=replaces)
            except PlanConflict as error:
                return error

        with ThreadPoolExecutor(writers) as pool:
            results = list(pool.map(attempt, range(writers)))
        won = [result for result in results if isinstance(result, Plan)]
        assert won == [file.read()]
        assert won[0].generation == round_ + 1
    assert [kept.plan.generation for kept in file.history()] == [6, 5, 4, 3, 2, 1]


def test_a_broken_off_write_leaves_the_old_plan_and_no_rubbish(file: PlanFile, monkeypatch: pytest.MonkeyPatch) -> None:
    old = file.write(new_plan(MODEL, "a"), replaces=NO_PLAN)
    before = sorted(file.path.parent.iterdir())

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PlanUnwritable, match="No space left on device"):
        file.write(old.with_stable("b"), replaces=1)
    assert file.read() == old
    assert sorted(file.path.parent.iterdir()) == before


def test_a_history_that_cannot_be_written_does_not_undo_the_plan(
    file: PlanFile, caplog: pytest.LogCaptureFixture
) -> None:
    file.path.with_suffix(".history.jsonl").mkdir(parents=True)
    written = file.write(new_plan(MODEL, "a"), replaces=NO_PLAN)
    assert file.read() == written
    assert "history" in caplog.text


def test_a_place_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PlanUnwritable, match="cannot be written: "):
        PlanFile(MODEL, tmp_path / "file" / "rollout.json").write(new_plan(MODEL, "a"), replaces=NO_PLAN)


def test_a_plan_of_another_model_is_not_written(file: PlanFile) -> None:
    with pytest.raises(PlanRefused, match="boats"):
        file.write(new_plan("boats", "a"), replaces=NO_PLAN)


def test_a_plain_link_keeps_pointing_at_the_plan(file: PlanFile, tmp_path: Path) -> None:
    link = PlanFile(MODEL, tmp_path / "link.json")
    first = file.write(new_plan(MODEL, "a"), replaces=NO_PLAN)
    link.path.symlink_to(file.path)
    second = link.write(first.with_stable("b"), replaces=1)
    assert link.path.is_symlink()
    assert file.read() == second
    assert link.history() == file.history()


def test_rolling_back_writes_the_plan_before_as_a_new_generation(file: PlanFile) -> None:
    first = file.write(new_plan(MODEL, "a").with_shadows("s"), replaces=NO_PLAN)
    file.write(first.with_stable("b"), replaces=1)
    back = file.write(file.previous(), replaces=2)
    assert back == first.numbered(3)
    assert file.previous(1) == first
    with pytest.raises(PlanRefused, match="no generation 9 is kept"):
        file.previous(9)


def test_rolling_back_again_leads_further_back_and_never_to_what_was_left(file: PlanFile) -> None:
    plans = [new_plan(MODEL, "old"), new_plan(MODEL, "old").with_canary("bad", 0.5), new_plan(MODEL, "bad")]
    for generation, plan in enumerate(plans):
        file.write(plan, replaces=generation)
    assert file.write(file.previous(), replaces=3).says_the_same(plans[1])
    assert file.write(file.previous(), replaces=4).says_the_same(plans[0])
    with pytest.raises(PlanRefused, match="no plan before this one"):
        file.previous()
    file.write(plans[0].with_stable("new"), replaces=5)
    assert file.write(file.previous(), replaces=6).says_the_same(plans[0])
    with pytest.raises(PlanRefused, match="no plan before this one"):  # and not the bad one, which came later
        file.previous()
    assert file.write(file.previous(3), replaces=7).stable == "bad"
    assert file.previous().says_the_same(plans[1])


def test_nothing_to_roll_back_to_is_said(file: PlanFile) -> None:
    with pytest.raises(PlanRefused, match="no plan before this one"):
        file.previous()
    file.write(new_plan(MODEL, "a"), replaces=NO_PLAN)
    with pytest.raises(PlanRefused, match="no plan before this one"):
        file.previous()


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("{"), lambda path: path.unlink()])
def test_a_spoilt_or_deleted_plan_comes_back_by_rolling_back(file: PlanFile, spoil: object) -> None:
    assert callable(spoil)
    plan = file.write(file.write(new_plan(MODEL, "a"), NO_PLAN).with_stable("b"), 1)
    spoil(file.path)
    assert file.last_good() == plan
    assert file.write(file.previous(), replaces=NO_PLAN) == plan.numbered(3)  # no generation is given twice


def test_a_plan_put_there_by_hand_is_kept_too(file: PlanFile) -> None:
    first = file.write(new_plan(MODEL, "a"), replaces=NO_PLAN)
    by_hand = first.with_stable("hand").numbered(5)
    file.path.write_text(by_hand.model_dump_json())
    assert file.previous() == first
    file.write(by_hand.with_stable("b"), replaces=5)
    assert [kept.plan.stable for kept in file.history()] == ["b", "hand", "a"]
    assert file.previous() == by_hand


def test_the_history_is_bounded_and_a_spoilt_line_spoils_only_itself(file: PlanFile) -> None:
    plan = file.write(new_plan(MODEL, "v0"), replaces=NO_PLAN)
    for number in range(1, HISTORY_LENGTH + 5):
        plan = file.write(plan.with_stable(f"v{number}"), replaces=plan.generation)
    assert len(file.history()) == HISTORY_LENGTH
    history = file.path.with_suffix(".history.jsonl")
    lines = history.read_bytes().splitlines(keepends=True)
    history.write_bytes(b"".join([*lines[:-2], b'{"half\n', lines[-1]]))
    assert len(file.history()) == HISTORY_LENGTH - 1
    assert file.previous().stable == f"v{HISTORY_LENGTH + 2}"


def test_a_mounted_config_map_is_read_through_its_swaps_and_never_written(tmp_path: Path) -> None:
    first, second = new_plan(MODEL, "a", 1), new_plan(MODEL, "b", 2)
    file = mount(tmp_path, first, "..2026_01")
    assert file.read() == first
    mount(tmp_path, second, "..2026_02")
    assert file.read() == second
    with pytest.raises(PlanUnwritable, match="change the ConfigMap instead"):
        file.write(second.with_stable("c"), replaces=2)
    for ask in (file.history, file.previous):
        with pytest.raises(PlanRefused, match="has no history here"):
            ask()
    assert sorted(os.listdir(tmp_path)) == ["..2026_01", "..2026_02", "..data", "rollout.json"]

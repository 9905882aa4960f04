"""The plan, what holds without one, and the watcher. The file: test_plan_file; the commands: test_rollout_cli."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from registry import store
from registry.errors import NoVersion, PlanConflict, PlanMissing, PlanRefused, PlanUnreadable
from registry.plan import FORMAT, NO_PLAN, Plan, new_plan
from registry.plan_file import PlanFile
from registry.rollout import Watcher, default_path, default_plan, ensure_plan, plan_file

MODEL = "house_prices"


@pytest.fixture
def file(tmp_path: Path) -> PlanFile:
    """A place for a plan, still empty."""
    return PlanFile(MODEL, tmp_path / "plans" / "rollout.json")


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the model store holds, newest first; tests change it."""
    versions = ["v2", "v1"]
    monkeypatch.setattr(store, "versions", lambda _model: list(versions))
    return versions


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"format": 2}, "format"),
        ({"generation": -1}, "generation"),
        ({"generation": "3"}, "generation"),
        ({"salt": ""}, "salt"),
        ({"stable": "a b"}, "stable"),
        ({"stable": "x\n"}, "stable"),
        ({"canary": {"version": "b", "weight": 1.01}}, "weight"),
        ({"canary": {"version": "b", "weight": -0.01}}, "weight"),
        ({"canary": {"version": "b", "weight": float("nan")}}, "weight"),
        ({"canary": {"version": "b"}}, "weight"),
        ({"canary": {"version": "a", "weight": 0.5}}, "a has two parts"),
        ({"shadows": ("a",)}, "a has two parts"),
        ({"shadows": ("b", "b")}, "b has two parts"),
        ({"stable": "latest"}, "latest is not one"),
        ({"weight": 0.5}, "weight"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(change: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        Plan.model_validate({**dict(new_plan(MODEL, "a", 1)), **change})


def test_a_plan_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError):
        new_plan(MODEL, "a").stable = "b"  # type: ignore[misc]


def test_a_plan_survives_its_file_form() -> None:
    plan = new_plan(MODEL, "a", 7).with_canary("b", 0.1).with_shadows("c", "d")
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_a_trial_from_start_to_promotion() -> None:
    plan = new_plan(MODEL, "a").with_shadows("b", "c").with_canary("b", 0.1)
    assert plan.versions == ("a", "b", "c")  # who is on trial is no shadow any more
    promoted = plan.promoted()
    assert (promoted.stable, promoted.canary, promoted.shadows) == ("b", None, ("c",))


def test_another_weight_keeps_the_salt_and_another_canary_draws_other_keys() -> None:
    trial = new_plan(MODEL, "a").with_canary("b", 0.1)
    assert trial.with_canary("b", 0.2).salt == trial.salt
    assert trial.with_canary("c", 0.1).salt != trial.salt
    assert trial.without_canary().with_canary("b", 0.1).salt == trial.salt


def test_a_salt_written_by_hand_outlives_a_change_of_weight() -> None:
    trial = new_plan(MODEL, "a").with_canary("b", 0.1).model_copy(update={"salt": "mine"})
    assert trial.with_canary("b", 0.9).salt == "mine"


def test_changes_that_make_no_sense_are_refused_with_a_sentence() -> None:
    plan = new_plan(MODEL, "a").with_canary("b", 0.1)
    with pytest.raises(PlanRefused, match="a has two parts in the plan"):
        plan.with_canary("a", 0.1)
    with pytest.raises(PlanRefused, match="b has two parts in the plan"):
        plan.with_shadows("b")
    with pytest.raises(PlanRefused, match=r"canary\.weight: Input should be less than or equal to 1"):
        plan.with_canary("b", 10)
    with pytest.raises(PlanRefused, match="no canary"):
        plan.without_canary().promoted()
    with pytest.raises(PlanRefused, match="stable"):
        new_plan(MODEL, "../../etc")


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("stable"), st.sampled_from("abcd")),
            st.tuples(st.just("canary"), st.sampled_from("abcd")),
            st.tuples(st.just("shadow"), st.sets(st.sampled_from("abcd"))),
            st.tuples(st.just("promote"), st.none()),
        )
    )
)
def test_no_sequence_of_changes_leads_to_an_invalid_plan(changes: list[tuple[str, object]]) -> None:
    plan = new_plan(MODEL, "a")
    for kind, what in changes:
        try:
            match kind, what:
                case "stable", str(version):
                    plan = plan.with_stable(version)
                case "canary", str(version):
                    plan = plan.with_canary(version, 0.5)
                case "shadow", set(versions):
                    plan = plan.with_shadows(*sorted(versions))
                case _:
                    plan = plan.promoted()
        except PlanRefused:
            continue
        assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_without_a_plan_the_newest_version_is_stable(stored: list[str]) -> None:
    assert default_plan(MODEL) == Plan(format=FORMAT, model=MODEL, generation=NO_PLAN, salt="v2", stable="v2")
    assert default_plan(MODEL, "pinned").stable == "pinned"
    stored.clear()
    with pytest.raises(NoVersion, match="python -m training"):
        default_plan(MODEL)


def test_the_plan_lies_in_the_home_of_bentoml_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    assert plan_file(MODEL).path == tmp_path / "plumbline" / MODEL / "rollout.json"
    monkeypatch.delenv("BENTOML_HOME")
    assert default_path(MODEL) == Path.home() / "bentoml" / "plumbline" / MODEL / "rollout.json"
    monkeypatch.setenv("PLUMBLINE_ROLLOUT_PLAN", str(tmp_path / "mounted"))
    assert plan_file(MODEL).path == tmp_path / "mounted"
    assert plan_file(MODEL, tmp_path / "given").path == tmp_path / "given"


def test_the_first_plan_is_written_once(file: PlanFile) -> None:
    assert ensure_plan(MODEL, "v1", file.path) == new_plan(MODEL, "v1", 1)
    assert ensure_plan(MODEL, "v2", file.path).stable == "v1"  # publishing changes nothing that serves


def test_whoever_loses_the_race_for_the_first_plan_takes_the_winners(
    file: PlanFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def beaten(self: PlanFile, plan: Plan, replaces: int) -> Plan:
        monkeypatch.undo()
        self.write(new_plan(MODEL, "winner"), replaces=replaces)
        raise PlanConflict("somebody else was first")

    monkeypatch.setattr(PlanFile, "write", beaten)
    assert ensure_plan(MODEL, "loser", file.path).stable == "winner"


def test_a_spoilt_plan_is_not_replaced_by_a_first_one(file: PlanFile) -> None:
    file.path.parent.mkdir()
    file.path.write_text("{")
    with pytest.raises(PlanUnreadable):
        ensure_plan(MODEL, "v1", file.path)
    assert file.path.read_text() == "{"


def test_a_watcher_without_a_plan_decides_once(file: PlanFile, stored: list[str]) -> None:
    watcher = Watcher(file, lambda: default_plan(MODEL))
    first = watcher.poll()
    assert first is not None
    assert first.stable == "v2"
    stored.insert(0, "v3")
    assert watcher.poll() is None
    assert watcher.plan == first
    assert watcher.problem is None


def test_a_watcher_waits_for_a_first_version(file: PlanFile, stored: list[str]) -> None:
    stored.clear()
    watcher = Watcher(file, lambda: default_plan(MODEL))
    assert watcher.poll() is None
    assert isinstance(watcher.problem, NoVersion)
    stored.append("v1")
    assert watcher.poll() == new_plan(MODEL, "v1")
    assert watcher.problem is None


def test_a_watcher_reports_each_change_once(file: PlanFile, stored: list[str]) -> None:
    watcher = Watcher(file, lambda: default_plan(MODEL))
    watcher.poll()
    written = file.write(new_plan(MODEL, "v1"), replaces=NO_PLAN)
    assert [watcher.poll(), watcher.poll()] == [written, None]
    again = file.write(written.with_canary("v2", 0.5), replaces=1)
    assert [watcher.poll(), watcher.poll()] == [again, None]
    file.path.write_text(again.model_dump_json())  # other bytes, same plan
    assert watcher.poll() is None
    file.path.write_text(written.model_dump_json())  # set back, as a ConfigMap is
    assert watcher.poll() == written


@pytest.mark.parametrize("damage", ["", "{", "null", '{"format": 1}', "\x00" * 400_000])
def test_a_watcher_keeps_the_last_good_plan(file: PlanFile, stored: list[str], damage: str) -> None:
    good = file.write(new_plan(MODEL, "v1"), replaces=NO_PLAN)
    watcher = Watcher(file, lambda: default_plan(MODEL))
    assert watcher.poll() == good
    file.path.write_text(damage)
    assert watcher.poll() is None
    assert isinstance(watcher.problem, PlanUnreadable)
    assert watcher.plan == good
    file.path.unlink()
    assert watcher.poll() is None
    assert isinstance(watcher.problem, PlanMissing)
    assert watcher.plan == good
    file.path.write_text(good.model_dump_json())
    assert watcher.poll() is None
    assert watcher.problem is None


def test_a_worker_that_starts_beside_a_spoilt_plan_serves_what_the_others_serve(
    file: PlanFile, stored: list[str]
) -> None:
    good = file.write(new_plan(MODEL, "v1"), replaces=NO_PLAN)
    for spoil in (lambda: file.path.write_text("{"), file.path.unlink):
        spoil()
        watcher = Watcher(file, lambda: default_plan(MODEL))
        assert watcher.poll() == good
        assert isinstance(watcher.problem, PlanUnreadable)


def test_a_worker_that_starts_beside_a_plan_that_never_was_valid_serves_nothing(
    file: PlanFile, stored: list[str]
) -> None:
    file.path.parent.mkdir()
    file.path.write_text("{")
    watcher = Watcher(file, lambda: default_plan(MODEL))
    assert watcher.poll() is None
    assert watcher.plan is None
    assert isinstance(watcher.problem, PlanUnreadable)

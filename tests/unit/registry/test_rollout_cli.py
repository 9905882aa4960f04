"""The command line of the rollout plan, from first plan to rollback."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from registry import store
from registry.plan import NO_PLAN, Plan, new_plan
from registry.plan_file import PlanFile
from registry.rollout_cli import main
from tests.unit.registry.test_plan_file import mount

MODEL = "house_prices"
Run = Callable[..., int]


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the model store holds, newest first; tests change it."""
    versions = ["v3", "v2", "v1"]
    monkeypatch.setattr(store, "versions", lambda _model: list(versions))
    return versions


@pytest.fixture
def file(tmp_path: Path, stored: list[str]) -> PlanFile:
    """A place for a plan, still empty."""
    return PlanFile(MODEL, tmp_path / "plan [of mine].json")


@pytest.fixture
def run(file: PlanFile) -> Run:
    """Run a command line on that place."""
    return lambda *command: main(["--model", MODEL, "--plan", str(file.path), *command])


def parts(plan: Plan) -> tuple[str, str | None, float, tuple[str, ...]]:
    """A plan in short."""
    if plan.canary is None:
        return plan.stable, None, 0.0, plan.shadows
    return plan.stable, plan.canary.version, plan.canary.weight, plan.shadows


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        (["set-stable v1"], ("v1", None, 0.0, ())),
        (["set-stable latest"], ("v3", None, 0.0, ())),
        (["canary v2 --weight 0.1"], ("v3", "v2", 0.1, ())),
        ([f"set-stable {MODEL}:v1", f"canary {MODEL}:v2 --weight 0.1"], ("v1", "v2", 0.1, ())),
        ([f"set-stable {MODEL}:latest", f"shadow {MODEL}:v1"], ("v3", None, 0.0, ("v1",))),
        (["set-stable v1", "canary latest --weight 0.1", "canary --weight 0.2"], ("v1", "v3", 0.2, ())),
        (["canary v2 --weight 0.1", "canary none"], ("v3", None, 0.0, ())),
        (["canary v2 --weight 0.1", "canary --weight 0"], ("v3", None, 0.0, ())),
        (["canary v2 --weight 0.1", "promote"], ("v2", None, 0.0, ())),
        (["canary v2 --weight 0.1", "set-stable v2"], ("v2", None, 0.0, ())),
        (["shadow v1 v2"], ("v3", None, 0.0, ("v1", "v2"))),
        (["shadow v1 v2", "shadow"], ("v3", None, 0.0, ())),
        (["set-stable v1", "set-stable v2", "rollback"], ("v1", None, 0.0, ())),
        (["set-stable v1", "set-stable v2", "set-stable v3", "rollback --to 1"], ("v1", None, 0.0, ())),
        (["set-stable elsewhere --force"], ("elsewhere", None, 0.0, ())),
    ],
)
def test_commands_change_the_plan(
    run: Run, file: PlanFile, commands: list[str], expected: tuple[str, str | None, float, tuple[str, ...]]
) -> None:
    for generation, command in enumerate(commands, start=1):
        assert run(*command.split()) == 0
        assert file.read().generation == generation
    assert parts(file.read()) == expected


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("set-stable v9", "holds no version v9 of house_prices; it has: v3, v2, v1"),
        ("canary v9 --weight 0.1", "holds no version v9"),
        ("shadow v2 v9", "holds no version v9"),
        ("canary v1 --weight 0.1", "v1 has two parts in the plan"),
        ("canary v2 --weight 1.5", "is a share from 0 to 1"),
        ("canary v2 --weight 15", "is a share from 0 to 1, not percent: 0.15 for 15 %"),
        ("canary v2 --weight nan", "finite number"),
        ("canary v2", "say how much v2 is to answer"),
        ("canary --weight 0.1", "there is no canary yet"),
        ("shadow v1", "v1 has two parts in the plan"),
        ("promote", "no canary to promote"),
        ("rollback", "no plan before this one"),
        ("rollback --to 7", "no generation 7"),
    ],
)
def test_refusals_have_a_sentence_and_change_nothing(
    run: Run, file: PlanFile, capsys: pytest.CaptureFixture[str], command: str, sentence: str
) -> None:
    run("set-stable", "v1")
    before = file.content()
    assert run(*command.split()) == 1
    assert sentence in capsys.readouterr().err
    assert file.content() == before


def test_what_says_the_same_makes_no_generation(run: Run, file: PlanFile, capsys: pytest.CaptureFixture[str]) -> None:
    run("set-stable", "v1")
    assert run("set-stable", "v1") == 0
    assert "Nothing to change" in capsys.readouterr().out
    assert file.read().generation == 1


def test_a_version_that_serves_already_needs_no_proof(run: Run, file: PlanFile, stored: list[str]) -> None:
    run("set-stable", "v1")
    stored.remove("v1")
    assert run("canary", "v2", "--weight", "0.1") == 0
    run("set-stable", "v3")
    assert run("rollback") == 1  # but what is to serve again does
    assert run("rollback", "--force") == 0
    assert file.read().stable == "v1"


def test_a_fleet_with_another_store_gets_its_first_plan_by_force(
    run: Run, file: PlanFile, stored: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    stored.clear()
    assert run("show") == 1
    assert "python -m training" in capsys.readouterr().err
    assert run("set-stable", "v1") == 1
    assert run("set-stable", "v1", "--force") == 0
    assert file.read().stable == "v1"


def test_show_tells_what_serves_and_what_could(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show") == 0
    assert "there is no rollout plan" in capsys.readouterr().out
    run("set-stable", "v1")
    run("canary", "v2", "--weight", "0.1")
    capsys.readouterr()
    assert run("show") == 0
    shown = capsys.readouterr().out
    assert "generation 2" in shown
    assert "plan [of mine].json" in shown
    assert [word for word in ("stable", "90 %", "canary", "10 %", "not in the plan: v3") if word not in shown] == []


def test_history_shows_the_newest_first(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("set-stable", "v1")
    run("set-stable", "v2")
    capsys.readouterr()
    assert run("history") == 0
    shown = capsys.readouterr().out
    assert shown.index("stable v2") < shown.index("stable v1")


def test_a_spoilt_plan_is_refused_and_mended_by_rolling_back(
    run: Run, file: PlanFile, capsys: pytest.CaptureFixture[str]
) -> None:
    run("set-stable", "v1")
    file.path.write_text("{")
    for command in (["show"], ["set-stable", "v2"]):
        assert run(*command) == 1
        assert "is not a rollout plan" in capsys.readouterr().err
    assert run("rollback") == 0
    assert file.read() == new_plan(MODEL, "v1", 2)


def test_a_deleted_plan_is_shown_as_it_goes_on_and_written_again(
    run: Run, file: PlanFile, capsys: pytest.CaptureFixture[str]
) -> None:
    run("set-stable", "v1")
    file.path.unlink()
    assert run("show") == 0
    assert "its last generation, 1, goes on" in capsys.readouterr().out
    assert run("canary", "v2", "--weight", "0.5") == 0
    assert parts(file.read()) == ("v1", "v2", 0.5, ())


def test_a_config_map_is_not_written_but_its_next_content_is_shown(
    tmp_path: Path, stored: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = mount(tmp_path, new_plan(MODEL, "v1", 4), "..2026_01")
    command = ["--model", MODEL, "--plan", str(file.path)]
    assert main([*command, "set-stable", "v2"]) == 1
    output = capsys.readouterr()
    assert "change the ConfigMap instead" in output.err
    assert Plan.model_validate_json(output.out) == new_plan(MODEL, "v1", 5).with_stable("v2")
    for ask in ("rollback", "history"):
        assert main([*command, ask]) == 1
        assert "has no history here" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["bogus"], ["set-stable"], ["canary", "v2", "--weight", "much"]])
def test_wrong_usage_exits_with_2(run: Run, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*command)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_the_only_model_of_the_store_needs_no_name(
    published: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "rollout.json"
    monkeypatch.setenv("PLUMBLINE_ROLLOUT_PLAN", str(place))
    assert main(["set-stable", published]) == 0
    assert PlanFile(MODEL, place).read() == new_plan(MODEL, published, NO_PLAN + 1)
    assert main(["show"]) == 0
    assert published in capsys.readouterr().out


def test_without_a_model_in_the_store_its_name_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bentoml.models.list", list)
    with pytest.raises(SystemExit) as caught:
        main(["show"])
    assert caught.value.code == 2
    assert "--model is needed: the model store holds no model" in capsys.readouterr().err


def test_it_runs_as_a_module(
    file: PlanFile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rollout", "--model", MODEL, "--plan", str(file.path), "set-stable", "v1"])
    monkeypatch.delitem(sys.modules, "registry.rollout")
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("registry.rollout", run_name="__main__")
    assert caught.value.code == 0
    assert capsys.readouterr().out == "Generation 1: stable v1 100 %\n"

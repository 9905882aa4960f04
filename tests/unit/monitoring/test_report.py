"""The report says what a log holds, and is one file that loads nothing and runs nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitoring.log_reader import Numbers
from monitoring.prediction_log import PredictionLog
from monitoring.profile import Profile, profile_category, profile_number
from monitoring.report import main, make_report, read_profile
from monitoring.report_features import FeatureCounts
from monitoring.report_page import render
from tests.unit.monitoring.log_samples import COLUMNS, DAY, NOON, batch, parcels

ROWS = 3000
VOID = {"meta", "path", "rect", "circle"}


class Checked(HTMLParser):
    """Fails on tags that are not closed in order; gathers what is read and what would be loaded."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.addresses: list[str | None] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += f"{data} "


def reference(seed: int = 0) -> Profile:
    rows = parcels(5000, seed)
    levels = COLUMNS[0].levels
    columns = [profile_category("kind", rows[:, 0], levels)]
    columns += [profile_number(name, rows[:, place]) for place, name in enumerate(("weight", "fragile", "sent"), 1)]
    return Profile(rows=5000, columns=[*columns, profile_number("prediction", np.arange(ROWS, dtype=float) + 100)])


def log_of(directory: Path, change: Callable[[Numbers], None] = lambda rows: None, **options: Any) -> Path:
    """A log of ROWS predictions over 30 days by two versions, the truth 10 % above."""
    rows = parcels(ROWS, 1)
    change(rows)
    log = PredictionLog("m", COLUMNS, directory=directory, **options)
    for first in range(0, ROWS, 10):
        value = [float(first + row + 100) for row in range(10)]
        more: dict[str, Any] = {"version": "new", "variant": "canary"} if first % 50 == 0 else {}
        if first % 100 == 0:
            more["out_of_range"] = {0: ("weight", "density")}
        part = batch(10, first, rows=rows[first : first + 10], value=value, now=NOON + 864 * first, seconds=0.004)
        high = [number * (1.05 if first % 20 else 1.2) for number in value]
        log.offer(part._replace(low=[number * 0.8 for number in value], high=high, **more))
    log.close(60)
    return directory


def outcomes_of(path: Path, factor: float = 1.1) -> Path:
    lines = [{"prediction_id": f"id-{row}", "actual": (row + 100) * factor} for row in range(ROWS)]
    lines += [{"prediction_id": "id-0", "actual": 5}, {"prediction_id": "elsewhere", "actual": 5}]
    path.write_text("\n".join(map(json.dumps, lines)) + "\nbad\n")
    return path


def test_the_figures_are_those_of_the_log(tmp_path: Path) -> None:
    report = make_report(log_of(tmp_path / "log"), outcomes_of(tmp_path / "outcomes.jsonl"))
    figures = report.figures
    assert (figures.lines, figures.rows, report.reading.bad) == (ROWS, ROWS, 0)
    assert figures.versions == {("v1", "stable"): 2400.0, ("new", "canary"): 600.0}
    assert figures.strange == {"weight": 30, "density": 30}
    assert figures.latency.quantile(0.5) == pytest.approx(4, rel=0.01)
    judged = figures.all_outcomes
    assert (judged.count, figures.by_version["new"].count) == (ROWS, 600)
    assert judged.errors.quantile(0.5) == pytest.approx(1 / 1.1 - 1, rel=0.01)
    assert judged.inside / judged.with_interval == 0.5
    assert judged.promised / judged.with_interval == pytest.approx(0.9)
    assert len(figures.points) == 800


def test_a_page_with_everything_loads_and_runs_nothing(tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    profile.write_text(reference().model_dump_json())
    output = tmp_path / "report.html"
    log, outcomes = log_of(tmp_path / "log"), outcomes_of(tmp_path / "outcomes.jsonl")
    arguments = ["--log", log, "--outcomes", outcomes, "--profile", profile, "--output", output]
    assert main([str(argument) for argument in arguments]) == 0
    html = output.read_text()
    page = Checked(html)
    assert page.addresses == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not re.search(r"url\(|@import|https?:", html)
    assert "default-src 'none'" in html
    assert page.tags.count("svg") > 6
    assert "1 outcomes could not be read" in page.text
    assert "1 outcomes came for a prediction that had one" in page.text
    assert "1 of 3,001 outcomes belong to predictions that are not in the log" in page.text
    for title in ("Predictions over time", "Latency", "Outcomes", "Features and prediction", "Unlike training"):
        assert title in page.text
    assert "2016\u201111\u201115" in page.text, "a date, in a bin's label"
    assert "4.94" not in html, "the bin of a heavy zero is called 0"
    assert list(tmp_path.glob(".*.part")) == []


def test_a_log_like_its_reference_has_not_moved(tmp_path: Path) -> None:
    report = make_report(log_of(tmp_path / "log"))
    assert report.features is not None
    assert report.reference == "the first 3,000 rows of this log, as no profile was given"
    assert [bin_.label for counts in report.features.columns for bin_ in counts.bins() if bin_.moved] == []
    assert all(counts.rows == ROWS for counts in report.features.columns)


def test_moves_are_found_against_training(tmp_path: Path) -> None:
    def change(rows: Numbers) -> None:
        rows[:600, 0] = np.nan
        rows[:, 3] = DAY

    profile = tmp_path / "profile.json"
    profile.write_text(reference().model_dump_json())
    report = make_report(log_of(tmp_path / "log", change), profile=profile)
    assert report.features is not None
    moved = {
        counts.column.name: {bin_.label: bin_.live > bin_.reference for bin_ in counts.bins() if bin_.moved}
        for counts in report.features.columns
    }
    assert moved["kind"]["missing"] is True
    assert moved["sent"] == {"2016-11-15": True, "2016-11-16": False, "missing": False}
    assert moved["weight"] == moved["fragile"] == {}
    assert "moved" in render(report).decode()


def test_a_sampled_log_is_weighted_back(tmp_path: Path) -> None:
    report = make_report(log_of(tmp_path / "log", sampling=0.2, seed=5))
    figures = report.figures
    assert figures.rows == pytest.approx(ROWS, rel=0.1)
    assert figures.lines < ROWS / 4
    assert figures.strange_rows == 30
    assert "of which" in render(report).decode()


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'&\ud800"
    row = {
        "time": "2016-11-15T12:00:00Z",
        "prediction": 1.5,
        "version": evil,
        "variant": evil,
        "out_of_range": [evil, 5],
        "features": {evil: evil, "x": [1], "y": {"z": 1}, "big": 10**400},
    }
    (tmp_path / "m.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({**row, "time": "9999-12-31T00:00:00Z"}))
    html = render(make_report(tmp_path)).decode()
    assert "script" not in Checked(html).tags


def test_values_that_are_none_are_counted_not_guessed() -> None:
    number = FeatureCounts(profile_number("x", np.arange(100.0)))
    number.add([1, 2.5, True, None, "2016-11-15", "text", "0" * 32, [1], 10**400, ...], np.ones(10))
    assert (number.rows, number.unreadable) == (5.0, 4)
    category = FeatureCounts(profile_category("c", np.array([0.0, 1.0]), ["a", "b"]))
    category.add(["a", "b", "z", "never_seen", None, 5, "0123456789abcdef" * 2], np.ones(7))
    assert category.counts.tolist() == [1, 1, 1, 1, 1]
    assert category.unreadable == 2


@pytest.mark.parametrize("lines", ["", "bad\n", "\n\n"])
def test_a_log_without_rows_is_a_page_that_says_so(tmp_path: Path, lines: str) -> None:
    (tmp_path / "m.jsonl").write_text(lines)
    page = Checked(render(make_report(tmp_path)).decode())
    assert "The log holds no rows." in page.text
    assert ("1 lines of the log could not be read" in page.text) == (lines == "bad\n")


@pytest.mark.parametrize("value", [0.0, -5.0, 1e-300, 1e300])
def test_a_single_row_of_any_size_is_a_page(tmp_path: Path, value: float) -> None:
    log = PredictionLog("m", COLUMNS, directory=tmp_path)
    log.offer(batch(1, value=[value], low=[value], high=[value]))
    log.close()
    outcomes = tmp_path / "outcomes"
    outcomes.write_text(json.dumps({"prediction_id": "id-0", "actual": value}))
    page = Checked(render(make_report(tmp_path, outcomes)).decode())
    assert "nan" not in page.text
    assert "100 %" in page.text


def test_wrong_arguments_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, output = str(log_of(tmp_path / "log")), str(tmp_path / "report.html")
    (tmp_path / "profile.json").write_text('{"rows": "many"}')
    for arguments, said in (
        (["--log", str(tmp_path / "none"), "--output", output], "holds no prediction log"),
        (["--log", log, "--outcomes", str(tmp_path / "none"), "--output", output], "No such file"),
        (["--log", log, "--profile", str(tmp_path), "--output", output], "is no profile of a version"),
        (["--log", log, "--output", str(tmp_path / "none" / "report.html")], "No such file"),
    ):
        assert main(arguments) == 1
        assert said in capsys.readouterr().err
    assert not Path(output).exists()


def test_a_bundle_directory_will_do_as_profile(bundle_directory: Path) -> None:
    assert read_profile(bundle_directory).columns[-1].name == "prediction"


def test_a_model_is_enough_to_find_its_log_and_the_profile_of_who_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    log_of(tmp_path / "plumbline" / "parcels" / "predictions")
    page = tmp_path / "report.html"
    assert main(["--model", "parcels", "--output", str(page)]) == 0
    assert "as no profile was given" in page.read_text()
    version = tmp_path / "models" / "parcels" / "v1"
    version.mkdir(parents=True)
    (version / "profile.json").write_text(reference().model_dump_json())
    assert main(["--model", "parcels", "--output", str(page)]) == 0
    assert "as no profile was given" not in page.read_text()


def test_a_model_that_has_answered_nothing_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLUMBLINE_STATE_FOLDER", str(tmp_path / "state"))
    assert main(["--model", "parcels", "--output", str(tmp_path / "report.html")]) == 1
    assert f"{tmp_path}/state/predictions holds no prediction log" in (said := capsys.readouterr().err)
    assert "PLUMBLINE_PREDICTION_LOG" in said
    assert "Ask it something first" in said

"""The dashboard for Grafana: the file is what the code builds, and its queries read what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring.grafana.build import FILE, build
from monitoring.grafana.panels import ROWS
from tests.exposition_sample import SHOWN

RULES = Path(__file__).parents[3] / "monitoring" / "prometheus" / "rules.yml"
PANELS = [panel for row in ROWS for panel in row.panels]
EXPRESSIONS = [query.expression for panel in PANELS for query in panel.queries]


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(FILE.read_text())
    return read


def test_the_file_is_what_the_code_builds() -> None:
    assert FILE.read_text() == build(), "make grafana writes it anew"


def test_it_asks_for_source_model_and_version(dashboard: dict[str, Any]) -> None:
    assert [each["name"] for each in dashboard["templating"]["list"]] == ["datasource", "model", "version"]


def test_every_query_is_of_the_chosen_source_model_and_version(dashboard: dict[str, Any]) -> None:
    shown = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len(shown) == len(PANELS)
    assert {panel["datasource"]["uid"] for panel in shown} == {"${datasource}"}
    assert all(target["expr"] in EXPRESSIONS for panel in shown for target in panel["targets"])
    assert all("$model" in expression for expression in EXPRESSIONS)


def test_no_two_panels_have_one_place(dashboard: dict[str, Any]) -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in dashboard["panels"])


def test_titles_differ_and_every_panel_explains_itself() -> None:
    assert len({panel.title for panel in PANELS}) == len(PANELS)
    assert all(panel.text and panel.unit and panel.queries for panel in PANELS)


def test_every_metric_that_a_query_reads_exists() -> None:
    known = {name + suffix for name in SHOWN for suffix in ("", "_sum", "_count", "_bucket")}
    recorded = {rule["record"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    read = {name for expression in EXPRESSIONS for name in re.findall(r"\bplumbline[_:][\w:]+", expression)}
    assert read - known - recorded == set()

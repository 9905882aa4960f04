"""What ships for Prometheus and Alertmanager: their own tools accept it, rule tests prove it, code and docs agree."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring.grafana.panels import ROWS
from schemas.errors import all_errors
from tests.exposition_sample import SHOWN, label_names
from tests.programs import program
from tests.served import ROOT

PROMETHEUS = ROOT / "monitoring" / "prometheus"
ALERTMANAGER = ROOT / "monitoring" / "alertmanager" / "alertmanager.yml"
RUNBOOK = "docs/operations.md"


def _rules(*files: str) -> list[dict[str, Any]]:
    """Every rule of these files, in order."""
    documents = [yaml.safe_load((PROMETHEUS / file).read_text()) for file in files]
    return [rule for document in documents for group in document["groups"] for rule in group["rules"]]


ALERTS = [rule for rule in _rules("alerts.yml") if "alert" in rule]
RUNBOOK_QUERIES = [
    query
    for block in re.findall(r"^```promql\n(.*?)^```", (ROOT / RUNBOOK).read_text(), flags=re.M | re.S)
    for query in block.splitlines()
]
EXPRESSIONS = [*(rule["expr"] for rule in _rules("rules.yml", "alerts.yml")), *RUNBOOK_QUERIES]


def _accepted(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], cwd=PROMETHEUS, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def anchors(markdown: str) -> list[str]:
    """The anchors that GitHub gives to the headings."""
    headings = re.findall(r"^#+ +(.+)$", re.sub(r"^```.*?^```$", "", markdown, flags=re.M | re.S), flags=re.M)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_promtool_accepts_the_configuration_and_every_rule() -> None:
    _accepted(program("promtool", "prometheus"), "check", "config", "--lint=all", "--lint-fatal", "prometheus.yml")


@pytest.mark.parametrize("file", sorted(path.name for path in (PROMETHEUS / "tests").glob("*.yml")))
def test_every_rule_does_what_its_test_says(file: str) -> None:
    _accepted(program("promtool", "prometheus"), "test", "rules", f"tests/{file}")


def test_amtool_accepts_the_routes() -> None:
    _accepted(program("amtool", "prometheus-alertmanager"), "check-config", ALERTMANAGER)


@pytest.mark.parametrize("severity", sorted({alert["labels"]["severity"] for alert in ALERTS}))
def test_every_severity_has_a_receiver_of_its_own(severity: str) -> None:
    tool = program("amtool", "prometheus-alertmanager")
    command = [tool, "config", "routes", "test", f"--config.file={ALERTMANAGER}", f"severity={severity}"]
    assert subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip() == severity


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_every_alert_leads_to_a_section_of_the_runbook(alert: dict[str, Any]) -> None:
    path, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert path == RUNBOOK
    assert anchor == alert["alert"].lower()
    assert anchors((ROOT / RUNBOOK).read_text()).count(anchor) == 1


def test_the_runbook_has_no_section_of_an_alert_that_is_gone() -> None:
    sections = {anchor for anchor in anchors((ROOT / RUNBOOK).read_text()) if anchor.startswith("plumbline")}
    assert sections == {alert["alert"].lower() for alert in ALERTS}


def test_every_alert_rings_in_a_rule_test() -> None:
    tests = "".join(path.read_text() for path in (PROMETHEUS / "tests").glob("*.yml"))
    rung = set(re.findall(r'ALERTS\{[^}]*alertname="(\w+)"|\{alertname="(\w+)"\}', tests))
    assert {alert["alert"] for alert in ALERTS} - {name for pair in rung for name in pair} == set()


def _family(name: str) -> str | None:
    """The metric of the table that a series of this name belongs to."""
    if name in SHOWN:
        return None if SHOWN[name].kind == "histogram" else name
    base, _, _ = name.rpartition("_")
    suffixed = name in {f"{base}_bucket", f"{base}_sum", f"{base}_count"}
    return base if suffixed and base in SHOWN and SHOWN[base].kind == "histogram" else None


def test_every_metric_that_a_rule_or_the_runbook_reads_exists() -> None:
    names = {name for expression in EXPRESSIONS for name in re.findall(r"\bplumbline_\w+", expression)}
    assert {name for name in names if _family(name) is None} == set()


def test_every_recorded_series_that_a_rule_or_the_runbook_reads_is_recorded() -> None:
    read = {name for expression in EXPRESSIONS for name in re.findall(r"\bplumbline:[\w:]+", expression)}
    recorded = {rule["record"] for rule in _rules("rules.yml")}
    assert read - recorded == set()


def test_what_is_recorded_is_read_by_a_rule_a_panel_or_the_docs() -> None:
    texts = [*EXPRESSIONS, *(path.read_text() for path in (ROOT / "docs").glob("*.md")), str(ROWS)]
    read = {name for text in texts for name in re.findall(r"\bplumbline:[\w:]+", text)}
    assert {rule["record"] for rule in _rules("rules.yml")} - read == set()


def test_every_label_that_a_rule_or_the_runbook_selects_by_is_one_of_its_metric() -> None:
    for expression in EXPRESSIONS:
        for name, selector in re.findall(r"\b(plumbline_\w+)\{([^}]*)\}", expression):
            family = _family(name)
            assert family is not None
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
            assert labels <= {*label_names(SHOWN[family]), "le"}, (name, labels)


def test_the_objective_counts_every_code_that_is_our_fault_and_no_other() -> None:
    counted = {code for expression in EXPRESSIONS for code in re.findall(r'code=~"([\w|]+)"', expression)}
    ours = {error.code for error in all_errors() if error.status >= 500}
    assert [set(codes.split("|")) for codes in counted] == [ours]


def test_every_query_of_the_runbook_is_one_that_prometheus_reads(tmp_path: Path) -> None:
    assert len(RUNBOOK_QUERIES) > len(ALERTS)
    rules = [{"record": f"runbook:query:{number}", "expr": query} for number, query in enumerate(RUNBOOK_QUERIES)]
    file = tmp_path / "runbook.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "runbook", "rules": rules}]}))
    _accepted(program("promtool", "prometheus"), "check", "rules", file)

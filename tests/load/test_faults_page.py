"""docs/faults.md names tests, targets and scenarios that exist, and every scenario."""

from __future__ import annotations

import re

from tests.load.scenarios import SCENARIOS
from tests.served import ROOT

PAGE = (ROOT / "docs" / "faults.md").read_text()


def test_every_test_that_it_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 20
    missing = [f"{file}::{name}" for file, name in named if f"def {name}(" not in (ROOT / file).read_text()]
    assert missing == []


def test_every_target_that_it_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"`make ([\w-]+)`", PAGE))
    assert {"faults", "load", "soak"} <= named
    assert [name for name in named if f"\n{name}:" not in makefile] == []


def test_it_names_every_scenario() -> None:
    assert set(re.findall(r"`make faults` \((\w+)\)", PAGE)) == SCENARIOS.keys()

"""The report page holds the figures and needs nothing from anywhere else."""

from __future__ import annotations

import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from registry.bundle import Answers
from tests.unit.training.synthetic import cars, every_day
from training import report
from training.evaluate import Figures
from training.gate import Check

TEST = cars(every_day(date(2013, 10, 1), date(2013, 12, 31)), np.linspace(100.0, 900.0, 92))
ANSWERS = Answers(1.1 * TEST.target, 0.8 * TEST.target, 1.4 * TEST.target)
METRICS: dict[str, Figures] = {
    "model": {"rows": 1951.0, "mape": 11.98, "bias": -2.25, "mae": 83739.3, "coverage": 0.897},
    "ridge": {"rows": 1951.0, "mape": 15.12, "bias": -4.5, "mae": 109584.9},
}


class Page(HTMLParser):
    """Collects what a browser would fetch, the tags that stay open, and the cells of the tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.open: list[str] = []
        self.cells: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember a tag."""
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Remember a cell's text."""
        if self.open and self.open[-1] in ("td", "th", "span"):
            self.cells.append(data)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with all sections."""
    return write(tmp_path_factory.mktemp("report"))


def write(folder: Path) -> str:
    """Write a page and read it."""
    checks = [Check("mape", 11.98, "at most 13.5 %", True), Check("bias <b>", -7.25, "within 6 %", False)]
    path = report.write(
        folder / "runs" / "report.html",
        "cars & more",
        "Fitted on <few> rows",
        METRICS,
        {"colour": {"red & green": {"rows": 50.0, "mape": 9.87}}},
        checks,
        TEST,
        ANSWERS,
        {"power": 3.0, "colour": 1.0},
    )
    assert path == folder / "runs" / "report.html"
    return path.read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_loads_nothing(text: str) -> None:
    page = Page(text)
    assert page.open == []
    assert len(page.sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert not re.search(r"https?:|@import|url\(|<script", text)


def test_the_page_has_the_figures_of_every_predictor(text: str) -> None:
    cells = Page(text).cells
    for figure in ("1,951", "11.98", "-2.25", "83,739", "0.897", "15.12", "-4.50", "109,585"):
        assert figure in cells
    assert "R2" not in cells  # nobody has it here


def test_the_page_says_which_condition_failed(text: str) -> None:
    cells = Page(text).cells
    assert cells.count("passed") == cells.count("failed") == 1
    assert cells[cells.index("bias <b>") :][:4] == ["bias <b>", "-7.25", "within 6 %", "failed"]


def test_the_page_has_the_slices_and_escapes_their_names(text: str) -> None:
    assert "<h2>By colour</h2>" in text
    assert "red &amp; green" in text
    assert "9.87" in Page(text).cells
    assert "cars &amp; more" in text
    assert "&lt;few&gt;" in text


def test_the_same_figures_give_the_same_page(text: str, tmp_path: Path) -> None:
    assert write(tmp_path) == text

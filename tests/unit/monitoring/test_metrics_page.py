"""The page of all metrics."""

from __future__ import annotations

from monitoring.metrics import INTERNAL, PREFIX, TABLE
from monitoring.metrics_page import OPEN_VALUES, PAGE, page


def test_the_page_in_docs_is_the_one_that_the_table_gives() -> None:
    assert PAGE.read_text() == page(), "run make metrics-docs"


def test_each_metric_that_is_shown_has_one_line() -> None:
    lines = page().splitlines()
    for metric in TABLE:
        found = [line for line in lines if line.startswith(f"| `{PREFIX}{metric.name}` |")]
        assert len(found) == (metric.name not in INTERNAL)


def test_only_labels_of_the_table_are_described() -> None:
    labels = {(metric.name, label) for metric in TABLE for label in metric.labels}
    assert set(OPEN_VALUES) <= labels
